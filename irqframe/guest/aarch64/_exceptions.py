"""Exceptions into EL1, which Unicorn reports and does not take (Arm ARM, "Exception entry").

1. The vector is VBAR_EL1 + one of four bases, by where the exception comes from, + one of three offsets, by its kind.
2. ELR_EL1, SPSR_EL1 and, but for interrupts, ESR_EL1 are written; FAR_EL1 for aborts alone.
3. From EL0 and from EL1t the stack pointer in use is put away as SP_EL0, and SP_EL1 comes into use.
4. The CPU has no PAN (ID_AA64MMFR1_EL1.PAN is 0), so SCTLR_EL1.SPAN means nothing: PSTATE is always EL1h, all masked.
5. EL0 in AArch32 cannot be: Unicorn shows nothing of it. A guest that goes there ends in an exception storm.
6. A storm is 1,000 exceptions, each after fewer than 4 instructions.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Final

from unicorn import Uc
from unicorn.unicorn_py3.unicorn import uclib

from irqframe.guest.aarch64 import _registers as reg
from irqframe.guest.aarch64._encodings import SPSR_EL1

#: PSTATE.M[3:0] -> offset of the four vectors (Arm ARM, "Vector offsets from vector table base address").
VECTOR_BASES: Final = {0x0: 0x400, 0x4: 0x000, 0x5: 0x200}
VECTOR_IRQ: Final = 0x80
VECTOR_FIQ: Final = 0x100

ENTERED: Final = 0x3C5
"""PSTATE afterwards: D, A, I and F set, EL1h."""
_MODE: Final = 0xF
_EL1H: Final = 0x5

PSTATE_I: Final = 1 << 7
PSTATE_F: Final = 1 << 6

# ESR_ELx (Arm ARM, "ESR_EL1"): exception class, 32-bit instruction, and the fields of an abort.
EC_SHIFT: Final = 26
EC_FETCH_ABORT: Final = 0x20
EC_DATA_ABORT: Final = 0x24
EC_SAME_LEVEL: Final = 1
IL: Final = 1 << 25
FAR_NOT_VALID: Final = 1 << 10
WRITE_NOT_READ: Final = 1 << 6
SYNCHRONOUS_EXTERNAL: Final = 0x10

PREFETCH_ABORT: Final = 3
DATA_ABORT: Final = 4
"""Unicorn's numbers of the exceptions that have a fault address."""

#: Unicorn's number -> what a report calls it.
KINDS: Final = {1: "undefined", 2: "svc", 3: "instruction abort", 4: "data abort", 7: "brk"}

STORM: Final = 1000
STORM_STEP: Final = 4

_save: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(("uc_context_save", uclib))
_SYNDROME: Final = struct.Struct("<IIQ")


class Exceptions:
    """Takes exceptions on one CPU.

    Args:
        uc: the CPU.
        registers: of it.
        syndrome_offset: where its context has the syndrome.

    Attributes:
        in_a_row: exceptions since the last time 4 instructions were executed.
    """

    __slots__ = ("_context", "_entry", "_handle", "_offset", "_state", "_syndrome", "in_a_row", "registers")

    def __init__(self, uc: Uc, registers: reg.Registers, syndrome_offset: int) -> None:
        self.registers = registers
        self.in_a_row = 0
        self._handle = registers.handle
        self._context = uc.context_save()
        self._offset = self._context.context.value
        self._syndrome = (ctypes.c_char * _SYNDROME.size).from_address(self._offset + syndrome_offset)
        self._state = reg.Batch(registers.handle, (reg.PC, reg.PSTATE, reg.SP, reg.SP_EL0, reg.SP_EL1, reg.VBAR_EL1))
        # FAR and ESR first: an exception without them leaves them out. PSTATE before a system register, PC last.
        self._entry = reg.Batch(
            registers.handle,
            (reg.FAR_EL1, reg.ESR_EL1, reg.ELR_EL1, reg.SP_EL0, reg.SP, reg.PSTATE, ~SPSR_EL1, reg.PC),
        )

    def is_storm(self, executed: int) -> bool:
        """Count an exception.

        Args:
            executed: instructions since the one before it.

        Returns:
            Whether there were too many in a row.
        """
        self.in_a_row = self.in_a_row + 1 if executed < STORM_STEP else 1
        return self.in_a_row >= STORM

    @property
    def syndrome(self) -> int:
        """ESR_EL1 of the last synchronous exception."""
        return int(self._entry.values[1])

    def take_synchronous(self, number: int) -> int:
        """Take what Unicorn reports.

        Args:
            number: Unicorn's, of the exception.

        Returns:
            PC at the exception.
        """
        _save(self._handle, self._offset)
        syndrome, _, address = _SYNDROME.unpack(self._syndrome.raw)
        entry = self._entry.values
        entry[1] = syndrome
        if number not in (PREFETCH_ABORT, DATA_ABORT):
            return self._take(0, skipped=1)
        entry[0] = address
        return self._take(0, skipped=0)

    def take_interrupt(self, offset: int) -> int:
        """Take an IRQ or FIQ: `VECTOR_IRQ` or `VECTOR_FIQ`.

        Returns:
            PC at the exception.
        """
        return self._take(offset, skipped=2)

    def take_external_abort(self, *, fetch: bool, write: bool) -> int:
        """Take a synchronous external abort, of the access at PC to where nothing is.

        The address of a load or store is not known as the program gave it: FAR is not valid, and the syndrome says so.

        Args:
            fetch: of an instruction: PC is its address.
            write: of a store.

        Returns:
            PC at the exception.
        """
        registers = self.registers
        syndrome = IL | SYNCHRONOUS_EXTERNAL
        syndrome |= (EC_FETCH_ABORT if fetch else EC_DATA_ABORT) << EC_SHIFT
        if registers.pstate() & _MODE:
            syndrome |= EC_SAME_LEVEL << EC_SHIFT
        if not fetch:
            syndrome |= FAR_NOT_VALID | (WRITE_NOT_READ if write else 0)
        self._entry.values[0] = registers.read(reg.PC) if fetch else 0
        self._entry.values[1] = syndrome
        return self._take(0, skipped=0)

    def _take(self, offset: int, skipped: int) -> int:
        self._state.load()
        pc, pstate, sp, sp_el0, sp_el1, vbar = self._state.values[:]
        mode = pstate & _MODE
        on_sp_el0 = mode != _EL1H
        entry = self._entry
        values = entry.values
        values[2] = pc
        values[3] = sp if on_sp_el0 else sp_el0
        values[4] = sp_el1 if on_sp_el0 else sp
        values[5] = ENTERED
        entry.system = pstate
        values[7] = vbar + VECTOR_BASES.get(mode, 0x200) + offset
        entry.store(skipped)
        return int(pc)
