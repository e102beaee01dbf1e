"""The scripted driver, on machines of 1, 4 and 8 CPUs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from irqframe import GuestError, Source, SourceKind, Trigger
from irqframe.dt import parse_dts
from irqframe.guest import Driver, ScriptedCpu, Workload
from irqframe.machine import build, load_machine

EDGE = Source(SourceKind.SPI, 8, Trigger.EDGE_RISING)
LEVEL = Source(SourceKind.SPI, 9, Trigger.LEVEL_HIGH)
PPI = Source(SourceKind.PPI, 20, Trigger.LEVEL_HIGH)


class Guest:
    """A started guest on a board: its driver, its CPUs, and what it took."""

    def __init__(self, made: Any) -> None:
        self.board = made
        self.driver: Driver = made.vm.flow.call("guest_driver", made.vm)
        self.taken: list[tuple[int, int]] = []
        self.driver.handler = lambda cpu, hwirq: self.taken.append((cpu.index, hwirq))
        self.cpus = [ScriptedCpu(vcpu, self.driver.handle_irq) for vcpu in made.vm.vcpus]
        for cpu in self.cpus:
            cpu.vcpu.load()
            cpu.vcpu.enter()
        self.driver.probe(self.cpus[0])
        for cpu in self.cpus:
            self.driver.starting(cpu)

    def take(self) -> list[tuple[int, int]]:
        for cpu in self.cpus:
            cpu.take_irqs()
        taken, self.taken = self.taken, []
        return taken


@pytest.fixture
def guest(board: Any) -> Any:
    guests: list[Guest] = []

    def make(cpus: int, **options: Any) -> Guest:
        guests.append(Guest(board(cpus, **options)))
        return guests[-1]

    yield make
    for one in guests:
        for cpu in one.cpus:
            cpu.vcpu.put()


def test_probe_leaves_a_known_state(guest: Any) -> None:
    made = guest(4).board
    assert made.r(0x000) == 1
    for n in range(8, 72):
        assert made.r(0x400 + 4 * n) == 0xA0A0_A0A0 and made.r(0x800 + 4 * n) == 0x0101_0101
    for n in range(1, 9):
        assert made.r(0x100 + 4 * n) == made.r(0x300 + 4 * n) == 0
    for cpu in range(4):
        assert (made.r(0x100, cpu), made.cr(0x00, cpu), made.cr(0x04, cpu)) == (0xFFFF, 1, 0xF0)


def test_probe_undoes_what_the_firmware_left(board: Any) -> None:
    made = board(2)
    for offset in (0x104, 0x304, 0xC08, 0x108, 0x308, 0xC14):
        made.w(offset, 0xFFFF_FFFF)
    made.w(0x300, 0xFFFF_FFFF, 1)
    made.cw(0xD0, 0xFF, 1)
    one = Guest(made)
    for offset in (0x104, 0x304, 0xC08, 0x108, 0x308, 0xC14):
        assert made.r(offset) == 0
    assert made.r(0x300, 1) == 0 and made.cr(0x14, 1) == 0xFF
    for cpu in one.cpus:
        cpu.vcpu.put()


@pytest.mark.parametrize("cpus", [1, 4, 8])
def test_ipis_reach_whom_they_name(guest: Any, cpus: int) -> None:
    one = guest(cpus)
    targets = list(range(0, cpus, 2))
    one.driver.send_ipi(one.cpus[-1], targets, 3)
    assert one.take() == [(target, 3) for target in targets]
    assert all(not cpu.irq_asserted for cpu in one.cpus)


def test_the_end_of_an_ipi_names_its_source(guest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = guest(4)
    ended = []
    writes = [cpu.vcpu.mmio_write for cpu in one.cpus]

    def spy(index: int, gpa: int, size: int, value: int) -> None:
        if gpa == 0x0801_0010:
            ended.append(value)
        writes[index](gpa, size, value)

    for index, cpu in enumerate(one.cpus):
        monkeypatch.setattr(cpu.vcpu, "mmio_write", partial(spy, index))
    one.driver.send_ipi(one.cpus[3], (0,), 2)
    one.take()
    assert ended == [3 << 10 | 2]


@pytest.mark.parametrize("cpus", [1, 4, 8])
def test_wired_interrupts_go_where_they_are_requested(guest: Any, cpus: int) -> None:
    one = guest(cpus)
    vm = one.board.vm
    last = cpus - 1
    assert one.driver.request(one.cpus[0], EDGE, last) == 40
    assert one.driver.request(one.cpus[0], LEVEL, 0) == 41
    vm.set_irq(8, 1)
    assert one.take() == [(last, 40)]
    one.driver.handler = lambda cpu, hwirq: (one.taken.append((cpu.index, hwirq)), vm.set_irq(9, 0))
    vm.set_irq(9, 1)
    assert one.take() == [(0, 41)]


def test_a_line_is_requested_twice(guest: Any) -> None:
    one = guest(2)
    assert one.driver.request(one.cpus[0], LEVEL, 1) == one.driver.request(one.cpus[0], LEVEL, 1) == 41


def test_percpu_interrupts(guest: Any) -> None:
    one = guest(4)
    vm = one.board.vm
    for cpu in one.cpus:
        assert one.driver.request_percpu(cpu, PPI) == 20
    one.driver.handler = lambda cpu, hwirq: (one.taken.append((cpu.index, hwirq)), vm.inject(cpu.index, 20, 0))
    for index in (2, 0):
        vm.inject(index, 20, 1)
    assert one.take() == [(0, 20), (2, 20)]


def test_affinity_moves_what_is_pending(guest: Any) -> None:
    one = guest(4)
    hwirq = one.driver.request(one.cpus[0], EDGE, 0)
    one.board.vm.set_irq(8, 1)
    one.driver.set_affinity(one.cpus[2], hwirq, 3)
    assert one.take() == [(3, 40)]


def test_messages_are_aligned_and_run_out(guest: Any) -> None:
    one = guest(4)
    vm = one.board.vm
    (first,) = one.driver.alloc_msis(one.cpus[0], 0, 1, 1)
    block = one.driver.alloc_msis(one.cpus[0], 8, 3, 2)
    assert [message.hwirq for message in (first, *block)] == [80, 84, 85, 86]
    for message in (first, *block):
        vm.signal_msi(message.address, message.data)
    assert one.take() == [(1, 80), (2, 84), (2, 85), (2, 86)]
    assert len(one.driver.alloc_msis(one.cpus[0], 8, 32, 2)) == 32
    for count in (32, 0, -1):
        with pytest.raises(GuestError, match="messages left"):
            one.driver.alloc_msis(one.cpus[0], 8, count, 2)


def test_without_a_frame_there_are_no_messages(guest: Any) -> None:
    one = guest(2, spis=64)
    assert not one.driver.msis
    with pytest.raises(GuestError):
        one.driver.alloc_msis(one.cpus[0], 0, 1, 0)


def test_a_dying_cpu_takes_nothing(guest: Any) -> None:
    one = guest(2)
    one.driver.request_percpu(one.cpus[1], PPI)
    one.driver.dying(one.cpus[1])
    one.board.vm.inject(1, 20, 1)
    one.driver.send_ipi(one.cpus[0], (1,), 0)
    assert one.take() == []
    one.driver.starting(one.cpus[1])
    assert one.take() == [(1, 0)]
    assert not one.board.bit(0x100, 20, 1)


def test_an_acknowledge_of_nothing_is_spurious(guest: Any) -> None:
    one = guest(1)
    one.driver.handle_irq(one.cpus[0])
    assert one.driver.spurious == 1 and one.taken == []


@pytest.mark.parametrize("source", [Source(SourceKind.SPI, 256, Trigger.EDGE_RISING), PPI])
def test_what_the_gic_has_not_is_not_requested(guest: Any, source: Source) -> None:
    one = guest(2)
    with pytest.raises(GuestError, match="has INTIDs below 288"):
        one.driver.request(one.cpus[0], source, 0)


# The workload of `irqframe run`

MACHINE = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    compatible = "linux,dummy-virt";
    interrupt-parent = <&intc>;
    cpus {
        #address-cells = <1>;
        #size-cells = <0>;
        CPUS
    };
    timer {
        compatible = "arm,armv8-timer";
        interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>;
    };
    intc: intc@8000000 {
        compatible = "arm,cortex-a15-gic";
        reg = <0 0x8000000 0 0x10000>, <0 0x8010000 0 0x10000>;
        #interrupt-cells = <3>;
        interrupt-controller;
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
        v2m: v2m@8020000 {
            compatible = "arm,gic-v2m-frame";
            reg = <0 0x8020000 0 0x1000>;
            msi-controller;
        };
    };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
    block@a000000 { compatible = "virtio,mmio"; reg = <0 0xa000000 0 0x200>; interrupts = <0 16 1>; };
    net@a000200 { compatible = "virtio,mmio"; reg = <0 0xa000200 0 0x200>; interrupts = <0 17 1>; };
};
"""


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("cpus", [1, 4, 8])
def test_the_workload_accounts_for_every_interrupt(cpus: int, implementation: str) -> None:
    text = "".join(
        f'cpu@{n} {{ device_type = "cpu"; compatible = "arm,cortex-a53"; reg = <{n}>; enable-method = "psci"; }};'
        for n in range(cpus)
    )
    machine = load_machine(parse_dts(MACHINE.replace("CPUS", text), "m.dts"))
    vm = build(machine, options={"implementation": implementation})
    driver = vm.flow.call("guest_driver", vm)
    with vm.adopted():
        outcome = Workload(machine, vm, driver, seed=cpus).run(2000)
    assert outcome.events >= 2000 and outcome.handled > 1500
    for vcpu in vm.vcpus:
        c = vm.flow.table.counters(vcpu)
        assert c.raised + c.resampled == c.delivered + c.coalesced + sum(c.dropped.values()) + c.withdrawn
