"""The fixups of an overlay: where its phandles stand, for whoever applies it.

1. `__fixups__` has a property for each label that the overlay refers to and does not have, with a string
   "path:property:offset" for each place.
2. `__local_fixups__` mirrors the nodes and properties that refer to nodes of the overlay itself; a property has the
   offset of each place as a cell.
3. Both are the last nodes of the root, unless they are there, and the places come in the order of the tree. All as dtc
   1.6.1 does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from irqframe.dt._collected import Collected
from irqframe.dt._tree import Node, Piece, PieceKind, Property, Tree
from irqframe.errors import Span

FIXUPS = "__fixups__"
LOCAL_FIXUPS = "__local_fixups__"

# A deep path that is written for each of a million references is no overlay that anyone wants.
ROOM_MAX = 64 << 20


@dataclass(slots=True)
class _Growing:
    """A property that is added to."""

    span: Span
    data: bytearray = field(default_factory=bytearray)
    pieces: list[Piece] = field(default_factory=list)

    def add(self, data: bytes, kind: PieceKind, span: Span) -> None:
        self.pieces.append(Piece(len(self.data), len(data), kind, span))
        self.data += data


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reference stands."""

    node: Node
    prop: Property
    piece: Piece


def add_fixups(tree: Tree, report: Collected) -> None:
    """Give the tree of an overlay its fixups.

    Args:
        tree: as `resolve` made it; changed in place.
        report: takes the finding if the fixups are too large (E0226).
    """
    labels = tree.by_label()
    outside: list[_Place] = []
    inside: list[_Place] = []
    for node in tree.walk():
        for prop in node.properties.values():
            for piece in prop.pieces:
                if piece.kind is PieceKind.REF:
                    known = tree.node(piece.text) if piece.text.startswith("/") else labels.get(piece.text)
                    (outside if known is None else inside).append(_Place(node, prop, piece))
    if outside:
        _add_outside(tree, outside, report)
    if inside:
        _add_inside(tree, inside)


def _add_outside(tree: Tree, places: list[_Place], report: Collected) -> None:
    fixups = _child(tree.root, FIXUPS, places[0].piece.span)
    growing: dict[str, _Growing] = {}
    room = ROOM_MAX
    for node, prop, piece in ((place.node, place.prop, place.piece) for place in places):
        entry = f"{node.path}:{prop.name}:{piece.offset}".encode() + b"\0"
        room -= len(entry)
        if room < 0:
            report.fail("E0226", "the references of the overlay take too much room", piece.span, path=node.path)
        _grown(growing, fixups, piece.text, piece.span).add(entry, PieceKind.STRING, piece.span)
    _write(growing, fixups)


def _add_inside(tree: Tree, places: list[_Place]) -> None:
    root = _child(tree.root, LOCAL_FIXUPS, places[0].piece.span)
    growing: dict[Node, dict[str, _Growing]] = {}
    for place in places:
        span = place.piece.span
        node = root
        for name in _names(place.node):
            node = _child(node, name, span)
        of_node = growing.setdefault(node, {})
        offset = place.piece.offset.to_bytes(4, "big")
        _grown(of_node, node, place.prop.name, span).add(offset, PieceKind.CELLS, span)
    for node, of_node in growing.items():
        _write(of_node, node)


def _names(node: Node) -> list[str]:
    """The names on the way from the root, which has none, to a node."""
    names = []
    while node.parent is not None:
        names.append(node.name)
        node = node.parent
    return names[::-1]


def _child(node: Node, name: str, span: Span) -> Node:
    return node.children.get(name) or node.add(Node(name, span))


def _grown(growing: dict[str, _Growing], node: Node, name: str, span: Span) -> _Growing:
    known = growing.get(name)
    if known is None:
        prop = node.properties.get(name)
        known = _Growing(span) if prop is None else _Growing(prop.span, bytearray(prop.data), list(prop.pieces))
        growing[name] = known
    return known


def _write(growing: dict[str, _Growing], node: Node) -> None:
    for name, found in growing.items():
        node.properties[name] = Property(name, bytes(found.data), found.span, tuple(found.pieces))
