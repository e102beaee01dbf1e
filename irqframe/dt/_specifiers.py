"""The interrupt specifiers that a device lists in `interrupts` or `interrupts-extended` (DTSpec v0.4, 2.4.1).

1. `interrupts-extended` counts if both are there.
2. A zero phandle in `interrupts-extended` is a hole: its position is counted and nothing is there (Linux).
3. Where a specifier cannot be read its length is unknown, so the list ends there, with a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irqframe.dt._providers import Providers, Reference
from irqframe.dt._report import cell_span, count, size_of
from irqframe.dt._tree import Node, Property
from irqframe.errors import Span


@dataclass(frozen=True, slots=True)
class Specifier:
    """One specifier as a device has it, before any interrupt map.

    Attributes:
        index: position in the device's list.
        property: "interrupts" or "interrupts-extended".
        parent: the interrupt parent that it is for.
        cells: the cells.
        spans: place of each cell; the property's own place alone if there are no cells.
    """

    index: int
    property: str
    parent: Reference
    cells: tuple[int, ...]
    spans: tuple[Span, ...]


def specifiers(providers: Providers, node: Node) -> Iterator[Specifier]:
    """What `node` lists, in order; faults go to the report of `providers`."""
    extended = node.properties.get("interrupts-extended")
    if extended is not None:
        yield from _extended(providers, node, extended)
        return
    plain = node.properties.get("interrupts")
    if plain is not None:
        yield from _plain(providers, node, plain)


def _plain(providers: Providers, node: Node, prop: Property) -> Iterator[Specifier]:
    cells = prop.cells
    if not cells:
        _broken(providers, node, prop, 0, "whole cells", size_of(prop))
        return
    parent = providers.parent(node, cell_span(prop, 0))
    size = None if parent is None else providers.interrupt_cells(parent)
    if parent is None or size is None:
        return
    whole = len(cells) // size if size else 0
    for index in range(whole):
        start = index * size
        yield _specifier(prop, index, parent, start, cells[start : start + size])
    rest = len(cells) - whole * size
    if rest:
        expected = f"{count(size, 'cell')} for {parent.target.path}"
        _broken(providers, node, prop, whole * size, expected, count(rest, "cell"), parent)


def _extended(providers: Providers, node: Node, prop: Property) -> Iterator[Specifier]:
    cells = prop.cells
    if not cells:
        _broken(providers, node, prop, 0, "whole cells", size_of(prop))
        return
    start = index = 0
    while start < len(cells):
        size = 0
        if cells[start]:
            parent = providers.target(node, prop, start, cells[start])
            wanted = None if parent is None else providers.interrupt_cells(parent)
            if parent is None or wanted is None:
                return
            size = wanted
            rest = len(cells) - start - 1
            if rest < size:
                expected = f"{count(size, 'cell')} for {parent.target.path} after its phandle"
                _broken(providers, node, prop, start, expected, count(rest, "cell"), parent)
                return
            yield _specifier(prop, index, parent, start + 1, cells[start + 1 : start + 1 + size])
        start += 1 + size
        index += 1


def _specifier(prop: Property, index: int, parent: Reference, start: int, cells: tuple[int, ...]) -> Specifier:
    spans = tuple(cell_span(prop, cell) for cell in range(start, start + len(cells)))
    return Specifier(index, prop.name, parent, cells, spans or (prop.span,))


def _broken(
    providers: Providers,
    node: Node,
    prop: Property,
    cell: int,
    expected: str,
    found: str,
    parent: Reference | None = None,
) -> None:
    declared = None if parent is None else parent.target.properties.get("#interrupt-cells")
    providers.report.add(
        "E0402",
        f"`{prop.name}` does not divide into interrupt specifiers",
        node,
        cell_span(prop, cell),
        expected=expected,
        found=found,
        related=() if declared is None else ((declared.span, "the controller's `#interrupt-cells`"),),
        subject=id(prop),
    )
