"""The state of 32 interrupts with consecutive INTIDs: one integer per property, one bit per interrupt.

This is the shape of a GIC's registers, so a register of one bit per INTID is read in one step.

    pending  = latch, or for a level-triggered interrupt the line
    owed     = pending, and not delivered since it became so

`owed` is for the accounts. A level interrupt whose line is still high while it is active reads as pending, but what
made it pending has been delivered; it is owed again when it is deactivated. So the life of one interrupt is

    raise     an edge, a message, the guest, or a line that goes high       owed, unless it is: coalesced
    deliver   the guest acknowledges                                        latch cleared, active, no longer owed
    settle    after any other change
                pending, neither owed nor active: a line is still high      owed again: resampled
                owed, no longer pending                                     withdrawn

After `settle`, an interrupt that is pending and not active is owed, and one that is owed is pending. So always

    raised + resampled = delivered + coalesced + dropped + withdrawn + owed
"""

from __future__ import annotations

from typing import Final

_ALL: Final = 0xFFFF_FFFF
_SIZE: Final = 32

BITMAPS: Final = ("enabled", "latch", "line", "edge", "active", "group", "owed")
"""Names of the bitmaps that are the state of an interrupt."""

UNCHANGED: Final = 0
"""No raise."""
LATCHED: Final = 1
"""A raise; the interrupt is owed now."""
COALESCED: Final = 2
"""A raise of an interrupt that is owed already."""


class Account:
    """What was counted of the interrupts of one CPU.

    Attributes:
        raised: edges, messages, and lines that went high.
        delivered: acknowledged by the guest.
        coalesced: raised while it was owed.
        withdrawn: no longer pending, and never delivered.
        resampled: owed again because its line is still high.
    """

    __slots__ = ("coalesced", "delivered", "raised", "resampled", "withdrawn")

    def __init__(self) -> None:
        self.raised = self.delivered = self.coalesced = self.withdrawn = self.resampled = 0


class Bank:
    """State of 32 interrupts.

    Args:
        first: INTID of the first one, a multiple of 32.
        count: how many there are, 1 to 32; the others' bits stay 0.
        shared: whether several threads change it, each the bits of interrupts that are its own. They change them by
            the methods then, and assign whole bitmaps only while nothing else runs.

    Raises:
        ValueError: for another `first` or `count`.

    Attributes:
        first: as given.
        shared: as given.
        valid: bitmap of those that there are.
        enabled: bitmap; so are the following.
        latch: pending by an edge, a message or the guest, until acknowledged or cleared.
        line: level of the line.
        edge: edge-triggered; else level-triggered.
        active: acknowledged and not deactivated.
        group: in Group 1.
        owed: pending and not delivered since.
        apart: those whose account is kept elsewhere: `settle` leaves them alone.
        watched: those whose deactivation matters outside.
        priority: a byte each; so are the following.
        targets: bit n for CPU n.
    """

    __slots__ = (
        "active",
        "apart",
        "edge",
        "enabled",
        "first",
        "group",
        "latch",
        "line",
        "owed",
        "priority",
        "shared",
        "targets",
        "valid",
        "watched",
    )

    def __init__(self, first: int, count: int = _SIZE, *, shared: bool = False) -> None:
        if first < 0 or first % _SIZE or not 1 <= count <= _SIZE:
            raise ValueError(f"a bank has 1 to 32 interrupts from a multiple of 32 on, not {count} from {first}")
        self.first = first
        self.shared = shared
        self.valid = _ALL >> (_SIZE - count)
        self.enabled = self.latch = self.line = self.edge = self.active = self.group = self.owed = 0
        self.apart = self.watched = 0
        self.priority = bytearray(_SIZE)
        self.targets = bytearray(_SIZE)

    @property
    def pending(self) -> int:
        """Bitmap of what reads as pending."""
        return self.latch | self.line & ~self.edge

    # Several threads change a shared bank. A bitmap is changed by one assignment that calls nothing, here and below:
    # the holder of CPython's GIL keeps it through that, but not through a `setattr` of what `getattr` gave.

    # Properties, several interrupts at once

    def set(self, name: str, bits: int) -> None:
        """Set bits of one of the `BITMAPS`.

        Raises:
            AttributeError: for any other name.
        """
        self._change(name, -1, bits)

    def clear(self, name: str, bits: int) -> None:
        """Clear bits of one of the `BITMAPS`.

        Raises:
            AttributeError: for any other name.
        """
        self._change(name, ~bits, 0)

    def _change(self, name: str, keep: int, bits: int) -> None:
        if name == "active":
            self.active = self.active & keep | bits
        elif name == "enabled":
            self.enabled = self.enabled & keep | bits
        elif name == "latch":
            self.latch = self.latch & keep | bits
        elif name == "line":
            self.line = self.line & keep | bits
        elif name == "edge":
            self.edge = self.edge & keep | bits
        elif name == "group":
            self.group = self.group & keep | bits
        elif name == "owed":
            self.owed = self.owed & keep | bits
        else:
            raise AttributeError(f"a Bank has no bitmap {name!r}")

    # The life of the interrupt whose bitmap is `bit`

    def set_line(self, bit: int, level: int, account: Account, every_raise_is_an_edge: bool) -> int:
        """Set its line.

        Returns:
            LATCHED or COALESCED for a raise; UNCHANGED if the line was low or did not change.
        """
        if not level:
            self.line &= ~bit
            if not self.edge & bit:
                self.settle(bit, account)
            return UNCHANGED
        was_high = self.line & bit
        self.line |= bit
        if self.edge & bit:
            if was_high and not every_raise_is_an_edge:
                return UNCHANGED
            self.latch |= bit
        elif was_high:
            return UNCHANGED
        account.raised += 1
        if self.owed & bit:
            account.coalesced += 1
            return COALESCED
        self.owed |= bit
        return LATCHED

    def pend(self, bit: int, account: Account) -> int:
        """An edge, a message, or the guest makes it pending.

        Returns:
            LATCHED, or COALESCED if it was owed already.
        """
        self.latch |= bit
        account.raised += 1
        if self.owed & bit:
            account.coalesced += 1
            return COALESCED
        self.owed |= bit
        return LATCHED

    def deliver(self, bit: int) -> None:
        """The guest acknowledges: active, and pending only if the line says so."""
        self.active |= bit
        self.latch &= ~bit
        self.owed &= ~bit

    def settle(self, bit: int, account: Account) -> None:
        """Bring `owed` in line with the rest, after a change that was neither a raise nor a delivery."""
        if bit & self.apart:
            return
        if (self.latch | self.line & ~self.edge) & bit:
            if not (self.owed | self.active) & bit:
                self.owed |= bit
                account.resampled += 1
        elif self.owed & bit:
            self.owed &= ~bit
            account.withdrawn += 1
