"""Watches a guest that works phase by phase: what each interrupt of a phase takes, and how long.

1. The guest says by the test device which phase begins (MARK), and that a handler runs (HANDLED). One interrupt is on
   its way at a time; a phase that begins again is not counted again.
2. An interrupt is raised when a line rises or a message is sent, by the test device; when the timer's compare value is
   reached; or, for an IPI, at the trap behind which a vCPU sees its line asserted.
3. Times are those of the VM's clock. In virtual time that counts instructions, and those of a block of code that has
   begun count as executed: a time is right to within a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from irqframe.guest._traps import TrapCounts
from irqframe.guest.compare._own_traps import own_traps
from irqframe.guest.devices import Device
from irqframe.vm import VCpu, Vm

PHASES: Final = MappingProxyType({1: "timer", 2: "IPI", 3: "wired edge", 4: "wired level", 5: "MSI"})
"""What MARK announces."""

TIMER: Final = 1
IPI: Final = 2

RAISES: Final = frozenset({"TEST_PULSE", "TEST_RAISE", "TEST_MSI_SEND"})
"""Registers of the test device by which an interrupt is raised."""
HANDLED: Final = "TEST_HANDLED"

VIRTUAL_TIMER: Final = "virtual timer"

SAMPLES: Final = 1 << 20
"""So many latencies of a phase are kept."""


@dataclass(slots=True)
class PhaseData:
    """What a phase took.

    Attributes:
        interrupts: how often a handler ran.
        instructions: that all vCPUs executed.
        ns: of the VM's clock.
        traps: the irqchip's.
        latencies: from raise to handler, in order.
    """

    interrupts: int = 0
    instructions: int = 0
    ns: int = 0
    traps: TrapCounts = field(default_factory=TrapCounts)
    latencies: list[int] = field(default_factory=list)


class Watch:
    """Watches one VM; its `trap` is the VM's observer, its `mark` hears what the test device is told.

    Attributes:
        phases: number -> what it took, those that have ended, in the order in which they began.
    """

    def __init__(self) -> None:
        self.phases: dict[int, PhaseData] = {}
        self._vm: Vm
        self._devices: Sequence[Device] = ()
        self._executed: Callable[[], int] = int
        self._phase = 0
        self._data = PhaseData()
        self._before = TrapCounts()
        self._raised: int | None = None
        self._last = 0
        self._asserted = False

    def prepare(self, vm: Vm) -> None:
        """Watch this VM, which is not finalized yet."""
        self._vm = vm
        vm.trap_observer = self.trap

    def begin(self, devices: Sequence[Device], executed: Callable[[], int]) -> None:
        """The guest is ready to run.

        Args:
            devices: of its machine.
            executed: instructions of all vCPUs so far.
        """
        self._devices = devices
        self._executed = executed

    def mark(self, phase: int) -> None:
        """The guest begins a phase; a number that is none ends the one before."""
        data, now, executed = self._data, self._vm.clock.now(), self._executed()
        traps = own_traps(self._vm, self._devices)
        if self._phase:
            data.instructions += executed
            data.ns += now
            data.traps = traps.since(self._before)
            self.phases[self._phase] = data
        self._phase = phase if phase in PHASES and phase not in self.phases else 0
        self._data = PhaseData(instructions=-executed, ns=-now)
        self._before = traps
        self._raised = None
        self._asserted = False

    def trap(self, vcpu: VCpu, what: str, name: str) -> None:
        """A vCPU traps; what is told is not served yet."""
        if not self._phase:
            return
        now = self._vm.clock.now()
        if name == HANDLED:
            self._handled(vcpu, now)
        elif name in RAISES:
            self._raised = now
        if self._phase == IPI:
            self._look(now)

    def _handled(self, vcpu: VCpu, now: int) -> None:
        data = self._data
        data.interrupts += 1
        raised = _due(vcpu) if self._phase == TIMER else self._raised
        self._raised = None
        if raised is not None and len(data.latencies) < SAMPLES:
            data.latencies.append(now - raised)

    def _look(self, now: int) -> None:
        """If a vCPU's line has risen, the trap before this one raised it."""
        asserted = any(each.irq_line or each.fiq_line for each in self._vm.vcpus)
        if asserted and not self._asserted:
            self._raised = self._last
        self._asserted = asserted
        self._last = now


def _due(vcpu: VCpu) -> int | None:
    """When the vCPU's virtual timer was to raise its line."""
    return next((timer.compare for timer in vcpu.timers if timer.name == VIRTUAL_TIMER), None)
