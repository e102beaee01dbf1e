"""Frames of the GIC that no `reg` has, and that must not lie on anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from irqframe.dt import Node, addresses, enabled
from irqframe.errors import NodeError
from irqframe_vgic._wired import tree_of


class Beside(NamedTuple):
    """A frame.

    Attributes:
        node: whose it is.
        base: guest physical address.
        size: bytes.
        what: what messages call it, with why it is there.
        property: which property of the node is to blame.
    """

    node: Node
    base: int
    size: int
    what: str
    property: str = "reg"


def check(frames: Sequence[Beside]) -> None:
    """Whether nothing of the tree lies where these frames are.

    Raises:
        NodeError: if something does.
    """
    nodes = enabled(tree_of([frames[0].node])) if frames else ()
    taken = [(*pair, node.path) for node in nodes for pair in addresses(node)]
    taken += [(frame.base, frame.size, frame.node.path) for frame in frames]
    for frame in frames:
        for base, size, path in _at(frame, taken):
            raise NodeError(
                f"{frame.what} at {frame.base:#x}..{frame.base + frame.size - 1:#x} would lie on {path}, which has "
                f"{base:#x}..{base + size - 1:#x}",
                frame.node.path,
                frame.property,
            )


def _at(frame: Beside, taken: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    own = frame.base, frame.size, frame.node.path
    return (one for one in taken if one != own and one[0] < frame.base + frame.size and frame.base < one[0] + one[1])
