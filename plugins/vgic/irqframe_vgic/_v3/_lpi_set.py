"""The LPIs that are pending while EnableLPIs is 1, each with the configuration byte that counts for it.

Every set has room for every LPI, whatever IDbits says, so that a redistributor can hand its set to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from irqframe.bits import MASKED, PENDING, Priority

FIRST_LPI: Final = 8192
ID_BITS: Final = 16
"""Bits of an INTID (GICD_TYPER.IDbits)."""
MOST_LPIS: Final = (1 << ID_BITS) - FIRST_LPI

# A byte of the configuration table (GICR_PROPBASER page).
ENABLE: Final = 1
PRIORITY: Final = 0xFC

_PIECE: Final = 1024
"""The configuration table is compared in such pieces."""
_MANY: Final = 1024
"""If more LPIs change, it costs less to sort all anew."""

# Translations of the states of LPIs, of configuration bytes, and of what differs, all at once.
_IS_PENDING: Final = bytes(byte & PENDING for byte in range(256))
_PRIORITIES: Final = bytes(byte & PRIORITY for byte in range(256))
_MASKS: Final = bytes(0 if byte & ENABLE else MASKED for byte in range(256))
_DIFFERS: Final = bytes(bool(byte & (PRIORITY | ENABLE)) for byte in range(256))


class LpiSet(Priority):
    """LPIs by index, which is the INTID less 8192; one that is pending and not masked is deliverable.

    Attributes:
        owed: how many are pending.
    """

    __slots__ = ("_table", "owed")

    def __init__(self) -> None:
        super().__init__(MOST_LPIS, MASKED)
        self.owed = 0
        # The configuration table as it was last read; it holds what counts for each that is pending.
        self._table = bytearray(MOST_LPIS)

    def holds(self, index: int) -> bool:
        """Whether there is such an LPI, and it is pending."""
        return 0 <= index < MOST_LPIS and bool(self.state[index] & PENDING)

    def configure(self, index: int, byte: int) -> None:
        """Take over a byte of the configuration table."""
        self._table[index] = byte
        self.set_priority(index, byte & PRIORITY)
        if byte & ENABLE:
            self.clear(index, MASKED)
        else:
            self.set(index, MASKED)

    def configure_all(self, table: bytes) -> None:
        """Take over the configuration table, or its beginning, for those that are pending.

        It costs what has changed since it was last taken over, and of the rest the comparison.
        """
        found: list[tuple[int, bytes]] = []
        for start in range(0, len(table), _PIECE):
            piece = table[start : start + _PIECE]
            end = start + len(piece)
            before = self._table[start:end]
            if piece == before:
                continue
            self._table[start:end] = piece
            changed = (_number(piece) ^ _number(before)).to_bytes(len(piece), "little").translate(_DIFFERS)
            pending = self.state[start:end].translate(_IS_PENDING)
            found.append((start, (_number(changed) & _number(pending)).to_bytes(len(piece), "little")))
        if sum(piece.count(1) for _, piece in found) > _MANY:
            self._configure_anew()
            return
        for start, piece in found:
            for index in _ones(piece):
                self.configure(start + index, table[start + index])

    def _configure_anew(self) -> None:
        """Take over every byte of the configuration table as it was last read."""
        state = _number(self.state.translate(_IS_PENDING)) | _number(self._table.translate(_MASKS))
        self.replace(state.to_bytes(MOST_LPIS, "little"), self._table.translate(_PRIORITIES))

    def add(self, index: int, byte: int) -> None:
        """An LPI that is not pending becomes so; `byte` is its configuration."""
        self.configure(index, byte)
        self.set(index, PENDING)
        self.owed += 1

    def remove(self, index: int) -> None:
        """An LPI that is pending ceases to be."""
        self.clear(index, PENDING)
        self.owed -= 1

    def configuration(self, index: int) -> int:
        """The configuration byte, as it was taken over."""
        return self.priority[index] | (0 if self.state[index] & MASKED else ENABLE)

    def beyond(self, limit: int) -> Iterator[int]:
        """Indices of those that are pending, from `limit` on; the set may change meanwhile."""
        return (limit + index for index in _ones(self.state[limit:].translate(_IS_PENDING)))

    def __iter__(self) -> Iterator[int]:
        """Indices of those that are pending, in order; the set may change meanwhile."""
        return self.beyond(0)


def union(one: LpiSet, other: LpiSet) -> LpiSet:
    """One of two sets, with what was pending in the other; where both have it, either's configuration counts."""
    more, fewer = (one, other) if one.owed >= other.owed else (other, one)
    for index in fewer:
        if not more.holds(index):
            more.add(index, fewer.configuration(index))
    return more


def _number(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "little")


def _ones(data: bytes | bytearray) -> Iterator[int]:
    """Where there is a 1."""
    index = data.find(1)
    while index >= 0:
        yield index
        index = data.find(1, index + 1)
