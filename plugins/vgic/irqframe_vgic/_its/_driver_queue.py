"""The guest's end of an ITS's command queue: commands are written to memory, and waited for, as Linux does."""

from __future__ import annotations

from typing import Final

from irqframe.errors import GuestError
from irqframe.guest import ScriptedCpu
from irqframe.vm import GuestMemory
from irqframe_vgic._its._pages import Pages

CBASER: Final = 0x0080
_CWRITER: Final = 0x0088
_CREADR: Final = 0x0090

_SIZE: Final = 0x1_0000
_PAGE: Final = 0x1000
_COMMAND: Final = 32
_STALLED: Final = 1
_PATIENCE: Final = 10_000

_VALID: Final = 1 << 63
_CACHED: Final = 7 << 59 | 1 << 10
"""Write-back, inner shareable: the queue is memory like any other."""
_ATTRIBUTES: Final = 7 << 59 | 7 << 53 | 3 << 10

Command = tuple[int, int, int, int]
"""Four doublewords."""


def mapd(devid: int, bits: int, itt: int) -> Command:
    """Map a device: its table, and how many bits its events have."""
    return 0x08 | devid << 32, bits - 1, itt | _VALID, 0


def mapc(collection: int, target: int) -> Command:
    """Map a collection to a redistributor."""
    return 0x09, 0, target | collection | _VALID, 0


def mapti(devid: int, event: int, intid: int, collection: int) -> Command:
    """Map an event of a device to an LPI."""
    return 0x0A | devid << 32, intid << 32 | event, collection, 0


def movi(devid: int, event: int, collection: int) -> Command:
    """Send an event to another collection."""
    return 0x01 | devid << 32, event, collection, 0


def inv(devid: int, event: int) -> Command:
    """Read the configuration of an LPI anew."""
    return 0x0C | devid << 32, event, 0, 0


def invall(collection: int) -> Command:
    """Read the configuration of every LPI of a collection anew."""
    return 0x0D, 0, collection, 0


def sync(target: int) -> Command:
    """Complete what went before at a redistributor."""
    return 0x05, 0, target, 0


class CommandQueue:
    """The queue of one ITS.

    Args:
        memory: of the guest.
        pages: where the queue is taken from.
        base: address of the ITS's control frame.
    """

    def __init__(self, memory: GuestMemory, pages: Pages, base: int) -> None:
        self._memory = memory
        self._base = base
        self._queue = pages.take(_SIZE, _SIZE)
        self._at = 0

    def set_up(self, cpu: ScriptedCpu) -> None:
        """Tell the ITS, which is disabled, where the queue is."""
        value = self._queue | _CACHED | _VALID | _SIZE // _PAGE - 1
        cpu.write(self._base + CBASER, value, size=8)
        if cpu.read(self._base + CBASER, size=8) & ~_ATTRIBUTES != value & ~_ATTRIBUTES:
            raise GuestError(f"the ITS at {self._base:#x} does not take the address of its command queue")
        cpu.write(self._base + _CWRITER, 0, size=8)
        self._at = 0

    def post(self, cpu: ScriptedCpu, *commands: Command) -> None:
        """Have commands executed.

        Raises:
            GuestError: if the ITS does not get to their end.
        """
        for command in commands:
            self._memory.write(self._queue + self._at, b"".join(word.to_bytes(8, "little") for word in command))
            self._at = (self._at + _COMMAND) % _SIZE
        cpu.write(self._base + _CWRITER, self._at, size=8)
        for _ in range(_PATIENCE):
            read = cpu.read(self._base + _CREADR, size=8)
            if read == self._at:
                return
            if read & _STALLED:
                break
        raise GuestError(f"the ITS at {self._base:#x} does not execute its commands: GITS_CREADR is {read:#x}")
