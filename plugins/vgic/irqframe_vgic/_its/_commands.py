"""The commands of the ITS as a table: opcode, name, fields, and what each does.

A command that cannot be done (something is not mapped, or a number is out of range) is an error: it does nothing, and
the next one follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from irqframe_vgic._its._queue import Words

if TYPE_CHECKING:
    from irqframe_vgic._its._its import Its

#: (ITS, the command's fields in the table's order) -> whether it could be done.
Handler: TypeAlias = Callable[..., bool]


class Field(NamedTuple):
    """A part of a command.

    Attributes:
        name: as the architecture spells it.
        word: which of the four doublewords it is in.
        high: its uppermost bit.
        low: its lowest bit.
    """

    name: str
    word: int
    high: int
    low: int

    def of(self, words: Words) -> int:
        """Its value."""
        return words[self.word] >> self.low & (1 << self.high - self.low + 1) - 1


class Command(NamedTuple):
    """A command.

    Attributes:
        opcode: bits [7:0] of the first doubleword.
        name: as the architecture spells it.
        fields: in the order in which the handler takes them.
        about: what it does.
        handler: does it.
    """

    opcode: int
    name: str
    fields: tuple[Field, ...]
    about: str
    handler: Handler


OPCODE: Final = Field("opcode", 0, 7, 0)

_DEVICE: Final = Field("DeviceID", 0, 63, 32)
_EVENT: Final = Field("EventID", 1, 31, 0)
_INTID: Final = Field("pINTID", 1, 63, 32)
_SIZE: Final = Field("Size", 1, 4, 0)
_TABLE: Final = Field("ITT_addr", 2, 51, 8)
_VALID: Final = Field("V", 2, 63, 63)
_COLLECTION: Final = Field("ICID", 2, 15, 0)
_TARGET: Final = Field("RDbase", 2, 50, 16)
_TARGET1: Final = Field("RDbase1", 2, 50, 16)
_TARGET2: Final = Field("RDbase2", 3, 50, 16)


# Mappings


def _mapd(its: Its, device: int, size: int, table: int, valid: int) -> bool:
    its.forget()
    if not valid:
        return its.tables.unmap_device(device)
    return its.tables.map_device(device, table << 8, size + 1)


def _mapc(its: Its, collection: int, target: int, valid: int) -> bool:
    its.forget()
    if not valid:
        return its.tables.unmap_collection(collection)
    return its.tables.map_collection(collection, target)


def _mapti(its: Its, device: int, event: int, intid: int, collection: int) -> bool:
    its.forget()
    return its.tables.map_event(device, event, intid, collection)


def _mapi(its: Its, device: int, event: int, collection: int) -> bool:
    return _mapti(its, device, event, event, collection)


def _movi(its: Its, device: int, event: int, collection: int) -> bool:
    its.forget()
    found, new = its.tables.event(device, event), its.tables.collection(collection)
    old = None if found is None else its.tables.collection(found.collection)
    if found is None or old is None or new is None or not its.tables.retarget(found, collection):
        return False
    its.post(old, old.lpis.move, found.intid, new)
    its.synchronise(old)
    return True


def _discard(its: Its, device: int, event: int) -> bool:
    its.forget()
    found = its.tables.event(device, event)
    target = None if found is None else its.tables.collection(found.collection)
    if found is None or target is None or not its.tables.unmap_event(found):
        return False
    its.post(target, target.lpis.clear, found.intid)
    return True


# Pending state and configuration


def _int(its: Its, device: int, event: int) -> bool:
    found = its.translate(device, event)
    if found is None:
        return False
    its.post(found.target, found.target.lpis.pend, found.intid)
    return True


def _clear(its: Its, device: int, event: int) -> bool:
    found = its.translate(device, event)
    if found is None:
        return False
    its.post(found.target, found.target.lpis.clear, found.intid)
    return True


def _inv(its: Its, device: int, event: int) -> bool:
    found = its.translate(device, event)
    if found is None:
        return False
    its.post(found.target, found.target.lpis.invalidate, found.intid)
    return True


def _invall(its: Its, collection: int) -> bool:
    target = its.tables.collection(collection)
    if target is None:
        return False
    its.post(target, target.lpis.invalidate_all)
    return True


def _movall(its: Its, old: int, new: int) -> bool:
    source, target = its.tables.processor(old), its.tables.processor(new)
    if source is None or target is None:
        return False
    its.post(source, source.lpis.move_all, target)
    its.synchronise(source)
    return True


def _sync(its: Its, target: int) -> bool:
    cpu = its.tables.processor(target)
    if cpu is None:
        return False
    its.synchronise(cpu)
    return True


COMMANDS: Final = (
    Command(0x01, "MOVI", (_DEVICE, _EVENT, _COLLECTION), "an event and its pending state go to a collection", _movi),
    Command(0x03, "INT", (_DEVICE, _EVENT), "an event's LPI becomes pending", _int),
    Command(0x04, "CLEAR", (_DEVICE, _EVENT), "an event's LPI is no longer pending", _clear),
    Command(0x05, "SYNC", (_TARGET,), "the next command waits until what was sent to a CPU is done", _sync),
    Command(0x08, "MAPD", (_DEVICE, _SIZE, _TABLE, _VALID), "map or unmap a device", _mapd),
    Command(0x09, "MAPC", (_COLLECTION, _TARGET, _VALID), "map a collection to a CPU, or unmap it", _mapc),
    Command(0x0A, "MAPTI", (_DEVICE, _EVENT, _INTID, _COLLECTION), "map an event to an LPI in a collection", _mapti),
    Command(0x0B, "MAPI", (_DEVICE, _EVENT, _COLLECTION), "the same, INTID and EventID are one number", _mapi),
    Command(0x0C, "INV", (_DEVICE, _EVENT), "look at the configuration of an event's LPI again", _inv),
    Command(0x0D, "INVALL", (_COLLECTION,), "look at the configuration of a collection's LPIs again", _invall),
    Command(0x0E, "MOVALL", (_TARGET1, _TARGET2), "everything pending goes from one CPU to another", _movall),
    Command(0x0F, "DISCARD", (_DEVICE, _EVENT), "unmap an event; its LPI is no longer pending", _discard),
)
"""Every command; another opcode is an error."""

_BY_OPCODE: Final[Mapping[int, Command]] = {command.opcode: command for command in COMMANDS}


def execute(its: Its, words: Words) -> bool:
    """Do a command, and tell whether it could be done."""
    command = _BY_OPCODE.get(OPCODE.of(words))
    if command is None:
        return False
    return command.handler(its, *(field.of(words) for field in command.fields))
