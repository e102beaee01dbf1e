"""The state of one interrupt target: one byte per INTID, and which interrupts are deliverable.

1. A byte is a set of bits. Bit 0 (PENDING) is the reason to deliver; every other bit is a reason not to. So an
   interrupt is deliverable if and only if its byte equals PENDING.
2. `deliverable` counts these bytes. The target signals while it is not 0: no scan tells that.
3. The order of delivery is the policy's, a subclass: it hears of every interrupt that becomes deliverable (`_enter`)
   and that ceases to be (`_leave`).
4. INTIDs are 0 to size - 1. Any other raises IndexError, what is no integer TypeError, bits that mean nothing
   ValueError; nothing has changed then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from operator import index
from typing import Any, Final

from irqframe.bits._saved import read_counts, read_state

PENDING: Final = 1
"""The interrupt is latched, or its line is high."""
MASKED: Final = 2
"""The guest masked it (GIC: it is not enabled)."""
ACTIVE: Final = 4
"""The guest has acknowledged it and not ended it (GIC only)."""
UNTARGETED: Final = 8
"""It is routed to another target (GIC shared interrupts)."""
GROUP_OFF: Final = 16
"""Its group is disabled in the distributor (GIC)."""

MOST_INTIDS: Final = 1 << 24
"""INTIDs of a target: no interrupt controller has wider numbers."""

STATE_BITS: Final = PENDING | MASKED | ACTIVE | UNTARGETED | GROUP_OFF


class Target(ABC):
    """State of one target; subclasses choose the order of delivery.

    Args:
        size: number of INTIDs, from 0 on.
        initial: every interrupt's byte at first and after `reset`; not PENDING alone, which would be deliverable.

    Raises:
        ValueError: if `initial` is PENDING or has bits that mean nothing, or there are too many INTIDs.

    Attributes:
        state: the bytes; read them as you like, change them through the methods only.
        deliverable: how many interrupts are deliverable.
        raised: calls of `pend`.
        coalesced: calls of `pend` that found the interrupt pending.
        delivered: interrupts handed out by `acknowledge`.
        enabled: the irqchip's own note, False at first, of whether what is deliverable is delivered at all. No method
            looks at it, nor is it saved or reset; operations that serve exits do look at it.
    """

    __slots__ = ("_initial", "coalesced", "deliverable", "delivered", "enabled", "raised", "state")

    def __init__(self, size: int, initial: int = MASKED) -> None:
        if initial & ~STATE_BITS or initial == PENDING:
            raise ValueError(f"initial {initial} is deliverable, or no state byte")
        if not 0 <= index(size) <= MOST_INTIDS:
            raise ValueError(f"size {size} is not in 0..{MOST_INTIDS}")
        self._initial = initial
        self.enabled = False
        self.state = bytearray([initial]) * size
        self.deliverable = 0
        self.raised = 0
        self.coalesced = 0
        self.delivered = 0

    @abstractmethod
    def first(self) -> int:
        """The interrupt to deliver next, -1 if none is deliverable."""

    def set(self, intid: int, bits: int, /) -> int:
        """Set bits in an interrupt's byte; nothing is counted.

        Args:
            intid: 0 to size - 1.
            bits: of PENDING, MASKED, ...

        Returns:
            The byte as it was before.
        """
        if intid < 0:
            raise no_intid(intid)
        before = self.state[intid]
        after = before | bits
        if after != before:
            if after > STATE_BITS:
                raise ValueError(f"{bits} has bits that mean nothing")
            self.state[intid] = after
            if after == PENDING:
                self.deliverable += 1
                self._enter(intid)
            elif before == PENDING:
                self.deliverable -= 1
                self._leave(intid)
        return before

    def clear(self, intid: int, bits: int, /) -> int:
        """Clear bits in an interrupt's byte; nothing is counted.

        Args:
            intid: 0 to size - 1.
            bits: of PENDING, MASKED, ...

        Returns:
            The byte as it was before.
        """
        if intid < 0:
            raise no_intid(intid)
        before = self.state[intid]
        after = before & ~bits
        if after != before:
            self.state[intid] = after
            if after == PENDING:
                self.deliverable += 1
                self._enter(intid)
            elif before == PENDING:
                self.deliverable -= 1
                self._leave(intid)
        return before

    def test(self, intid: int, bits: int, /) -> bool:
        """Whether any of `bits` is set in the interrupt's byte."""
        if intid < 0:
            raise no_intid(intid)
        return self.state[intid] & bits != 0

    # The next three are `set` and `clear` without their calls: they are what every interrupt pays.

    def pend(self, intid: int, /) -> bool:
        """Raise an interrupt, and count it.

        Returns:
            True if it became pending, False if it was: the two coalesce.
        """
        if intid < 0:
            raise no_intid(intid)
        before = self.state[intid]
        self.raised += 1
        if before & PENDING:
            self.coalesced += 1
            return False
        self.state[intid] = before | PENDING
        if not before:
            self.deliverable += 1
            self._enter(intid)
        return True

    def mask(self, intid: int, /) -> None:
        """Keep an interrupt from being delivered."""
        if intid < 0:
            raise no_intid(intid)
        before = self.state[intid]
        self.state[intid] = before | MASKED
        if before == PENDING:
            self.deliverable -= 1
            self._leave(intid)

    def unmask(self, intid: int, /) -> None:
        """Undo `mask`; an interrupt that is pending becomes deliverable."""
        if intid < 0:
            raise no_intid(intid)
        before = self.state[intid]
        if before & MASKED:
            self.state[intid] = before & ~MASKED
            if before == PENDING | MASKED:
                self.deliverable += 1
                self._enter(intid)

    def acknowledge(self) -> int:
        """Hand out the next interrupt: it is no longer pending, and masked until `unmask` (rVIC's one-shot rule).

        Returns:
            Its INTID, -1 if none is deliverable.
        """
        intid = self.first()
        if intid >= 0:
            self.state[intid] = MASKED
            self.deliverable -= 1
            self.delivered += 1
            self._leave(intid)
        return intid

    def reset(self) -> None:
        """Every byte as at first, the counters at 0."""
        self.state[:] = bytes([self._initial]) * len(self.state)
        self.deliverable = self.raised = self.coalesced = self.delivered = 0
        self._forget()

    def save(self) -> dict[str, Any]:
        """The state as plain data: the bytes in hexadecimal, the counters, and what the policy adds."""
        return {
            "state": self.state.hex(),
            "raised": self.raised,
            "coalesced": self.coalesced,
            "delivered": self.delivered,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned, from a target of the same size and policy.

        Raises:
            ValueError: if it does not fit; nothing has changed then.
        """
        state = read_state(saved, len(self.state), STATE_BITS)
        counts = read_counts(saved)
        order = self._checked_order(saved, state)
        self._take(state, order)
        self.raised, self.coalesced, self.delivered = counts

    def _take(self, state: bytes | bytearray, order: list[int]) -> None:
        self.state[:] = state
        self._forget()
        self._rebuild(order)

    @abstractmethod
    def _enter(self, intid: int) -> None:
        """The interrupt became deliverable."""

    @abstractmethod
    def _leave(self, intid: int) -> None:
        """The interrupt ceased to be deliverable."""

    @abstractmethod
    def _forget(self) -> None:
        """Drop everything that the policy remembers."""

    def _checked_order(self, saved: Mapping[str, Any], state: bytes) -> list[int]:
        """The deliverable interrupts of a saved state, in the order in which they became so."""
        return [intid for intid, byte in enumerate(state) if byte == PENDING]

    def _rebuild(self, order: list[int]) -> None:
        self.deliverable = len(order)
        for intid in order:
            self._enter(intid)


def no_intid(intid: int) -> IndexError:
    """What a negative INTID raises; it would count from the end of the bytes."""
    return IndexError(f"there is no INTID {intid}")
