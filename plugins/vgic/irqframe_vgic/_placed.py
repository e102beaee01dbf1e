"""The frames that a tree gives a GIC: whether the CPUs reach them, whether they are large enough, or what is wrong."""

from __future__ import annotations

from irqframe.dt import Node, addresses, reg
from irqframe.errors import NodeError

Frame = tuple[int, int]
"""Guest physical address, size in bytes."""


def frames_of(node: Node) -> tuple[Frame, ...]:
    """Where the entries of a node's `reg` are for the CPUs, one at least.

    Raises:
        NodeError: if a bus above does not hand them on, or there are none.
    """
    frames = addresses(node)
    if frames:
        return frames
    if not reg(node):
        raise NodeError(f"{node.path} has no `reg` that divides into addresses and sizes", node.path, "reg")
    bus = _barrier(node)
    if bus.has("ranges"):
        reason = f"{node.path} is outside of what `ranges` of {bus.path} hands on to the CPUs"
        raise NodeError(reason, node.path, "reg", expected="addresses in a row of `ranges`")
    raise NodeError(
        f"the CPUs do not reach {node.path}, because {bus.path} has no `ranges`",
        node.path,
        expected=f"`ranges;` in {bus.path}, if addresses below it are those of the CPUs",
    )


def _barrier(node: Node) -> Node:
    """The bus above that does not hand on the addresses of `reg`: the first without `ranges`, else the nearest."""
    buses = []
    bus = node.parent
    while bus is not None and bus.parent is not None:
        buses.append(bus)
        bus = bus.parent
    return next((bus for bus in buses if not bus.has("ranges")), buses[0] if buses else node)


def check_size(node: Node, entry: int, least: int, what: str) -> None:
    """Refuse a frame that is too small.

    Args:
        node: whose it is.
        entry: which entry of `reg`, from 0.
        least: bytes that it must have.
        what: what it is, with its article.

    Raises:
        NodeError: for a smaller one.
    """
    entries = reg(node)
    size = entries[entry][1]
    if size < least:
        cell = len(node.cells("reg")) // len(entries) * entry
        reason = f"{what} of {node.path} is too small"
        raise NodeError(reason, node.path, "reg", cell, expected=f"{least:#x} bytes or more", found=f"{size:#x} bytes")
