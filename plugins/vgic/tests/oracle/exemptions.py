"""Where QEMU's GIC and the plugin's may or do differ: what is left out of a run, or done and not compared, and why.

A row is one fact about one GIC. `applies` is asked before each operation, of the model in the state that it then has: a
row hides no more than what it names. `page.py` writes them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from oracle.model import Model
from oracle.operations import Op


class How(Enum):
    """What a row does."""

    LEFT_OUT = "left out"
    """The operation is not done on either side."""
    VALUE = "value not compared"
    """It is done on both; what it read is not compared."""
    LINES = "lines not compared"
    """It is done on both; the lines of some CPUs afterwards are not compared."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """A row.

    Attributes:
        name: short and stable.
        version: of the GIC, 2 or 3.
        qemu: versions of QEMU that it is about; empty for all that were seen.
        what: what is exempt.
        reason: why the two may differ.
        how: what is done.
        applies: whether it applies to an operation that comes now; for LINES, to a CPU, which the operation then names,
            after any operation.
    """

    name: str
    version: int
    what: str
    reason: str
    how: How
    applies: Callable[[Op, Model], bool]
    qemu: str = ""
