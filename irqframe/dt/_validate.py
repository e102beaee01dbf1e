"""Checks a tree against bindings: which node breaks which rule, and where that was written.

1. A node is checked if a document is for it; core schemas alone do not make it so.
2. One finding per fault: what two schemas say of one place is said once, in the order of `BindingSet.select`.
3. A disabled node may lack what it needs, and have what is left over when all parts of a schema had their say
   (dt-schema).
4. A property that no schema gives a type has none that could be wrong; whether it may be there is another matter. With
   folders of the user's, it is said once for each name, as a warning: it may well be misspelt.
5. What the interrupt tree already reports, an interrupt list that cannot be divided for example, is not reported again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from irqframe.dt._bindings import Binding, BindingSet
from irqframe.dt._close import CloseNames
from irqframe.dt._instance import Instances, instances
from irqframe.dt._names import TREE_FINDINGS_MAX
from irqframe.dt._report import count, more_than_these, size_of
from irqframe.dt._schema_errors import NOT_ALLOWED, WRONG_TYPE, WRONG_VALUE, Fault, faults, shown
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, PieceKind, Property, Tree
from irqframe.errors import Finding, Span

Step = str | int


def validate(tree: Tree, bindings: BindingSet) -> tuple[Finding, ...]:
    """Check the nodes of a tree against bindings.

    Args:
        tree: a tree as it was loaded; its values may be anything.
        bindings: the documents, from `load_bindings`.

    Returns:
        A finding for each broken rule (E0501 to E0508, W0518), in tree order: on the wrong cell or string where a value
        is wrong, on the property where all of it is, on the node where something is missing.
    """
    checker = _Checker(tree, bindings)
    nodes = list(tree.walk())
    checks = [checker.lengths, checker.check]
    of_nodes = (finding for check in checks for node in nodes for finding in check(node))
    every = chain(of_nodes, checker.untyped(nodes) if bindings.folders is not None else ())
    found = list(islice(every, TREE_FINDINGS_MAX))
    rest = next(every, None)
    # A node's binding can be about its children too.
    paths = {finding.path for finding in found}
    order = {path: index for index, path in enumerate(node.path for node in nodes) if path in paths}
    found.sort(key=lambda finding: order[finding.path])
    return tuple(found) if rest is None else (*found, more_than_these(rest.span))


def distinct(*groups: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of several checks, without what bindings (E05xx) say of a place that an earlier one is about.

    Args:
        groups: findings, the more specific checks first.
    """
    kept: dict[tuple[str, Span], Finding] = {}
    rest: list[Finding] = []
    for finding in (finding for group in groups for finding in group):
        place = (finding.path, finding.span)
        if finding.code.startswith("E05") and place in kept and not kept[place].code.startswith("E05"):
            continue
        kept.setdefault(place, finding)
        rest.append(finding)
    return tuple(dict.fromkeys(rest))


class _Checker:
    def __init__(self, tree: Tree, bindings: BindingSet) -> None:
        self.bindings = bindings
        self.instances: Instances = instances(tree, bindings.types)
        self._close = CloseNames()
        self._enabled = {id(node) for node in enabled(tree)}
        # Where a fault was reported: node, and the path in it.
        self._reported: set[tuple[int, tuple[Step, ...]]] = set()

        # Documents by node, and the nodes' values.
        self._selected: dict[int, tuple[Binding, ...]] = {}

    def _bindings(self, node: Node) -> tuple[Binding, ...]:
        if id(node) not in self._selected:
            self._selected[id(node)] = self.bindings.select_for(self.instances.of(node))
        return self._selected[id(node)]

    def check(self, node: Node) -> Iterator[Finding]:
        """What the documents for a node say of it."""
        instance = self.instances.of(node)
        if not isinstance(instance.get("compatible", []), list):
            yield _no_strings(node, instance["compatible"])
        for binding in self._bindings(node):
            errors = islice(binding.errors(instance), TREE_FINDINGS_MAX)
            found = [fault for error in errors for fault in faults(error)]
            certain = all(fault.inferred for fault in found)
            for fault in found:
                if certain or not fault.inferred or not binding.names.match(str(fault.path[-1])):
                    yield from self._finding(node, fault, binding)

    def lengths(self, node: Node) -> Iterator[Finding]:
        """Lists of addresses that do not divide into rows; no schema can say that."""
        if not self._bindings(node):
            return
        for prop in node.properties.values():
            if prop.data and not self._divides(node, prop):
                yield self._undivided(node, prop)

    def _divides(self, node: Node, prop: Property) -> bool:
        """Whether a list of addresses divides into rows, or is none."""
        width = self.instances.widths.get((id(node), prop.name))
        return width is None or (width > 0 and len(prop.data) % (4 * width) == 0)

    def _undivided(self, node: Node, prop: Property) -> Finding:
        self._reported.add((id(node), (prop.name,)))
        width = self.instances.widths[id(node), prop.name]
        return Finding(
            "E0508",
            f"`{prop.name}` does not divide into rows",
            prop.span,
            node.path,
            f"rows of {count(width, 'cell')}, by `#address-cells` and `#size-cells`",
            size_of(prop),
        )

    def untyped(self, nodes: list[Node]) -> Iterator[Finding]:
        """Properties that hold something, and no document says what."""
        places: dict[str, list[Node]] = {}
        for node in nodes:
            for name, prop in node.properties.items():
                if prop.data and (id(node), name) in self.instances.untyped:
                    places.setdefault(name, []).append(node)
        for name, having in places.items():
            yield Finding(
                "W0518",
                f"no binding says what `{name}` holds",
                having[0].properties[name].span,
                having[0].path,
                found=f"in {count(len(having), 'node')}",
            )

    def _finding(self, checked: Node, fault: Fault, binding: Binding) -> Iterator[Finding]:
        node, path = _descend(checked, fault.path)
        if (fault.for_missing or fault.inferred) and id(node) not in self._enabled:
            return
        if path and self._is_unfounded((id(node), str(path[0])), fault):
            return
        if not self._is_new(node, path, fault):
            return
        prop = node.properties.get(str(path[0])) if path else None
        if prop is not None and len(path) > 1 and not self._divides(node, prop):
            # That a row is too short says the same of a piece of it.
            yield self._undivided(node, prop)
            return
        if prop is not None and fault.code == WRONG_VALUE and _is_text_for_number(prop, fault):
            fault = replace(
                fault,
                code=WRONG_TYPE,
                what="is text, not a number",
                expected=f"a number, {fault.expected}",
                found=shown(list(prop.strings)),
            )
        yield Finding(
            fault.code,
            f"{_subject(node, prop, path, fault)} {fault.what}",
            node.span if prop is None else self._place(node, prop, path[1:], fault),
            node.path,
            fault.expected,
            fault.found,
            f"{self._meant(node, path, fault, binding) if node is checked else ''}see the binding {binding.name}",
        )

    def _meant(self, node: Node, path: tuple[Step, ...], fault: Fault, binding: Binding) -> str:
        """What was probably meant by a name that the binding does not know."""
        if fault.code != NOT_ALLOWED or len(path) != 1:
            return ""
        close = self._close.of(str(path[0]), binding.names.exact - node.properties.keys())
        return f"did you mean `{close}`? else " if close else ""

    def _place(self, node: Node, prop: Property, element: tuple[Step, ...], fault: Fault) -> Span:
        """Where an element of a property was written; the property's own place if it is about all of it."""
        value = self.instances.by_node[id(node)][prop.name]
        if element or (fault.of_number and isinstance(value, int)):
            return prop.span_at(_offset(value, element))
        return prop.span

    def _is_unfounded(self, place: tuple[int, str], fault: Fault) -> bool:
        """Whether a value could not be decoded, for a reason that is no fault or is reported elsewhere."""
        untyped = place in self.instances.untyped and fault.code == WRONG_TYPE
        return untyped or place in self.instances.unknown

    def _is_new(self, node: Node, path: tuple[Step, ...], fault: Fault) -> bool:
        """Whether nothing was said yet of this place, of what is around it or of what is in it."""
        key: tuple[Step, ...] = (*path, fault.name) if fault.name else path
        around = [(id(node), key[:length]) for length in range(1, len(key) + 1)]
        if any(place in self._reported for place in around) or (id(node), key) in self._reported:
            return False
        self._reported.add((id(node), key))
        return True


def _no_strings(node: Node, value: Any) -> Finding:
    prop = node.properties["compatible"]
    return Finding(WRONG_TYPE, "`compatible` has the wrong type", prop.span, node.path, "strings", shown(value))


def _descend(node: Node, path: tuple[Step, ...]) -> tuple[Node, tuple[Step, ...]]:
    """The node that a path leads to, and the rest of it: nothing, or a property and an element of it."""
    at = 0
    while at < len(path) and isinstance(step := path[at], str) and step in node.children:
        node = node.children[step]
        at += 1
    return node, path[at:]


def _is_text_for_number(prop: Property, fault: Fault) -> bool:
    return fault.of_number and any(piece.kind is PieceKind.STRING for piece in prop.pieces)


def _subject(node: Node, prop: Property | None, path: tuple[Step, ...], fault: Fault) -> str:
    if fault.name:
        return f"{node.path}: {fault.name}"
    if prop is not None:
        return f"`{prop.name}`"
    return f"{node.path}: its name" if path[:1] == ("$nodename",) else node.path


def _offset(value: Any, element: tuple[Step, ...]) -> int:
    """First byte of an element of a decoded value."""
    offset = 0
    for step in element:
        if not isinstance(value, list) or not isinstance(step, int):
            break
        offset += sum(map(_size, value[:step]))
        value = value[step] if step < len(value) else None
    return offset


def _size(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_size, value))
    if isinstance(value, str):
        return len(value) + 1
    return int(getattr(value, "size", 32)) // 8
