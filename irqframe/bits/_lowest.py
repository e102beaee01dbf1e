"""Delivery in INTID order: the default policy, and the fastest in pure Python.

While anything is deliverable, a low-water mark stands at or below the lowest such interrupt. The search starts there,
at one byte, and only then becomes a scan, which is a memchr: flat in the number of INTIDs up to many thousands.
"""

from __future__ import annotations

from irqframe.bits._target import MASKED, PENDING, Target, no_intid


class LowestFirst(Target):
    """Delivers the lowest INTID first."""

    __slots__ = ("_low",)

    def __init__(self, size: int, initial: int = MASKED) -> None:
        super().__init__(size, initial)
        self._low = 0

    def first(self) -> int:
        """The lowest deliverable interrupt, -1 if there is none."""
        if not self.deliverable:
            return -1
        low = self._low
        if self.state[low] != PENDING:
            self._low = low = self.state.find(PENDING, low)
        return low

    # The next three say the same as the base class does, without its calls: they are what every interrupt pays.

    def pend(self, intid: int, /) -> bool:
        """Raise an interrupt, and count it; True if it became pending, False if it was."""
        if intid < 0:
            raise no_intid(intid)
        state = self.state
        before = state[intid]
        self.raised += 1
        if before:
            if before & PENDING:
                self.coalesced += 1
                return False
            state[intid] = before | PENDING
            return True
        state[intid] = PENDING
        count = self.deliverable
        self.deliverable = count + 1
        if intid < self._low or not count:
            self._low = intid
        return True

    def unmask(self, intid: int, /) -> None:
        """Clear MASKED; an interrupt that is pending becomes deliverable."""
        if intid < 0:
            raise no_intid(intid)
        state = self.state
        before = state[intid]
        if before & MASKED:
            state[intid] = after = before & ~MASKED
            if after == PENDING:
                count = self.deliverable
                self.deliverable = count + 1
                if intid < self._low or not count:
                    self._low = intid

    def acknowledge(self) -> int:
        """Hand out the lowest deliverable interrupt, -1 if there is none."""
        count = self.deliverable
        if not count:
            return -1
        state = self.state
        low = self._low
        if state[low] != PENDING:
            low = state.find(PENDING, low)
        state[low] = MASKED
        self.deliverable = count - 1
        self.delivered += 1
        self._low = low + 1
        return low

    def _enter(self, intid: int) -> None:
        if intid < self._low or self.deliverable == 1:
            self._low = intid

    def _leave(self, intid: int) -> None:
        """The mark stays: what is below it is not deliverable either."""

    def _forget(self) -> None:
        self._low = 0
