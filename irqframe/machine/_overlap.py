"""Where described nodes lie: not on what the machine has at these addresses already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irqframe.dt import Node, Tree, addresses, enabled
from irqframe.errors import Finding


def overlaps(tree: Tree, described: Sequence[Node], plugin: str) -> Iterator[Finding]:
    """A finding (E0608) for each enabled node that has addresses of a described one.

    Args:
        tree: with the described nodes in it.
        described: at its top level; those below them count as well.
        plugin: who described them.
    """
    new = [node for top in described for node in top.walk()]
    ours = {id(node) for node in new}
    ranges = [(node, *pair) for node in new for pair in addresses(node) if pair[1]]
    others = [node for node in enabled(tree) if id(node) not in ours] if ranges else []
    for other in others:
        taken = [pair for pair in addresses(other) if pair[1]]
        for node, base, size in ranges:
            clash = next((pair for pair in taken if pair[0] < base + size and base < pair[0] + pair[1]), None)
            if clash is not None:
                yield Finding(
                    "E0608",
                    f"{node.path}, which {plugin} wants to add, would lie on {other.path}",
                    other.properties["reg"].span,
                    other.path,
                    expected=f"nothing at {_text(base, size)}",
                    found=_text(*clash),
                )


def _text(base: int, size: int) -> str:
    return f"{base:#x}..{base + size - 1:#x}"
