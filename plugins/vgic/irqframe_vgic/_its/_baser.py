"""A table that the guest gives to the ITS by a GITS_BASER: where its entries are.

A flat table is a run of pages. A two-level one is a run of pages of 64-bit pointers, each to a page of entries; a page
that no pointer with bit 63 set points to has no entries (GITS_BASER page).
"""

from __future__ import annotations

from typing import Final

from irqframe.vm import GuestMemory
from irqframe_vgic import _ram
from irqframe_vgic._its._parameters import INDIRECT, VALID, TableKind

_PAGE_SIZES: Final = (1 << 12, 1 << 14, 1 << 16, 1 << 16)
"""By GITS_BASER.Page_Size; 3 is reserved, and taken as 2."""
_LARGEST: Final = 1 << 16
_ADDRESS: Final = 0x0000_FFFF_FFFF_F000
_POINTER_ADDRESS: Final = 0x000F_FFFF_FFFF_F000
_POINTER: Final = 8


class Baser:
    """A GITS_BASER and its table of 64-bit entries.

    Args:
        memory: where the table is.
        kind: what it holds.
        id_bits: of an index.

    Attributes:
        kind: as given.
        register: GITS_BASER.
    """

    __slots__ = ("_end", "_memory", "kind", "register")

    def __init__(self, memory: GuestMemory, kind: TableKind, id_bits: int) -> None:
        self._memory = memory
        self._end = 1 << id_bits
        self.kind = kind
        self.register = kind.reset

    def write(self, value: int, lanes: int) -> None:
        """Change the register."""
        lanes &= self.kind.writable
        self.register = self.register & ~lanes | value & lanes

    def takes(self, register: object) -> bool:
        """Whether the register can have this value."""
        return type(register) is int and register >= 0 and not (register ^ self.kind.reset) & ~self.kind.writable

    def place(self, index: int) -> int | None:
        """Guest physical address of an entry, None if the table has no such one."""
        if not self.register & VALID or not 0 <= index < self._end:
            return None
        page = _PAGE_SIZES[self.register >> 8 & 3]
        size = (self.register & 0xFF) + 1 << page.bit_length() - 1
        base = _address(self.register, page)
        if not self.register & INDIRECT:
            return _within(base, index, self.kind.entry_size, size)
        per_page = page // self.kind.entry_size
        pointer_at = _within(base, index // per_page, _POINTER, size)
        pointer = 0 if pointer_at is None else _ram.load_number(self._memory, pointer_at)
        if not pointer & VALID:
            return None
        return (pointer & _POINTER_ADDRESS & ~(page - 1)) + index % per_page * self.kind.entry_size

    def load(self, index: int) -> int:
        """An entry; 0 if there is none."""
        place = self.place(index)
        return 0 if place is None else _ram.load_number(self._memory, place)

    def store(self, index: int, entry: int) -> bool:
        """Write an entry, and tell whether the table has it."""
        place = self.place(index)
        return place is not None and _ram.store_number(self._memory, place, entry, self.kind.entry_size)


def _address(register: int, page: int) -> int:
    """Of the table; with pages of 64 KiB, bits [15:12] are bits [51:48] of it."""
    address = register & _ADDRESS & ~(page - 1)
    return address | (register >> 12 & 0xF) << 48 if page == _LARGEST else address


def _within(base: int, index: int, entry: int, size: int) -> int | None:
    offset = index * entry
    return base + offset if offset + entry <= size else None
