"""Which cells of well-known properties are phandles, for writing trees out of a DTB with references in them.

1. A list holds entries of a phandle and as many cells as the node with that phandle says in its `#..-cells`; a zero or
   all-ones phandle is an entry of its own (Linux, `of_phandle_iterator_next`).
2. A row of `interrupt-map` is read as DTSpec v0.4, 2.4.3 has it; one of `msi-map` or `iommu-map` has four cells, the
   phandle second.
3. Where an entry cannot be read its length is unknown: what follows is numbers.

A wrong guess does no harm: a reference stands for the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from irqframe.dt._tree import Node

# Lists by what says how many cells follow a phandle; "" if none do.
_LISTS = (
    ("#clock-cells", r"clocks|assigned-clocks|assigned-clock-parents"),
    ("#gpio-cells", r"gpios|.*-gpios"),
    ("#interrupt-cells", r"interrupts-extended"),
    ("#msi-cells", r"msi-parent"),
    ("#dma-cells", r"dmas"),
    ("#iommu-cells", r"iommus"),
    ("#phy-cells", r"phys"),
    ("#reset-cells", r"resets"),
    ("#power-domain-cells", r"power-domains"),
    ("", r"interrupt-parent|interrupt-affinity|next-level-cache|cpu|regmap|.*-supply|memory-region"),
)
_BY_NAME = tuple((cells, re.compile(names)) for cells, names in _LISTS)

_NO_NODE = (0, 0xFFFFFFFF)
_MAP_ROW = 4


def phandle_places(node: Node, name: str, cells: tuple[int, ...], nodes: Mapping[int, Node]) -> frozenset[int]:
    """Indices of the cells of property `name` that are phandles.

    Args:
        node: whose property it is.
        name: of the property.
        cells: its value.
        nodes: by phandle.
    """
    if name == "interrupt-map":
        return frozenset(_interrupt_map(node, cells, nodes))
    if name in ("msi-map", "iommu-map"):
        return frozenset(range(1, len(cells), _MAP_ROW))
    # The lines of a hog belong to the controller that it is a child of.
    if name == "gpios" and node.has("gpio-hog"):
        return frozenset()
    for cells_name, names in _BY_NAME:
        if names.fullmatch(name):
            return frozenset(_list(cells, cells_name, nodes))
    return frozenset()


def _list(cells: tuple[int, ...], cells_name: str, nodes: Mapping[int, Node]) -> Iterator[int]:
    at = 0
    while at < len(cells):
        if cells[at] in _NO_NODE:
            at += 1
            continue
        node = nodes.get(cells[at])
        if node is None:
            return
        yield at
        at += 1 + ((node.u32(cells_name) or 0) if cells_name else 0)


def _interrupt_map(node: Node, cells: tuple[int, ...], nodes: Mapping[int, Node]) -> Iterator[int]:
    head = (node.u32("#address-cells") or 0) + (node.u32("#interrupt-cells") or 0)
    at = head
    while at < len(cells):
        parent = nodes.get(cells[at])
        if parent is None:
            return
        yield at
        at += 1 + (parent.u32("#address-cells") or 0) + (parent.u32("#interrupt-cells") or 0) + head
