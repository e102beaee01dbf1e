"""The registers of the generic timer's EL1 timers: CTL, CVAL and TVAL of the virtual and the physical one.

Source: Arm ARM, "The AArch64 view of the Generic Timer". The timer itself, its line and its INTID are the VM's
(`irqframe.vm.Timer`); this is how code programs it.

1. CVAL is compared with its own counter: the virtual one, or the physical one, which in real time is ahead of the VM's
   clock by what CNTVOFF_EL2 holds.
2. TVAL is CVAL less the counter, 32 bits signed. Writing it writes CVAL.
3. CTL.ISTATUS is whether the counter has reached CVAL, while the timer is enabled, masked or not.
"""

from __future__ import annotations

from typing import Final

from irqframe.guest.aarch64._clocks import TICK_NS, InstructionClock, RealClock
from irqframe.vm import Timer, VCpu

TVAL: Final = 0
CTL: Final = 1
CVAL: Final = 2
"""op2 of each register."""

ENABLE: Final = 1 << 0
IMASK: Final = 1 << 1
ISTATUS: Final = 1 << 2

_PHYSICAL_CRM: Final = 2
_MASK64: Final = (1 << 64) - 1


class TimerRegisters:
    """One timer as code sees it.

    Args:
        timer: the VM's; None: the machine has none, and the registers do nothing but hold what was written.
        clock: the VM's.
        ahead: ticks by which its counter is ahead of the clock.
    """

    __slots__ = ("_ahead", "_clock", "_ctl", "_cval", "_timer")

    def __init__(self, timer: Timer | None, clock: RealClock | InstructionClock, ahead: int) -> None:
        self._timer = timer
        self._clock = clock
        self._ahead = ahead
        self._ctl = 0
        self._cval = 0

    def read(self, register: int) -> int:
        """What code reads: `register` is TVAL, CTL or CVAL."""
        if register == CVAL:
            return self._cval
        if register == CTL:
            return self._ctl | self._status()
        return (self._cval - self._counter()) & 0xFFFFFFFF

    def write(self, register: int, value: int) -> None:
        """What code writes."""
        if register == CTL:
            self._ctl = value & (ENABLE | IMASK)
        elif register == CVAL:
            self._cval = value
        else:
            self._cval = (self._counter() + (value & 0x7FFFFFFF) - (value & 0x80000000)) & _MASK64
        if self._timer is not None:
            enabled, masked = bool(self._ctl & ENABLE), bool(self._ctl & IMASK)
            self._timer.program(self._compare(), enabled=enabled, masked=masked)

    def reset(self) -> None:
        """The vCPU was reset, and the VM's timer with it."""
        self._ctl = self._cval = 0

    def _compare(self) -> int:
        return (self._cval - self._ahead) * TICK_NS

    def _counter(self) -> int:
        return self._clock.now() // TICK_NS + self._ahead

    def _status(self) -> int:
        return ISTATUS if self._ctl & ENABLE and self._clock.now() >= self._compare() else 0


def timers_of(vcpu: VCpu, clock: RealClock | InstructionClock) -> tuple[TimerRegisters, TimerRegisters]:
    """The physical and the virtual timer of a vCPU."""
    named = {timer.name: timer for timer in vcpu.timers}
    physical = TimerRegisters(named.get("physical timer"), clock, clock.counter_offset)
    return physical, TimerRegisters(named.get("virtual timer"), clock, 0)


def which(encoding: int) -> tuple[int, int]:
    """Which timer of `timers_of`, and which of its registers, an encoding names."""
    return int(encoding >> 3 & 15 != _PHYSICAL_CRM), encoding & 7
