"""A small machine with an rVIC, and a stand-in for the device tree's nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from irqframe_rvic import Rvic
from irqframe_rvic._abi import FID

from irqframe.flow import Counters, Source, SourceKind, Trigger
from irqframe.guest import ScriptedCpu
from irqframe.vm import VCpu, Vm

Result = tuple[int, int, int, int]


class FakeNode:
    """What `NodeRef` promises, out of a dict."""

    def __init__(self, compatible: str, **properties: tuple[Any, ...]) -> None:
        self.compatible = (compatible,)
        self.name = compatible.split(",")[1]
        self.path = f"/{self.name}"
        self.children: dict[str, Any] = {}
        self._properties = {name.replace("__", ",").replace("_", "-"): value for name, value in properties.items()}

    def has(self, name: str) -> bool:
        return name in self._properties

    def cells(self, name: str) -> tuple[int, ...]:
        return self._properties.get(name, ())

    def u32(self, name: str) -> int | None:
        cells = self.cells(name)
        return cells[0] if len(cells) == 1 else None

    def strings(self, name: str) -> tuple[str, ...]:
        return ()


class Machine:
    """A VM with an rVIC, vCPUs that the calling thread owns, and short names for what tests do."""

    def __init__(
        self,
        cpus: int = 2,
        trusted: int = 32,
        total: int = 64,
        *,
        quirks: Iterable[str] = (),
        order: str | None = None,
        level_inputs: bool = False,
        priorities: bool = False,
        msis: tuple[int, int] | None = None,
        ids: Sequence[int] | None = None,
        mpidrs: Sequence[int] | None = None,
        timers: bool = False,
        finalize: bool = True,
    ) -> None:
        self.chip = Rvic(quirks, {"order": order} if order else None)
        intids = (27, 30) if timers else (None, None)
        pmu = 23 if timers else None
        self.vm = Vm(quirks=self.chip.enabled_quirks, timer_intids=intids, pmu_intid=pmu)
        self.vm.create_irqchip(self.chip, "rvic")
        for n in range(cpus):
            self.vm.create_vcpu(ids[n] if ids else None, mpidrs[n] if mpidrs else None)
        self.trusted, self.total = trusted, total
        rvic = FakeNode("arm,rvic", irqframe__nr_trusted=(trusted,), irqframe__nr_total=(total,))
        rvid = FakeNode("arm,rvid")
        if priorities:
            rvic._properties["irqframe,priorities"] = ()
        if level_inputs:
            rvid._properties["irqframe,level-inputs"] = ()
        if msis is not None:
            rvid._properties |= {"msi-controller": (), "msi-range": msis}
        self.vm.flow.call("configure", self.vm, [rvic, rvid])
        if finalize:
            self.vm.finalize()

    def cpu(self, index: int) -> VCpu:
        return self.vm.vcpus[index]

    def mpidr(self, index: int) -> int:
        return self.vm.vcpus[index].mpidr

    def hvc(self, name: str, *arguments: int, cpu: int = 0) -> Result:
        return self.vm.vcpus[cpu].hypercall(FID[name], *arguments)

    def ok(self, name: str, *arguments: int, cpu: int = 0) -> int:
        """A hypercall that must succeed; its value."""
        result = self.hvc(name, *arguments, cpu=cpu)
        assert result[0] == 0, (name, arguments, result)
        assert result[2:] == (0, 0)
        return result[1]

    def enable(self, *indices: int) -> None:
        for index in indices or range(len(self.vm.vcpus)):
            self.ok("RVIC_ENABLE", cpu=index)

    def deliverable(self, intid: int, cpu: int = 0) -> None:
        """Make an interrupt deliverable."""
        self.ok("RVIC_CLEAR_MASKED", self.mpidr(cpu), intid)
        self.ok("RVIC_SIGNAL", self.mpidr(cpu), intid)

    def pending(self, intid: int, cpu: int = 0) -> bool:
        return bool(self.ok("RVIC_IS_PENDING", self.mpidr(cpu), intid))

    def ack(self, cpu: int = 0) -> int | None:
        """Acknowledge: the INTID, or None if the answer is NO_INTERRUPTS."""
        x0, x1, _, _ = self.hvc("RVIC_ACKNOWLEDGE", cpu=cpu)
        assert x0 in (0, 4)
        return None if x0 else x1

    def counters(self, cpu: int = 0) -> Counters:
        return self.vm.flow.call("counters", self.cpu(cpu))

    def balance(self, cpu: int = 0) -> int:
        """raised + resampled - all that became of them; 0 if every raise is accounted for."""
        c = self.counters(cpu)
        rvic = self.cpu(cpu).chip
        pending = sum(byte & 1 for byte in rvic.target.state)
        gone = c.delivered + c.coalesced + sum(c.dropped.values()) + c.withdrawn
        return c.raised + c.resampled - gone - pending - len(rvic.held)


class Guest:
    """A machine with the scripted driver up on every CPU, recording what its handler sees."""

    def __init__(self, machine: Machine, cpu_class: type[ScriptedCpu] = ScriptedCpu) -> None:
        self.machine = machine
        self.vm = machine.vm
        self.driver: Any = machine.vm.flow.call("guest_driver", machine.vm)
        for vcpu in machine.vm.vcpus:
            vcpu.load()
        self.cpus = [cpu_class(vcpu, self.driver.handle_irq) for vcpu in machine.vm.vcpus]
        self.seen: list[tuple[int, int]] = []
        self.driver.handler = lambda cpu, hwirq: self.seen.append((cpu.index, hwirq))

    def up(self) -> Guest:
        self.driver.probe(self.cpus[0])
        for cpu in self.cpus:
            self.driver.starting(cpu)
        return self

    def take(self) -> list[tuple[int, int]]:
        """Let every CPU take what it has; what the handler saw."""
        self.seen.clear()
        for cpu in self.cpus:
            cpu.take_irqs()
        return list(self.seen)


def edge(number: int) -> Source:
    return Source(SourceKind.SPI, number, Trigger.EDGE_RISING)


def level(number: int) -> Source:
    return Source(SourceKind.SPI, number, Trigger.LEVEL_HIGH)


def ppi(number: int, trigger: Trigger = Trigger.LEVEL_HIGH) -> Source:
    return Source(SourceKind.PPI, number, trigger)


@pytest.fixture
def sources() -> tuple[Callable[[int], Source], Callable[[int], Source], Callable[..., Source]]:
    """Makers of sources: an edge and a level input, a per-CPU interrupt."""
    return edge, level, ppi


@pytest.fixture
def node() -> type[FakeNode]:
    return FakeNode


@pytest.fixture
def machine() -> Iterator[Callable[..., Machine]]:
    """Make machines whose vCPUs the test's thread owns; `adopt=False` leaves them to others."""
    with ExitStack() as stack:

        def make(*args: Any, adopt: bool = True, **kwargs: Any) -> Machine:
            made = Machine(*args, **kwargs)
            if adopt:
                stack.enter_context(made.vm.adopted())
            return made

        yield make


@pytest.fixture
def guest(machine: Callable[..., Machine]) -> Callable[..., Guest]:
    """Make a machine with the driver up; `up=False` leaves probing to the test."""

    def make(*args: Any, up: bool = True, cpu_class: type[ScriptedCpu] = ScriptedCpu, **kwargs: Any) -> Guest:
        made = Guest(machine(*args, **kwargs), cpu_class)
        return made.up() if up else made

    return make
