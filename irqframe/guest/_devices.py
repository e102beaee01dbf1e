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


class Device(ABC):
    """Something that raises interrupts of one account.

    Attributes:
        account: where they are entered.
        waiting: the account's, by index of the CPU.
        target: index of the CPU they go to; meaningless for per-CPU devices.
        hwirq: what the guest knows it by, if it can be moved; -1 for per-CPU devices.
        per_cpu: whether each CPU has a line of its own.
        again: whether it may raise its interrupt while the guest's handler for it runs.
        cpus: indices of the CPUs that have such a line; None: all.
    """

    per_cpu = False
    again = True
    cpus: frozenset[int] | None = None

    def __init__(self, account: Account) -> None:
        self.account = account
        self.waiting = account.waiting
        self.target = 0
        self.hwirq = -1

    @abstractmethod
    def fire(self, cpu: int) -> Injected | Quiet:
        """Raise the interrupt, for a per-CPU device that of CPU `cpu`.

        Returns:
            What became of it; HIGH if the line is high already, and nothing was raised.
        """

    @abstractmethod
    def service(self, cpu: int) -> None:
        """The guest's handler runs on CPU `cpu`: it ends the device's reason to interrupt."""


class TimerDevice(Device):
    """One of the generic timers, of every CPU."""

    per_cpu = True

    def __init__(self, account: Account, timers: Sequence[Timer]) -> None:
        super().__init__(account)
        self._timers = timers

    def fire(self, cpu: int) -> Injected | Quiet:
        """Let the timer expire now."""
        timer = self._timers[cpu]
        if timer.asserted:
            return HIGH
        before = timer.raised
        timer.program(timer.vcpu.vm.clock.now())
        # While the host's interrupt is active nothing is injected: the irqchip finds the line high at the guest's end.
        return timer.outcome if timer.raised > before else Injected.LATCHED

    def service(self, cpu: int) -> None:
        """Stop the timer."""
        self._timers[cpu].stop()


class PmuDevice(Device):
    """The performance monitor's overflow, of every CPU."""

    per_cpu = True

    def __init__(self, account: Account, pmus: Sequence[Pmu]) -> None:
        super().__init__(account)
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


class PerCpuLine(Device):
    """Any other per-CPU interrupt."""

    per_cpu = True

    def __init__(self, account: Account, vm: Vm, source: Source) -> None:
        super().__init__(account)
        self._vm = vm
        self._source = source
        self._high = [False] * len(vm.vcpus)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Raise the line; an edge is a pulse."""
        if self._high[cpu]:
            return HIGH
        outcome = self._vm.inject(cpu, self._source.number, 1)
        if self._source.trigger.is_level:
            self._high[cpu] = True
        else:
            self._vm.inject(cpu, self._source.number, 0)
        return outcome

    def service(self, cpu: int) -> None:
        """Lower the line."""
        if self._high[cpu]:
            self._high[cpu] = False
            self._vm.inject(cpu, self._source.number, 0)


class EdgeLine(Device):
    """A shared line that signals by a pulse."""

    def __init__(self, account: Account, vm: Vm, gsi: int) -> None:
        super().__init__(account)
        self._line = vm.line(gsi)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Pulse the line."""
        outcome = self._line.raise_()
        self._line.lower()
        return outcome

    def service(self, cpu: int) -> None:
        """A pulse leaves nothing to end."""


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


class LevelDevice(Device):
    """A device on a shared level line."""

    def __init__(self, account: Account, line: LevelLine) -> None:
        super().__init__(account)
        self._line = line
        self.asserted = False

    def fire(self, cpu: int) -> Injected | Quiet:
        """Assert the line; what became of its rise, or LATCHED if it was high."""
        if self.asserted:
            return HIGH
        self.asserted = True
        line = self._line
        line.asserting += 1
        return line.gsi.raise_() if line.asserting == 1 else Injected.LATCHED

    def service(self, cpu: int) -> None:
        """Clear the device's condition."""
        if self.asserted:
            self.asserted = False
            line = self._line
            line.asserting -= 1
            if not line.asserting:
                line.gsi.lower()


class MessageDevice(Device):
    """A device that sends a message."""

    def __init__(self, account: Account, vm: Vm, msi: Msi, devid: int) -> None:
        super().__init__(account)
        self._signal = vm.signal_msi
        self._msi = msi
        self._devid = devid

    def fire(self, cpu: int) -> Injected | Quiet:
        """Send it."""
        return self._signal(self._msi.address, self._msi.data, self._devid)

    def service(self, cpu: int) -> None:
        """A message leaves nothing to end."""


class IpiDevice(Device):
    """An inter-processor interrupt, sent by one CPU of the guest to another.

    The guest does not learn what became of an IPI. Two from one sender that wait for the same CPU are one by design, on
    any irqchip; from different senders, the irqchip decides (a GICv2 keeps them apart), so these are not mixed.
    """

    per_cpu = True
    again = False

    def __init__(self, account: Account, send: Callable[[int, int], None], sender: Callable[[int], int]) -> None:
        super().__init__(account)
        self._send = send
        self._sender = sender
        self._sent_by = [0] * len(account.waiting)

    def fire(self, cpu: int) -> Injected | Quiet:
        """Send one to CPU `cpu`."""
        waiting = self.account.waiting[cpu]
        sender = self._sent_by[cpu] if waiting else self._sender(cpu)
        self._sent_by[cpu] = sender
        self._send(sender, cpu)
        return Injected.COALESCED if waiting else Injected.LATCHED

    def service(self, cpu: int) -> None:
        """An IPI leaves nothing to end."""
