"""Phandles that a tree states itself: each one legal, each on one node (DTSpec 2.3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from irqframe.dt._fixups import LOCAL_FIXUPS
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Finding

PHANDLE_NAMES = ("phandle", "linux,phandle")

_ILLEGAL = (0, 0xFFFFFFFF)


def check_phandles(tree: Tree) -> Iterator[Finding]:
    """A finding for each phandle that is malformed (E0209), contradicts itself (E0210) or is taken (E0202)."""
    owners: dict[int, tuple[Node, Property]] = {}
    for node in real_nodes(tree.root):
        if "phandle" not in node.properties and "linux,phandle" not in node.properties:
            continue
        stated = [node.properties[name] for name in PHANDLE_NAMES if name in node.properties]
        values: list[int] = []
        for prop in stated:
            if len(prop.data) == 4 and prop.cells[0] not in _ILLEGAL:
                values.append(prop.cells[0])
            else:
                yield _finding(tree, "E0209", f"property {prop.name} is no phandle", node, prop)
        if len(set(values)) > 1:
            message = f"phandle {values[0]:#x} and linux,phandle {values[1]:#x} differ"
            yield _finding(tree, "E0210", message, node, stated[1], stated[0])
        elif values:
            other, first = owners.setdefault(values[0], (node, stated[0]))
            if other is not node:
                message = f"phandle {values[0]:#x} belongs to {other.path} already"
                yield _finding(tree, "E0202", message, node, stated[0], first)


def real_nodes(root: Node) -> Iterator[Node]:
    """All nodes but those of `__local_fixups__`, in which a `phandle` is a list of offsets."""
    yield root
    for child in root.children.values():
        if child.name != LOCAL_FIXUPS:
            yield from child.walk()


def _finding(tree: Tree, code: str, message: str, node: Node, prop: Property, first: Property | None = None) -> Finding:
    expected = "one cell other than 0 and 0xffffffff" if code == "E0209" else ""
    found = ("0x" + prop.data[:8].hex() if prop.data else "nothing") if code == "E0209" else ""
    related = ((first.span, "the first is here"),) if first is not None and first.span.line else ()
    return Finding(
        code,
        message,
        prop.span,
        node.path,
        expected,
        found,
        excerpt=tree.excerpt(prop.span),
        related=related,
    )
