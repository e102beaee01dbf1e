"""Lists of entries that name a node each: how long an entry is, that node says.

1. `interrupts-extended`: phandle, specifier (DTSpec v0.4, 2.4.1); a zero phandle is a hole (Linux).
2. `interrupt-map`: child unit address, child specifier, phandle, parent unit address, parent specifier (2.4.3).
3. `msi-parent`: phandle, `#msi-cells` of the receiver, none if it does not say (Linux, msi.txt).
4. Where an entry cannot be read its length is unknown, so the list ends there and the rest is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from irqframe.dt import Node

Cells = tuple[int, ...]

# What a bus has if it does not say (DTSpec v0.4, 2.3.5).
_ADDRESS_CELLS = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list.

    Attributes:
        head: cells before the phandle.
        phandle: of the node that it names; 0 for a hole.
        arguments: cells for that node.
    """

    head: Cells
    phandle: int
    arguments: Cells

    @property
    def cells(self) -> Cells:
        """The entry as it was written."""
        return (*self.head, self.phandle, *self.arguments)


def extended(node: Node, nodes: Mapping[int, Node]) -> tuple[list[Entry], Cells]:
    """The entries of `interrupts-extended`, and the cells after the last that can be read.

    Args:
        node: who has the property.
        nodes: by phandle.
    """
    return _entries(node.cells("interrupts-extended"), 0, nodes, lambda target: target.u32("#interrupt-cells"))


def map_rows(nexus: Node, nodes: Mapping[int, Node]) -> tuple[list[Entry], Cells]:
    """The rows of `interrupt-map`, and the cells after the last that can be read; arguments as `extended`'s."""
    cells = nexus.cells("interrupt-map")
    own = nexus.u32("#interrupt-cells")
    return ([], cells) if own is None else _entries(cells, _unit_cells(nexus) + own, nodes, _row_arguments)


def msi_parents(node: Node, nodes: Mapping[int, Node]) -> tuple[list[Entry], Cells]:
    """The entries of `msi-parent`, and the cells after the last that can be read; arguments as `extended`'s."""
    return _entries(node.cells("msi-parent"), 0, nodes, msi_cells)


def msi_rows(node: Node) -> tuple[list[Entry], Cells]:
    """The rows of `msi-map`, which have 4 cells whatever the receiver says, and the cells after the last whole one."""
    cells = node.cells("msi-map")
    end = len(cells) // 4 * 4
    rows = [Entry(cells[i : i + 1], cells[i + 1], cells[i + 2 : i + 4]) for i in range(0, end, 4)]
    return rows, cells[end:]


def msi_cells(receiver: Node) -> int | None:
    """How many cells follow a receiver's phandle in `msi-parent`; None if it does not say it properly."""
    return receiver.u32("#msi-cells") if receiver.has("#msi-cells") else 0


def _entries(
    cells: Cells, head: int, nodes: Mapping[int, Node], arguments: Callable[[Node], int | None]
) -> tuple[list[Entry], Cells]:
    found: list[Entry] = []
    start = 0
    while start + head < len(cells):
        at = start + head
        target = nodes.get(cells[at])
        size = 0 if cells[at] == 0 else None if target is None else arguments(target)
        if size is None or at + 1 + size > len(cells):
            break
        end = at + 1 + size
        found.append(Entry(cells[start:at], cells[at], cells[at + 1 : end]))
        start = end
    return found, cells[start:]


def _unit_cells(nexus: Node) -> int:
    """The nearest `#address-cells` upwards, as Linux's of_irq_parse_raw has it."""
    above: Node | None = nexus
    while above is not None and not above.has("#address-cells"):
        above = above.parent
    return _ADDRESS_CELLS if above is None else above.u32("#address-cells") or 0


def _row_arguments(parent: Node) -> int | None:
    specifier = parent.u32("#interrupt-cells")
    return None if specifier is None else (parent.u32("#address-cells") or 0) + specifier
