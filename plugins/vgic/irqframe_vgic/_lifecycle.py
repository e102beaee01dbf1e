"""The life of one interrupt, the same for a PPI and an SPI, and what is counted of it.

    raise     an edge, a message, the guest, or a line that goes high       owed, unless it is: coalesced
    deliver   the guest acknowledges                                        latch cleared, active, no longer owed
    settle    after any other change
                pending, neither owed nor active: a line is still high      owed again: resampled
                owed, no longer pending                                     withdrawn

After `settle`, an interrupt that is pending and not active is owed, and one that is owed is pending. So always

    raised + resampled = delivered + coalesced + dropped + withdrawn + owed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from irqframe.flow import Counters, Injected
from irqframe_vgic._block import Block


class Counts:
    """What one CPU interface has counted since reset; the attributes are those of `irqframe.flow.Counters`."""

    __slots__ = ("coalesced", "delivered", "dropped", "raised", "resampled", "withdrawn")

    def __init__(self) -> None:
        self.raised = self.delivered = self.coalesced = self.withdrawn = self.resampled = 0
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


#: A change of one interrupt: (block, its bitmap, where it is counted).
Change: TypeAlias = Callable[[Block, int, Counts], object]


def set_line(block: Block, bit: int, level: int, counts: Counts, every_raise_is_an_edge: bool) -> Injected:
    """Set the line of the interrupt whose bitmap is `bit`.

    Returns:
        LATCHED or COALESCED for a raise; NOTHING if the line was low or did not change.
    """
    if not level:
        block.line &= ~bit
        settle(block, bit, counts)
        return Injected.NOTHING
    was_high = block.line & bit
    block.line |= bit
    if block.edge & bit:
        if was_high and not every_raise_is_an_edge:
            return Injected.NOTHING
        return latch(block, bit, counts)
    return Injected.NOTHING if was_high else _owe(block, bit, counts)


def latch(block: Block, bit: int, counts: Counts) -> Injected:
    """An edge, a message, or the guest makes the interrupt pending.

    Returns:
        LATCHED, or COALESCED if it was owed already.
    """
    block.latch |= bit
    return _owe(block, bit, counts)


def deliver(block: Block, bit: int) -> None:
    """The guest acknowledges: active, and pending only if the line says so (S2 in the tests)."""
    block.active |= bit
    block.latch &= ~bit
    block.owed &= ~bit


def settle(block: Block, bit: int, counts: Counts) -> None:
    """Bring `owed` in line with the rest, after a change that was neither a raise nor a delivery."""
    if (block.latch | block.line & ~block.edge) & bit:
        if not (block.owed | block.active) & bit:
            block.owed |= bit
            counts.resampled += 1
    elif block.owed & bit:
        block.owed &= ~bit
        counts.withdrawn += 1


def _owe(block: Block, bit: int, counts: Counts) -> Injected:
    counts.raised += 1
    if block.owed & bit:
        counts.coalesced += 1
        return Injected.COALESCED
    block.owed |= bit
    return Injected.LATCHED


def no_change(block: Block, bit: int, counts: Counts) -> None:
    """For a change that only settles."""
