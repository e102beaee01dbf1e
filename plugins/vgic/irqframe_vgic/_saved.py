"""Checks of saved state, which comes from a file: every value is looked at before anything is taken over."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from irqframe.bits import BITMAPS
from irqframe.errors import VmError
from irqframe.flow import Injected
from irqframe_vgic._block import Block
from irqframe_vgic._lifecycle import Counts

VERSION: Final = 1

_COUNTS: Final = ("raised", "delivered", "coalesced", "withdrawn", "resampled")
_MOST: Final = (1 << 64) - 1


def mapping(saved: object) -> Mapping[str, Any]:
    """`saved`, if it is saved state of this version.

    Raises:
        VmError: EINVAL if it is not; so do the functions below.
    """
    if not isinstance(saved, Mapping):
        raise refusal("state", "a mapping", type(saved).__name__)
    version = saved.get("version")
    if type(version) is not int or version != VERSION:
        raise refusal("version", str(VERSION), version)
    return saved


def number(saved: Mapping[str, Any], name: str, mask: int) -> int:
    """A number that has no bits but those of `mask`."""
    value = saved.get(name)
    if type(value) is not int or not fits(value, mask):
        raise refusal(name, f"a number within {mask:#x}", value)
    return value


def flag(saved: Mapping[str, Any], name: str) -> bool:
    """True or False."""
    value = saved.get(name)
    if not isinstance(value, bool):
        raise refusal(name, "true or false", value)
    return value


def items(saved: Mapping[str, Any], name: str) -> list[Any]:
    """A list."""
    value = saved.get(name)
    if not isinstance(value, list):
        raise refusal(name, "a list", type(value).__name__)
    return value


def fits(value: object, mask: int) -> bool:
    """Whether it is a number that has no bits but those of `mask`."""
    return type(value) is int and value >= 0 and not value & ~mask


def octets(saved: Mapping[str, Any], name: str, count: int, mask: int) -> bytes:
    """Bytes in hexadecimal, so many, that have no bits but those of `mask`."""
    text = saved.get(name)
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if len(data) != count or any(byte & ~mask for byte in data):
        raise refusal(name, f"{count} bytes in hexadecimal, each within {mask:#x}", text)
    return data


def block(saved: object, block: Block, priority_mask: int, target_mask: int, apart: int = 0) -> Mapping[str, Any]:
    """The state of a block of interrupts (`Block.save`).

    Args:
        saved: the data.
        block: whose state it shall be.
        priority_mask: bits that a priority can have; `target_mask` likewise.
        apart: bitmap of interrupts whose account is not in the block.
    """
    if not isinstance(saved, Mapping):
        raise refusal("block", "a mapping", type(saved).__name__)
    bitmaps = {name: number(saved, name, block.valid) for name in BITMAPS}
    pending = bitmaps["latch"] | bitmaps["line"] & ~bitmaps["edge"]
    wanted = pending & ~bitmaps["active"] & ~apart
    if bitmaps["owed"] & ~pending or wanted & ~bitmaps["owed"]:
        raise refusal("owed", "pending interrupts, and all of them that are not active", bitmaps["owed"])
    priorities = octets(saved, "priority", 32, priority_mask)
    targets = octets(saved, "targets", 32, target_mask)
    for n in range(32):
        if not block.valid >> n & 1 and (priorities[n] or targets[n]):
            raise refusal("priority", f"nothing for INTID {block.first + n}", priorities[n])
    return saved


def active(saved: Mapping[str, Any], group_bits: int) -> list[int]:
    """The active priorities of both groups, in hexadecimal."""
    levels = 1 << group_bits
    texts = saved.get("active")
    found = []
    if isinstance(texts, list) and len(texts) == 2:
        for text in texts:
            if isinstance(text, str) and 0 < len(text) <= levels // 4 and set(text) <= set("0123456789abcdef"):
                found.append(int(text, 16))
    if len(found) != 2:
        raise refusal("active", f"two hexadecimal numbers of {levels} bits", texts)
    return found


def save_active(groups: list[int]) -> list[str]:
    """What `active` takes."""
    return [f"{group:x}" for group in groups]


def counts(saved: Mapping[str, Any]) -> Counts:
    """What a CPU interface has counted (`save_counts`)."""
    found = Counts()
    numbers, dropped = saved.get("counts"), saved.get("dropped")
    if not isinstance(numbers, Mapping) or not isinstance(dropped, Mapping):
        raise refusal("counts", "a mapping, and 'dropped' too", type(numbers).__name__)
    for name in _COUNTS:
        setattr(found, name, number(numbers, name, _MOST))
    for name in dropped:
        if name not in Injected.__members__:
            raise refusal("dropped", "reasons of Injected", name)
        found.dropped[Injected[name]] = number(dropped, name, _MOST)
    return found


def save_counts(counted: Counts) -> dict[str, Any]:
    """What `counts` takes."""
    return {
        "counts": {name: getattr(counted, name) for name in _COUNTS},
        "dropped": {reason.name: count for reason, count in counted.dropped.items()},
    }


def refusal(name: str, expected: str, found: object) -> VmError:
    """The error that says what is wrong with saved state."""
    return VmError(errno.EINVAL, f"saved state: {name!r} must be {expected}, not {str(found)[:60]!r}")
