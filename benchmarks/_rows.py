"""What a benchmark says: rows, each a ratio of two costs in one run, some with a bar that it must not pass.

Every program here has a function `rows() -> list[Row]`, and may have `series() -> list[Series]`, curves to be drawn.
`python benchmarks/NAME.py` prints the rows; with `--check` it ends with 1 if a bar is missed, with `--json` it prints
all as JSON. `performance.py` runs every one of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One ratio.

    Attributes:
        name: what, to what.
        ratio: the cost of the first, divided by that of the second.
        bar: what it must not exceed; None: it is only told.
        detail: the two costs.
    """

    name: str
    ratio: float
    bar: float | None = None
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bar does."""
        return self.bar is None or self.ratio <= self.bar

    def __str__(self) -> str:
        bar = "" if self.bar is None else f" [{'at most' if self.holds else 'MISSED:'} {self.bar:.3g}]"
        return f"{self.ratio:7.3g}  {self.name}{f' ({self.detail})' if self.detail else ''}{bar}"


class Series(NamedTuple):
    """A curve.

    Attributes:
        name: of what.
        over: what the cost depends on, perhaps.
        points: (value of that, cost in nanoseconds).
    """

    name: str
    over: str
    points: list[tuple[int, float]]


def none() -> list[Series]:
    """The curves of a program without any."""
    return []


def tell(rows: Callable[[], list[Row]], series: Callable[[], list[Series]] = none) -> int:
    """Measure and print.

    Returns:
        The exit code: with `--check` 1 if a bar is missed.
    """
    found = rows()
    if "--json" in sys.argv[1:]:
        told = {"rows": [row._asdict() for row in found], "series": [one._asdict() for one in series()]}
        print(json.dumps(told))
    else:
        print(*found, sep="\n")
    return int("--check" in sys.argv[1:] and not all(row.holds for row in found))
