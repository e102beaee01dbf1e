"""Which of the two makes of a target this process uses."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

PURE: Final = "IRQFRAME_PURE"
"""Environment: set to 1, nothing that is compiled is used."""


def is_compiled() -> bool:
    """Whether it is the compiled one: where it was built, and the environment does not refuse it."""
    refused = os.environ.get(PURE, "") not in ("", "0")
    return not refused and find_spec("irqframe._native") is not None
