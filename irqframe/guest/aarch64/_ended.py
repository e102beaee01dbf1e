"""Why a guest's run ended."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Reason(Enum):
    """Why, in a word."""

    OFF = "off"
    """The guest powered the machine off."""
    RESET = "reset"
    """The guest asked for a reset."""
    TEST = "test"
    """The guest ended its test, by the test device."""
    DIED = "died"
    """The guest cannot go on."""
    TIMEOUT = "timeout"
    """Its time is over."""
    UNTIL = "until"
    """It printed what was waited for."""
    INTERRUPTED = "interrupted"
    """Somebody pressed Ctrl-C."""


class Ended(NamedTuple):
    """Why a run ended.

    Attributes:
        reason: why.
        text: more about it, "" if there is no more to say.
    """

    reason: Reason
    text: str = ""
