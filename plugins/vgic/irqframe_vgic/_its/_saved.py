"""Checks of saved state, which comes from a file: every value is looked at before anything is taken over."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from irqframe.errors import VmError

VERSION: Final = 1


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


def refusal(name: str, expected: str, found: object) -> VmError:
    """The error that says what is wrong with saved state."""
    return VmError(errno.EINVAL, f"saved state: {name!r} must be {expected}, not {str(found)[:60]!r}")
