"""A CPU as after power-on, and its registers for a report: what both makes of the engine do in the same way."""

from __future__ import annotations

from unicorn import Uc

from irqframe.guest.aarch64 import _registers as reg
from irqframe.guest.aarch64._encodings import SPSR_EL1
from irqframe.guest.aarch64._exceptions import ENTERED


class Power:
    """Resets a CPU to what it is now.

    Args:
        uc: the CPU, set up, nothing executed.
    """

    __slots__ = ("_at_reset", "_registers", "_uc")

    def __init__(self, uc: Uc) -> None:
        self._uc = uc
        self._registers = reg.Registers(uc)
        self._at_reset = uc.context_save()

    def reset(self, pc: int, x0: int) -> None:
        """EL1h, everything masked, MMU off, at `pc` with `x0`; the TLB is to be flushed after it."""
        self._uc.context_restore(self._at_reset)
        registers = self._registers
        registers.write(reg.PSTATE, ENTERED)
        registers.system_write(SPSR_EL1, 0)
        registers.write(reg.X[0], x0)
        registers.write(reg.PC, pc)

    def registers(self) -> dict[str, int]:
        """x0 to x30 and what `Engine.registers` lists."""
        registers = self._registers
        values = {f"x{number}": registers.read(which) for number, which in enumerate(reg.X)}
        values |= {name: registers.read(which) for name, which in reg.NAMED.items()}
        values["pstate"] = registers.pstate()
        values["spsr_el1"] = registers.system_read(SPSR_EL1)
        return values
