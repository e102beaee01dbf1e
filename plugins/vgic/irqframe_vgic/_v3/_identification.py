"""Peripheral and component identification, at the end of every 64 KiB frame (GICD_PIDR, GICR_PIDR, GITS_PIDR pages)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

IDENTIFICATION_OFFSET: Final = 0xFFD0

# PIDR4 to PIDR7, PIDR0 to PIDR3, CIDR0 to CIDR3 of QEMU's model. Bits 7:4 of PIDR2 are the architecture version, 3; the
# frames differ in PIDR0.
_BYTES: Final = (0x44, 0x00, 0x00, 0x00, 0x92, 0xB4, 0x3B, 0x00, 0x0D, 0xF0, 0x05, 0xB1)
_PIDR0: Final = 4


def identification(part: int) -> Callable[[Any, int, Any], int]:
    """A handler that reads the identification of a frame whose PIDR0 is `part`."""

    def read(owner: object, n: int, cpu: object) -> int:
        return part if n == _PIDR0 else _BYTES[n]

    return read
