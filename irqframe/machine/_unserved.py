"""Devices of the tree that nobody serves are disabled in the guest's: a driver that probed one would be aborted."""

from __future__ import annotations

from irqframe import dt
from irqframe.dt import Node, Tree
from irqframe.vm import MmioBus


def hide_unserved(tree: Tree, mmio: MmioBus) -> tuple[str, ...]:
    """Disable what has an address at which nothing answers, memory and CPUs apart.

    Args:
        tree: the guest's, which is changed.
        mmio: who serves what.

    Returns:
        Paths of the nodes that were disabled, in the order of the tree; those below one of them are not named.
    """
    hidden: list[str] = []
    for node in list(dt.enabled(tree)):
        if _is_unserved(node, mmio) and not any(node.path.startswith(f"{above}/") for above in hidden):
            node.set_strings("status", "disabled")
            hidden.append(node.path)
    return tuple(hidden)


def _is_unserved(node: Node, mmio: MmioBus) -> bool:
    if node.strings("device_type") in (("memory",), ("cpu",)) or node.path.startswith("/reserved-memory/"):
        return False
    ranges = [base for base, size in dt.addresses(node) if size]
    return bool(ranges) and mmio.find(ranges[0], 1) is None
