"""MMIO frames as Unicorn can map them: in whole pages, none twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PAGE: Final = 0x1000
"""Granule of the address map."""


def whole_pages(frames: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Round frames to pages, and join those that then touch.

    Args:
        frames: (base, size), in any order.

    Returns:
        (base, size), ascending, with a gap between any two.
    """
    joined: list[tuple[int, int]] = []
    for base, size in sorted(frames):
        first, end = base // PAGE * PAGE, -(-(base + size) // PAGE) * PAGE
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return [(first, end - first) for first, end in joined]
