"""Registers of a Uc, straight from the library of the binding: four times cheaper than `Uc.reg_read`.

1. Buffers are made once. A register narrower than 64 bits leaves the upper bytes of its buffer alone, and they are 0.
2. The calls keep the GIL: none of them comes back into Python.
3. A system register goes as CP_REG. A write of one rebuilds the translation flags, which a write of PSTATE does not:
   who writes PSTATE writes a system register after it.
4. PC is written by a batch while the guest runs: after `uc_reg_write` of PC, a store to where nothing is would leave PC
   at the start of its block.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

from unicorn import Uc, arm64_const
from unicorn.unicorn_py3.unicorn import uclib

from irqframe.flow import SysregEncoding

PC: Final[int] = arm64_const.UC_ARM64_REG_PC
SP: Final[int] = arm64_const.UC_ARM64_REG_SP
PSTATE: Final[int] = arm64_const.UC_ARM64_REG_PSTATE
SP_EL0: Final[int] = arm64_const.UC_ARM64_REG_SP_EL0
SP_EL1: Final[int] = arm64_const.UC_ARM64_REG_SP_EL1
ELR_EL1: Final[int] = arm64_const.UC_ARM64_REG_ELR_EL1
ESR_EL1: Final[int] = arm64_const.UC_ARM64_REG_ESR_EL1
FAR_EL1: Final[int] = arm64_const.UC_ARM64_REG_FAR_EL1
VBAR_EL1: Final[int] = arm64_const.UC_ARM64_REG_VBAR_EL1

X: Final[tuple[int, ...]] = (
    *range(arm64_const.UC_ARM64_REG_X0, arm64_const.UC_ARM64_REG_X0 + 29),
    arm64_const.UC_ARM64_REG_X29,
    arm64_const.UC_ARM64_REG_X30,
)
"""x0 to x30."""

NAMED: Final = {
    "sp": SP,
    "pc": PC,
    "elr_el1": ELR_EL1,
    "esr_el1": ESR_EL1,
    "far_el1": FAR_EL1,
    "vbar_el1": VBAR_EL1,
}
"""Those that a report shows beside x0 to x30."""

_CP_REG: Final[int] = arm64_const.UC_ARM64_REG_CP_REG

_ONE = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_MANY = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_FETCH = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t
)

_read: Final = _ONE(("uc_reg_read", uclib))
_write: Final = _ONE(("uc_reg_write", uclib))
_read_many: Final = _MANY(("uc_reg_read_batch", uclib))
_write_many: Final = _MANY(("uc_reg_write_batch", uclib))
_fetch: Final = _FETCH(("uc_vmem_read", uclib))

_PROT_EXEC: Final = 4


class CpReg(ctypes.Structure):
    """The library's `uc_arm64_cp_reg`."""

    _fields_ = (
        ("crn", ctypes.c_uint32),
        ("crm", ctypes.c_uint32),
        ("op0", ctypes.c_uint32),
        ("op1", ctypes.c_uint32),
        ("op2", ctypes.c_uint32),
        ("value", ctypes.c_uint64),
    )


def _cp_reg(packed: int) -> CpReg:
    name = SysregEncoding.unpack(packed)
    return CpReg(name.crn, name.crm, name.op0, name.op1, name.op2, 0)


class Registers:
    """Single registers of a Uc, by the binding's number, and system registers by packed encoding.

    Args:
        uc: whose.

    Attributes:
        handle: the library's engine.
    """

    __slots__ = ("_address", "_buffer", "_narrow", "_narrow_address", "_pc", "_word", "_word_address", "handle")

    def __init__(self, uc: Uc) -> None:
        self.handle: int = uc._uch.value
        self._buffer = ctypes.c_uint64()
        self._address = ctypes.addressof(self._buffer)
        self._narrow = ctypes.c_uint32()
        self._narrow_address = ctypes.addressof(self._narrow)
        self._word = ctypes.c_uint32()
        self._word_address = ctypes.addressof(self._word)
        self._pc = Batch(self.handle, (PC,))

    def read(self, register: int) -> int:
        """A register of 64 bits."""
        _read(self.handle, register, self._address)
        return self._buffer.value

    def write(self, register: int, value: int) -> None:
        """A register of 64 bits; the value is cut to them."""
        self._buffer.value = value
        _write(self.handle, register, self._address)

    def go_to(self, pc: int) -> None:
        """Have the CPU go on at an address; in a callback, too."""
        self._pc.values[0] = pc
        self._pc.store()

    def pstate(self) -> int:
        """PSTATE, laid out as in SPSR."""
        _read(self.handle, PSTATE, self._narrow_address)
        return self._narrow.value

    def fetch(self, address: int) -> int | None:
        """The instruction at a virtual address, None if nothing can be fetched from there."""
        if _fetch(self.handle, address, _PROT_EXEC, self._word_address, 4):
            return None
        return self._word.value

    def system_read(self, packed: int) -> int:
        """A system register, past its access rules. Unicorn must have it: else it complains on standard error."""
        register = _cp_reg(packed)
        _read(self.handle, _CP_REG, ctypes.addressof(register))
        return int(register.value)

    def system_write(self, packed: int, value: int) -> None:
        """Write one, likewise."""
        register = _cp_reg(packed)
        register.value = value
        _write(self.handle, _CP_REG, ctypes.addressof(register))


class Batch:
    """Several registers in one call.

    Args:
        handle: the library's engine.
        registers: numbers of the binding; a negative one is ~(packed encoding) of a system register, which is the last.

    Attributes:
        values: one for each, but for a system register; what `load` read, and what `store` writes.
        system: the value of the system register.
    """

    __slots__ = ("_handle", "_numbers", "_numbers_address", "_places", "_places_address", "_system", "count", "values")

    def __init__(self, handle: int, registers: Sequence[int]) -> None:
        count = len(registers)
        self.count = count
        self.values = (ctypes.c_uint64 * count)()
        self._handle = handle
        self._numbers = (ctypes.c_int * count)(*(number if number >= 0 else _CP_REG for number in registers))
        first = ctypes.addressof(self.values)
        self._places = (ctypes.c_uint64 * count)(*range(first, first + 8 * count, 8))
        self._system = CpReg()
        for at, number in enumerate(registers):
            if number < 0:
                self._system = _cp_reg(~number)
                self._places[at] = ctypes.addressof(self._system)
        self._numbers_address = ctypes.addressof(self._numbers)
        self._places_address = ctypes.addressof(self._places)

    @property
    def system(self) -> int:
        """See the class."""
        return int(self._system.value)

    @system.setter
    def system(self, value: int) -> None:
        self._system.value = value

    def load(self) -> None:
        """Read all."""
        _read_many(self._handle, self._numbers_address, self._places_address, self.count)

    def store(self, skipped: int = 0) -> None:
        """Write all but the first few, in their order."""
        _write_many(
            self._handle,
            self._numbers_address + 4 * skipped,
            self._places_address + 8 * skipped,
            self.count - skipped,
        )
