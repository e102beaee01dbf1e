"""The rules of the nodes that make a machine, whichever irqchip it has: controllers, CPUs, memory, and who uses them.

1. A controller has its addresses for itself (E0622); what lies below it in the tree is part of it.
2. A controller that nobody uses was meant to be used, or is a leftover (W0623): no interrupt goes to it, and no other
   controller forwards to it. A machine without any wired interrupt says nothing about its controllers.
3. `interrupt-names` is by position, so a name behind the last interrupt names none (W0624). Fewer names are the
   business of a binding.
4. Of `interrupts` and `interrupts-extended` the second counts (DTSpec v0.4, 2.4.1), so the first says nothing (W0625).
5. Memory is described once (E0609).
6. The unit address is the first address in `reg` (DTSpec v0.4, 2.2.1). dtc compares them below a simple-bus; here the
   controllers, CPUs and memory are, because people find these by name (W0626).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain

from irqframe.dt import InterruptRef, MsiRef, Node, Tree, bounded, enabled, is_enabled, reg
from irqframe.errors import Finding, Span
from irqframe.machine._entries import extended
from irqframe.machine._overlap import clashes, range_text

_END = 1 << 64

_UNIT_ADDRESS = re.compile(r"[0-9a-fA-F]{1,16}\Z")


def check_nodes(
    tree: Tree,
    controllers: Sequence[Node],
    refs: Sequence[InterruptRef],
    msis: Sequence[MsiRef],
    reported: Container[str],
) -> list[Finding]:
    """What is wrong with the machine's nodes.

    Args:
        tree: the tree.
        controllers: every node that is an irqchip's.
        refs: the tree's interrupts.
        msis: its MSI routes.
        reported: paths of nodes that have findings already: their unit addresses are not compared.
    """
    wanted = {id(node) for node in controllers}
    present = [node for node in enabled(tree) if id(node) in wanted]
    named = (node for node in (*_cpus(tree), *memories(tree), *present) if node.path not in reported)
    rules = (
        _overlapping(tree, present),
        _unused(tree, present, refs, msis),
        (finding for node in enabled(tree) for finding in _both(node)),
        _names(tree),
        _memory(tree),
        (finding for node in named for finding in _unit_address(node)),
    )
    return bounded(chain.from_iterable(rules))


def _overlapping(tree: Tree, controllers: Sequence[Node]) -> Iterator[Finding]:
    inside = {id(node) for top in controllers for node in top.walk() if node is not top}
    tops = [node for node in controllers if id(node) not in inside]
    for node, place, other, taken in clashes(tree, tops):
        yield Finding(
            "E0622",
            f"{other.path} lies on addresses of {node.path}",
            other.properties["reg"].span,
            other.path,
            expected=f"nothing at {range_text(place)}",
            found=range_text(taken),
            related=((node.properties["reg"].span, "the controller"),),
        )


def _unused(
    tree: Tree, controllers: Sequence[Node], refs: Sequence[InterruptRef], msis: Sequence[MsiRef]
) -> Iterator[Finding]:
    every: tuple[InterruptRef | MsiRef, ...] = (*refs, *msis)
    used = {id(ref.controller) for ref in every}
    if not refs:
        return
    forwarded = {node.u32("interrupt-parent") for node in enabled(tree) if node.has("interrupt-controller")}
    for node in controllers:
        serves = any(id(one) in used for one in node.walk())
        if node.has("interrupt-controller") and not serves and node.phandle not in forwarded - {None}:
            yield Finding(
                "W0623",
                f"no interrupt goes to {node.path}",
                node.span,
                node.path,
                expected='a user, or `status = "disabled";`',
                hint="the users may name another controller in `interrupt-parent`",
            )


def _both(node: Node) -> Iterator[Finding]:
    plain, extended = node.properties.get("interrupts"), node.properties.get("interrupts-extended")
    if plain is not None and extended is not None:
        yield Finding(
            "W0625",
            f"`interrupts` of {node.path} is ignored, because there is `interrupts-extended`",
            plain.span,
            node.path,
            expected="one of the two",
            hint="/delete-property/ interrupts; where the other is written",
            related=((extended.span, "this one counts"),),
        )


def _names(tree: Tree) -> Iterator[Finding]:
    nodes = tree.by_phandle()
    for node in enabled(tree):
        prop = node.properties.get("interrupt-names")
        count = None if prop is None else _listed(node, nodes)
        if prop is None or count is None or len(prop.strings) <= count:
            continue
        names = prop.strings
        yield Finding(
            "W0624",
            f"`interrupt-names` of {node.path} has {len(names)} names for {count} interrupt{'' if count == 1 else 's'}",
            prop.span_at(sum(len(name.encode()) + 1 for name in names[:count])),
            node.path,
            expected="a name for each interrupt, in their order",
            found=f"{names[count]!r}, for which there is no interrupt",
        )


def _listed(node: Node, nodes: Mapping[int, Node]) -> int | None:
    """How many interrupts a node lists; None if none, or if that cannot be said."""
    if node.has("interrupts-extended"):
        entries, rest = extended(node, nodes)
        return None if rest else len(entries)
    cells = node.cells("interrupts")
    size = _specifier_cells(node, nodes)
    return len(cells) // size if cells and size and len(cells) % size == 0 else None


def _specifier_cells(node: Node, nodes: Mapping[int, Node]) -> int | None:
    """`#interrupt-cells` of the node's interrupt parent (DTSpec v0.4, 2.4.1)."""
    above: Node | None = node
    while above is not None:
        if above is not node and above.has("#interrupt-cells"):
            return above.u32("#interrupt-cells")
        if above.has("interrupt-parent"):
            parent = nodes.get(above.u32("interrupt-parent") or 0)
            return None if parent is None else parent.u32("#interrupt-cells")
        above = above.parent
    return None


def _cpus(tree: Tree) -> list[Node]:
    cpus = tree.root.children.get("cpus")
    nodes = () if cpus is None else cpus.children.values()
    return [node for node in nodes if node.strings("device_type") == ("cpu",)]


def memories(tree: Tree) -> list[Node]:
    """The nodes of RAM, disabled ones too."""
    return [node for node in tree.root.children.values() if node.strings("device_type") == ("memory",)]


def _memory(tree: Tree) -> Iterator[Finding]:
    """Regions by address; each is compared with the one that reaches furthest of those before it."""
    regions = []
    for order, node in enumerate(filter(is_enabled, memories(tree))):
        places = reg(node)
        width = len(node.properties["reg"].data) // len(places) if places else 0
        regions += [(address, size, order, index * width, node) for index, (address, size) in enumerate(places) if size]
    before: tuple[int, int, Span] | None = None
    for address, size, _, offset, node in sorted(regions, key=lambda region: region[:4]):
        place = node.properties["reg"].span_at(offset)
        if before is not None and address < before[0] + before[1]:
            yield Finding(
                "E0609",
                f"memory at {range_text((address, size))} overlaps memory at {range_text(before[:2])}",
                place,
                node.path,
                expected="each address in one region",
                related=((before[2], "the other region"),),
            )
        if address + size > _END:
            yield Finding("E0609", "a memory region ends behind the last address", place, node.path)
        if before is None or address + size > before[0] + before[1]:
            before = (address, size, place)


def _unit_address(node: Node) -> Iterator[Finding]:
    places = reg(node)
    if not is_enabled(node) or not places or not _UNIT_ADDRESS.match(node.unit_address):
        return
    address, size = places[0]
    # Memory of no size is for a boot loader to fill in.
    if int(node.unit_address, 16) == address or (node.basename == "memory" and not size):
        return
    yield Finding(
        "W0626",
        f"the unit address of {node.path} is not the address in its `reg`",
        node.span,
        node.path,
        expected=f"{node.basename}@{address:x}",
        found=node.name,
        related=((node.properties["reg"].span_at(0), "`reg`"),),
    )
