"""The records of a replay: eight bytes each, little-endian.

| bytes | field | meaning |
|---|---|---|
| 0 | op | an `Op` |
| 1 | value | what the operation's row says; no other operation looks at it |
| 2, 3 | vcpu | which of the targets |
| 4 to 7 | intid | 0 to size - 1; ACKNOWLEDGE and FIRST do not look at it |

Each leaves a result, a number of 32 bits with a sign in the host's byte order.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final


class Op(IntEnum):
    """What a record asks of its target: the method of that name, in lower case."""

    PEND = 0
    """1 if the interrupt became pending, 0 if it was."""
    ACKNOWLEDGE = 1
    """The INTID, -1 if none is deliverable."""
    UNMASK = 2
    """The byte as it was before."""
    MASK = 3
    """The byte as it was before."""
    SET = 4
    """`value`: the bits. The byte as it was before."""
    CLEAR = 5
    """`value`: the bits. The byte as it was before."""
    TEST = 6
    """`value`: the bits. 1 if any of them is set, else 0."""
    FIRST = 7
    """The INTID, -1 if none is deliverable."""
    SET_PRIORITY = 8
    """`value`: the priority. 0; refused by a target without priorities."""


class Refusal(IntEnum):
    """Why a record is refused; the first that holds."""

    NONE = 0
    NO_RECORD = 1
    NO_OPERATION = 2
    NO_VCPU = 3
    NO_ROOM = 4
    NO_INTID = 5
    NO_BITS = 6
    NO_PRIORITIES = 7
    NO_MEMORY = 8


_MEANING: Final = (
    "",
    "it is not (op, value, vcpu, intid) within 8, 8, 16 and 32 bits",
    "there is no such operation",
    "there is no target of its number",
    "there is no room for its result",
    "the target has no such INTID",
    "its bits mean nothing",
    "the target has no priorities",
    "there is no memory for it",
)

RECORD: Final = Struct("<BBHI")
"""A record as bytes."""
RESULT: Final = 4
"""Bytes of a result."""


class BadRecordError(ValueError):
    """A record that cannot be replayed; those before it were, and it and those behind it changed nothing.

    Attributes:
        index: which one, from 0 on.
        refusal: why.
    """

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(f"record {index}: {_MEANING[refusal]}")
        self.index = index
        self.refusal = refusal
