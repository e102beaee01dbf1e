"""A DTB as a plain list of nodes: a second reader, so that ours is not its own witness. It trusts what dtc writes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9


@dataclass(slots=True, eq=False)
class Node:
    """A node: path, parent, properties and children in order."""

    path: str
    parent: Node | None
    properties: dict[str, bytes] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    def u32(self, name: str) -> int | None:
        """The first cell of a property, as `of_property_read_u32` has it: None if there are not four bytes."""
        data = self.properties.get(name, b"")
        return int.from_bytes(data[:4], "big") if len(data) >= 4 else None

    def walk(self) -> Iterator[Node]:
        """This node and all below, in the order of the DTB."""
        work = [self]
        while work:
            node = work.pop()
            yield node
            work += reversed(node.children)


@dataclass(slots=True)
class Blob:
    """What a DTB says: its nodes, reservations and boot CPU."""

    root: Node
    reservations: list[tuple[int, int]]
    boot_cpu: int


def read(data: bytes) -> Blob:
    """Read a DTB of version 17."""
    magic, _, structure, strings, reserved, version, _, boot_cpu, _, _ = struct.unpack_from(">10I", data)
    assert (magic, version) == (0xD00DFEED, 17)
    reservations = []
    while any(entry := struct.unpack_from(">2Q", data, reserved)):
        reservations.append((entry[0], entry[1]))
        reserved += 16
    return Blob(_nodes(data, structure, strings), reservations, boot_cpu)


def _nodes(data: bytes, at: int, strings: int) -> Node:
    top = node = Node("", None)
    while True:
        (token,) = struct.unpack_from(">I", data, at)
        at += 4
        if token == BEGIN_NODE:
            end = data.index(0, at)
            name = data[at:end].decode("ascii")
            child = Node(f"{node.path.rstrip('/')}/{name}", None if node is top else node)
            node.children.append(child)
            node = child
            at = (end + 4) & ~3
        elif token == END_NODE:
            node = node.parent or top
        elif token == PROP:
            size, offset = struct.unpack_from(">2I", data, at)
            name = data[strings + offset : data.index(0, strings + offset)].decode("ascii")
            assert name not in node.properties
            node.properties[name] = data[at + 8 : at + 8 + size]
            at = (at + 8 + size + 3) & ~3
        elif token == END:
            (root,) = top.children
            return root
        else:
            assert token == NOP


def difference(ours: Blob, theirs: Blob) -> str:
    """The first thing that differs between two DTBs; "" if nothing does."""
    if ours.reservations != theirs.reservations:
        return f"reservations: {ours.reservations} for {theirs.reservations}"
    if ours.boot_cpu != theirs.boot_cpu:
        return f"boot CPU: {ours.boot_cpu} for {theirs.boot_cpu}"
    mine, others = list(ours.root.walk()), list(theirs.root.walk())
    for one, other in zip(mine, others, strict=False):
        if one.path != other.path:
            return f"order of nodes: {one.path} for {other.path}"
        if list(one.properties) != list(other.properties):
            return f"properties of {one.path}: {list(one.properties)} for {list(other.properties)}"
        for name, value in one.properties.items():
            if value != other.properties[name]:
                return f"{name} of {one.path}: {value[:80].hex()} for {other.properties[name][:80].hex()}"
    return "" if len(mine) == len(others) else f"{len(mine)} nodes for {len(others)}"
