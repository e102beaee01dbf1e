"""The registers of a device as a table, and the frame that serves the table.

1. An access is one of a register if it begins where the register begins and has 1, 2 or 4 bytes. Any other reads 0 and
   writes nothing.
2. A narrow write sets the whole register, its upper bits to 0: a PrimeCell's bus has no byte lanes.
3. A register without a function to read it holds what it was reset to or written; without one to write it, it takes the
   bits of `keep`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from irqframe.flow import MmioClaim
from irqframe.vm import VCpu, Vm

D = TypeVar("D")

FRAME_SIZE: Final = 0x1000
"""Bytes of a PrimeCell's frame, and of every device here."""

PRIMECELL: Final = 0xFE0
"""Where the eight identification registers begin."""

_NARROW: Final = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF}


@dataclass(frozen=True, slots=True)
class Register(Generic[D]):
    """One register.

    Attributes:
        name: as its specification spells it.
        page: where that describes it.
        read: (device, vcpu) -> value; None: rule 3.
        write: (device, vcpu, value); None: rule 3.
        reset: what it holds first.
        keep: the bits that a write changes.
    """

    name: str
    page: str
    read: Callable[[D, VCpu], int] | None = None
    write: Callable[[D, VCpu, int], None] | None = None
    reset: int = 0
    keep: int = 0


def primecell(prefix: str, page: str, identification: bytes) -> dict[int, Register[D]]:
    """The identification registers: four of the peripheral, four of the PrimeCell class, a byte each."""
    names = [f"{prefix}PeriphID{n}" for n in range(4)] + [f"{prefix}PCellID{n}" for n in range(4)]
    return {
        PRIMECELL + 4 * index: Register(name, page, reset=value)
        for index, (name, value) in enumerate(zip(names, identification, strict=True))
    }


class Registers(Generic[D]):
    """The registers of one device.

    Args:
        device: what the functions of the table are called with.
        table: offset -> register.

    Attributes:
        held: offset -> value, of every register.
    """

    __slots__ = ("_device", "_table", "held")

    def __init__(self, device: D, table: Mapping[int, Register[D]]) -> None:
        self._device = device
        self._table = table
        self.held = {offset: register.reset for offset, register in table.items()}

    def claim(self, vm: Vm, name: str, base: int) -> None:
        """Serve them at an address.

        Raises:
            OverlapError: if something else lies there.
        """
        names = {offset: register.name for offset, register in self._table.items()}
        vm.mmio.claim(MmioClaim(name, base, FRAME_SIZE, self.read, self.write, names))

    def read(self, vcpu: VCpu, offset: int, size: int) -> int:
        """Serve a load of the guest's."""
        register = self._table.get(offset)
        narrow = _NARROW.get(size)
        if register is None or narrow is None:
            return 0
        value = self.held[offset] if register.read is None else register.read(self._device, vcpu)
        return value & narrow

    def write(self, vcpu: VCpu, offset: int, size: int, value: int) -> None:
        """Serve a store of the guest's."""
        register = self._table.get(offset)
        if register is None or size not in _NARROW:
            return
        if register.write is not None:
            register.write(self._device, vcpu, value)
        else:
            self.held[offset] = self.held[offset] & ~register.keep | value & register.keep
