"""The state of 32 interrupts with consecutive INTIDs: one integer per property, one bit per interrupt.

This is the shape of the registers, so a register of one bit per INTID is read in one step.

    pending  = latch, or for a level-triggered interrupt the line       (GICD_ISPENDR page)
    owed     = pending, and not delivered since it became so

`owed` is for the accounts. A level interrupt whose line is still high while it is active reads as pending, but what
made it pending has been delivered; it is owed again when it is deactivated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_ALL: Final = 0xFFFF_FFFF

BITMAPS: Final = ("enabled", "latch", "line", "edge", "active", "group", "owed")


class Block:
    """State of 32 interrupts.

    Args:
        first: INTID of the first one, a multiple of 32.
        count: how many there are, 1 to 32; the others' bits stay 0.

    Attributes:
        first: as given.
        valid: bitmap of those that there are.
        enabled: bitmap; so are the following.
        latch: pending by an edge, a message or the guest, until acknowledged or cleared.
        line: level of the line.
        edge: edge-triggered; else level-triggered.
        active: acknowledged and not deactivated.
        group: in Group 1.
        owed: pending and not delivered since.
        priority: a byte each.
        targets: a byte each, bit n for CPU interface n.
    """

    __slots__ = (
        "active",
        "edge",
        "enabled",
        "first",
        "group",
        "latch",
        "line",
        "owed",
        "priority",
        "targets",
        "valid",
    )

    def __init__(self, first: int, count: int = 32) -> None:
        self.first = first
        self.valid = _ALL >> (32 - count)
        self.enabled = self.latch = self.line = self.edge = self.active = self.group = self.owed = 0
        self.priority = bytearray(32)
        self.targets = bytearray(32)

    @property
    def pending(self) -> int:
        """Bitmap of what reads as pending."""
        return self.latch | self.line & ~self.edge

    def reset(self) -> None:
        """Forget everything but the lines, which are the devices', and the targets' shape."""
        self.enabled = self.latch = self.edge = self.active = self.group = self.owed = 0
        self.priority[:] = bytes(32)

    def save(self) -> dict[str, Any]:
        """Plain data."""
        saved: dict[str, Any] = {name: getattr(self, name) for name in BITMAPS}
        return saved | {"priority": self.priority.hex(), "targets": self.targets.hex()}

    def take(self, saved: Mapping[str, Any]) -> None:
        """Take over saved data that was checked."""
        for name in BITMAPS:
            setattr(self, name, saved[name])
        self.priority[:] = bytes.fromhex(saved["priority"])
        self.targets[:] = bytes.fromhex(saved["targets"])


def bits(value: int) -> Iterator[int]:
    """Numbers of the bits that are set, the lowest first."""
    while value:
        low = value & -value
        yield low.bit_length() - 1
        value ^= low
