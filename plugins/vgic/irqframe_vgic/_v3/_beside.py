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
        source: which of its properties says where.
        base: guest physical address.
        size: bytes.
        hint: why it is there, "" if the property says it.
    """

    node: Node
    source: str
    base: int
    size: int
    hint: str = ""

    @property
    def end(self) -> int:
        """One more than the last address."""
        return self.base + self.size


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
            place = f"{frame.base:#x}..{frame.end - 1:#x}"
            raise NodeError(
                f"the frame for messages of {frame.node.path}, at {place}, lies on {path}",
                frame.node.path,
                frame.source,
                expected=f"nothing else at {place}",
                found=f"{path} at {base:#x}..{base + size - 1:#x}",
                hint=frame.hint,
            )


def _at(frame: Beside, taken: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    own = frame.base, frame.size, frame.node.path
    return (one for one in taken if one != own and one[0] < frame.end and frame.base < one[0] + one[1])
