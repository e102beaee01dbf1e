"""Codes of the findings about recordings: one line of meaning each; the documentation is made from here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "E0701": "a line of a recording is no event",
        "E0702": "a recording has no raise that can be made on a machine",
    }
)
