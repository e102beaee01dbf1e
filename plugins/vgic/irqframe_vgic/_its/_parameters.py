"""What the GIC architecture leaves to an ITS, as values, for the two named implementations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEVICES: Final = 1
COLLECTIONS: Final = 4
"""Kinds of tables (GITS_BASER page, Type)."""

# GITS_BASER.
VALID: Final = 1 << 63
INDIRECT: Final = 1 << 62
PAGE_SIZE: Final = 0b11 << 8
_WRITABLE: Final = 0xF8E0_FFFF_FFFF_FFFF
"""All but Type [58:56] and Entry_Size [52:48]."""


@dataclass(frozen=True, slots=True)
class TableKind:
    """A table that the guest gives to the ITS by a GITS_BASER.

    Attributes:
        type: what it holds.
        entry_size: bytes of an entry.
        default: the fields that can be written, after reset.
        fixed: fields that cannot be written although the architecture would let them.
    """

    type: int
    entry_size: int
    default: int
    fixed: int = 0

    @property
    def reset(self) -> int:
        """GITS_BASER after reset."""
        return self.type << 56 | self.entry_size - 1 << 48 | self.default

    @property
    def writable(self) -> int:
        """The bits of GITS_BASER that can be written."""
        return _WRITABLE & ~self.fixed


@dataclass(frozen=True, slots=True)
class ItsParameters:
    """Implementation-defined facts of an ITS. It targets by processor number (GITS_TYPER.PTA = 0).

    Attributes:
        iidr: GITS_IIDR.
        identification: GITS_PIDR4 to 7, GITS_PIDR0 to 3, GITS_CIDR0 to 3.
        entry_size: bytes from one entry of an interrupt translation table to the next, 8 or more.
        device_bits: of a DeviceID; `event_bits` of an EventID and `collection_bits` of a collection's number likewise.
        says_collection_bits: GITS_TYPER.CIL: whether GITS_TYPER tells `collection_bits`.
        empties_queue: a write of GITS_CBASER resets GITS_CWRITER along with GITS_CREADR.
        tables: of GITS_BASER0, GITS_BASER1, and so on.
    """

    iidr: int
    identification: tuple[int, ...]
    entry_size: int
    device_bits: int
    event_bits: int
    collection_bits: int
    says_collection_bits: bool
    empties_queue: bool
    tables: tuple[TableKind, ...]

    @property
    def typer(self) -> int:
        """GITS_TYPER: physical LPIs, and the sizes."""
        collections = self.collection_bits - 1 << 32 | 1 << 36 if self.says_collection_bits else 0
        devices = self.device_bits - 1 << 13
        return collections | devices | self.event_bits - 1 << 8 | self.entry_size - 1 << 4 | 1


_PAGES_64K: Final = 2 << 8

# Read-allocate, write-back; inner shareable.
_CACHED: Final = 3 << 59 | 1 << 10

IMPLEMENTATIONS: Final[Mapping[str, ItsParameters]] = {
    # The ITS that KVM shows its guests: pages of 64 KiB only, and a collection table of one level.
    "kvm": ItsParameters(
        iidr=0x4B00_043B,
        identification=(0x40, 0, 0, 0, 0x92, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1),
        entry_size=8,
        device_bits=16,
        event_bits=16,
        collection_bits=16,
        says_collection_bits=False,
        empties_queue=True,
        tables=(
            TableKind(DEVICES, 8, _CACHED | _PAGES_64K, fixed=PAGE_SIZE),
            TableKind(COLLECTIONS, 8, _CACHED | _PAGES_64K, fixed=PAGE_SIZE | INDIRECT),
        ),
    ),
    # arm-gicv3-its of QEMU 7.2 and 10.0.
    "qemu": ItsParameters(
        iidr=0x0000_043B,
        identification=(0x44, 0, 0, 0, 0x94, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1),
        entry_size=12,
        device_bits=16,
        event_bits=16,
        collection_bits=16,
        says_collection_bits=True,
        empties_queue=False,
        tables=(TableKind(DEVICES, 8, _PAGES_64K), TableKind(COLLECTIONS, 8, _PAGES_64K)),
    ),
}
