"""What an interrupt costs on each irqchip, from the device's raise to the guest's end of it, as ratios: `make bench`.

The guest is the irqchip's own scripted driver, so every access of Linux's is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from _measure import measure
from _rows import Row, tell

from irqframe import Device, Machine, Trigger
from irqframe.flow import Source, SourceKind
from irqframe.guest import Driver, ScriptedCpu
from irqframe.machine import build
from irqframe.vm import Vm

ROUNDS = 15
LINE = 40


class Guest:
    """A guest that has come up and waits, with one interrupt of its own for each kind."""

    def __init__(self, irqchip: str, cpus: int = 1, waiting: int = 0, options: dict[str, str] | None = None) -> None:
        device = Device("device", ("example,device",), size=0x100, lines=((LINE, Trigger.EDGE_RISING),), msi=True)
        machine = Machine.build(irqchip, cpus=cpus, memory=1 << 30, devices=[device])
        self.vm: Vm = build(machine, options=options)
        self.driver: Driver = self.vm.flow.call("guest_driver", self.vm)
        self.taken = 0
        self.driver.handler = self._take
        for vcpu in self.vm.vcpus:
            vcpu.load()
            vcpu.enter()
        self.cpus = [ScriptedCpu(vcpu, self.driver.handle_irq) for vcpu in self.vm.vcpus]
        self.driver.probe(self.cpus[0])
        for cpu in self.cpus:
            self.driver.starting(cpu)
        self.driver.request(self.cpus[0], Source(SourceKind.SPI, LINE, Trigger.EDGE_RISING), 0)
        self.message = self.driver.alloc_msis(self.cpus[0], 0, 1, 0)[0] if self.driver.msis else None
        for line in range(LINE + 1, LINE + 1 + waiting):
            self._let_wait(line)

    def _take(self, cpu: ScriptedCpu, hwirq: int) -> None:
        self.taken += 1

    def _let_wait(self, line: int) -> None:
        """An SPI that is pending, enabled, and too unimportant to be delivered."""
        gic: Any = self.vm.chip_data
        self.driver.request(self.cpus[0], Source(SourceKind.SPI, line, Trigger.EDGE_RISING), 0)
        block = gic.blocks[line + 32 >> 5]
        block.priority[line + 32 & 31] = 0xF8
        self.vm.set_irq(line, 1)

    def wired(self) -> Callable[[], None]:
        """An edge of a shared line, taken and ended."""
        set_irq, cpu = self.vm.set_irq, self.cpus[0]

        def cycle() -> None:
            set_irq(LINE, 1)
            set_irq(LINE, 0)
            cpu.take_irqs()

        return self._checked(cycle)

    def messages(self) -> Callable[[], None]:
        """A message, taken and ended."""
        signal, cpu, message = self.vm.signal_msi, self.cpus[0], self.message
        assert message is not None

        def cycle() -> None:
            signal(message.address, message.data, 0)
            cpu.take_irqs()

        return self._checked(cycle)

    def _checked(self, cycle: Callable[[], None]) -> Callable[[], None]:
        """The cycle, after it was seen to take one interrupt."""
        before = self.taken
        cycle()
        if self.taken != before + 1:
            raise SystemExit(f"a cycle takes {self.taken - before} interrupts")
        return cycle


def rows() -> list[Row]:
    """A row per comparison."""
    rvic, gicv2, gicv3 = Guest("rvic"), Guest("gicv2"), Guest("gicv3")
    times = measure(
        {
            "rvic": rvic.wired(),
            "gicv2": gicv2.wired(),
            "gicv3": gicv3.wired(),
            "gicv3, 64 CPUs": Guest("gicv3", cpus=64).wired(),
            "gicv3, others wait": Guest("gicv3", waiting=180).wired(),
            "LPI": gicv3.messages(),
        },
        ROUNDS,
    )
    told = (
        ("an edge on gicv2, to one on rvic", "gicv2", "rvic"),
        ("an edge on gicv3, to one on gicv2", "gicv3", "gicv2"),
        ("the same with 64 CPUs, to one", "gicv3, 64 CPUs", "gicv3"),
        ("the same while 180 SPIs wait, to none", "gicv3, others wait", "gicv3"),
        ("a message through the ITS, to an edge on gicv3", "LPI", "gicv3"),
    )
    return [
        Row(what, times[case] / times[to], detail=f"{times[case] * 1e3:.1f} us to {times[to] * 1e3:.1f} us")
        for what, case, to in told
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
