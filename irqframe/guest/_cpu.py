"""A CPU as a scripted guest's code sees it: instructions that trap, and the IRQ exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from irqframe.errors import GuestError
from irqframe.flow import SysregEncoding
from irqframe.vm import VCpu

STORM: Final = 100_000
"""Exceptions taken in a row before a line that never falls is called a fault."""


class ScriptedCpu:
    """One CPU of a scripted guest. Its code runs with IRQs masked, except while it is told to `take_irqs`.

    Args:
        vcpu: the vCPU it runs on, loaded.
        vector: what the IRQ and FIQ exception enters: the driver's `handle_irq`.

    Attributes:
        vcpu: as given.
        index: of the vCPU.
        mpidr: of the vCPU, affinity bits only.
        exceptions: how many were taken.
    """

    __slots__ = ("_vector", "exceptions", "index", "mpidr", "vcpu")

    def __init__(self, vcpu: VCpu, vector: Callable[[ScriptedCpu], None]) -> None:
        self.vcpu = vcpu
        self.index = vcpu.index
        self.mpidr = vcpu.mpidr
        self.exceptions = 0
        self._vector = vector

    def __repr__(self) -> str:
        return f"<ScriptedCpu {self.index}>"

    def hvc(self, function: int, x1: int = 0, x2: int = 0, x3: int = 0) -> tuple[int, int, int, int]:
        """HVC: make a hypercall; x0 to x3 afterwards."""
        return self.vcpu.hypercall(function, x1, x2, x3)

    def read(self, gpa: int, size: int = 4) -> int:
        """Load `size` bytes (1, 2, 4 or 8) from a device."""
        return self.vcpu.mmio_read(gpa, size)

    def write(self, gpa: int, value: int, size: int = 4) -> None:
        """Store `size` bytes (1, 2, 4 or 8) to a device."""
        self.vcpu.mmio_write(gpa, size, value)

    def mrs(self, encoding: SysregEncoding) -> int:
        """Read a system register."""
        return self.vcpu.sysreg_read(encoding)

    def msr(self, encoding: SysregEncoding, value: int) -> None:
        """Write a system register."""
        self.vcpu.sysreg_write(encoding, value)

    @property
    def irq_asserted(self) -> bool:
        """ISR_EL1: whether IRQ or FIQ is asserted, masked or not."""
        return self.vcpu.irq_line or self.vcpu.fiq_line

    def take_irqs(self) -> int:
        """Run with IRQs unmasked until none is asserted, then mask them again.

        Returns:
            How many exceptions were taken.

        Raises:
            GuestError: after 100,000 in a row: the line never falls.
        """
        vcpu = self.vcpu
        requests = vcpu.requests
        vector = self._vector
        taken = 0
        while True:
            if (requests or not vcpu.in_guest) and not vcpu.reenter():
                break
            if not (vcpu.irq_line or vcpu.fiq_line):
                break
            vector(self)
            taken += 1
            if taken == STORM:
                raise GuestError(
                    f"CPU {self.index} took {STORM} exceptions in a row and its IRQ line is still asserted"
                )
        self.exceptions += taken
        return taken

    def wfi(self) -> bool:
        """WFI with IRQs masked: sleep if nothing is to be taken, and wake at once, for one thread runs every CPU.

        Returns:
            Whether it slept.
        """
        vcpu = self.vcpu
        slept = vcpu.block()
        vcpu.unblock()
        vcpu.enter()
        return slept


class BoundCpu(ScriptedCpu):
    """A CPU whose instructions are its vCPU's traps, bound ahead of time."""

    __slots__ = ("hvc", "mrs", "msr", "read")

    def __init__(self, vcpu: VCpu, vector: Callable[[ScriptedCpu], None]) -> None:
        super().__init__(vcpu, vector)
        self.hvc = vcpu.hypercall  # type: ignore[method-assign, assignment]
        self.read = vcpu.mmio_read  # type: ignore[method-assign]
        self.mrs = vcpu.sysreg_read  # type: ignore[method-assign, assignment]
        self.msr = vcpu.sysreg_write  # type: ignore[method-assign, assignment]
