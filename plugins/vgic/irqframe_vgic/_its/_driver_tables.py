"""The memory that the guest gives an ITS: one table for each GITS_BASER<n> (Linux, its_alloc_tables).

1. The page size is the largest that the register takes; the entry size is the ITS's.
2. The table of devices has room for every DeviceID. If that is more than two pages and the ITS takes tables of two
   levels, the first level has the addresses of pages, and these are made when a device needs them.
3. Any other table is one page.
"""

from __future__ import annotations

from typing import Final

from irqframe.errors import GuestError
from irqframe.guest import ScriptedCpu
from irqframe.vm import GuestMemory
from irqframe_vgic._its._pages import Pages

_BASER: Final = 0x0100
_COUNT: Final = 8

_DEVICES: Final = 1
_VALID: Final = 1 << 63
_INDIRECT: Final = 1 << 62
_TYPE_SHIFT: Final = 56
_ENTRY_SHIFT: Final = 48
_CACHED: Final = 7 << 59 | 1 << 10
_ATTRIBUTES: Final = 7 << 59 | 7 << 53 | 3 << 10
_PAGE_SIZES: Final = ((2, 0x1_0000), (1, 0x4000), (0, 0x1000))
_PAGE_SIZE: Final = 3 << 8
_MAX_PAGES: Final = 256
_ENTRY: Final = 8
"""Bytes of an entry of the first of two levels."""


class DeviceTable:
    """The table of devices.

    Args:
        memory: of the guest.
        pages: where the pages of its second level are taken from.
        base: its address.
        size: bytes.
        entry: bytes of an entry.
        page: bytes of a page, if it has two levels; else 0.
    """

    def __init__(self, memory: GuestMemory, pages: Pages, base: int, size: int, entry: int, page: int) -> None:
        self._memory = memory
        self._pages = pages
        self._base = base
        self._size = size
        self._entry = entry
        self._page = page
        self._made: set[int] = set()

    def make_room(self, devid: int) -> bool:
        """See that a device has an entry; False if it cannot have one."""
        if not self._page:
            return devid < self._size // self._entry
        index = devid // (self._page // self._entry)
        if index >= self._size // _ENTRY:
            return False
        if index not in self._made:
            page = self._pages.take(self._page, self._page)
            self._memory.write(self._base + index * _ENTRY, (page | _VALID).to_bytes(_ENTRY, "little"))
            self._made.add(index)
        return True


def give_tables(cpu: ScriptedCpu, memory: GuestMemory, pages: Pages, its: int, device_bits: int) -> DeviceTable | None:
    """Give an ITS every table that it wants.

    Args:
        cpu: the CPU that does it.
        memory: of the guest.
        pages: where tables are taken from.
        its: address of the control frame; the ITS is disabled.
        device_bits: how many bits a DeviceID has.

    Returns:
        The table of devices; None if the ITS wants none.

    Raises:
        GuestError: if the ITS does not take a table.
    """
    devices = None
    for n in range(_COUNT):
        register = its + _BASER + 8 * n
        value = cpu.read(register, size=8)
        kind = value >> _TYPE_SHIFT & 7
        if kind:
            entry = (value >> _ENTRY_SHIFT & 0x1F) + 1
            fixed = kind << _TYPE_SHIFT | entry - 1 << _ENTRY_SHIFT
            code, page = _page_size(cpu, register, fixed)
            wanted = (entry << device_bits) if kind == _DEVICES else page
            indirect = wanted > 2 * page and _takes_two_levels(cpu, register, fixed | code << 8)
            if indirect:
                wanted = -(-wanted // page) * _ENTRY
            count = min(-(-wanted // page), _MAX_PAGES)
            base = pages.take(count * page, page)
            _set(cpu, register, fixed | base | code << 8 | count - 1 | (_INDIRECT if indirect else 0))
            if kind == _DEVICES:
                devices = DeviceTable(memory, pages, base, count * page, entry, page if indirect else 0)
    return devices


def _page_size(cpu: ScriptedCpu, register: int, fixed: int) -> tuple[int, int]:
    for code, size in _PAGE_SIZES:
        cpu.write(register, fixed | code << 8, size=8)
        if cpu.read(register, size=8) & _PAGE_SIZE == code << 8:
            return code, size
    raise GuestError(f"the ITS takes no page size in its register at {register:#x}")


def _takes_two_levels(cpu: ScriptedCpu, register: int, value: int) -> bool:
    cpu.write(register, value | _INDIRECT, size=8)
    return bool(cpu.read(register, size=8) & _INDIRECT)


def _set(cpu: ScriptedCpu, register: int, value: int) -> None:
    value |= _VALID
    cpu.write(register, value | _CACHED, size=8)
    found = cpu.read(register, size=8)
    if found & ~_ATTRIBUTES != value:
        raise GuestError(f"the ITS has {found:#x} in its register at {register:#x}, and was given {value:#x}")
