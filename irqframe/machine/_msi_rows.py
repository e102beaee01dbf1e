"""The rules of `msi-map`: rows of RID base, controller, MSI base and length (Linux, pci-msi.txt, of_map_id).

1. The first row that covers a requester ID counts; a second one for it never does (E0612).
2. A requester ID has 16 bits, bus, device and function; an MSI specifier is one cell (E0613).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from irqframe.dt import Node, Property, Tree, bounded, enabled
from irqframe.errors import Finding
from irqframe.machine._overlap import nested

_CELLS = 4
_RIDS = 0x1_0000
_SPECIFIERS = 1 << 32


class _Row(NamedTuple):
    rid: int
    number: int
    phandle: int
    base: int
    length: int


def check_msi_rows(tree: Tree) -> list[Finding]:
    """What is wrong with rows of an `msi-map`; one that does not divide into rows is reported elsewhere."""
    return bounded(_every(tree))


def _every(tree: Tree) -> Iterator[Finding]:
    for node in enabled(tree):
        prop = node.properties.get("msi-map")
        if prop is None or not prop.cells or len(prop.cells) % _CELLS:
            continue
        cells = prop.cells
        rows = [_Row(cells[at], at // _CELLS, *cells[at + 1 : at + _CELLS]) for at in range(0, len(cells), _CELLS)]
        possible = []
        for row in rows:
            finding = _impossible(node, prop, row)
            if finding is None:
                possible.append(row)
            else:
                yield finding
        yield from _covered(node, prop, possible)


def _impossible(node: Node, prop: Property, row: _Row) -> Finding | None:
    if row.length == 0:
        message, cell, expected, found = "a row of `msi-map` covers no requester ID", 3, "a length of 1 or more", "0"
    elif row.rid + row.length > _RIDS:
        last = row.rid + row.length - 1
        message, cell = "a row of `msi-map` ends behind the last requester ID", 3
        expected, found = f"requester IDs up to {_RIDS - 1:#x}", f"{row.rid:#x}..{last:#x}"
    elif row.base + row.length > _SPECIFIERS:
        message, cell = "a row of `msi-map` ends behind the last MSI specifier", 2
        expected, found = "MSI specifiers of 32 bits", f"{row.base:#x}..{row.base + row.length - 1:#x}"
    else:
        return None
    place = prop.span_at(4 * (_CELLS * row.number + cell))
    return Finding("E0613", message, place, node.path, expected=expected, found=found)


def _covered(node: Node, prop: Property, rows: list[_Row]) -> Iterator[Finding]:
    """Rows by requester ID; each is compared with the one that reaches furthest of those before it."""
    for one, two in nested(sorted(rows), lambda row: row.rid + row.length):
        if two.rid < one.rid + one.length:
            first, second = sorted((one, two), key=lambda row: row.number)
            yield Finding(
                "E0612",
                f"row {second.number} of `msi-map` covers requester IDs of row {first.number}, which counts for them",
                prop.span_at(4 * _CELLS * second.number),
                node.path,
                expected="each requester ID in one row",
                found=f"{_rids(second)}, after {_rids(first)}",
                related=((prop.span_at(4 * _CELLS * first.number), f"row {first.number}"),),
            )


def _rids(row: _Row) -> str:
    return f"{row.rid:#x}..{row.rid + row.length - 1:#x}"
