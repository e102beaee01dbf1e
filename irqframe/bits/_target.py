"""The state of one interrupt target: one byte per INTID, and which interrupts are deliverable.

1. A byte is a set of bits. Bit 0 (PENDING) is the reason to deliver; every other bit is a reason not to. So an
   interrupt is deliverable if and only if its byte equals PENDING.
2. `deliverable` counts these bytes. The target signals while it is not 0: no scan tells that.
3. The order of delivery is the policy's, a subclass: it hears of every interrupt that becomes deliverable (`_enter`)
   and that ceases to be (`_leave`).
4. INTIDs are the caller's to check: 0 to size - 1. A larger one raises IndexError and changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

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

STATE_BITS: Final = PENDING | MASKED | ACTIVE | UNTARGETED | GROUP_OFF


class Target(ABC):
    """State of one target; subclasses choose the order of delivery.

    Args:
        size: number of INTIDs, from 0 on.
        initial: every interrupt's byte at first and after `reset`; not PENDING alone, which would be deliverable.

    Raises:
        ValueError: if `initial` is PENDING, or has bits that mean nothing.

    Attributes:
        state: the bytes; read them as you like, change them through the methods only.
        deliverable: how many interrupts are deliverable.
        raised: calls of `pend`.
        coalesced: calls of `pend` that found the interrupt pending.
        delivered: interrupts handed out by `acknowledge`.
    """

    __slots__ = ("_initial", "coalesced", "deliverable", "delivered", "raised", "state")

    def __init__(self, size: int, initial: int = MASKED) -> None:
        if initial == PENDING or initial & ~STATE_BITS:
            raise ValueError(f"initial {initial:#x} is deliverable, or no state byte")
        self._initial = initial
        self.state = bytearray([initial]) * size
        self.deliverable = 0
        self.raised = 0
        self.coalesced = 0
        self.delivered = 0

    @abstractmethod
    def first(self) -> int:
        """The interrupt to deliver next, -1 if none is deliverable."""

    def set(self, intid: int, bits: int) -> int:
        """Set bits in an interrupt's byte; nothing is counted.

        Args:
            intid: 0 to size - 1.
            bits: of PENDING, MASKED, ...

        Returns:
            The byte as it was before.
        """
        state = self.state
        before = state[intid]
        after = before | bits
        if after != before:
            state[intid] = after
            if after == PENDING:
                self.deliverable += 1
                self._enter(intid)
            elif before == PENDING:
                self.deliverable -= 1
                self._leave(intid)
        return before

    def clear(self, intid: int, bits: int) -> int:
        """Clear bits in an interrupt's byte; nothing is counted.

        Args:
            intid: 0 to size - 1.
            bits: of PENDING, MASKED, ...

        Returns:
            The byte as it was before.
        """
        state = self.state
        before = state[intid]
        after = before & ~bits
        if after != before:
            state[intid] = after
            if after == PENDING:
                self.deliverable += 1
                self._enter(intid)
            elif before == PENDING:
                self.deliverable -= 1
                self._leave(intid)
        return before

    def test(self, intid: int, bits: int) -> bool:
        """Whether any of `bits` is set in the interrupt's byte."""
        return bool(self.state[intid] & bits)

    def pend(self, intid: int) -> bool:
        """Raise an interrupt, and count it.

        Returns:
            True if it became pending, False if it was: the two coalesce.
        """
        before = self.set(intid, PENDING)
        self.raised += 1
        if before & PENDING:
            self.coalesced += 1
            return False
        return True

    def mask(self, intid: int) -> None:
        """Keep an interrupt from being delivered."""
        self.set(intid, MASKED)

    def unmask(self, intid: int) -> None:
        """Undo `mask`; an interrupt that is pending becomes deliverable."""
        self.clear(intid, MASKED)

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
        if not isinstance(saved, Mapping):
            raise ValueError(f"a saved target is a mapping, not {type(saved).__name__}")
        state = _state_bytes(saved.get("state"), len(self.state))
        counts = tuple(_count(saved, name) for name in ("raised", "coalesced", "delivered"))
        order = self._checked_order(saved, state)
        self.state[:] = state
        self.raised, self.coalesced, self.delivered = counts
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


def _state_bytes(text: object, size: int) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"'state' must be a string of {2 * size} hexadecimal digits, not {type(text).__name__}")
    try:
        state = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"'state' must be a string of {2 * size} hexadecimal digits") from None
    if len(state) != size:
        raise ValueError(f"'state' holds {len(state)} interrupts, expected {size}")
    if any(byte & ~STATE_BITS for byte in state):
        raise ValueError("'state' has a byte with bits that mean nothing")
    return state


def _count(saved: Mapping[str, Any], name: str) -> int:
    value = saved.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name!r} must be a count, not {value!r}")
    return value
