"""The table of a guest's interrupts, and what is left of one that died, with the scripted driver as the guest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from irqframe import Device, Machine, Trigger
from irqframe.errors import PluginError
from irqframe.flow import Injected, Source, SourceKind, SysregEncoding
from irqframe.guest import InterruptRow, ScriptedCpu, autopsy, interrupt_rows
from irqframe.machine import build

LINE = 40
CHIPS = ("rvic", "gicv2", "gicv3")


@dataclass
class FakeLine:
    """What a device counts of its interrupt."""

    name: str
    raised: int = 0
    outcomes: dict[Injected, int] = field(default_factory=dict)


class Up:
    """A machine of two CPUs, up with the irqchip's own driver, and one device."""

    def __init__(self, chip: str) -> None:
        device = Device("device", ("example,device",), size=0x100, lines=((LINE, Trigger.EDGE_RISING),))
        self.machine = Machine.build(chip, cpus=2, memory=1 << 24, devices=["pl011", device])
        self.vm = build(self.machine)
        self.driver: Any = self.vm.flow.call("guest_driver", self.vm)
        self.driver.handler = lambda cpu, hwirq: None
        for vcpu in self.vm.vcpus:
            vcpu.load()
            vcpu.enter()
        self.cpus = [ScriptedCpu(vcpu, self.driver.handle_irq) for vcpu in self.vm.vcpus]
        self.driver.probe(self.cpus[0])
        for cpu in self.cpus:
            self.driver.starting(cpu)
        self.driver.request(self.cpus[0], Source(SourceKind.SPI, LINE, Trigger.EDGE_RISING), 1)
        self.line = FakeLine(self.name(LINE))

    def name(self, number: int) -> str:
        return next(one.name for one in self.machine.sources if one.source.number == number)

    def pulse(self) -> None:
        """As a device does, and its line."""
        outcome = self.vm.set_irq(LINE, 1)
        self.vm.set_irq(LINE, 0)
        self.line.raised += 1
        self.line.outcomes[outcome] = self.line.outcomes.get(outcome, 0) + 1

    def rows(self) -> dict[str, InterruptRow]:
        return {row.name: row for row in interrupt_rows(self.machine, self.vm, [self.line])}


@contextmanager
def up(chip: str) -> Iterator[Up]:
    made = Up(chip)
    with made.vm.adopted():
        yield made
    made.vm.destroy()


@pytest.mark.parametrize("chip", CHIPS)
def test_each_source_has_a_row_and_what_came_of_its_raises(chip: str) -> None:
    with up(chip) as made:
        for _ in range(3):
            made.pulse()
            made.cpus[1].take_irqs()
        made.pulse()
        made.pulse()
        row = made.rows()[made.line.name]
        controller = next(one for one in made.machine.sources if one.name == made.line.name).ref.controller.path
        assert row == InterruptRow(made.line.name, controller, [0, 3], 1, 5, 1, {})
        made.cpus[1].take_irqs()
        assert made.rows()[made.line.name].delivered == [0, 4]
        assert made.rows()[made.line.name].pending == 0


@pytest.mark.parametrize("chip", CHIPS)
def test_the_guests_own_have_rows_behind(chip: str) -> None:
    with up(chip) as made:
        made.driver.send_ipi(made.cpus[0], (1,), 2)
        made.cpus[1].take_irqs()
        wired = {one.source[:2] for one in made.machine.sources}
        others = list(made.rows().values())[len(wired) :]
        assert [row.delivered for row in others] == [[0, 1]]
        assert others[0].name.split()[0] in ("IPI", "SGI")
        assert (others[0].raised, others[0].coalesced, others[0].dropped, others[0].controller) == (
            None,
            None,
            None,
            "",
        )


@pytest.mark.parametrize("chip", CHIPS)
def test_timers_of_all_cpus_are_in_the_row_of_their_source(chip: str) -> None:
    with up(chip) as made:
        source = made.machine.timer[0]
        assert source is not None
        made.driver.handler = lambda cpu, hwirq: cpu.vcpu.timers[0].stop()
        for cpu in made.cpus:
            made.driver.request_percpu(cpu, source)
            for _ in range(cpu.index + 1):
                cpu.vcpu.timers[0].program(0)
                cpu.take_irqs()
        row = made.rows()[made.name(source.number)]
        assert (row.raised, row.delivered, row.pending) == (3, [1, 2], 0)


@pytest.mark.parametrize("chip", CHIPS)
def test_sources_on_one_line_share_a_row(chip: str) -> None:
    shared = [Device(name, ("example,device",), lines=((LINE, Trigger.LEVEL_HIGH),)) for name in ("one", "two")]
    machine = Machine.build(chip, cpus=1, memory=1 << 24, devices=shared)
    vm = build(machine)
    names = [one.name for one in machine.sources if one.source.number == LINE]
    lines = [FakeLine(names[0], 2, {Injected.LATCHED: 2}), FakeLine(names[1], 1, {Injected.DROPPED_UNROUTED: 1})]
    with vm.adopted():
        (row,) = [row for row in interrupt_rows(machine, vm, lines) if row.raised]
    assert row.name == f"{names[0]}, {names[1]}"
    assert (row.raised, row.coalesced, row.dropped) == (3, 0, {Injected.DROPPED_UNROUTED: 1})


IAR1 = SysregEncoding(3, 0, 12, 12, 0).packed


class Engine:
    """What is asked of the engine of a dead CPU."""

    def registers(self) -> dict[str, int]:
        return {"x0": 7, "pc": 0x4008_0000}

    def recent(self) -> list[tuple[str, int, int]]:
        return [("hvc", 0x4008_0000, 0x8400_0008), ("irq", 0x4008_0004, 0), ("mrs", 0x4008_0008, IAR1)]


@pytest.mark.parametrize("chip", CHIPS)
def test_what_is_left_of_a_guest(chip: str) -> None:
    with up(chip) as made:
        made.pulse()
        made.vm.vcpus[0].power_off()
        made.vm.vcpus[1].leave()
        made.vm.vcpus[1].enter()
        names = {one.source[:2]: one.name for one in made.machine.sources}
        off, running = autopsy(made.vm, [Engine(), Engine()], names)
        assert (off.state, off.registers, off.left) == ("off", {}, ())
        assert (running.state, running.registers["pc"], running.irq) == ("runs", 0x4008_0000, True)
        iar = "ICC_IAR1_EL1" if chip == "gicv3" else "S3_0_C12_C12_0"
        assert running.recent == (
            ("hvc", 0x4008_0000, 0x8400_0008, "0x84000008"),
            ("irq", 0x4008_0004, 0, ""),
            ("mrs", 0x4008_0008, IAR1, iar),
        )
        assert [(left.name, left.state) for left in running.left] == [(made.line.name, "pending")]


@pytest.mark.parametrize("callback", ["delivered", "waiting", "identify"])
def test_an_irqchip_may_say_nothing(callback: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with up("gicv2") as made:
        made.pulse()
        made.cpus[1].take_irqs()
        made.pulse()
        monkeypatch.setattr(made.vm.flow.table, callback, None)
        rows = made.rows()
        row = rows[made.line.name]
        if callback == "delivered":
            assert row.delivered == [0, 0] and row.pending == 1
        elif callback == "waiting":
            assert row.delivered == [0, 1] and row.pending is None
        else:
            assert row.delivered == [0, 0] and rows[f"INTID {LINE + 32}"].delivered == [0, 1]


def test_an_irqchip_that_says_something_else_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with up("gicv2") as made:
        call = made.vm.flow.call
        monkeypatch.setattr(made.vm.flow, "call", lambda name, *args: 7 if name == "delivered" else call(name, *args))
        with pytest.raises(PluginError, match="irqchip_delivered returned 7, expected a mapping of INTIDs"):
            made.rows()


def test_nothing_is_counted_twice() -> None:
    with up("gicv3") as made:
        for _ in range(5):
            made.pulse()
            made.cpus[1].take_irqs()
        taken = Counter[int]()
        for vcpu in made.vm.vcpus:
            taken.update(made.vm.flow.call("delivered", vcpu))
        assert sum(sum(row.delivered) for row in made.rows().values()) == taken.total() == 5
