"""Saved states come from files: every value is checked before anything changes, in both makes alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MOST_COUNTED: Final = 1 << 62
"""A counter of the compiled make has 64 bits, one of them for the sign; it goes on counting."""


def read_state(saved: Any, size: int, known: int) -> bytes:
    """The state bytes of a saved target.

    Args:
        saved: what claims to be one.
        size: how many interrupts there are.
        known: bits that mean something.

    Raises:
        ValueError: if they do not fit.
    """
    if not isinstance(saved, Mapping):
        raise ValueError(f"a saved target is a mapping, not {type(saved).__name__}")
    text = saved.get("state")
    if not isinstance(text, str):
        raise ValueError(f"'state' must be a string of {2 * size} hexadecimal digits, not {type(text).__name__}")
    try:
        state = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"'state' must be a string of {2 * size} hexadecimal digits") from None
    if len(state) != size:
        raise ValueError(f"'state' holds {len(state)} interrupts, expected {size}")
    if any(byte & ~known for byte in state):
        raise ValueError("'state' has a byte with bits that mean nothing")
    return state


def read_counts(saved: Mapping[str, Any]) -> tuple[int, int, int]:
    """Raised, coalesced and delivered.

    Raises:
        ValueError: if one of them is no count.
    """
    raised, coalesced, delivered = (_count(saved, name) for name in ("raised", "coalesced", "delivered"))
    return raised, coalesced, delivered


def read_order(saved: Mapping[str, Any], deliverable: list[int]) -> list[int]:
    """The order in which the interrupts of `deliverable` are delivered.

    Raises:
        ValueError: if it is not about these.
    """
    order = saved.get("order")
    if not isinstance(order, list) or not all(type(intid) is int for intid in order):
        raise ValueError("'order' must be a list of INTIDs")
    if sorted(order) != deliverable:
        raise ValueError("'order' must name every deliverable interrupt once")
    return list(order)


def read_priority(saved: Any, size: int) -> bytes:
    """The priorities of a saved target.

    Raises:
        ValueError: if it has none that fit.
    """
    text = saved.get("priority") if isinstance(saved, Mapping) else None
    try:
        priority = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        priority = b""
    if len(priority) != size or not isinstance(text, str):
        raise ValueError(f"'priority' must be a string of {2 * size} hexadecimal digits")
    return priority


def _count(saved: Mapping[str, Any], name: str) -> int:
    value = saved.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_COUNTED:
        raise ValueError(f"{name!r} must be a count, not {value!r}")
    return value
