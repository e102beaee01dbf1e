"""Where an irqchip's nodes lie: not on what the machine has at these addresses already."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from irqframe.dt import Node, Tree, addresses, enabled
from irqframe.errors import Finding

_Range = tuple[int, int]
_T = TypeVar("_T")


class Clash(NamedTuple):
    """Two nodes at the same addresses: one of those asked about, and another."""

    node: Node
    place: _Range
    other: Node
    taken: _Range


def nested(items: Iterable[_T], end: Callable[[_T], int]) -> Iterator[tuple[_T, _T]]:
    """Each item but the first, behind the one that reaches furthest of those before it.

    Args:
        items: ranges by where they begin.
        end: where one of them ends.
    """
    furthest: _T | None = None
    for item in items:
        if furthest is not None:
            yield furthest, item
        if furthest is None or end(item) > end(furthest):
            furthest = item


def clashes(tree: Tree, nodes: Sequence[Node]) -> Iterator[Clash]:
    """Every enabled node that has addresses of one of `nodes`, each pair of nodes once.

    Of several at the same addresses, the one that reaches furthest is found, so that nobody has to look at all pairs.

    Args:
        tree: with the nodes in it.
        nodes: those below them count as well, and are not compared with each other.
    """
    own = {id(node): node for top in nodes for node in top.walk()}
    ranges = [(pair, node) for node in own.values() for pair in addresses(node) if pair[1]]
    apart = _disjoint(ranges)
    starts = [start for start, _, _ in apart]
    for other in enabled(tree) if apart else ():
        if id(other) not in own:
            yield from _clashes_of(other, apart, starts)


def _disjoint(ranges: Iterable[tuple[_Range, Node]]) -> list[tuple[int, int, tuple[_Range, Node]]]:
    """Ranges that do not overlap, as (first address, end, whose they are); what is in another one is left out."""
    found: list[tuple[int, int, tuple[_Range, Node]]] = []
    end = 0
    for one in sorted(ranges, key=lambda one: one[0]):
        base, size = one[0]
        if base + size > end:
            found.append((max(base, end), base + size, one))
            end = base + size
    return found


def _clashes_of(
    other: Node, apart: Sequence[tuple[int, int, tuple[_Range, Node]]], starts: Sequence[int]
) -> Iterator[Clash]:
    """Whose the addresses of a node are, each node once."""
    seen = set[int]()
    at = 0
    for base, size in sorted(addresses(other)):
        at = max(at, bisect_right(starts, base) - 1)
        while size and at < len(apart) and apart[at][0] < base + size:
            _, end, (place, node) = apart[at]
            at += 1
            if end > base and id(node) not in seen:
                seen.add(id(node))
                yield Clash(node, place, other, (base, size))


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
