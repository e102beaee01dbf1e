"""What a benchmark says: rows, each a ratio of two costs in one run, some with a bar that it must not pass.

Every program here has a function `rows() -> list[Row]`; `python benchmarks/NAME.py` prints what it returns, and with
`--check` ends with 1 if a bar is missed.
"""

from __future__ import annotations

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
        bar = "" if self.bar is None else f" [{'at most' if self.holds else 'MISSED:'} {self.bar:g}]"
        return f"{self.ratio:7.3g}  {self.name}{f' ({self.detail})' if self.detail else ''}{bar}"


def tell(rows: Callable[[], list[Row]]) -> int:
    """Measure and print.

    Returns:
        The exit code: with `--check` 1 if a bar is missed.
    """
    found = rows()
    for row in found:
        print(row)
    return int("--check" in sys.argv[1:] and not all(row.holds for row in found))
