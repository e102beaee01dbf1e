"""What is counted of the life of the interrupts of one CPU interface; `irqframe.bits.Bank` has that life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from irqframe.bits import COALESCED, LATCHED, UNCHANGED, Account, Bank
from irqframe.flow import Counters, Injected

OUTCOMES: Final = {UNCHANGED: Injected.NOTHING, LATCHED: Injected.LATCHED, COALESCED: Injected.COALESCED}
"""What became of a raise, by what `Bank.set_line` and `Bank.pend` say."""


class Counts(Account):
    """What one CPU interface has counted since reset; the attributes are those of `irqframe.flow.Counters`."""

    __slots__ = ("dropped",)

    def __init__(self) -> None:
        super().__init__()
        self.dropped: dict[Injected, int] = {}

    def drop(self, reason: Injected) -> Injected:
        """Count a raise that is lost for `reason`, and return the reason."""
        self.raised += 1
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        return reason

    def give(self) -> str:
        """An owed interrupt goes to another CPU interface: take it out of the accounts here.

        Returns:
            The count that it was in, for `take` over there.
        """
        name = "raised" if self.raised else "resampled"
        # An account that was restored may lack what the state says is owed: it does not go below nothing.
        setattr(self, name, max(getattr(self, name) - 1, 0))
        return name

    def take(self, name: str) -> Injected:
        """Take over what another CPU interface gave."""
        setattr(self, name, getattr(self, name) + 1)
        return Injected.NOTHING

    def give_many(self, owed: int) -> tuple[int, int]:
        """`give` so many at once.

        Returns:
            How many of them were in `raised`, and in `resampled`, for `take_many` over there.
        """
        raised = min(owed, self.raised)
        self.raised -= raised
        self.resampled = max(self.resampled - (owed - raised), 0)
        return raised, owed - raised

    def take_many(self, given: tuple[int, int]) -> None:
        """Take over what another CPU interface gave so."""
        self.raised += given[0]
        self.resampled += given[1]

    def snapshot(self) -> Counters:
        """As `irqchip_counters` returns it."""
        return Counters(
            raised=self.raised,
            delivered=self.delivered,
            coalesced=self.coalesced,
            dropped=dict(self.dropped),
            withdrawn=self.withdrawn,
            resampled=self.resampled,
        )


#: A change of one interrupt: (bank, its bitmap, where it is counted).
Change: TypeAlias = Callable[[Bank, int, Counts], object]


def no_change(bank: Bank, bit: int, counts: Counts) -> None:
    """For a change that only settles."""
