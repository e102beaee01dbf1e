"""Time, as a VM is given it: nothing in a VM or an irqchip asks the host for it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a VM's time comes from."""

    def now(self) -> int:
        """Nanoseconds since the clock's own start; it never goes back."""


class VirtualClock:
    """A clock that stands still until it is told to advance: the same run gives the same times."""

    __slots__ = ("_now",)

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """Nanoseconds since the start."""
        return self._now

    def advance(self, nanoseconds: int) -> int:
        """Let time pass.

        Args:
            nanoseconds: how long, 0 or more.

        Returns:
            The time afterwards.

        Raises:
            ValueError: if `nanoseconds` is negative.
        """
        if nanoseconds < 0:
            raise ValueError(f"time does not go back: {nanoseconds} ns")
        self._now += nanoseconds
        return self._now


class HostClock:
    """The host's monotonic clock, from the moment of construction."""

    __slots__ = ("_start",)

    def __init__(self) -> None:
        self._start = time.monotonic_ns()

    def now(self) -> int:
        """Nanoseconds since construction."""
        return time.monotonic_ns() - self._start
