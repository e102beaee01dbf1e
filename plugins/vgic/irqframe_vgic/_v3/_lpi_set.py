"""The LPIs that are pending while EnableLPIs is 1, each with the configuration byte that counts for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from irqframe.bits import MASKED, PENDING, Priority

FIRST_LPI: Final = 8192
ID_BITS: Final = 16
"""Bits of an INTID (GICD_TYPER.IDbits)."""

# A byte of the configuration table (GICR_PROPBASER page).
ENABLE: Final = 1
PRIORITY: Final = 0xFC

# Translations of the states of LPIs, and of configuration bytes, all at once.
_IS_PENDING: Final = bytes(byte & PENDING for byte in range(256))
_PENDING_BITS: Final = bytes(0xFF * (byte & PENDING) for byte in range(256))
_ENABLED: Final = bytes(0 if byte & MASKED else ENABLE for byte in range(256))
_COUNTS: Final = bytes(byte & (PRIORITY | ENABLE) for byte in range(256))
_DIFFERS: Final = bytes(min(byte, 1) for byte in range(256))


def capacity(propbaser: int) -> int:
    """How many LPIs a value of GICR_PROPBASER gives room for: none, if IDbits says fewer than 14."""
    id_bits = min((propbaser & 0x1F) + 1, ID_BITS)
    return max((1 << id_bits) - FIRST_LPI, 0)


class LpiSet(Priority):
    """LPIs by index, which is the INTID less 8192; one that is pending and not masked is deliverable.

    Args:
        size: how many there are.
    """

    __slots__ = ()

    def __init__(self, size: int) -> None:
        super().__init__(size, MASKED)

    @property
    def owed(self) -> int:
        """How many are pending."""
        return self.state.count(PENDING) + self.state.count(PENDING | MASKED)

    def holds(self, index: int) -> bool:
        """Whether there is such an LPI, and it is pending."""
        return 0 <= index < len(self.state) and bool(self.state[index] & PENDING)

    def configure(self, index: int, byte: int) -> None:
        """Take over a byte of the configuration table."""
        self.set_priority(index, byte & PRIORITY)
        if byte & ENABLE:
            self.clear(index, MASKED)
        else:
            self.set(index, MASKED)

    def configure_all(self, table: bytes) -> None:
        """Take over the configuration table, for those that are pending; what has not changed costs next to nothing."""
        now = _number(self.priority) | _number(self.state.translate(_ENABLED))
        changed = (now ^ _number(table.translate(_COUNTS))) & _number(self.state.translate(_PENDING_BITS))
        for index in _ones(changed.to_bytes(len(table), "little").translate(_DIFFERS)):
            self.configure(index, table[index])

    def add(self, index: int, byte: int) -> None:
        """An LPI becomes pending; `byte` is its configuration."""
        self.configure(index, byte)
        self.set(index, PENDING)

    def remove(self, index: int) -> None:
        """An LPI is no longer pending."""
        self.clear(index, PENDING)

    def configuration(self, index: int) -> int:
        """The configuration byte, as it was taken over."""
        return self.priority[index] | (0 if self.state[index] & MASKED else ENABLE)

    def __iter__(self) -> Iterator[int]:
        """Indices of those that are pending, in order; the set may change meanwhile."""
        return _ones(self.state.translate(_IS_PENDING))


def _number(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "little")


def _ones(data: bytes | bytearray) -> Iterator[int]:
    """Where there is a 1."""
    index = data.find(1)
    while index >= 0:
        yield index
        index = data.find(1, index + 1)
