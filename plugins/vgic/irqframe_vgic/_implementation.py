"""What every version of the architecture leaves to the implementation, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from irqframe_vgic._intids import MAX_SPIS, PRIVATE

SPI_CHOICES: Final = (*range(32, 961, 32), MAX_SPIS)
"""How many SPIs there can be (GICD_TYPER page, ITLinesNumber)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """Implementation-defined facts of any GIC.

    Attributes:
        spis: shared interrupts, a multiple of 32 up to 960, or 988.
        priority_bits: implemented upper bits of a priority in the distributor, 4 to 8 (GICD_IPRIORITYR page).
        group_bits: most bits that can count for preemption, 4 to 7; the binary points' minimum follows from it
            (GICC_BPR and ICC_BPR0_EL1 pages).
        every_raise_is_an_edge: a raise of an edge-triggered line is an edge even if the line was never lowered; else
            only a change from low to high is one.
    """

    spis: int
    priority_bits: int
    group_bits: int
    every_raise_is_an_edge: bool

    @property
    def intids(self) -> int:
        """SGIs, PPIs and SPIs together, without extended ranges."""
        return PRIVATE + self.spis

    @property
    def words(self) -> int:
        """Registers of one bit per INTID that there are: ITLinesNumber + 1."""
        return (self.intids + 31) // 32

    @property
    def priority_mask(self) -> int:
        """The implemented bits of a priority byte of the distributor; the others are RAZ/WI."""
        return 0xFF << (8 - self.priority_bits) & 0xFF

    @property
    def min_bpr(self) -> int:
        """Least binary point of Group 0 (GICC_BPR, ICC_BPR0_EL1); that of Group 1 is one more."""
        return 7 - self.group_bits
