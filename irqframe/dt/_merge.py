"""Statements of a DTS text carried out: blocks merged, nodes and properties deleted.

As dtc does it, down to the order: what was deleted keeps its place, and takes it again when it is defined again. A
deletion in the very block that first defines a node does not reach back within that block. A label may stand on two
nodes until one of them is deleted; while it does, it means the first in the tree.

In an overlay, a block for a path, or for a label that the overlay does not have, is a change to the base: it becomes
`fragment@N { target = <&label>; __overlay__ { }; };` (or `target-path`) at the end of the root, N counting from 0.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from irqframe.dt._close import CloseNames
from irqframe.dt._collected import Collected
from irqframe.dt._syntax import Block, Label, NodeSyntax, Omit, Part, PropertySyntax, Reference, Source
from irqframe.dt._tree import PieceKind

# An included file is missing: any label may have stood in it.
_FILE_CODES = ("E0002", "E0005")

_OVERLAY_HINT = "in an overlay, only &label { } and <&label> can name what the base has"


class Merger:
    """The tree that comes of the statements.

    Attributes:
        root: the root node, None until there is one.
        complete: False if a part of the text was missed, so that a path that leads nowhere is no fault of its own.
    """

    def __init__(self, source: Source, report: Collected) -> None:
        self.source = source
        self.report = report
        self.root: NodeSyntax | None = None
        self.complete = not report.findings
        self._whole_files = not any(finding.code in _FILE_CODES for finding in report.findings)
        self._labels: dict[str, list[NodeSyntax]] = {}
        self._close = CloseNames()
        self._fragments = 0

    def run(self) -> NodeSyntax | None:
        """Carry out all statements, in order; the root, None if there is no block for it."""
        for statement in self.source.statements:
            if isinstance(statement, Block):
                self._block(statement)
                continue
            node = self.find(statement.target, report=True)
            if node is None:
                continue
            if isinstance(statement, Omit):
                node.omit = True
            else:
                self._delete(node)
        return self.root

    def find(self, target: Reference, *, report: bool = False) -> NodeSyntax | None:
        """The node that a reference means now; if there is none and `report`, that is a finding."""
        if target.text.startswith("/"):
            node, missing = self._by_path(target.text)
            if node is None and report:
                self._no_path(target, missing)
            return node
        nodes = self._labels.get(target.text)
        if nodes:
            return nodes[0]
        if report:
            self._no_label(target)
        return None

    # Blocks

    def _block(self, block: Block) -> None:
        if block.target is None:
            node = self.root
            if node is None:
                self.root = block.node
                self._enter_labels(block.node)
                return
        elif self.source.overlay and not block.node.labels and block.target.text not in self._labels:
            self._fragment(block.node, block.target)
            return
        else:
            node = self.find(block.target, report=True)
            if node is None:
                self._enter_labels(block.node)
                return
        self._merge(node, block.node)

    def _fragment(self, node: NodeSyntax, target: Reference) -> None:
        """Put a block that changes the base at the end of the root."""
        if target.text.startswith("/"):
            prop = PropertySyntax("target-path", target.span)
            prop.parts.append(Part(PieceKind.STRING, target.text.encode() + b"\0", target.span))
        else:
            prop = PropertySyntax("target", target.span)
            prop.parts.append(Part(PieceKind.REF, b"", target.span, target.text))
        fragment = NodeSyntax(f"fragment@{self._fragments}", target.span)
        self._fragments += 1
        fragment.add_property(prop)
        node.name = "__overlay__"
        fragment.add_child(node)
        if self.root is None:
            self.root = NodeSyntax("", target.span)
        self.root.add_child(fragment)
        self._enter_labels(node)

    def _merge(self, old: NodeSyntax, new: NodeSyntax) -> None:
        if old.deleted:
            old.deleted = False
            if old.parent is not None:
                old.parent.forget(old.name)
            for label in old.live_labels():  # only a deletion within the first block of its parent has any
                self._enter_label(label.name, old)
        for name in old.add_labels(new.live_labels()):
            self._enter_label(name, old)
        for prop in new.properties:
            _merge_property(old, prop)
        for child in new.children:
            known = old.by_child.get(child.name)
            if child.deleted:
                if known is not None:
                    self._delete(known)
            elif known is None:
                old.add_child(child)
                self._enter_labels(child)
            else:
                old.alive.append(known)
                self._merge(known, child)

    def _enter_labels(self, node: NodeSyntax) -> None:
        work = [node]
        while work:
            node = work.pop()
            for label in node.live_labels():
                self._enter_label(label.name, node)
            work += [child for child in node.children if not child.deleted]

    def _enter_label(self, name: str, node: NodeSyntax) -> None:
        nodes = self._labels.setdefault(name, [])
        if nodes:
            insort(nodes, node, key=NodeSyntax.place)
        else:
            nodes.append(node)

    def _leave_label(self, name: str, node: NodeSyntax) -> None:
        nodes = self._labels.get(name, [])
        at = bisect_left(nodes, node.place(), key=NodeSyntax.place) if len(nodes) > 1 else 0
        if nodes[at : at + 1] == [node]:
            del nodes[at]
        if not nodes:
            self._labels.pop(name, None)

    def _delete(self, node: NodeSyntax) -> None:
        work: list[PropertySyntax | NodeSyntax] = [node]
        while work:
            item = work.pop()
            item.deleted = True
            if isinstance(item, NodeSyntax):
                for label in item.live_labels():
                    self._leave_label(label.name, item)
                item.labels = dict.fromkeys(item.labels)
                work += item.alive
                item.alive = []
            else:
                item.labels = []

    # Look-up

    def _by_path(self, path: str) -> tuple[NodeSyntax | None, tuple[NodeSyntax | None, str]]:
        """The node at `path`; if there is none, how far it leads, and the name that is missing there."""
        node = self.root
        for name in path.split("/"):
            if not name:
                continue
            child = node.live_child(name) if node is not None else None
            if child is None:
                return None, (node, name)
            node = child
        return node, (node, "")

    def _no_path(self, target: Reference, missing: tuple[NodeSyntax | None, str]) -> None:
        if not self.complete:
            return
        node, name = missing
        hint = ""
        if node is not None:
            names = [child.name for child in node.children if not child.deleted]
            close = self._close.of(name, names)
            where = node.name or "/"
            hint = f"{where} has no child {name}" + (f"; did you mean {close}?" if close else "")
        if self.source.overlay:
            hint = _OVERLAY_HINT
        self.report.add("E0204", f"no node is at {target.text}", target.span, found=f"&{{{target.text}}}", hint=hint)

    def _no_label(self, target: Reference) -> None:
        if target.text in self.source.skipped or not self._whole_files:
            return
        close = self._close.of(target.text, self._labels)
        hint = _OVERLAY_HINT if self.source.overlay else ""
        label = self._labels[close][0].labels[close] if close else None
        if label is not None:
            span = label.span
            hint = f"did you mean &{close} ({span.file}:{span.line})?"
        self.report.add("E0203", f"&{target.text} is not defined", target.span, found=f"&{target.text}", hint=hint)


def _add_labels(old: list[Label], new: list[Label]) -> list[Label]:
    """Append what is not there yet; what that is."""
    known = {label.name for label in old}
    added = []
    for label in new:
        if label.name not in known:
            known.add(label.name)
            added.append(label)
    old += added
    return added


def _merge_property(old: NodeSyntax, prop: PropertySyntax) -> None:
    known = old.by_property.get(prop.name)
    if prop.deleted:
        if known is not None:
            known.deleted = True
            known.labels = []
    elif known is None:
        old.add_property(prop)
    else:
        old.alive.append(known)
        _add_labels(known.labels, prop.labels)
        known.span, known.parts, known.marks, known.deleted = prop.span, prop.parts, prop.marks, False
