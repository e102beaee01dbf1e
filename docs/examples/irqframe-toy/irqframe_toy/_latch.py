"""The model: a latch for each of 32 lines, and the registers through which a guest sees them.

A line that rises is latched. A claim takes the lowest line that is latched and enabled, and disables it. Enabling it
again is the end of its interrupt, and latches it once more if it is still high. So a device may pulse its line (edge)
or keep it high until it is served (level), and neither loses an interrupt.
"""

from enum import IntEnum
from typing import Final

from irqframe import Injected
from irqframe.bits import MASKED, PENDING, LowestFirst

LINES: Final = 32
ALL: Final = 0xFFFF_FFFF
"""Every line, and what a claim reads if there is nothing to take."""


class Register(IntEnum):
    """Offset of each register. They are 32 bits wide; all but CLAIM have a bit per line."""

    PENDING = 0x0  # read: the lines that are latched
    ENABLE_SET = 0x4  # read: the lines that are enabled; write: enable those whose bits are 1
    ENABLE_CLEAR = 0x8  # write: disable those whose bits are 1
    CLAIM = 0xC  # read: take the lowest line that is latched and enabled


class Latch:
    """The state of the one target; only the thread that owns its vCPU touches it."""

    def __init__(self) -> None:
        self.target = LowestFirst(LINES)  # every line starts out masked, that is disabled
        self.high: set[int] = set()
        self.resampled = 0

    def set_line(self, line: int, level: int) -> Injected:
        """A device sets its line; what became of it."""
        if not level:
            self.high.discard(line)
        elif line not in self.high:
            self.high.add(line)
            return Injected.LATCHED if self.target.pend(line) else Injected.COALESCED
        return Injected.NOTHING

    def read(self, offset: int) -> int:
        """The guest reads a register; what is none reads as 0."""
        match offset:
            case Register.PENDING:
                return self._lines_with(PENDING)
            case Register.ENABLE_SET:
                return ALL & ~self._lines_with(MASKED)
            case Register.CLAIM:
                return ALL & self.target.acknowledge()  # -1 if there is nothing
        return 0

    def write(self, offset: int, value: int) -> None:
        """The guest writes a register; what is none ignores it."""
        for line in range(LINES):
            if value >> line & 1:
                if offset == Register.ENABLE_SET:
                    self._enable(line)
                elif offset == Register.ENABLE_CLEAR:
                    self.target.mask(line)

    def _enable(self, line: int) -> None:
        if line in self.high and not self.target.set(line, PENDING) & PENDING:
            self.resampled += 1
        self.target.unmask(line)

    def _lines_with(self, bit: int) -> int:
        return sum(1 << line for line in range(LINES) if self.target.test(line, bit))
