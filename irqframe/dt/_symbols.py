"""The symbols of a tree: `__symbols__` has the path of each label, so that overlays find what they name."""

from __future__ import annotations

from collections.abc import Collection

from irqframe.dt._tree import Node, Piece, PieceKind, Property, Tree

SYMBOLS = "__symbols__"


def add_symbols(tree: Tree) -> None:
    """Name the labels of a tree in its `__symbols__`, as dtc -@ does.

    The node comes last in the root unless it is there; each label that it does not have yet is added, in the order of
    the nodes, and each labelled node gets a phandle unless it has one. Nodes that `/omit-if-no-ref/` took from the tree
    do not come back: `load` and `parse_dts` know `symbols=True` for them.

    Args:
        tree: changed in place; without any label it stays as it is.
    """
    number_symbols(tree, (), 1)


def number_symbols(tree: Tree, unlabelled: Collection[Node], first: int) -> None:
    """As `add_symbols`.

    Args:
        tree: changed in place.
        unlabelled: nodes that count as labelled although they have no labels.
        first: the lowest phandle that may be given.
    """
    labelled = [node for node in tree.walk() if node.labels or node in unlabelled]
    if not labelled:
        return
    symbols = tree.root.children.get(SYMBOLS) or tree.root.add(Node(SYMBOLS, labelled[0].span))
    used = set(tree.by_phandle())
    phandle = first
    for node in labelled:
        for label in node.labels:
            if not symbols.has(label):
                data = node.path.encode() + b"\0"
                piece = Piece(0, len(data), PieceKind.STRING, node.span)
                symbols.properties[label] = Property(label, data, node.span, (piece,))
        if node.phandle is None:
            while phandle in used:
                phandle += 1
            used.add(phandle)
            if not node.has("phandle"):
                node.set_cells("phandle", phandle)
