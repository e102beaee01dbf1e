"""Median, nine tenths, most: by nearest rank."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.guest.compare import Spread, spread


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([7], Spread(1, 7, 7, 7)),
        ([2, 1], Spread(2, 1, 2, 2)),
        ([3, 1, 2], Spread(3, 2, 3, 3)),
        (list(range(1, 11)), Spread(10, 5, 9, 10)),
        (list(range(100, 0, -1)), Spread(100, 50, 90, 100)),
        ([5] * 9 + [1000], Spread(10, 5, 5, 1000)),
    ],
)
def test_figures(samples: list[int], expected: Spread) -> None:
    assert spread(samples) == expected


def test_of_nothing() -> None:
    assert spread([]) is None


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=200))
def test_by_nearest_rank(samples: list[int]) -> None:
    found = spread(samples)
    assert found is not None
    ordered = sorted(samples)
    assert found.median == ordered[ceil(0.5 * len(samples)) - 1]
    assert found.most == max(samples)
    assert sum(sample <= found.p90 for sample in samples) * 10 >= 9 * len(samples)
    assert sum(sample < found.p90 for sample in samples) * 10 < 9 * len(samples)
