"""The number space of interrupts that both versions of the architecture share (INTID, Terms and abbreviations)."""

from __future__ import annotations

from typing import Final

SGIS: Final = 16
"""INTIDs 0 to 15 are software-generated."""
PRIVATE: Final = 32
"""INTIDs of each CPU's own: 16 SGIs, then 16 PPIs."""
MAX_INTIDS: Final = 1020
"""INTIDs 1020 to 1023 are special numbers (GICC_IAR and ICC_IAR1_EL1 pages)."""
MAX_SPIS: Final = MAX_INTIDS - PRIVATE

SPURIOUS: Final = 1023
"""Nothing to acknowledge (GICC_IAR and ICC_IAR1_EL1 pages)."""

FIRST_EPPI: Final = 1056
"""INTID of the first extended PPI (GICR_TYPER page, PPInum)."""
FIRST_ESPI: Final = 4096
"""INTID of the first extended SPI (GICD_TYPER page, ESPI_range)."""
