"""The name that was probably meant, for hints."""

from __future__ import annotations

import difflib
from collections.abc import Collection

# How many comparisons the hints of one run may cost; each takes some 50 microseconds.
_BUDGET = 20_000


class CloseNames:
    """Finds close names as long as that does not cost more than it is worth."""

    def __init__(self) -> None:
        self._left = _BUDGET

    def of(self, name: str, names: Collection[str]) -> str:
        """The one of `names` that is closest to `name`; "" if none is close, or too many were looked at before."""
        if len(names) > self._left:
            return ""
        self._left -= len(names)
        close = difflib.get_close_matches(name, names, 1)
        return close[0] if close else ""
