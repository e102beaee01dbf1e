"""A time as an option takes it."""

from __future__ import annotations

from math import isnan
from typing import Any

import click


class Seconds(click.FloatRange):
    """Seconds, more than 0.

    Args:
        most: how many at most; None: any number.
    """

    def __init__(self, most: float | None = None) -> None:
        super().__init__(0, most, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A number in the range; nan, which no comparison refuses, is none."""
        seconds = super().convert(value, param, ctx)
        if isnan(seconds):
            self.fail(f"{value!r} is no time", param, ctx)
        return seconds
