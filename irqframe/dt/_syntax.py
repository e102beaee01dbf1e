"""What a DTS text says, statement by statement, before references and deletions are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from irqframe.dt._tree import PieceKind
from irqframe.errors import Span

if TYPE_CHECKING:
    from irqframe.dt._lexer import Run


class Label(NamedTuple):
    """A label and where it stands."""

    name: str
    span: Span


class Part(NamedTuple):
    """An element of a value.

    Attributes:
        kind: how it was written.
        data: its bytes; of `REF` and `PATH` not known yet, and empty.
        span: where.
        text: of `REF` and `PATH`, the label or path, without `&` and braces.
        run: the numbers, if it is several cells in a row.
    """

    kind: PieceKind
    data: bytes
    span: Span
    text: str = ""
    run: Run | None = None


@dataclass(slots=True)
class PropertySyntax:
    """A property as written.

    Attributes:
        name: without the `\\` that may stand before it.
        span: of the name.
        labels: before the name.
        parts: the value.
        marks: labels within the value.
        deleted: it is gone, or says itself that the property of this name goes; its place in the order stays.
    """

    name: str
    span: Span
    labels: list[Label] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    marks: list[Label] = field(default_factory=list)
    deleted: bool = False


@dataclass(slots=True, eq=False)
class NodeSyntax:
    """A node block as written; blocks for the same node are merged into the first, as dtc does.

    Attributes:
        name: "" for the root.
        span: of the name.
        labels: by name, the oldest first, None for one that was deleted: it takes its place again when it is back.
        properties: in order; a name stands twice only if the block says so.
        children: in order.
        by_property: the first of each name.
        by_child: the first of each name.
        alive: properties and children that may not be deleted; deleting the node looks at no others, so that a text
            which deletes and defines again costs what it is long.
        deleted: it is gone, or says itself that the node of this name goes; its place in the order stays.
        omit: `/omit-if-no-ref/` stands before it.
        referenced: something refers to it.
        path: full path; known once the tree is complete.
        parent: the node whose block it stands in, after merging; None for the root.
        position: its place among the children of `parent`.
        by_live: what `live_child` has found behind a child that is deleted.
    """

    name: str
    span: Span
    labels: dict[str, Label | None] = field(default_factory=dict)
    properties: list[PropertySyntax] = field(default_factory=list)
    children: list[NodeSyntax] = field(default_factory=list)
    by_property: dict[str, PropertySyntax] = field(default_factory=dict)
    by_child: dict[str, NodeSyntax] = field(default_factory=dict)
    alive: list[PropertySyntax | NodeSyntax] = field(default_factory=list)
    deleted: bool = False
    omit: bool = False
    referenced: bool = False
    path: str = ""
    parent: NodeSyntax | None = None
    position: int = 0
    by_live: dict[str, NodeSyntax | None] = field(default_factory=dict)

    def live_labels(self) -> Iterator[Label]:
        """The labels that are not deleted, in dtc's order: the newest first."""
        return (label for label in reversed(self.labels.values()) if label is not None)

    def add_labels(self, labels: Iterable[Label]) -> list[str]:
        """Give the node labels, one after the other; what it has it keeps. The names of those it did not have."""
        added = []
        for label in labels:
            if self.labels.get(label.name) is None:
                self.labels[label.name] = label
                added.append(label.name)
        return added

    def add_property(self, prop: PropertySyntax) -> None:
        """Append a property."""
        self.properties.append(prop)
        if not prop.deleted:
            self.alive.append(prop)
        self.by_property.setdefault(prop.name, prop)

    def add_child(self, child: NodeSyntax) -> None:
        """Append a child."""
        child.parent = self
        child.position = len(self.children)
        self.forget(child.name)
        self.children.append(child)
        if not child.deleted:
            self.alive.append(child)
        self.by_child.setdefault(child.name, child)

    def place(self) -> tuple[int, ...]:
        """Where it stands in the tree; sorts as the tree is walked, parents first."""
        positions = []
        node = self
        while node.parent is not None:
            positions.append(node.position)
            node = node.parent
        return tuple(reversed(positions))

    def live_child(self, name: str) -> NodeSyntax | None:
        """The first child of that name that is not deleted."""
        found = self.by_child.get(name)
        if found is None or not found.deleted:
            return found
        live = self.by_live.get(name, found)
        if live is not None and live.deleted:
            others = (child for child in self.children if child.name == name and not child.deleted)
            self.by_live[name] = live = next(others, None)
        return live

    def forget(self, name: str) -> None:
        """Look anew for the child of that name: one was added, or is back."""
        self.by_live.pop(name, None)

    def live_property(self, name: str) -> PropertySyntax | None:
        """The first property of that name that is not deleted."""
        found = self.by_property.get(name)
        if found is None or not found.deleted:
            return found
        return next((prop for prop in self.properties if prop.name == name and not prop.deleted), None)


class Reference(NamedTuple):
    """A node that is named: by a label, or by a path, which begins with `/`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """`/ { };` where `target` is None, else `&target { };`, with `labels` before it."""

    node: NodeSyntax
    target: Reference | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """`/delete-node/ &target;`."""

    target: Reference


@dataclass(frozen=True, slots=True)
class Omit:
    """`/omit-if-no-ref/ &target;`."""

    target: Reference


@dataclass(slots=True)
class Source:
    """A whole DTS text.

    Attributes:
        reservations: address and size of each `/memreserve/`.
        marks: labels on them.
        statements: all others, in order.
        skipped: labels in parts that could not be read; a reference to one of them is no fault of its own.
        overlay: it says `/plugin/`: it is a change to a tree that is not known yet.
        end: where the text ends.
    """

    reservations: list[tuple[int, int]] = field(default_factory=list)
    marks: list[Label] = field(default_factory=list)
    statements: list[Block | Delete | Omit] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    overlay: bool = False
    end: Span = field(default_factory=lambda: Span(""))
