"""The whole tree as the nested value that binding schemas are applied to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from irqframe.dt._decode import decode
from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._rows import UNKNOWN, RowCutter
from irqframe.dt._tree import Node, Property, Tree

Instance = dict[str, Any]

# Nodes that no binding describes: what dtc adds for overlays.
_GENERATED = "__"


@dataclass(slots=True)
class Instances:
    """The values of all nodes.

    Attributes:
        by_node: value of each node by its id; the children's values are in it, under their names.
        unknown: (id of the node, property) of values that another check reports.
        untyped: (id of the node, property) of values that no schema gives a type.
        widths: by (id of the node, property), how many cells each row has, for `reg` and `ranges`.
    """

    by_node: dict[int, Instance] = field(default_factory=dict)
    unknown: set[tuple[int, str]] = field(default_factory=set)
    untyped: set[tuple[int, str]] = field(default_factory=set)
    widths: dict[tuple[int, str], int] = field(default_factory=dict)

    def of(self, node: Node) -> Instance:
        """The node's value, with its name as schemas see it."""
        return {"$nodename": [node.name or "/"], **self.by_node[id(node)]}


def instances(tree: Tree, types: PropertyTypes) -> Instances:
    """The values of all nodes of `tree`.

    Args:
        tree: a tree as it was loaded; its values may be anything.
        types: what the schemas say of properties.
    """
    made = Instances()
    cutter = RowCutter(tree)
    for node in tree.walk():
        made.by_node[id(node)] = value = {}
        for prop in node.properties.values():
            decoded = _decoded(node, prop, types, cutter)
            if decoded is UNKNOWN:
                made.unknown.add((id(node), prop.name))
                decoded = [[0]]
            value[prop.name] = decoded
            known = types.of(prop.name).types
            if not known and not isinstance(decoded, list):
                made.untyped.add((id(node), prop.name))
            width = cutter.width(node, prop.name, known)
            if width is not None:
                made.widths[id(node), prop.name] = width
        if node.parent is not None and not node.name.startswith(_GENERATED):
            made.by_node[id(node.parent)][node.name] = value
    return made


def _decoded(node: Node, prop: Property, types: PropertyTypes, cutter: RowCutter) -> Any:
    aliases = node.name == "aliases" and node.parent is not None and node.parent.parent is None
    if aliases and prop.name != "phandle":
        return list(prop.strings) or prop.data
    known = types.of(prop.name)
    if prop.data:
        fixed = any(counts is not None and 0 < counts[0] == counts[1] for counts in (known.rows, known.columns))
        rows = cutter.cut(node, prop, known.types, fixed)
        if rows is not None:
            return rows
    return decode(prop.data, known)
