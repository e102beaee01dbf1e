"""What a guest does with an ITS and LPIs: tables in RAM, commands through the queue, events.

1. INTIDs stay below 13000: an end of interrupt with a larger one makes QEMU write beyond its tables.
2. A changed configuration byte is followed by INV or INVALL: until then an implementation may go by the old one.
"""

from __future__ import annotations

from random import Random
from typing import Final

from oracle.operations import ITS, READ, STORE, WRITE, Op, gicr
from oracle.sequence import PRIORITIES, Action, Do
from oracle.stub import TABLES

_QUEUE: Final = TABLES
_QUEUE_SIZE: Final = 0x1_0000
_DEVICES: Final = TABLES + 0x10_0000
_COLLECTIONS: Final = TABLES + 0x20_0000
_ITTS: Final = TABLES + 0x30_0000
_PROPERTIES: Final = TABLES + 0x40_0000
_PENDING: Final = TABLES + 0x50_0000

_VALID: Final = 1 << 63
_FIRST: Final = 8192
_LAST: Final = 13000
_EVENTS: Final = 4
_ID_BITS: Final = 13
_SPARE: Final = 100
"""Collections from here on stay where they are, so that INVALL reaches every CPU."""

# (offset, size) of registers worth looking at.
_SHOWN: Final = ((0x00, 4), (0x04, 4), (0x08, 8), (0x80, 8), (0x88, 8), (0x90, 8), (0x90, 4), (0x100, 8), (0x108, 8))

_MOVI, _INT, _CLEAR, _SYNC = 0x01, 0x03, 0x04, 0x05
_MAPD, _MAPC, _MAPTI, _MAPI = 0x08, 0x09, 0x0A, 0x0B
_INV, _INVALL, _MOVALL, _DISCARD = 0x0C, 0x0D, 0x0E, 0x0F


class ItsGuest:
    """The part of a history that is about LPIs.

    Args:
        random: where chance comes from.
        do: does an operation.
        cpus: how many CPUs there are.
    """

    def __init__(self, random: Random, do: Do, cpus: int) -> None:
        self._random = random
        self._do = do
        self._cpus = cpus
        self._devices = [0, *random.sample(range(1, 64), 2)]
        self._lpis = [_FIRST, *random.sample(range(_FIRST + 1, _LAST), 5)]
        self._mapped: dict[tuple[int, int], int] = {}
        self._tail = 0
        self._ptz = random.choice((0, 0, 0, 1 << 62))

    def actions(self) -> tuple[Action, ...]:
        """What may happen."""
        return (
            (10, self._event),
            (4, self._message),
            (4, self._map_event),
            (3, self._move),
            (2, self._clear),
            (2, self._discard),
            (4, self._configure),
            (1, self._map_device),
            (1, self._map_collection),
            (1, self._move_all),
            (1, self._nonsense),
            (1, self._disable),
            (8, self._enable),
            (3, self._look),
        )

    def set_up(self) -> None:
        """Tables, the queue, everything enabled, devices and collections mapped."""
        for intid in self._lpis:
            self._store(_PROPERTIES + intid - _FIRST, self._property(), 1)
        bare = self._random.randrange(self._cpus) if self._random.random() < 0.03 else None
        for cpu in range(self._cpus):
            self._write(gicr(cpu) + 0x70, _PROPERTIES | _ID_BITS, 8)
            if cpu != bare:
                self._write(gicr(cpu) + 0x78, _PENDING + cpu * 0x1_0000 | self._ptz, 8)
            self._write(gicr(cpu), 1)
        self._write(ITS + 0x100, _VALID | _DEVICES | 2 << 8, 8)
        self._write(ITS + 0x108, _VALID | _COLLECTIONS | 2 << 8, 8)
        self._write(ITS + 0x80, _VALID | _QUEUE | _QUEUE_SIZE // 0x1000 - 1, 8)
        self._write(ITS, 1)
        for cpu in range(self._cpus):
            self._command(_MAPC, 0, 0, _VALID | cpu << 16 | cpu)
            self._command(_MAPC, 0, 0, _VALID | cpu << 16 | _SPARE + cpu)
        for number, device in enumerate(self._devices):
            self._command(_MAPD, device, 4, _VALID | _ITTS + number * 0x1000)
            for event in range(_EVENTS):
                self._map(device, event)

    # Words

    def _store(self, at: int, value: int, size: int = 8) -> None:
        self._do(Op(STORE, 0, at, value, size))

    def _write(self, at: int, value: int, size: int = 4) -> None:
        self._do(Op(WRITE, self._random.randrange(self._cpus), at, value, size))

    def _command(self, code: int, device: int = 0, second: int = 0, third: int = 0) -> None:
        for n, word in enumerate((device << 32 | code, second, third, 0)):
            self._store(_QUEUE + self._tail + 8 * n, word)
        self._tail = (self._tail + 32) % _QUEUE_SIZE
        self._write(ITS + 0x88, self._tail, self._random.choice((4, 8)))

    def _property(self) -> int:
        return self._random.choice(PRIORITIES) & 0xFC | 2 | (self._random.random() < 0.85)

    def _device(self) -> int:
        return self._random.choice(self._devices)

    def _event_id(self) -> int:
        return self._random.randrange(_EVENTS)

    def _collection(self) -> int:
        return self._random.randrange(self._cpus)

    # What happens

    def _event(self) -> None:
        self._command(_INT, self._device(), self._event_id())

    def _message(self) -> None:
        """A CPU's store counts as of device 0."""
        self._write(ITS + 0x1_0040, self._event_id())

    def _map_event(self) -> None:
        if self._random.random() < 0.1:
            self._command(_MAPI, self._device(), self._event_id(), self._collection())
        else:
            self._map(self._device(), self._event_id())

    def _map(self, device: int, event: int) -> None:
        self._mapped[device, event] = intid = self._random.choice(self._lpis)
        self._command(_MAPTI, device, intid << 32 | event, self._collection())

    def _move(self) -> None:
        self._command(_MOVI, self._device(), self._event_id(), self._collection())

    def _clear(self) -> None:
        self._command(_CLEAR, self._device(), self._event_id())

    def _discard(self) -> None:
        self._command(_DISCARD, self._device(), self._event_id())

    def _configure(self) -> None:
        intid = self._random.choice(self._lpis)
        self._store(_PROPERTIES + intid - _FIRST, self._property(), 1)
        events = [pair for pair, mapped in self._mapped.items() if mapped == intid]
        for device, event in events:
            self._command(_INV, device, event)
        if not events or self._random.random() < 0.5:
            for cpu in range(self._cpus):
                self._command(_INVALL, 0, 0, _SPARE + cpu)

    def _map_device(self) -> None:
        number = self._random.randrange(len(self._devices))
        valid = _VALID if self._random.random() < 0.8 else 0
        self._command(_MAPD, self._devices[number], 4, valid | _ITTS + number * 0x1000)

    def _map_collection(self) -> None:
        valid = _VALID if self._random.random() < 0.9 else 0
        self._command(_MAPC, 0, 0, valid | self._random.randrange(self._cpus) << 16 | self._collection())

    def _move_all(self) -> None:
        one, other = self._collection(), self._collection()
        for n, word in enumerate((_MOVALL, 0, one << 16, other << 16)):
            self._store(_QUEUE + self._tail + 8 * n, word)
        self._tail = (self._tail + 32) % _QUEUE_SIZE
        self._write(ITS + 0x88, self._tail, 8)

    def _nonsense(self) -> None:
        """Devices, events and collections that there are not; INTIDs that are no LPIs; codes of no command."""
        random = self._random
        code = random.choice((_MOVI, _INT, _CLEAR, _MAPTI, _DISCARD, _INV, _SYNC, 0x77))
        device, event = random.choice((self._device(), 200, 0xFFFF)), random.choice((self._event_id(), 31, 32, 0xFFFF))
        intid = random.choice((0, 40, 8191, random.choice(self._lpis)))
        self._command(code, device, intid << 32 | event, random.choice((self._collection(), 300)))

    def _disable(self) -> None:
        """The ITS, or the LPIs of a CPU."""
        self._write(self._random.choice((ITS, gicr(self._random.randrange(self._cpus)))), 0)

    def _enable(self) -> None:
        """Everything that may be disabled."""
        for cpu in range(self._cpus):
            self._write(gicr(cpu), 1)
        self._write(ITS, 1)

    def _look(self) -> None:
        random = self._random
        at, size = random.choice(((random.randrange(0, 0x2_0000, 4), 4), (random.randrange(0, 0x200, 8), 8), *_SHOWN))
        if random.random() < 0.3:
            at, size = gicr(random.randrange(self._cpus)) - ITS + random.choice((0x00, 0x70, 0x78)), 8
        self._do(Op(READ, random.randrange(self._cpus), ITS + at, 0, size))
