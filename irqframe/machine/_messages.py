"""`msi-parent` and `msi-map` of a re-targeted machine: entries for old receivers name the new one."""

from __future__ import annotations

from collections.abc import Container, Sequence

from irqframe.dt import Node, Tree
from irqframe.machine._entries import Cells, Entry, msi_cells, msi_parents, msi_rows


def rewrite_messages(tree: Tree, old: Container[int], target: Node | None) -> None:
    """Write the entries for old receivers anew, and leave the others as they are.

    Args:
        tree: to write in; the old nodes are still in it.
        old: phandles of the old nodes.
        target: the node that takes messages now; None: nobody does, and the entries go.
    """
    nodes = tree.by_phandle()
    width = (msi_cells(target) or 0) if target is not None else 0
    for node in tree.walk():
        if "msi-parent" in node.properties:
            _rewrite(node, "msi-parent", *msi_parents(node, nodes), old, target, width)
        if "msi-map" in node.properties:
            _rewrite(node, "msi-map", *msi_rows(node), old, target, 2)


def _rewrite(
    node: Node, name: str, entries: Sequence[Entry], rest: Cells, old: Container[int], target: Node | None, width: int
) -> None:
    if not any(entry.phandle in old for entry in entries):
        return
    # A dict, because several old receivers become one.
    kept: dict[Cells, None] = {}
    for entry in entries:
        if entry.phandle not in old:
            kept[entry.cells] = None
        elif target is not None and target.phandle is not None:
            arguments = (*entry.arguments, *(0 for _ in range(width)))[:width]
            kept[(*entry.head, target.phandle, *arguments)] = None
    if kept or rest:
        node.set_cells(name, *(cell for cells in kept for cell in cells), *rest)
        return
    del node.properties[name]
    if name == "msi-map":
        node.properties.pop("msi-map-mask", None)
