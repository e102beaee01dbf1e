"""From an irqchip's description to nodes of a tree: phandles are numbered here, and names made unique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from irqframe.dt import Node, Piece, PieceKind, Tree
from irqframe.errors import PluginError, Span, SpecifierError
from irqframe.flow import DescribeRequest, Flow, NodeSpec, Phandle, PropertyValue, Source, SourceKind, blaming


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
        pieces: list[tuple[bytes, PieceKind]] = []
        for part in value:
            if isinstance(part, str) and all(isinstance(each, str) for each in value):
                pieces.append((part.encode() + b"\0", PieceKind.STRING))
            elif isinstance(part, Phandle):
                if part.node not in self._phandles:
                    raise PluginError(self._plugin, f"irqchip_describe refers to {part.node!r}, which it does not name")
                pieces.append((self._phandles[part.node].to_bytes(4, "big"), PieceKind.REF))
            elif isinstance(part, int) and 0 <= part < 1 << 32:
                pieces.append((part.to_bytes(4, "big"), PieceKind.CELLS))
            else:
                raise PluginError(self._plugin, f"irqchip_describe gives {name!r} the cell {part!r}")
        prop = node.set(name, b"".join(data for data, _ in pieces))
        offsets = accumulate((len(data) for data, _ in pieces), initial=0)
        prop.pieces = tuple(
            Piece(offset, len(data), kind, self._span) for offset, (data, kind) in zip(offsets, pieces, strict=False)
        )


def _all(specs: Sequence[NodeSpec]) -> Iterator[NodeSpec]:
    for spec in specs:
        yield spec
        yield from _all(spec.children)


def ask_describe(flow: Flow, request: DescribeRequest, tree: Tree) -> Described:
    """Have an irqchip describe its nodes.

    Args:
        flow: with the irqchip registered.
        request: what they shall serve.
        tree: which they will stand in; it is not changed.

    Raises:
        SpecifierError: if it cannot serve that, or describes nothing at all.
        PluginError: if it breaks the hook spec.
    """
    if not (flow.has("describe") and flow.has("encode")):
        raise SpecifierError(f"{flow.chip_name} does not describe its nodes to other machines")
    with blaming(flow.chip, flow.chip_name):
        specs = flow.call("describe", request)
    if not (isinstance(specs, tuple | list) and specs and all(isinstance(spec, NodeSpec) for spec in specs)):
        raise PluginError(flow.chip_name, f"irqchip_describe returned {specs!r}, expected a tuple of NodeSpec")
    return Described(tree, specs, tree.root.span, flow.chip_name)


def ask_encode(flow: Flow, described: Described, source: Source) -> tuple[int, tuple[int, ...]]:
    """Have an irqchip encode a source: phandle of the node that serves it, and the specifier.

    Args:
        flow: with the irqchip registered.
        described: its nodes.
        source: what to encode.

    Raises:
        SpecifierError: if it cannot serve the source.
        PluginError: if it breaks the hook spec.
    """
    node = described.serves.get(source.kind)
    if node is None:
        raise SpecifierError(f"no node of {flow.chip_name} serves a {source.kind.value}")
    with blaming(flow.chip, flow.chip_name):
        cells = flow.call("encode", source)
    if not (isinstance(cells, tuple | list) and all(isinstance(cell, int) and 0 <= cell < 1 << 32 for cell in cells)):
        raise PluginError(flow.chip_name, f"irqchip_encode returned {cells!r}, expected a tuple of 32-bit cells")
    return node.phandle or 0, tuple(cells)
