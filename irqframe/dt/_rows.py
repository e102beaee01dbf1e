"""Properties whose rows end where other nodes say: `reg`, `ranges`, interrupts, and lists of phandles with arguments.

1. The widths are those of dt-schema's fix-ups, with the cell counts of this tree.
2. Where a width cannot be told because the interrupt tree is broken, the value is `UNKNOWN`: another check reports that
   fault, and no schema should complain of it again.
3. An `interrupt-map` in a controller's own form is passed over by the interrupt tree, so nothing else reports it: its
   rows have one width, that of the first, as dt-schema cuts it.
4. A list of phandles with arguments ends before the first phandle that no node has.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Final

from irqframe.dt._addresses import address_cells, size_cells
from irqframe.dt._decode import rows_of
from irqframe.dt._interrupt_map import reads_own_map
from irqframe.dt._providers import MAX_CELLS, Providers
from irqframe.dt._report import Report
from irqframe.dt._tree import Node, Property, Tree

Rows = list[list[int]]

UNKNOWN: Final[Any] = object()

# Lists of phandles whose cell-count property does not follow from their own name; a number is a fixed count.
_ARGUMENTS: dict[str, str | int] = {
    "assigned-clocks": "#clock-cells",
    "assigned-clock-parents": "#clock-cells",
    "cooling-device": "#cooling-cells",
    "interconnects": "#interconnect-cells",
    "interrupts-extended": "#interrupt-cells",
    "mboxes": "#mbox-cells",
    "sound-dai": "#sound-dai-cells",
    "msi-parent": "#msi-cells",
    "msi-ranges": "#interrupt-cells",
    "dma-masters": "#dma-cells",
    "gpio-ranges": 3,
    "memory-region": 0,
}

# A row is a path from one provider to another.
_PAIRED = ("interconnects",)

# Cells after the arguments.
_EXTRA = {"msi-ranges": 1}


class RowCutter:
    """Cuts properties of one tree into rows."""

    def __init__(self, tree: Tree) -> None:
        # Faults of the interrupt tree are reported where it is resolved.
        self._providers = Providers(tree, Report())
        self._phandles = tree.by_phandle()
        self._special: dict[str, Callable[[Node, Property], Any]] = {
            "interrupts": self._interrupts,
            "interrupt-map": self._interrupt_map,
            "iommu-map": self._iommu_map,
        }

    def cut(self, node: Node, prop: Property, types: set[str], fixed: bool) -> Any:
        """The rows of a property, `UNKNOWN`, or None if nothing outside of it decides where they end.

        Args:
            node: who has it.
            prop: the property; not empty.
            types: its types.
            fixed: whether the schemas give the rows a fixed width.
        """
        special = self._special.get(prop.name)
        if special is not None:
            return special(node, prop) if prop.cells else UNKNOWN
        if not prop.cells:
            return None
        width = self.width(node, prop.name, types)
        if width is not None:
            return rows_of(list(prop.cells), width)
        if "phandle-array" in types and not fixed:
            return self._phandle_list(node, prop)
        return None

    def width(self, node: Node, name: str, types: set[str]) -> int | None:
        """Cells per row of a list of addresses, which the buses decide; None for any other property."""
        if name in ("ranges", "dma-ranges"):
            return address_cells(node) + size_cells(node) + address_cells(node.parent)
        if "address" in types:
            return address_cells(node.parent) + size_cells(node.parent)
        return None

    def _interrupts(self, node: Node, prop: Property) -> Any:
        parent = self._providers.parent(node, prop.span)
        size = None if parent is None else self._providers.interrupt_cells(parent)
        return rows_of(list(prop.cells), size) if size else UNKNOWN

    def _interrupt_map(self, node: Node, prop: Property) -> Any:
        before = (node.u32("#address-cells") or 0) + (node.u32("#interrupt-cells") or 0)
        if reads_own_map(node):
            parent = self._phandles.get(prop.cells[before]) if before < len(prop.cells) else None
            after = None if parent is None else self._map_parent_cells(parent)
            return UNKNOWN if after is None else rows_of(list(prop.cells), before + 1 + after)
        return self._variable_rows(prop, before, self._map_parent_cells)

    def _map_parent_cells(self, parent: Node) -> int | None:
        cells = parent.u32("#interrupt-cells")
        return None if cells is None else cells + (parent.u32("#address-cells") or 0)

    def _iommu_map(self, node: Node, prop: Property) -> Any:
        before = node.u32("#iommu-cells") or 1
        return self._variable_rows(prop, before, lambda parent: (parent.u32("#iommu-cells") or 0) + 1)

    def _phandle_list(self, node: Node, prop: Property) -> Any:
        name = prop.name
        if name == "gpio" or name.endswith(("gpios", "-gpio")):
            if node.has("gpio-hog"):
                return None
            wanted: str | int = "#gpio-cells"
        elif name in _ARGUMENTS:
            wanted = _ARGUMENTS[name]
        elif name.endswith("s"):
            wanted = f"#{name[:-1]}-cells"
        else:
            return None
        extra = _EXTRA.get(name, 0)
        rows: Rows = []
        whole = self._fill(rows, prop, 0, lambda target: _arguments(target, wanted, extra))
        if not whole and wanted == "#gpio-cells":
            return UNKNOWN
        if not whole and not rows and name not in _ARGUMENTS:
            # It need not be a list of phandles with arguments.
            return None
        if name in _PAIRED:
            return [[*one, *other] for one, other in zip_longest(rows[::2], rows[1::2], fillvalue=())]
        return rows

    def _variable_rows(self, prop: Property, before: int, after: Callable[[Node], int | None]) -> Any:
        rows: Rows = []
        return rows if self._fill(rows, prop, before, after) else UNKNOWN

    def _fill(self, rows: Rows, prop: Property, before: int, after: Callable[[Node], int | None]) -> bool:
        """Cut rows of `before` cells, a phandle, and as many cells as its node asks for; False if one has no node."""
        cells = prop.cells
        start = 0
        while start < len(cells):
            at = start + before
            phandle = cells[at] if at < len(cells) else None
            target = self._phandles.get(phandle) if phandle else None
            size = 0 if phandle == 0 else None if target is None else after(target)
            if size is None or size > 2 * MAX_CELLS:
                return False
            rows.append(list(cells[start : at + 1 + size]))
            start = at + 1 + size
        return True


def _arguments(target: Node, wanted: str | int, extra: int) -> int | None:
    if isinstance(wanted, int):
        return wanted
    return (target.u32(wanted) or 0) + extra
