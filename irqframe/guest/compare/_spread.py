"""How samples are spread: by nearest rank, so that every figure is a sample that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Figures of a set of samples.

    Attributes:
        samples: how many there are.
        median: half of them are not above it.
        p90: nine of ten are not above it.
        most: the largest.
    """

    samples: int
    median: int
    p90: int
    most: int


def spread(samples: Sequence[int]) -> Spread | None:
    """The figures; None of no samples."""
    if not samples:
        return None
    ordered = sorted(samples)
    return Spread(len(ordered), _rank(ordered, 50), _rank(ordered, 90), ordered[-1])


def _rank(ordered: Sequence[int], percent: int) -> int:
    """The smallest sample that so many of a hundred are not above."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
