"""Overlays applied: what `fdt_overlay_apply` of libfdt does, with a finding for each fault.

1. The phandles of the overlay move behind the highest one of the base.
2. References within the overlay (`__local_fixups__`) move with them, those to the base (`__fixups__`) get the phandle
   of the node that the base's `__symbols__` names, or of the node with that label if the base was source text.
3. The fragments are merged into the base, then the symbols of the overlay.

The result is what `fdtoverlay` writes: the same nodes, properties and bytes, in the same order. What it does beyond
that, and differently, is in rule 3 of `_overlay_merge`, and that labels of source text count without `dtc -@`.
"""

from __future__ import annotations

from irqframe.dt._collected import Collected
from irqframe.dt._copy import copy_tree
from irqframe.dt._fixups import FIXUPS
from irqframe.dt._names import DEPTH_MAX, NODES_MAX, PROPERTIES_MAX
from irqframe.dt._overlay_fixups import Cells, Fixups, Place
from irqframe.dt._overlay_labels import Labels
from irqframe.dt._overlay_merge import OVERLAY, Merge
from irqframe.dt._overlay_paths import Paths
from irqframe.dt._overlay_symbols import merge_symbols
from irqframe.dt._phandles import check_phandles
from irqframe.dt._places import Sources
from irqframe.dt._tree import Node, Tree
from irqframe.errors import Span


def apply_overlay(base: Tree, overlay: Tree) -> Tree:
    """Apply an overlay to a tree.

    Args:
        base: the tree; it stays as it is.
        overlay: as `parse_dts` makes it of a `/plugin/`, or `read_dtb` of a compiled one; it stays as it is.

    Returns:
        A new tree, under the base's name. What the overlay set knows its place in the overlay.

    Raises:
        InputError: with all findings: the base is an overlay (E0224) or the overlay is none (E0225); a label is not in
            the base (E0215, E0216, E0219); the fixups or symbols are damaged (E0214, E0217, E0218, E0223, E0226); a
            fragment has no target (E0220, E0221); phandles do not go together (E02xx); the tree becomes too large.
    """
    refuse_overlay(base)
    report = Collected()
    report.sources = Sources(base.sources, overlay.sources)
    _refuse_tree(overlay, report)
    tree, change = copy_tree(base), copy_tree(overlay)
    tree.sources, tree.warnings = report.sources, base.warnings + overlay.warnings
    _Application(tree, change, report).run()
    for finding in check_phandles(tree):
        report.keep(finding)
    _check_size(tree, overlay.file, report)
    report.stop_if_any()
    return tree


def is_overlay(tree: Tree) -> bool:
    """Whether a tree is an overlay: a change to another one."""
    return _fragment(tree) is not None


def refuse_overlay(tree: Tree) -> None:
    """Refuse an overlay where a whole tree is expected.

    Raises:
        InputError: it is one (E0224).
    """
    fragment = _fragment(tree)
    if fragment is not None:
        report = Collected()
        report.sources = tree.sources
        report.fail(
            "E0224",
            f"{tree.file} is an overlay, which is no machine by itself",
            fragment.span,
            path=fragment.path,
            hint="give the base it belongs to, and apply it with --overlay",
        )


def _fragment(tree: Tree) -> Node | None:
    return next((node for node in tree.root.children.values() if OVERLAY in node.children), None)


def _refuse_tree(overlay: Tree, report: Collected) -> None:
    paths = Paths(overlay)
    fragments = (paths.child(node, OVERLAY) for node in overlay.root.children.values())
    if paths.child(overlay.root, FIXUPS) is None and not any(fragments):
        report.fail(
            "E0225",
            f"{overlay.file} is no overlay: no node of its root has an {OVERLAY}",
            overlay.root.span,
            path="/",
            hint="the source of an overlay begins with /dts-v1/; /plugin/;",
        )
    for finding in check_phandles(overlay):
        report.keep(finding)
    report.stop_if_any()


class _Application:
    def __init__(self, tree: Tree, change: Tree, report: Collected) -> None:
        self.report = report
        self.base = Paths(tree)
        self.overlay = Paths(change)
        self.labels = Labels(tree, self.base, report)
        self.cells = Cells()

    def run(self) -> None:
        fixups = Fixups(self.overlay, self.report)
        wanted = [(one, self.labels.phandle(one)) for one in fixups.outside()]
        highest = max(self.labels.nodes, default=0)
        fixups.shift(highest)
        local = list(fixups.inside())
        for place in local:
            self.cells.set(place, self.cells.get(place) + highest & 0xFFFFFFFF)
        for one, phandle in wanted:
            for place in one.places if phandle is not None else ():
                self.cells.set(place, phandle or 0)
        self.cells.flush()
        merge = Merge(self.base, self.overlay, self.labels, highest, self.report)
        merge.run()
        merge_symbols(merge, self.report)
        merge.finish()
        if merge.replaced:
            self._follow(merge, local)

    def _follow(self, merge: Merge, local: list[Place]) -> None:
        """Let references within the overlay follow the phandles that gave way."""
        for place in local:
            phandle = self.cells.get(place)
            if phandle in merge.replaced:
                self.cells.set(place, merge.phandle(phandle))
        self.cells.flush()


def _check_size(tree: Tree, file: str, report: Collected) -> None:
    """What each of two trees kept, both together may not."""
    nodes = properties = deepest = 0
    work: list[tuple[Node, int]] = [(tree.root, 1)]
    while work:
        node, depth = work.pop()
        nodes += 1
        properties += len(node.properties)
        deepest = max(deepest, depth)
        work += [(child, depth + 1) for child in node.children.values()]
    if deepest > DEPTH_MAX:
        report.add("E0112", f"nodes are nested more than {DEPTH_MAX} deep with the overlay", Span(file))
    if nodes > NODES_MAX:
        report.add("E0212", f"the tree has more than {NODES_MAX} nodes with the overlay", Span(file))
    if properties > PROPERTIES_MAX:
        report.add("E0212", f"the tree has more than {PROPERTIES_MAX} properties with the overlay", Span(file))
