"""The device tree in memory: nodes and properties, each with the place where it was written.

1. A property's value is bytes, always; how it was written is kept beside it, in `pieces`, and never needed to read it.
2. Order is kept: of nodes, of properties, of memory reservations.
3. Nothing here reports a finding: accessors return None or an empty tuple for what is absent or has another shape.
4. A value is taken apart once, however often its cells or strings are asked for: each of a long list of interrupts may
   ask for a long list of cells.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from irqframe.dt._places import Sources
from irqframe.errors import Finding, Span


class PieceKind(Enum):
    """How a part of a property's value was written."""

    CELLS = "cells"  # <1 2>, one piece per element
    REF = "ref"  # <&label>: a phandle, 4 bytes
    STRING = "string"
    PATH = "path"  # &label outside of < >
    BYTES = "bytes"  # [00 11]
    INCBIN = "incbin"


class Piece(NamedTuple):
    """A part of a value: its place in the data (bytes), how it was written, and where.

    Attributes:
        offset: first byte in the property's data.
        size: how many bytes; a cell of `/bits/ 64` has 8.
        kind: how it was written.
        span: where it was written.
        text: for `REF` and `PATH`, the label or the path that was named, without `&`; else "".
    """

    offset: int
    size: int
    kind: PieceKind
    span: Span
    text: str = ""


Pieces = tuple[Piece, ...]


class Property:
    """A property: its name, its value, and where its last value was written.

    Attributes:
        name: as in the tree.
        data: the value as it stands in a DTB.
        span: of the property's name in the statement that gave it its last value.
        labels: labels on the property.
    """

    __slots__ = ("_cells", "_pieces", "_strings", "data", "labels", "name", "span")

    def __init__(
        self,
        name: str,
        data: bytes,
        span: Span,
        pieces: Pieces | Callable[[], Pieces] = (),
        labels: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.data = data
        self.span = span
        self.labels = labels
        self._pieces = pieces
        # The last value that was taken apart, and its parts.
        self._cells: tuple[bytes, tuple[int, ...]] | None = None
        self._strings: tuple[bytes, tuple[str, ...]] | None = None

    def __repr__(self) -> str:
        return f"<Property {self.name}, {len(self.data)} bytes>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Property):
            return NotImplemented
        return (self.name, self.data, self.span, self.pieces, self.labels) == (
            other.name,
            other.data,
            other.span,
            other.pieces,
            other.labels,
        )

    __hash__ = None  # type: ignore[assignment]  # it can be written to

    @property
    def pieces(self) -> Pieces:
        """How the value was written, in order; empty for a property out of a DTB.

        Most are never asked for, so they may be given as a function, which is called the first time.
        """
        if callable(self._pieces):
            self._pieces = self._pieces()
        return self._pieces

    @pieces.setter
    def pieces(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def copy(self) -> Property:
        """A property of its own, equal in everything."""
        return Property(self.name, self.data, self.span, self._pieces, self.labels)

    def span_at(self, offset: int) -> Span:
        """Place of the piece that holds byte `offset`; the property's own place if no piece does."""
        pieces = self.pieces
        at = bisect_right(pieces, offset, key=_offset) - 1
        return pieces[at].span if at >= 0 and offset < pieces[at].offset + pieces[at].size else self.span

    @property
    def cells(self) -> tuple[int, ...]:
        """The value as big-endian 32-bit cells; empty if its length is no multiple of 4."""
        if self._cells is None or self._cells[0] is not self.data:
            self._cells = self.data, _cells_of(self.data)
        return self._cells[1]

    @property
    def strings(self) -> tuple[str, ...]:
        """The value as NUL-terminated strings; empty if it is not that (DTSpec 2.4, 2.2.4)."""
        if self._strings is None or self._strings[0] is not self.data:
            self._strings = self.data, _strings_of(self.data)
        return self._strings[1]


def _offset(piece: Piece) -> int:
    return piece.offset


def _cells_of(data: bytes) -> tuple[int, ...]:
    return () if len(data) % 4 else struct.unpack(f">{len(data) // 4}I", data)


def _strings_of(data: bytes) -> tuple[str, ...]:
    if not data.endswith(b"\0"):
        return ()
    try:
        return tuple(part.decode("utf-8") for part in data[:-1].split(b"\0"))
    except UnicodeDecodeError:
        return ()


@dataclass(slots=True, eq=False)
class Node:
    """A node: its name with the unit address, its properties and its children, in order.

    Attributes:
        name: "serial@9000000"; "" for the root.
        span: of the name where the node was first written.
        parent: None for the root.
        properties: by name, in order.
        children: by name, in order.
        labels: labels on the node, in dtc's order: those of a later statement first, within one as written.
    """

    name: str
    span: Span
    parent: Node | None = None
    properties: dict[str, Property] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Node {self.path}>"

    @property
    def path(self) -> str:
        """Full path, "/" for the root."""
        names = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            names.append(node.name)
            node = node.parent
        return "/" + "/".join(reversed(names))

    @property
    def basename(self) -> str:
        """The name without its unit address."""
        return self.name.partition("@")[0]

    @property
    def unit_address(self) -> str:
        """What follows the `@`, "" if nothing does."""
        return self.name.partition("@")[2]

    @property
    def compatible(self) -> tuple[str, ...]:
        """The strings of `compatible`, most specific first."""
        return self.strings("compatible")

    @property
    def phandle(self) -> int | None:
        """The node's phandle, or None."""
        return self.u32("phandle") if "phandle" in self.properties else self.u32("linux,phandle")

    def cells(self, name: str) -> tuple[int, ...]:
        """Cells of property `name`; empty if it is absent or no cells."""
        found = self.properties.get(name)
        return found.cells if found is not None else ()

    def strings(self, name: str) -> tuple[str, ...]:
        """Strings of property `name`; empty if it is absent or no strings."""
        found = self.properties.get(name)
        return found.strings if found is not None else ()

    def u32(self, name: str) -> int | None:
        """The one cell of property `name`, or None if it is absent or not one cell."""
        found = self.properties.get(name)
        return int.from_bytes(found.data, "big") if found is not None and len(found.data) == 4 else None

    def has(self, name: str) -> bool:
        """Whether the node has a property of that name."""
        return name in self.properties

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents before children, in order; no recursion, so depth is no matter."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children.values()))

    def set(self, name: str, data: bytes, span: Span | None = None) -> Property:
        """Give property `name` the value `data`, in its place if it exists, else as the last."""
        self.properties[name] = made = Property(name, data, span or self.span)
        return made

    def set_cells(self, name: str, *cells: int) -> Property:
        """Give property `name` these 32-bit cells."""
        return self.set(name, b"".join(cell.to_bytes(4, "big") for cell in cells))

    def set_strings(self, name: str, *strings: str) -> Property:
        """Give property `name` these strings."""
        return self.set(name, b"".join(text.encode() + b"\0" for text in strings))

    def add(self, child: Node) -> Node:
        """Append `child`, which takes this node as its parent; one of the same name is replaced."""
        child.parent = self
        self.children[child.name] = child
        return child


@dataclass(slots=True, eq=False)
class Tree:
    """A whole device tree.

    Attributes:
        root: the root node.
        file: what it was read from, as findings name it.
        reservations: (address, size) of each memory reservation, in order, without the terminator.
        boot_cpu: `boot_cpuid_phys` of the header.
        sources: the texts that it was read from, for the excerpts of findings; none for a DTB.
        warnings: what is odd about those texts and still no error.
    """

    root: Node
    file: str
    reservations: list[tuple[int, int]] = field(default_factory=list)
    boot_cpu: int = 0
    sources: Sources = field(default_factory=Sources, repr=False)
    warnings: tuple[Finding, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Every node, parents before children, in order."""
        return self.root.walk()

    def node(self, path: str) -> Node | None:
        """The node at a full path, or None."""
        node: Node | None = self.root
        for name in path.strip("/").split("/"):
            if node is None:
                return None
            node = node.children.get(name) if name else node
        return node

    def by_phandle(self) -> dict[int, Node]:
        """A fresh map from phandle to the first node that has it."""
        found: dict[int, Node] = {}
        for node in self.walk():
            phandle = node.phandle
            if phandle is not None:
                found.setdefault(phandle, node)
        return found

    def by_label(self) -> dict[str, Node]:
        """A fresh map from label to node."""
        return {label: node for node in self.walk() for label in node.labels}

    def free_phandle(self) -> int:
        """The lowest phandle that no node has; dtc numbers in the same way."""
        used = self.by_phandle()
        phandle = 1
        while phandle in used:
            phandle += 1
        return phandle

    def excerpt(self, span: Span) -> str:
        """The source line at the start of `span`, without its line end; "" if there is none."""
        return self.sources.line(span)
