"""The LPIs that are pending while EnableLPIs is 1, each with the configuration byte that counts for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from irqframe.bits import MASKED, PENDING, Priority

FIRST_LPI: Final = 8192
ID_BITS: Final = 16
"""Bits of an INTID (GICD_TYPER.IDbits)."""
MIN_ID_BITS: Final = 14
"""With fewer bits in GICR_PROPBASER.IDbits there are no LPIs at all (GICR_PROPBASER page)."""

# A byte of the configuration table (GICR_PROPBASER page).
ENABLE: Final = 1
PRIORITY: Final = 0xFC

_IS_PENDING: Final = bytes(byte & PENDING for byte in range(256))
"""Translates the states of LPIs to whether they are pending."""


def capacity(propbaser: int) -> int:
    """How many LPIs a value of GICR_PROPBASER gives room for."""
    id_bits = min((propbaser & 0x1F) + 1, ID_BITS)
    return (1 << id_bits) - FIRST_LPI if id_bits >= MIN_ID_BITS else 0


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
        pending = self.state.translate(_IS_PENDING)
        index = pending.find(1)
        while index >= 0:
            yield index
            index = pending.find(1, index + 1)
