"""Findings about a tree's nodes, gathered: each fault once, whoever runs into it, and no more than anyone would read.

And the words they share.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable
from itertools import islice

from irqframe.dt._names import TREE_FINDINGS_MAX
from irqframe.dt._tree import Node, Property
from irqframe.errors import Finding, Span


class Report:
    """What one walk over a tree has found so far."""

    def __init__(self) -> None:
        self._findings: dict[Hashable, Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order in which they were found."""
        return tuple(self._findings.values())

    def add(
        self,
        code: str,
        message: str,
        node: Node,
        span: Span,
        *,
        expected: str = "",
        found: str = "",
        hint: str = "",
        related: tuple[tuple[Span, str], ...] = (),
        subject: Hashable = None,
    ) -> None:
        """Add a finding about `node`, unless one of this code about the same `subject` is there, or too many are."""
        if len(self._findings) > TREE_FINDINGS_MAX:
            return
        if len(self._findings) == TREE_FINDINGS_MAX:
            self._findings["E0009"] = more_than_these(span)
            return
        # In a DTB there are no places, so another one says nothing.
        places = tuple((where, why) for where, why in related if where.line)
        finding = Finding(code, message, span, node.path, expected, found, hint, related=places)
        self._findings.setdefault((code, finding if subject is None else subject), finding)


def more_than_these(span: Span) -> Finding:
    """What stands behind as many findings as are listed."""
    return Finding("E0009", "there are more findings than these", span)


def bounded(findings: Iterable[Finding]) -> list[Finding]:
    """As many findings as are listed, and `more_than_these` if there are others; none of those is looked for."""
    every = iter(findings)
    found = list(islice(every, TREE_FINDINGS_MAX))
    found += (more_than_these(rest.span) for rest in islice(every, 1))
    return found


def cell_span(prop: Property, cell: int) -> Span:
    """Where cell `cell` of a property was written; all of the property if it is no cells.

    The pieces are in order, so even a long property costs little.
    """
    if len(prop.data) % 4:
        return prop.span
    at = bisect_right(prop.pieces, 4 * cell, key=lambda piece: piece.offset) - 1
    if at >= 0 and 4 * cell < prop.pieces[at].offset + prop.pieces[at].size:
        return prop.pieces[at].span
    return prop.span


def cells_text(cells: tuple[int, ...]) -> str:
    """Cells as DTS writes them, shortened after eight: "<0x0 0x10 0x4>"."""
    shown = " ".join(f"{cell:#x}" for cell in cells[:8])
    return f"<{shown}{' ...' if len(cells) > 8 else ''}>"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 cell", "2 cells"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_of(prop: Property) -> str:
    """How long a value is, in cells if it divides into them: "2 cells", "5 bytes", "no value"."""
    length = len(prop.data)
    if not length:
        return "no value"
    return count(length, "byte") if length % 4 else count(length // 4, "cell")
