"""The GIC's system registers by name, and their encodings packed as MRS and MSR hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from irqframe.flow import SysregEncoding

_NAMED: Final[Mapping[str, tuple[int, int, int]]] = {
    "PMR": (4, 6, 0),
    "IAR0": (12, 8, 0),
    "EOIR0": (12, 8, 1),
    "HPPIR0": (12, 8, 2),
    "BPR0": (12, 8, 3),
    "AP0R0": (12, 8, 4),
    "AP0R1": (12, 8, 5),
    "AP0R2": (12, 8, 6),
    "AP0R3": (12, 8, 7),
    "AP1R0": (12, 9, 0),
    "AP1R1": (12, 9, 1),
    "AP1R2": (12, 9, 2),
    "AP1R3": (12, 9, 3),
    "DIR": (12, 11, 1),
    "RPR": (12, 11, 3),
    "SGI1R": (12, 11, 5),
    "ASGI1R": (12, 11, 6),
    "SGI0R": (12, 11, 7),
    "IAR1": (12, 12, 0),
    "EOIR1": (12, 12, 1),
    "HPPIR1": (12, 12, 2),
    "BPR1": (12, 12, 3),
    "CTLR": (12, 12, 4),
    "SRE": (12, 12, 5),
    "IGRPEN0": (12, 12, 6),
    "IGRPEN1": (12, 12, 7),
}


def pack(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    """An encoding as bits 20 to 5 of MRS and MSR have it."""
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def unpack(packed: int) -> SysregEncoding:
    """The reverse of `pack`."""
    return SysregEncoding(packed >> 14, packed >> 11 & 7, packed >> 7 & 0xF, packed >> 3 & 0xF, packed & 7)


ICC: Final[Mapping[str, int]] = {name: pack(3, 0, *rest) for name, rest in _NAMED.items()}
"""ICC_<name>_EL1 -> packed encoding."""

NAMES: Final[Mapping[int, str]] = {packed: f"ICC_{name}_EL1" for name, packed in ICC.items()}
"""The reverse."""
