"""The two clocks of a machine that executes code.

1. Real time: the host's monotonic clock, which the CPU's counter reads too. CNTVOFF_EL2 makes the virtual counter begin
   with the clock; the physical counter has no offset, and counts from when the host started.
2. Virtual time: an instruction takes a nanosecond, whichever vCPU executes it, as with `-icount shift=0` of QEMU. While
   all vCPUs sleep the clock jumps to what is to happen next. Both counters read it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from irqframe.guest.aarch64._engine import INSTRUCTIONS_PER_TICK, Engine

TICK_NS: Final = INSTRUCTIONS_PER_TICK
"""One tick of the counter, of 62.5 MHz, in nanoseconds."""

LAST: Final = 1 << 62
"""Nanoseconds, 146 years: later than this virtual time does not come, however far ahead a timer is set."""


class RealClock:
    """The host's monotonic clock, from construction.

    Attributes:
        start: CLOCK_MONOTONIC at construction, nanoseconds, a whole number of ticks.
    """

    __slots__ = ("start",)

    def __init__(self) -> None:
        self.start = time.monotonic_ns() // TICK_NS * TICK_NS

    def now(self) -> int:
        """Nanoseconds since construction."""
        return time.monotonic_ns() - self.start

    def limit(self, ns: int) -> int:
        """The time `ns` as an engine is told it: by the host's clock."""
        return self.start + ns

    @property
    def counter_offset(self) -> int:
        """CNTVOFF_EL2, ticks: what the virtual counter is behind the physical one."""
        return self.start // TICK_NS


class InstructionClock:
    """Time as instructions that were executed, and what was skipped while nothing was.

    Attributes:
        engines: of every vCPU; set before the first of them runs.
        skipped: nanoseconds that passed while every vCPU slept.
    """

    __slots__ = ("engines", "skipped")

    def __init__(self) -> None:
        self.engines: Sequence[Engine] = ()
        self.skipped = 0

    def now(self) -> int:
        """Nanoseconds since the first instruction."""
        now = self.skipped
        for engine in self.engines:
            now += engine.executed
        return now

    def limit(self, ns: int) -> int:
        """The time `ns` as an engine is told it: how many instructions are left, at least one."""
        return max(ns - self.now(), 1)

    def skip_to(self, ns: int) -> None:
        """Every vCPU sleeps until then."""
        self.skipped += max(ns - self.now(), 0)

    @property
    def counter_offset(self) -> int:
        """Both counters read the clock."""
        return 0
