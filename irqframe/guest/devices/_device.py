"""What the runner of a guest asks of a device, and a device of the outside world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from irqframe.guest.devices._line import Line


class Device(Protocol):
    """A device that real guest code drives. It serves its frame itself, on the bus of the VM.

    Attributes:
        name: its node's, without the path.
        lines: its interrupts, in the order of its node.
        on_deadline: called when the guest has changed `deadline`; the runner sets it.
    """

    name: str
    lines: tuple[Line, ...]
    on_deadline: Callable[[], None]

    def deadline(self) -> int | None:
        """When it wants to be looked at, nanoseconds of the VM's clock; None: not before the guest or input comes."""

    def update(self) -> None:
        """Time has passed, or input may have come."""


def nobody() -> None:
    """Nobody listens."""


class Console(Protocol):
    """The other end of a serial line; neither call waits, and neither raises."""

    def read(self, most: int) -> bytes:
        """What was typed, at most so many bytes, 0 included; it comes once, and b"" means nothing now."""

    def write(self, data: bytes) -> None:
        """What the guest printed."""


class Unconnected:
    """A serial line with nobody at its other end."""

    def read(self, most: int) -> bytes:
        """Nothing is typed."""
        return b""

    def write(self, data: bytes) -> None:
        """Nobody reads."""
