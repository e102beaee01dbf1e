"""What the scripted guest's driver of a GICv3 knows of its registers: offsets, fields, system registers.

Written down apart from the model, as an operating system has it (Linux, arm-gic-v3.h and arch_gicv3.h).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from irqframe.flow import SysregEncoding

# Offsets in the distributor's frame.
GICD_CTLR: Final = 0x0000
GICD_TYPER: Final = 0x0004
GICD_SETSPI_NSR: Final = 0x0040

# Offsets in a redistributor's frame, and how far behind it that of its SGIs and PPIs is.
GICR_CTLR: Final = 0x0000
GICR_TYPER: Final = 0x0008
GICR_WAKER: Final = 0x0014
SGI_BASE: Final = 0x1_0000

PIDR2: Final = 0xFFE8
ARCHITECTURES: Final = (3, 4)

GICD_ENABLE: Final = 1 << 4 | 1 << 1 | 1 << 0
"""GICD_CTLR: affinity routing, and both groups that may be Group 1 in the view of a guest."""
GICD_RWP: Final = 1 << 31
GICR_RWP: Final = 1 << 3

TYPER_LAST: Final = 1 << 4
PROCESSOR_SLEEP: Final = 1 << 1
CHILDREN_ASLEEP: Final = 1 << 2


class Bank(NamedTuple):
    """Offsets of the arrays of one range of INTIDs, from its index 0."""

    igroupr: int
    isenabler: int
    icenabler: int
    icactiver: int
    ipriorityr: int
    icfgr: int
    irouter: int


PLAIN: Final = Bank(0x0080, 0x0100, 0x0180, 0x0380, 0x0400, 0x0C00, 0x6000)
"""INTIDs below 1020; in the frame of SGIs and PPIs the extended PPIs follow, from index 32."""
EXTENDED: Final = Bank(0x1000, 0x1200, 0x1400, 0x1C00, 0x2000, 0x3000, 0x8000)
"""Extended SPIs."""

ICC_PMR: Final = SysregEncoding(3, 0, 4, 6, 0)
ICC_AP0R0: Final = SysregEncoding(3, 0, 12, 8, 4)
ICC_AP1R0: Final = SysregEncoding(3, 0, 12, 9, 0)
ICC_SGI1R: Final = SysregEncoding(3, 0, 12, 11, 5)
ICC_IAR1: Final = SysregEncoding(3, 0, 12, 12, 0)
ICC_EOIR1: Final = SysregEncoding(3, 0, 12, 12, 1)
ICC_BPR1: Final = SysregEncoding(3, 0, 12, 12, 3)
ICC_CTLR: Final = SysregEncoding(3, 0, 12, 12, 4)
ICC_SRE: Final = SysregEncoding(3, 0, 12, 12, 5)
ICC_IGRPEN1: Final = SysregEncoding(3, 0, 12, 12, 7)

CTLR_EXT_RANGE: Final = 1 << 19
CTLR_RSS: Final = 1 << 18


def affinity32(mpidr: int) -> int:
    """Aff3.2.1.0 in 32 bits, as GICR_TYPER has it."""
    return mpidr >> 32 << 24 | mpidr & 0xFF_FFFF


def sgi_value(mpidr: int, targets: int, sgi: int) -> int:
    """ICC_SGI1R for CPUs that have all affinity but the low four bits of Aff0 in common with one.

    Args:
        mpidr: of any of them.
        targets: bit n is the CPU whose Aff0 ends in n.
        sgi: which SGI.
    """
    aff3, aff2, aff1, aff0 = mpidr >> 32, mpidr >> 16 & 0xFF, mpidr >> 8 & 0xFF, mpidr & 0xFF
    return aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | sgi << 24 | aff1 << 16 | targets
