"""Where an irqchip's nodes lie: not on what the machine has at these addresses already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from irqframe.dt import Node, Tree, addresses, enabled
from irqframe.errors import Finding

_Range = tuple[int, int]


class Clash(NamedTuple):
    """Two nodes at the same addresses: one of those asked about, and another."""

    node: Node
    place: _Range
    other: Node
    taken: _Range


def clashes(tree: Tree, nodes: Sequence[Node]) -> Iterator[Clash]:
    """Every enabled node that has addresses of one of `nodes`, each pair of nodes once.

    Args:
        tree: with the nodes in it.
        nodes: those below them count as well, and are not compared with each other.
    """
    own = {id(node): node for top in nodes for node in top.walk()}
    ranges = [(node, *pair) for node in own.values() for pair in addresses(node) if pair[1]]
    others = [node for node in enabled(tree) if id(node) not in own] if ranges else []
    for other in others:
        taken = [pair for pair in addresses(other) if pair[1]]
        for node, base, size in ranges:
            clash = next((pair for pair in taken if pair[0] < base + size and base < pair[0] + pair[1]), None)
            if clash is not None:
                yield Clash(node, (base, size), other, clash)


def overlaps(tree: Tree, described: Sequence[Node], plugin: str) -> Iterator[Finding]:
    """A finding (E0608) for each enabled node that has addresses of a described one.

    Args:
        tree: with the described nodes in it.
        described: at its top level; those below them count as well.
        plugin: who described them.
    """
    for node, place, other, taken in clashes(tree, described):
        yield Finding(
            "E0608",
            f"{node.path}, which {plugin} wants to add, would lie on {other.path}",
            other.properties["reg"].span,
            other.path,
            expected=f"nothing at {range_text(place)}",
            found=range_text(taken),
        )


def range_text(place: _Range) -> str:
    """A range of addresses, its last one included."""
    return f"{place[0]:#x}..{place[0] + place[1] - 1:#x}"
