"""One operation on a GIC, and what came of it: six integers and words that a line of JSON holds."""

from __future__ import annotations

from typing import Final, NamedTuple

READ: Final = "r"
WRITE: Final = "w"
MRS: Final = "mrs"
MSR: Final = "msr"
LINE: Final = "irq"
STORE: Final = "mem"

UNDEFINED: Final = -1
"""In place of a value: the instruction was UNDEFINED."""

GICC: Final = 0x1_0000
"""Offset of a GICv2's CPU interface from the distributor."""
ITS: Final = 0x8_0000
"""Offset of a GICv3's ITS; its translation frame is 64 KiB behind."""


class Op(NamedTuple):
    """An operation.

    Attributes:
        kind: READ or WRITE of a register in memory, MRS or MSR, LINE of a device, or STORE into RAM.
        cpu: who does it; whose the line is, for a PPI.
        at: offset from the distributor; packed encoding (`sysregs.pack`); INTID; guest physical address.
        value: what is written, or the level.
        size: bytes of an access to memory.
    """

    kind: str
    cpu: int
    at: int
    value: int = 0
    size: int = 4


class Outcome(NamedTuple):
    """What came of an operation.

    Attributes:
        value: what was read, UNDEFINED, or None where there is nothing to read.
        pins: the lines of every CPU afterwards, from bit 2n on those of CPU n: 2 for IRQ, 1 for FIQ. None after STORE,
            which no GIC sees.
    """

    value: int | None
    pins: int | None


def gicr(cpu: int, sgi: bool = False) -> int:
    """Offset of a CPU's redistributor, or of its SGI frame."""
    return 0xA_0000 + 0x2_0000 * cpu + (0x1_0000 if sgi else 0)
