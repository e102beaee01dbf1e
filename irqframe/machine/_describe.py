"""From an irqchip's description to nodes of a tree: phandles are numbered here, and names made unique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irqframe.dt import Node, Tree
from irqframe.errors import PluginError, Span
from irqframe.flow import NodeSpec, Phandle, PropertyValue, SourceKind


class Described:
    """The nodes that an irqchip described, in a tree.

    Attributes:
        nodes: at the top level, in order.
        serves: which of all nodes serves a kind of wired source, or "msi".
    """

    def __init__(self, tree: Tree, specs: Sequence[NodeSpec], span: Span, plugin: str) -> None:
        self._plugin = plugin
        self._span = span
        phandle = tree.free_phandle()
        self._phandles: dict[str, int] = {}
        for spec in _all(specs):
            if not isinstance(spec, NodeSpec) or not isinstance(spec.name, str):
                raise PluginError(plugin, f"irqchip_describe returned {spec!r}, expected a NodeSpec with a name")
            if spec.name in self._phandles:
                raise PluginError(plugin, f"irqchip_describe names two nodes {spec.name!r}")
            self._phandles[spec.name] = phandle
            phandle += 1
        self.serves: dict[SourceKind | str, Node] = {}
        self.nodes = tuple(self._node(spec) for spec in specs)

    def _node(self, spec: NodeSpec) -> Node:
        node = Node(spec.name, self._span)
        for name, value in spec.properties.items():
            self._set(node, name, value)
        node.set_cells("phandle", self._phandles[spec.name])
        for kind in spec.serves:
            self.serves[kind] = node
        for child in spec.children:
            node.add(self._node(child))
        return node

    def _set(self, node: Node, name: str, value: PropertyValue) -> None:
        if not isinstance(value, tuple | list):
            raise PluginError(self._plugin, f"irqchip_describe gives {name!r} the value {value!r}, expected a tuple")
        if all(isinstance(part, str) for part in value):
            node.set_strings(name, *(part for part in value if isinstance(part, str)))
            return
        cells = []
        for part in value:
            if isinstance(part, Phandle):
                if part.node not in self._phandles:
                    raise PluginError(self._plugin, f"irqchip_describe refers to {part.node!r}, which it does not name")
                cells.append(self._phandles[part.node])
            elif isinstance(part, int) and 0 <= part < 1 << 32:
                cells.append(part)
            else:
                raise PluginError(self._plugin, f"irqchip_describe gives {name!r} the cell {part!r}")
        node.set_cells(name, *cells)


def _all(specs: Sequence[NodeSpec]) -> Iterator[NodeSpec]:
    for spec in specs:
        yield spec
        yield from _all(spec.children)
