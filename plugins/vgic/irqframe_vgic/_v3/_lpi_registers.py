"""What GICR_PROPBASER and GICR_PENDBASER say: where the tables of LPIs are, and how many LPIs there are."""

from __future__ import annotations

from typing import Final

from irqframe_vgic._v3._lpi_set import FIRST_LPI, ID_BITS

PROPBASER_MASK: Final = 0x070F_FFFF_FFFF_FF9F
"""[4:0] IDbits, [9:7] and [58:56] cacheability, [11:10] shareability, [51:12] address; the others are RES0."""
PENDBASER_MASK: Final = 0x470F_FFFF_FFFF_0F80
"""Bit 62 PTZ, [9:7] and [58:56] cacheability, [11:10] shareability, [51:16] address; the others are RES0."""
PTZ: Final = 1 << 62

_CONFIGURATION_ADDRESS: Final = 0x000F_FFFF_FFFF_F000
_PENDING_ADDRESS: Final = 0x000F_FFFF_FFFF_0000


def capacity(propbaser: int) -> int:
    """How many LPIs a value of GICR_PROPBASER gives room for: none, if IDbits says fewer than 14."""
    id_bits = min((propbaser & 0x1F) + 1, ID_BITS)
    return max((1 << id_bits) - FIRST_LPI, 0)


def configuration_table(propbaser: int) -> int:
    """Where the configuration table is: a byte for each LPI, from the first one on."""
    return propbaser & _CONFIGURATION_ADDRESS


def pending_table(pendbaser: int) -> int:
    """Where the pending bits of LPIs are: behind those of all other INTIDs."""
    return (pendbaser & _PENDING_ADDRESS) + FIRST_LPI // 8
