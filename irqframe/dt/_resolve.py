"""From merged blocks to a tree: names and labels checked, references replaced by phandles and paths.

As dtc 1.6.1 does it: phandles that the text states are kept; every other node that a cell refers to takes the lowest
free number, in the order of the references (nodes parents first, properties and cells in order), as a property
`phandle` at its end. `/omit-if-no-ref/` nodes to which nothing refers then go, with all below them. Then come the
symbols, if they are asked for, and of an overlay the fixups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from irqframe.dt._collected import Collected
from irqframe.dt._fixups import add_fixups
from irqframe.dt._merge import Merger
from irqframe.dt._names import DEPTH_MAX, PATH_MAX, node_name_fault, property_name_fault
from irqframe.dt._phandles import PHANDLE_NAMES, check_phandles
from irqframe.dt._symbols import number_symbols
from irqframe.dt._syntax import Label, NodeSyntax, Part, PropertySyntax, Reference, Source
from irqframe.dt._tree import Node, Piece, PieceKind, Pieces, Property, Tree
from irqframe.errors import Span

_UNKNOWN = b"\xff" * 4


def resolve(source: Source, file: str, report: Collected, *, symbols: bool = False) -> Tree | None:
    """Carry out what a DTS text says.

    Args:
        source: the text, read.
        file: its name.
        report: takes the findings (E02xx).
        symbols: whether the tree shall name its labels, as dtc -@ does.

    Returns:
        The tree, good for something only if there are no findings; None if there is not even a root node, or it was
        deleted (dtc writes a DTB without any node then).
    """
    merger = Merger(source, report)
    root = merger.run()
    if root is None or root.deleted:
        _no_root(merger, source, report)
        return None
    nodes = _placed(root, report)
    _check_names(nodes, report)
    _check_labels(nodes, report)
    phandles = _Phandles(nodes)
    _check_own_phandles(nodes, merger, report)
    _refer(nodes, merger, phandles)
    if root.omit and not root.referenced:
        _no_root(merger, source, report)
    builder = _Builder(merger, phandles, symbols=symbols)
    tree = builder.tree(root, file, source.reservations)
    tree.sources, tree.warnings = report.sources, tuple(report.warnings)
    for finding in check_phandles(tree):
        report.keep(finding)
    builder.omit()
    if symbols:
        number_symbols(tree, builder.unlabelled, phandles.last)
    if source.overlay:
        add_fixups(tree, report)
    return tree


def _no_root(merger: Merger, source: Source, report: Collected) -> None:
    if merger.complete:
        report.add("E0213", "the tree has no root node", source.end, expected="/ { };")


def _placed(root: NodeSyntax, report: Collected) -> list[NodeSyntax]:
    """All nodes that are not deleted, parents first, in order; each is told its path."""
    found = []
    root.path = "/"
    work = [(root, 1)]
    while work:
        node, depth = work.pop()
        found.append(node)
        if depth > DEPTH_MAX:
            report.fail("E0112", f"nodes are nested more than {DEPTH_MAX} deep", node.span)
        if len(node.path) > PATH_MAX:
            report.fail("E0112", f"the path of the node is longer than {PATH_MAX} characters", node.span)
        prefix = node.path.rstrip("/")
        children = [child for child in node.children if not child.deleted]
        for child in children:
            child.path = f"{prefix}/{child.name}"
        work += [(child, depth + 1) for child in reversed(children)]
    return found


def _live(node: NodeSyntax) -> Iterator[PropertySyntax]:
    return (prop for prop in node.properties if not prop.deleted)


# Names and labels


def _check_names(nodes: list[NodeSyntax], report: Collected) -> None:
    for node in nodes:
        fault = node_name_fault(node.name) if node.path != "/" else ""
        if fault:
            report.add("E0207", f"node name {node.name[:40]} {fault}", node.span, path=node.path)
        if len(node.by_child) != len(node.children):
            _check_twice(node, "E0206", "node", node.children, report)
        if len(node.by_property) != len(node.properties):
            _check_twice(node, "E0205", "property", list(_live(node)), report)
        for prop in _live(node):
            fault = property_name_fault(prop.name)
            if fault:
                report.add("E0208", f"property name {prop.name[:40]} {fault}", prop.span, path=node.path)
        _check_name_property(node, report)


def _check_twice(
    node: NodeSyntax,
    code: str,
    what: str,
    items: list[NodeSyntax] | list[PropertySyntax],
    report: Collected,
) -> None:
    """Refuse a name that stands twice; as dtc, also a node deleted in the block that defines it."""
    first: dict[str, Span] = {}
    for item in items:
        if item.name in first:
            verb = "deleted" if item.deleted else "defined again"
            report.add(
                code,
                f"{what} {item.name[:40]} is {verb} in the block that defines it",
                item.span,
                path=node.path,
                related=((first[item.name], "the first is here"),),
            )
        elif not item.deleted:
            first[item.name] = item.span


def _check_name_property(node: NodeSyntax, report: Collected) -> None:
    """A `name` property (DTSpec 2.3.11) with the node's own name is taken out; any other is a fault.

    As dtc, which looks at one that was deleted too.
    """
    prop = node.by_property.get("name")
    if prop is None:
        return
    basename = node.name.partition("@")[0]
    if b"".join(part.data for part in prop.parts) == basename.encode() + b"\0":
        prop.deleted = True
    else:
        report.add("E0211", "the name property is not the node's name", prop.span, path=node.path, expected=basename)


def _check_labels(nodes: list[NodeSyntax], report: Collected) -> None:
    """Refuse a label that stands twice in the tree; as dtc, not one on a memory reservation."""
    first: dict[str, tuple[object, Span]] = {}

    def check(labels: Iterable[Label], owner: object) -> None:
        for label in labels:
            known, span = first.setdefault(label.name, (owner, label.span))
            if known is not owner:
                report.add(
                    "E0201",
                    f"label {label.name} is defined twice",
                    label.span,
                    related=((span, "the first is here"),),
                )

    for node in nodes:
        check(node.live_labels(), node)
        for prop in _live(node):
            check(prop.labels, prop)
            for mark in prop.marks:
                check([mark], mark)


# References


class _Phandles:
    """The phandle of each node: stated, or given when first asked for.

    Attributes:
        given: the nodes that were given one, in order.
        last: the number that was given last; 1 if none was.
    """

    def __init__(self, nodes: list[NodeSyntax]) -> None:
        self.given: list[NodeSyntax] = []
        self.last = 1
        self._of: dict[NodeSyntax, int] = {}
        for node in nodes:
            for name in PHANDLE_NAMES:
                prop = node.live_property(name)
                data = b"".join(part.data for part in prop.parts) if prop is not None else b""
                if len(data) == 4:
                    self._of.setdefault(node, int.from_bytes(data, "big"))
        self._used = set(self._of.values())

    def of(self, node: NodeSyntax) -> int:
        """The phandle of a node, which has one from now on."""
        known = self._of.get(node)
        if known is not None:
            return known
        while self.last in self._used:
            self.last += 1
        self._used.add(self.last)
        self._of[node] = self.last
        if node.live_property("phandle") is None:
            self.given.append(node)
        return self.last


def _check_own_phandles(nodes: list[NodeSyntax], merger: Merger, report: Collected) -> None:
    """`phandle = <&self>` asks for a number; one of another node is a fault."""
    for node in nodes:
        for name in PHANDLE_NAMES:
            prop = node.live_property(name)
            if prop is None:
                continue
            for part in prop.parts:
                if part.kind is PieceKind.REF and merger.find(Reference(part.text, part.span)) is not node:
                    message = f"{name} refers to another node"
                    report.add("E0214", message, part.span, path=node.path, found=f"&{part.text}")
                    prop.deleted = True
                    break


def _refer(nodes: list[NodeSyntax], merger: Merger, phandles: _Phandles) -> None:
    """Find what each reference means, in order, and give phandles; report those that mean nothing.

    In an overlay, a cell may refer to a label of the base.
    """
    overlay = merger.source.overlay
    for node in nodes:
        for prop in _live(node):
            for part in prop.parts:
                if part.kind is PieceKind.REF or part.kind is PieceKind.PATH:
                    of_base = overlay and part.kind is PieceKind.REF and not part.text.startswith("/")
                    target = merger.find(Reference(part.text, part.span), report=not of_base)
                    if target is None:
                        continue
                    target.referenced = True
                    if part.kind is PieceKind.REF:
                        phandles.of(target)


class _Builder:
    """Makes the nodes of the tree.

    Attributes:
        unlabelled: nodes whose labels were all deleted.
    """

    def __init__(self, merger: Merger, phandles: _Phandles, *, symbols: bool) -> None:
        self.merger = merger
        self.phandles = phandles
        self.symbols = symbols
        self.unlabelled: set[Node] = set()
        self.given = {id(node) for node in phandles.given}
        self._unused: list[Node] = []

    def tree(self, root: NodeSyntax, file: str, reservations: list[tuple[int, int]]) -> Tree:
        made = Node("", root.span)
        work = [(root, made)]
        while work:
            syntax, node = work.pop()
            self._fill(syntax, node)
            for child in syntax.children:
                if not child.deleted:
                    below = node.add(Node(child.name, child.span))
                    work.append((child, below))
                    if not self._is_wanted(child):
                        self._unused.append(below)
        return Tree(made, file, reservations, _boot_cpu(root))

    def omit(self) -> None:
        """Take out the `/omit-if-no-ref/` nodes to which nothing refers, which are checked like all others."""
        for node in self._unused:
            # Another one may have its name, which is a finding.
            if node.parent is not None and node.parent.children.get(node.name) is node:
                del node.parent.children[node.name]

    def _is_wanted(self, node: NodeSyntax) -> bool:
        return node.referenced or not node.omit or (self.symbols and bool(node.labels))

    def _fill(self, syntax: NodeSyntax, node: Node) -> None:
        node.labels = [label.name for label in syntax.live_labels()]
        if syntax.labels and not node.labels:
            self.unlabelled.add(node)
        for prop in _live(syntax):
            values = [self._bytes_of(part) for part in prop.parts]
            labels = tuple(label.name for label in prop.labels)
            pieces = partial(_pieces, prop.parts, values)
            node.properties[prop.name] = Property(prop.name, b"".join(values), prop.span, pieces, labels)
        if id(syntax) in self.given:
            node.set_cells("phandle", self.phandles.of(syntax))

    def _bytes_of(self, part: Part) -> bytes:
        if part.kind is PieceKind.REF or part.kind is PieceKind.PATH:
            return self._referred(part)
        return part.data

    def _referred(self, part: Part) -> bytes:
        target = self.merger.find(Reference(part.text, part.span))
        if part.kind is PieceKind.REF:
            return self.phandles.of(target).to_bytes(4, "big") if target is not None else _UNKNOWN
        return target.path.encode() + b"\0" if target is not None else b"\0"


def _pieces(parts: list[Part], values: list[bytes]) -> Pieces:
    """How a value was written, one piece per element."""
    pieces = []
    offset = 0
    for part, value in zip(parts, values, strict=True):
        if part.run is None:
            pieces.append(Piece(offset, len(value), part.kind, part.span, part.text))
        else:
            for index, span in enumerate(part.run.spans()):
                pieces.append(Piece(offset + 4 * index, 4, part.kind, span))
        offset += len(value)
    return tuple(pieces)


def _boot_cpu(root: NodeSyntax) -> int:
    """The boot CPU, which source cannot state: as dtc, `reg` of the first node in /cpus if it is one cell, else 0.

    dtc looks before references are carried out, with all ones for a phandle, and passes over no node that was deleted.
    """
    cpus = root.live_child("cpus")
    first = cpus.children[0] if cpus is not None and cpus.children else None
    reg = first.live_property("reg") if first is not None else None
    data = b"".join(_UNKNOWN if part.kind is PieceKind.REF else part.data for part in reg.parts) if reg else b""
    return int.from_bytes(data, "big") if len(data) == 4 else 0
