"""What a tree wires to a GIC, and how large a GIC is that holds it; how many lines there are is what no tree says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from irqframe.dt import Node, Tree, specifiers_at
from irqframe.flow import NodeRef


def wired(nodes: Sequence[NodeRef]) -> set[tuple[int, ...]]:
    """The specifiers that a tree has for nodes of a GIC, each once.

    Args:
        nodes: as the GIC's hooks get them.
    """
    # The nodes that the core hands over are those of its own trees.
    return specifiers_at(tree_of(nodes), frozenset(cast("Node", node) for node in nodes)) if nodes else set()


def tree_of(nodes: Sequence[NodeRef]) -> Tree:
    """The tree that the nodes, one at least, belong to."""
    root = cast("Node", nodes[0])
    while root.parent is not None:
        root = root.parent
    return Tree(root, "")


def enough(least: int, numbers: Iterable[int], choices: Sequence[int]) -> int:
    """How many lines a GIC has that has all of these; `least` at least.

    Args:
        least: which number of lines will do if it is enough.
        numbers: of the lines, from 0; what no GIC can have is left out.
        choices: how many there can be, ascending.
    """
    wanted = max((least, *(number + 1 for number in numbers if number < choices[-1])))
    return wanted if wanted == least else min(choice for choice in choices if choice >= wanted)
