"""Trees in the node classes of the `fdt` package (0.3.3), with what it gets wrong kept from showing.

1. `FDT()` shares one list of reservations between all trees: each gets a list of its own.
2. Property classes are chosen by us, by how the value was written or what its name says, never by the package.
3. Its text of a value holds for plain strings and cells only; other values bring their own (`_Written`).
4. It leaves out properties whose name ends in `_with_references`: those go in behind another name (`_Kept`).
5. Its `append` looks for the name among all siblings, which makes wide nodes slow: we add to its lists ourselves. Its
   containers are replaced where they are slow too (`_fdt_blocks`).

Import this module when something is written, not before.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from irqframe.dt._fdt_blocks import LinearNode, LinearTree, fdt
from irqframe.dt._phandle_places import phandle_places
from irqframe.dt._tree import Node, PieceKind, Property, Tree
from irqframe.dt._wellknown import ValueKind, value_kind
from irqframe.dt._written import bytes_text, is_covered, pieces_text, strings_text

# What fdt.PropStrings writes as it stands: it escapes nothing but the quotation mark.
_PLAIN = re.compile(rb"[\x20-\x5b\x5d-\x7e]+(\0[\x20-\x5b\x5d-\x7e]+)*\0")

_AS_CELLS = (PieceKind.CELLS, PieceKind.REF)
_AS_STRINGS = (PieceKind.STRING, PieceKind.PATH)


def fdt_tree(tree: Tree) -> Any:
    """An `fdt.FDT` with the nodes, properties, labels and reservations of `tree`, whose names must be legal."""
    # An entry of zeros would end the list for whoever reads it.
    entries = [{"address": address, "size": size} for address, size in tree.reservations if address or size]
    made = LinearTree(entries)
    nodes = tree.by_phandle()
    work = [(tree.root, made.root)]
    while work:
        node, item = work.pop()
        item.props.extend(_property(node, prop, nodes) for prop in node.properties.values())
        for child in node.children.values():
            below = LinearNode(child.name)
            if child.labels:
                below.set_label(": ".join(child.labels))
            item.nodes.append(below)
            work.append((child, below))
    return made


class _Written(fdt.PropBytes):  # type: ignore[misc]  # fdt has no types
    """A value with its own DTS text; in a DTB it is bytes as any other."""

    def __init__(self, name: str, data: bytes, text: str) -> None:
        super().__init__(name, data=data)
        self._text = text

    def to_dts(self, tabsize: int = 4, depth: int = 0) -> str:
        return f"{' ' * (tabsize * depth)}{self.name} = {self._text};\n"


class _Kept(fdt.Property):  # type: ignore[misc]  # fdt has no types
    """A property whose name fdt would leave out of its output, behind a name that it lets through."""

    def __init__(self, inner: Any) -> None:
        super().__init__("")
        self._inner = inner

    def to_dts(self, tabsize: int = 4, depth: int = 0) -> str:
        text: str = self._inner.to_dts(tabsize, depth)
        return text

    def to_dtb(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner.to_dtb(*args, **kwargs)


def _property(node: Node, prop: Property, nodes: Mapping[int, Node]) -> Any:
    made = _by_pieces(prop, nodes) if is_covered(prop) else _by_name(node, prop, nodes)
    return _Kept(made) if prop.name.endswith("_with_references") else made


def _by_pieces(prop: Property, nodes: Mapping[int, Node]) -> Any:
    if all(piece.kind in _AS_CELLS and piece.size == 4 for piece in prop.pieces):
        return _cells(prop, {piece.offset // 4 for piece in prop.pieces if piece.kind is PieceKind.REF}, nodes)
    if all(piece.kind in _AS_STRINGS for piece in prop.pieces):
        return _strings(prop)
    return _Written(prop.name, prop.data, pieces_text(prop))


def _by_name(node: Node, prop: Property, nodes: Mapping[int, Node]) -> Any:
    if not prop.data:
        return fdt.Property(prop.name)
    kind = value_kind(node, prop.name, prop.data)
    if kind is ValueKind.CELLS:
        return _cells(prop, phandle_places(node, prop.name, prop.cells, nodes), nodes)
    if kind is ValueKind.STRINGS:
        return _strings(prop)
    return _Written(prop.name, prop.data, bytes_text(prop.data))


def _cells(prop: Property, phandles: Container[int], nodes: Mapping[int, Node]) -> Any:
    """Cells; those whose index is in `phandles` name their node, which is what dtc wants to see there."""
    cells = prop.cells
    texts = [
        _reference(nodes[cell]) if index in phandles and cell in nodes else f"{cell:#x}"
        for index, cell in enumerate(cells)
    ]
    if any(text.startswith("&") for text in texts):
        return _Written(prop.name, prop.data, f"<{' '.join(texts)}>")
    made = fdt.PropWords(prop.name)
    made.data = list(cells)
    return made


def _reference(node: Node) -> str:
    """How DTS names a node: by its label, else by its path."""
    return f"&{node.labels[0]}" if node.labels else f"&{{{node.path}}}"


def _strings(prop: Property) -> Any:
    if not _PLAIN.fullmatch(prop.data):
        return _Written(prop.name, prop.data, strings_text(prop.data))
    made = fdt.PropStrings(prop.name)
    made.data = [part.decode("ascii") for part in prop.data[:-1].split(b"\0")]
    return made
