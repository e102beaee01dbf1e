"""Which interrupts an MSI controller raises for messages: `msi-ranges` (Linux, msi-controller.yaml).

1. A row is: phandle of an interrupt controller, interrupt specifier of the first interrupt, how many there are (span).
2. Which cell of the specifier counts up within a range, only the controller's binding says.
3. Where a row cannot be read its length is unknown, so the list ends there, with a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irqframe.dt._providers import Providers, Reference
from irqframe.dt._report import Report, cell_span, count, size_of
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Finding, Span


@dataclass(frozen=True, slots=True)
class MsiRange:
    """Interrupts that an MSI controller may raise.

    Attributes:
        node: the MSI controller.
        index: number of the row.
        controller: who takes the interrupts.
        first: interrupt specifier of the first.
        length: how many there are.
        span: place of the row.
    """

    node: Node
    index: int
    controller: Node
    first: tuple[int, ...]
    length: int
    span: Span


def msi_ranges(tree: Tree) -> tuple[tuple[MsiRange, ...], tuple[Finding, ...]]:
    """Every row of `msi-ranges` of the tree's enabled nodes, in tree order.

    Args:
        tree: a tree as it was loaded; its values may be anything.

    Returns:
        The ranges, and a finding for each fault (E0403 to E0405, E0411, E0426, E0427).
    """
    report = Report()
    providers = Providers(tree, report)
    found: list[MsiRange] = []
    for node in enabled(tree):
        prop = node.properties.get("msi-ranges")
        if prop is not None:
            found += _rows(providers, node, prop)
    return tuple(found), report.findings


def _rows(providers: Providers, node: Node, prop: Property) -> Iterator[MsiRange]:
    cells = prop.cells
    if not cells:
        _broken(providers, node, prop, 0, size_of(prop))
    start = index = 0
    while start < len(cells):
        parent = providers.target(node, prop, start, cells[start])
        size = None if parent is None else providers.interrupt_cells(parent)
        if parent is None or size is None:
            return
        end = start + 1 + size
        if end >= len(cells):
            _broken(providers, node, prop, start, count(len(cells) - start, "cell"), parent, size)
            return
        if not cells[end]:
            _empty(providers, node, prop, end)
        elif providers.may_end_at(parent):
            yield MsiRange(node, index, parent.target, cells[start + 1 : end], cells[end], parent.span)
        start, index = end + 1, index + 1


def _empty(providers: Providers, node: Node, prop: Property, cell: int) -> None:
    providers.report.add(
        "E0427",
        "a range of `msi-ranges` is empty",
        node,
        cell_span(prop, cell),
        expected="how many interrupts the range has, at least 1",
        found="0",
    )


def _broken(
    providers: Providers,
    node: Node,
    prop: Property,
    cell: int,
    found: str,
    parent: Reference | None = None,
    size: int = 0,
) -> None:
    declared = None if parent is None else parent.target.properties.get("#interrupt-cells")
    wanted = "" if parent is None else f": {count(size + 2, 'cell')} for {parent.target.path}"
    providers.report.add(
        "E0426",
        "`msi-ranges` does not divide into rows",
        node,
        cell_span(prop, cell),
        expected=f"rows of phandle, interrupt specifier and span{wanted}",
        found=found,
        related=() if declared is None else ((declared.span, "the controller's `#interrupt-cells`"),),
        subject=id(prop),
    )
