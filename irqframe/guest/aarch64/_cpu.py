"""A vCPU that executes code: the VM's vCPU, the engine that runs it, and its timers' registers.

1. A trap is served by the vCPU, which leaves the guest and enters it again around it, as every trap does.
2. An access that no frame serves, and one that its irqchip refuses, reads 0 and writes nothing, and a hypercall that is
   refused is NOT_SUPPORTED; the last few of them are kept for the report.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from irqframe.errors import VmError
from irqframe.flow import SysregEncoding
from irqframe.guest.aarch64._clocks import InstructionClock, RealClock
from irqframe.guest.aarch64._encodings import TIMERS
from irqframe.guest.aarch64._engine import FIQ, IRQ, Engine, Exits
from irqframe.guest.aarch64._timers import TimerRegisters, timers_of, which
from irqframe.guest.devices import nobody
from irqframe.vm import NOT_SUPPORTED, UndefinedInstructionError, VCpu

REFUSED: Final = 16
"""How many refused accesses are remembered."""

Clock = RealClock | InstructionClock


class MakeEngine(Protocol):
    """Makes the engine of a vCPU."""

    def __call__(self, vcpu: VCpu, exits: Exits) -> Engine:
        """Make it."""


class Cpu:
    """One of the guest's CPUs.

    Args:
        vcpu: of the VM, loaded.
        clock: the VM's.
        make: makes its engine.

    Attributes:
        vcpu: as given.
        on_deadline: called when its code has programmed a timer; the runner sets it.
        engine: what executes its code.
        timers: registers of the physical and of the virtual timer.
        refused: the last accesses that nobody served, in a few words.
    """

    def __init__(self, vcpu: VCpu, clock: Clock, make: MakeEngine) -> None:
        self.vcpu = vcpu
        self.on_deadline: Callable[[], None] = nobody
        self.refused: deque[str] = deque(maxlen=REFUSED)
        self.timers: tuple[TimerRegisters, ...] = timers_of(vcpu, clock)
        self._encodings: dict[int, SysregEncoding] = {}
        self.engine = make(vcpu, self._exits())

    def enter(self) -> bool:
        """Prepare to run guest code; False if the vCPU is off."""
        vcpu = self.vcpu
        if not vcpu.enter():
            return False
        self.engine.lines = self._lines()
        return True

    def update(self) -> None:
        """Time has passed."""
        for timer in self.vcpu.timers:
            timer.update()

    @property
    def deadline(self) -> int | None:
        """When one of its timers will raise its line, nanoseconds of the VM's clock."""
        found = [timer.deadline for timer in self.vcpu.timers]
        return min((deadline for deadline in found if deadline is not None), default=None)

    def reset(self, entry: int, context: int) -> None:
        """The CPU is started: at `entry`, with `context` in x0."""
        self.engine.reset(entry, context)
        for timer in self.timers:
            timer.reset()

    # Exits

    def _exits(self) -> Exits:
        return Exits(
            self._hypercall, self._mmio_read, self._mmio_write, self._sysreg_read, self._sysreg_write, self._lines
        )

    def _lines(self) -> int:
        vcpu = self.vcpu
        return (IRQ if vcpu.irq_line else 0) | (FIQ if vcpu.fiq_line else 0)

    def _hypercall(self, x0: int, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
        try:
            return self.vcpu.hypercall(x0, x1, x2, x3)
        except VmError as error:
            self._refuse(error)
            return NOT_SUPPORTED

    def _mmio_read(self, gpa: int, size: int) -> int:
        try:
            return self.vcpu.mmio_read(gpa, size)
        except VmError as error:
            return self._refuse(error)

    def _mmio_write(self, gpa: int, size: int, value: int) -> None:
        try:
            self.vcpu.mmio_write(gpa, size, value)
        except VmError as error:
            self._refuse(error)

    def _sysreg_read(self, packed: int) -> int | None:
        if packed in TIMERS:
            timer, register = which(packed)
            return self.timers[timer].read(register)
        return self._sysreg(packed, self.vcpu.sysreg_read)

    def _sysreg_write(self, packed: int, value: int) -> bool | None:
        if packed in TIMERS:
            timer, register = which(packed)
            self.timers[timer].write(register, value)
            self.vcpu.enter()
            self.on_deadline()
            return True
        return None if self._sysreg(packed, self.vcpu.sysreg_write, value) is None else True

    def _sysreg(self, packed: int, serve: Callable[..., int | None], *value: int) -> int | None:
        encoding = self._encodings.get(packed)
        if encoding is None:
            encoding = self._encodings[packed] = SysregEncoding.unpack(packed)
        try:
            return serve(encoding, *value) or 0
        except UndefinedInstructionError:
            self.vcpu.enter()
            return None
        except VmError as error:
            return self._refuse(error)

    def _refuse(self, error: VmError) -> int:
        self.refused.append(error.reason)
        self.vcpu.enter()
        return 0
