"""The command queue: a ring of 32-byte commands in guest memory, written by the guest and read by the ITS."""

from __future__ import annotations

from struct import Struct
from typing import Final, TypeAlias

from irqframe.vm import GuestMemory
from irqframe_vgic import _ram

CBASER_MASK: Final = 0xB8EF_FFFF_FFFF_FCFF
"""Bit 63 Valid, [61:59] and [55:53] cacheability, [51:12] address, [11:10] shareability, [7:0] pages of 4 KiB - 1."""
OFFSET_MASK: Final = 0xF_FFE0
"""[19:5] of GITS_CWRITER and GITS_CREADR: where in the queue."""

COMMAND: Final = 32
"""Bytes of a command."""

_VALID: Final = 1 << 63
_ADDRESS: Final = 0x000F_FFFF_FFFF_F000
_DOUBLEWORDS: Final = Struct("<4Q")

#: The four doublewords of a command.
Words: TypeAlias = tuple[int, ...]


class Queue:
    """The registers of the queue.

    Args:
        memory: where the queue is.
        empties: whether a write of GITS_CBASER resets GITS_CWRITER too.

    Attributes:
        cbaser: GITS_CBASER.
        cwriter: GITS_CWRITER.
        creadr: GITS_CREADR; always within the queue.
    """

    __slots__ = ("_empties", "_memory", "cbaser", "creadr", "cwriter")

    def __init__(self, memory: GuestMemory, empties: bool) -> None:
        self._memory = memory
        self._empties = empties
        self.reset()

    def reset(self) -> None:
        """Everything as after power-on."""
        self.cbaser = self.cwriter = self.creadr = 0

    def write_cbaser(self, value: int, lanes: int) -> None:
        """GITS_CBASER: the queue begins anew."""
        self.cbaser = (self.cbaser & ~lanes | value) & CBASER_MASK
        self.creadr = 0
        if self._empties:
            self.cwriter = 0

    def write_cwriter(self, value: int, lanes: int) -> None:
        """GITS_CWRITER; Retry does nothing, because the queue never stalls."""
        self.cwriter = (self.cwriter & ~lanes | value) & OFFSET_MASK

    @property
    def waits(self) -> bool:
        """Whether there is a command to do; if GITS_CWRITER is beyond the queue's end, there is none."""
        return bool(self.cbaser & _VALID) and self.creadr != self.cwriter < capacity(self.cbaser)

    def front(self) -> Words | None:
        """The next command, None if it is not in RAM."""
        data = _ram.load(self._memory, (self.cbaser & _ADDRESS) + self.creadr, COMMAND)
        return None if data is None else _DOUBLEWORDS.unpack(data)

    def advance(self) -> None:
        """The next command is done."""
        self.creadr = (self.creadr + COMMAND) % capacity(self.cbaser)


def capacity(cbaser: int) -> int:
    """Bytes of the queue that a value of GITS_CBASER describes."""
    return (cbaser & 0xFF) + 1 << 12
