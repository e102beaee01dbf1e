"""The program on every vCPU, and the instructions that an operation runs: words of AArch64 code at fixed addresses.

`stub.S` is the program's source; a test assembles it and compares.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from oracle.operations import MRS, MSR, READ, STORE, WRITE, Op

RAM: Final = 0x4000_0000
"""Guest physical address of RAM."""
SIZE: Final = 64 << 20
"""Bytes of RAM."""

TABLES: Final = RAM + 0x100_0000
"""Guest physical address of what a sequence keeps in RAM: tables of LPIs and of an ITS."""
TABLES_SIZE: Final = 0x60_0000

STUB: Final = 0x10_0000
"""Offset of the program in RAM; the following are offsets in RAM too."""
THUNKS: Final = STUB + 0x1_0000
TURN: Final = STUB + 0x2_0000
COUNT: Final = TURN + 64
ENTRIES: Final = TURN + 0x1000

RING: Final = 1024
"""Entries of the ring."""
ENTRY: Final = 64
"""Bytes of an entry."""

_FAULT_OFFSET: Final = 0x200

START_WORDS: Final = """
d5034fdf 10ffffe2 d518c002 d5033fdf aa0003f2 10ffff73 91408273 91400674
91010271 c8dffe75 c8dffe36 eb1602bf 54ffffa0 924026b7 8b171a97 a94026f8
eb12031f 54000141 a94106e0 d280001c d63f0120 d538c104 a90272e0 f9001ae4
910006b5 c89ffe75 17ffffef d503203f 17ffffed
"""
FAULT_WORDS: Final = "d538521c d5384039 91001339 d5184039 d69f03e0"

_RET: Final = 0xD65F_03C0
_ISB: Final = 0xD503_3FDF
_HVC: Final = 0xD400_0002
_LOADS: Final[Mapping[int, int]] = {1: 0x3940_0000, 2: 0x7940_0000, 4: 0xB940_0000, 8: 0xF940_0000}
_STORES: Final[Mapping[int, int]] = {1: 0x3900_0001, 2: 0x7900_0001, 4: 0xB900_0001, 8: 0xF900_0001}
_MSR: Final = 0xD500_0000
_READS: Final = 1 << 21

_MOVZ_X2_HIGH: Final = 0xD2A0_0002
_MOVZ_X3: Final = 0xD280_0003

NOTHING: Final = (_RET,)
"""No instruction: the vCPU only says what its lines are."""


def start(cpu: int) -> tuple[int, ...]:
    """PSCI's CPU_ON, whose function id and MPIDR are in x0 and x1: the CPU runs the program with its number in x0."""
    return _MOVZ_X2_HIGH | (RAM + STUB) >> 16 << 5, _MOVZ_X3 | cpu << 5, _HVC, _RET


def program() -> bytes:
    """The program as it lies in RAM."""
    start, fault = (bytes.fromhex("".join(_reversed(words))) for words in (START_WORDS, FAULT_WORDS))
    return start.ljust(_FAULT_OFFSET, b"\0") + fault


def _reversed(words: str) -> Iterable[str]:
    return (bytes.fromhex(word)[::-1].hex() for word in words.split())


def instructions(op: Op) -> tuple[int, ...]:
    """What a vCPU runs for an operation: x0 is the address, or what a system register is to hold; x1 what is stored."""
    if op.kind == READ:
        return _LOADS[op.size], _RET
    if op.kind in (WRITE, STORE):
        return _STORES[op.size], _RET
    if op.kind in (MRS, MSR):
        return _MSR | op.at << 5 | (_READS if op.kind == MRS else 0), _ISB, _RET
    raise ValueError(f"{op.kind} is done by no vCPU")


def words(code: Iterable[int]) -> bytes:
    """Instructions as bytes."""
    return b"".join(struct.pack("<I", word) for word in code)
