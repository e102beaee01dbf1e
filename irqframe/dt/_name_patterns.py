"""Patterns for names, many at once: Linux's list of vendors has 1,300 of them, for each property of each node."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from irqframe.dt._linear_patterns import Pattern, compiled

# `^vendor,.*`: no pattern that has to be compiled, but what names begin with.
_START = re.compile(r"\^([A-Za-z0-9,_@-]+)\.\*$")


class NamePatterns:
    """Whether a name matches one of some patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._starts: list[str] = []
        self._rest: list[str] = []
        self._known: dict[str, bool] = {}
        for pattern in patterns:
            start = _START.match(pattern)
            if start:
                self._starts.append(start[1])
            else:
                self._rest.append(pattern)

    def match(self, name: str) -> bool:
        """Whether `name` matches."""
        if name not in self._known:
            self._known[name] = name.startswith(self._all_starts) or self._matches_rest(name)
        return self._known[name]

    @cached_property
    def _all_starts(self) -> tuple[str, ...]:
        return tuple(self._starts)

    @cached_property
    def _compiled(self) -> list[Pattern]:
        return [compiled(pattern) for pattern in self._rest]

    def _matches_rest(self, name: str) -> bool:
        return any(pattern.search(name) for pattern in self._compiled)
