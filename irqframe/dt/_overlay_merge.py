"""Fragments of an overlay carried out on its base, as `fdt_overlay_apply` of libfdt does it.

1. A fragment is a node of the root with an `__overlay__`. `target`, a phandle, says what it changes; if there is none
   or it is 0, `target-path` does. Fragments are carried out in order, and see what those before them did.
2. A property takes the place of the one of its name; one that is new comes first in its node. A node that is new comes
   first among its siblings. So what is new stands in the reverse of the order in which it was written.
3. A node of the base keeps its phandle when the overlay has another one for it, and the overlay's references follow.
   (libfdt does so since dtc 1.7.1; before, the base's references to such a node were lost.) Of two phandles that the
   overlay itself has for one node the later one counts, and the references follow too.
4. Labels move along: a label that the overlay defines means the overlay's node from then on.
"""

from __future__ import annotations

from typing import TypeVar

from irqframe.dt._collected import Collected
from irqframe.dt._overlay_fixups import PHANDLE_MAX
from irqframe.dt._overlay_labels import Labels
from irqframe.dt._overlay_paths import Paths, c_string
from irqframe.dt._phandles import PHANDLE_NAMES
from irqframe.dt._tree import Node, Property

OVERLAY = "__overlay__"

_Item = TypeVar("_Item")


class Merge:
    """One overlay that changes one tree.

    Attributes:
        replaced: phandles of the overlay that gave way, and what took their place.
    """

    def __init__(self, base: Paths, overlay: Paths, labels: Labels, highest: int, report: Collected) -> None:
        self.base = base
        self.overlay = overlay
        self.labels = labels
        self.highest = highest
        self.report = report
        self.replaced: dict[int, int] = {}
        self._before: dict[Node, tuple[int, int]] = {}
        self._robbed: set[Node] = set()

    def run(self) -> None:
        """Carry out all fragments."""
        for fragment in self.overlay.root.children.values():
            body = self.overlay.child(fragment, OVERLAY)
            target, _ = self.target(fragment, report=True) if body is not None else (None, "")
            if body is not None and target is not None:
                self._apply(target, body)

    def phandle(self, phandle: int) -> int:
        """What became of a phandle of the overlay."""
        while phandle in self.replaced:
            phandle = self.replaced[phandle]
        return phandle

    def touch(self, node: Node) -> None:
        """Note how much of a node is old, before anything is added to it."""
        self._before.setdefault(node, (len(node.properties), len(node.children)))

    def finish(self) -> None:
        """Put what is new in front of what is old, and take labels from the nodes that lost them."""
        for node, (properties, children) in self._before.items():
            node.properties = _reordered(node.properties, properties)
            node.children = _reordered(node.children, children)
        for node in self._robbed:
            node.labels = [label for label in dict.fromkeys(node.labels) if self.labels.owners[label] is node]

    # Targets

    def target(self, fragment: Node, *, report: bool = False) -> tuple[Node | None, str]:
        """The node that a fragment changes, and how its path is written."""
        prop = fragment.properties.get("target")
        if prop is not None and prop.data != bytes(4):
            return self._by_phandle(fragment, prop, report=report)
        prop = fragment.properties.get("target-path")
        path = c_string(prop)
        node = self.base.at(path) if path is not None else None
        if node is None and report:
            if prop is None or path is None:
                self._no_target(fragment, prop)
            else:
                self._astray(fragment, prop, f'"{path[:80]}"', self._path_hint(path))
        return node, path or ""

    def _by_phandle(self, fragment: Node, prop: Property, *, report: bool) -> tuple[Node | None, str]:
        phandle = int.from_bytes(prop.data, "big") if len(prop.data) == 4 else None
        node = self.labels.nodes.get(self.phandle(phandle)) if phandle is not None else None
        if node is None and report:
            if phandle is None:
                self._no_target(fragment, prop)
            elif phandle <= PHANDLE_MAX:
                self._astray(fragment, prop, f"phandle {phandle:#x}", "")
            elif not self.report.findings:  # else it is a label that was not found, and that is said
                self._astray(fragment, prop, f"phandle {phandle:#x}", "it stands for a label that __fixups__ lacks")
        return node, node.path if node is not None else ""

    def _no_target(self, fragment: Node, prop: Property | None) -> None:
        what = f"property {prop.name} of {fragment.name} cannot be read" if prop else f"{fragment.name} has no target"
        self.report.add(
            "E0220",
            what,
            prop.span if prop is not None else fragment.span,
            path=fragment.path,
            expected="one phandle in target, or a path in target-path",
            found=f"{len(prop.data)} bytes" if prop is not None else "",
        )

    def _astray(self, fragment: Node, prop: Property, found: str, hint: str) -> None:
        self.report.add(
            "E0221",
            f"{fragment.name} changes a node that {self.labels.file} does not have",
            prop.span,
            path=fragment.path,
            found=found,
            hint=hint,
        )

    def _path_hint(self, path: str) -> str:
        node = self.base.root
        for name in path.split("/"):
            below = self.base.child(node, name) if name else node
            if below is None:
                return f"{node.path} has no child {name[:80]}"
            node = below
        return ""

    # Changes

    def _apply(self, target: Node, change: Node) -> None:
        work = [(target, change)]
        while work:
            node, new = work.pop()
            self.touch(node)
            self._set_labels(node, new)
            self._set_properties(node, new)
            below = []
            for child in new.children.values():
                known = self.base.child(node, child.name)
                below.append((known or self.base.add(node, Node(child.name, child.span)), child))
            work += reversed(below)

    def _set_labels(self, node: Node, new: Node) -> None:
        for label in new.labels:
            owner = self.labels.owners.get(label)
            if owner is node:
                continue
            if owner is not None:
                self._robbed.add(owner)
            self.labels.owners[label] = node
            node.labels.append(label)

    def _set_properties(self, node: Node, new: Node) -> None:
        kept = self._kept(node, new)
        for prop in new.properties.values():
            if kept is not None and prop.name in PHANDLE_NAMES:
                span = node.properties[prop.name].span if node.has(prop.name) else prop.span
                prop = Property(prop.name, kept.to_bytes(4, "big"), span)
            node.properties[prop.name] = prop
        phandle = node.phandle
        if phandle is not None:
            self.labels.nodes[phandle] = node

    def _kept(self, node: Node, new: Node) -> int | None:
        """The phandle that a node of the base keeps although the overlay has one for it; see rule 3."""
        old, other = node.phandle, new.phandle
        if old is None or other is None or old == other:
            return None
        if old <= self.highest:
            self.replaced[other] = old
            return old
        self.replaced[old] = other
        return None


def _reordered(items: dict[str, _Item], old: int) -> dict[str, _Item]:
    pairs = list(items.items())
    return dict([*reversed(pairs[old:]), *pairs[:old]])
