"""The device side of a workload: what raises interrupts, and what the guest's handler does to the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from irqframe.flow import Injected, Source
from irqframe.guest._account import Account
from irqframe.guest._driver import Msi
from irqframe.vm import Pmu, Timer, Vm


class Quiet(Enum):
    """Why a device that was told to raise its interrupt did not."""

    HIGH = "its line is high already"


HIGH: Final = Quiet.HIGH
_LATCHED: Final = Injected.LATCHED
_COALESCED: Final = Injected.COALESCED


class Output(ABC):
    """The interrupt output of a device.

    Attributes:
        per_cpu: whether each CPU has a line of its own.
        again: whether the device may raise its interrupt while the guest's handler for it runs.
    """

    per_cpu = False
    again = True

    @abstractmethod
    def fire(self, cpu: int) -> Injected | Quiet:
        """Raise the interrupt, of a per-CPU output that of CPU `cpu`.

        Returns:
            What became of it; HIGH if the line is high already, and nothing was raised.
        """


class HeldOutput(Output):
    """One that stays raised until the guest's handler ends the device's reason to interrupt."""

    @abstractmethod
    def service(self, cpu: int) -> None:
        """The handler runs on CPU `cpu`."""


class Device:
    """Something that raises interrupts of one account.

    What every interrupt needs is bound here, for all of them in one class: the interpreter specialises what is done to
    a device for its class, and gives that up where there are many.

    Args:
        account: where the interrupts are entered.
        output: what raises them.

    Attributes:
        account: as given.
        output: as given; `fire`, `per_cpu` and `again` are its own.
        service: likewise; None if it is not held.
        waiting: the account's, by index of the CPU.
        target: index of the CPU they go to; meaningless for per-CPU devices.
        hwirq: what the guest knows it by, if it can be moved; -1 for per-CPU devices.
        cpus: indices of the CPUs that have such a line; None: all.
    """

    __slots__ = ("account", "again", "cpus", "fire", "hwirq", "output", "per_cpu", "service", "target", "waiting")

    def __init__(self, account: Account, output: Output) -> None:
        self.account = account
        self.output = output
        self.fire = output.fire
        self.service = output.service if isinstance(output, HeldOutput) else None
        self.per_cpu = output.per_cpu
        self.again = output.again
        self.waiting = account.waiting
        self.target = 0
        self.hwirq = -1
        self.cpus: frozenset[int] | None = None


class TimerOutput(HeldOutput):
    """One of the generic timers, of every CPU."""

    per_cpu = True

    def __init__(self, timers: Sequence[Timer]) -> None:
        self._timers = timers

    def fire(self, cpu: int) -> Injected | Quiet:
        """Let the timer expire now."""
        timer = self._timers[cpu]
        if timer.asserted:
            return HIGH
        before = timer.raised
        timer.program(timer.vcpu.vm.clock.now())
        # While the host's interrupt is active nothing is injected: the irqchip finds the line high at the guest's end.
        return timer.outcome if timer.raised > before else _LATCHED

    def service(self, cpu: int) -> None:
        """Stop the timer."""
        self._timers[cpu].stop()


class PmuOutput(HeldOutput):
    """The performance monitor's overflow, of every CPU."""

    per_cpu = True

    def __init__(self, pmus: Sequence[Pmu]) -> None:
        self._pmus = pmus

    def fire(self, cpu: int) -> Injected | Quiet:
        """Let a counter overflow."""
        pmu = self._pmus[cpu]
        if pmu.asserted:
            return HIGH
        pmu.set_overflow(True)
        return pmu.outcome

    def service(self, cpu: int) -> None:
        """Clear the overflow."""
        self._pmus[cpu].set_overflow(False)


class PerCpuOutput(HeldOutput):
    """Any other per-CPU interrupt."""

    per_cpu = True

    def __init__(self, vm: Vm, source: Source) -> None:
        self._inject = vm.inject
        self._intid = source.number
        self._is_level = source.trigger.is_level
        self._high = [False] * len(vm.vcpus)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Raise the line; an edge is a pulse."""
        if self._high[cpu]:
            return HIGH
        inject = self._inject
        outcome = inject(cpu, self._intid, 1)
        if self._is_level:
            self._high[cpu] = True
        else:
            inject(cpu, self._intid, 0)
        return outcome

    def service(self, cpu: int) -> None:
        """Lower the line."""
        if self._high[cpu]:
            self._high[cpu] = False
            self._inject(cpu, self._intid, 0)


class EdgeOutput(Output):
    """A shared line that signals by a pulse."""

    def __init__(self, vm: Vm, gsi: int) -> None:
        self._line = vm.line(gsi)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Pulse the line."""
        line = self._line
        raise_, lower = line.raise_, line.lower
        outcome = raise_()
        lower()
        return outcome


class LevelLine:
    """A shared level line: high while any of its devices asserts it.

    Attributes:
        asserting: how many of them do.
        gsi: the line; raised with the first, lowered with the last.
    """

    __slots__ = ("asserting", "gsi")

    def __init__(self, vm: Vm, gsi: int) -> None:
        self.gsi = vm.line(gsi)
        self.asserting = 0


class LevelOutput(HeldOutput):
    """A device on a shared level line."""

    def __init__(self, line: LevelLine) -> None:
        self._line = line
        self.asserted = False

    def fire(self, cpu: int) -> Injected | Quiet:
        """Assert the line; what became of its rise, or LATCHED if it was high."""
        if self.asserted:
            return HIGH
        self.asserted = True
        line = self._line
        line.asserting += 1
        if line.asserting > 1:
            return _LATCHED
        raise_ = line.gsi.raise_
        return raise_()

    def service(self, cpu: int) -> None:
        """Clear the device's condition."""
        if self.asserted:
            self.asserted = False
            line = self._line
            line.asserting -= 1
            if not line.asserting:
                lower = line.gsi.lower
                lower()


class MessageOutput(Output):
    """A device that sends a message."""

    def __init__(self, vm: Vm, msi: Msi, devid: int) -> None:
        self._signal = vm.signal_msi
        self._address = msi.address
        self._data = msi.data
        self._devid = devid

    def fire(self, cpu: int) -> Injected | Quiet:
        """Send it."""
        signal = self._signal
        return signal(self._address, self._data, self._devid)


class IpiOutput(Output):
    """An inter-processor interrupt, sent by one CPU of the guest to another.

    The guest does not learn what became of an IPI. Two from one sender that wait for the same CPU are one by design, on
    any irqchip; from different senders, the irqchip decides (a GICv2 keeps them apart), so these are not mixed.
    """

    per_cpu = True
    again = False

    def __init__(self, account: Account, send: Callable[[int, int], None], sender: Callable[[int], int]) -> None:
        self._waiting = account.waiting
        self._send = send
        self._sender = sender
        self._sent_by = [0] * len(account.waiting)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Send one to CPU `cpu`."""
        choose, send = self._sender, self._send
        if self._waiting[cpu]:
            send(self._sent_by[cpu], cpu)
            return _COALESCED
        sender = self._sent_by[cpu] = choose(cpu)
        send(sender, cpu)
        return _LATCHED
