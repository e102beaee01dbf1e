"""The state of 32 interrupts with consecutive INTIDs, as it is reset and saved; `irqframe.bits.Bank` has the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irqframe.bits import BITMAPS, Bank


class Block(Bank):
    """State of 32 interrupts; `targets` has bit n for CPU interface n."""

    __slots__ = ()

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
