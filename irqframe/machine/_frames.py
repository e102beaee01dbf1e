"""Where things lie: the registers of a machine's devices, and what of its memory is not to be used."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from irqframe.dt import Node, addresses, enabled
from irqframe.machine._model import Machine


class Frame(NamedTuple):
    """A device that the CPUs can reach.

    Attributes:
        node: of the device.
        compatible: the first of its strings that was asked for.
        address: of its first register, as the CPUs see it.
        size: of that range of registers, bytes.
    """

    node: Node
    compatible: str
    address: int
    size: int


def frames_of(machine: Machine, compatible: Container[str]) -> tuple[Frame, ...]:
    """The enabled devices that have one of the `compatible` strings, in the order of the tree.

    One whose `reg` is missing, or cannot be reached through the buses above it, is left out.
    """
    found = []
    for node in enabled(machine.tree):
        known = next((text for text in node.compatible if text in compatible), None)
        ranges = addresses(node) if known is not None else ()
        if known is not None and ranges:
            found.append(Frame(node, known, *ranges[0]))
    return tuple(found)


def reserved(machine: Machine) -> tuple[tuple[int, int], ...]:
    """(address, size) of the memory that the tree reserves: /memreserve/ (DTSpec v0.4, 5.3), /reserved-memory (3.5)."""
    nodes = (node for node in enabled(machine.tree) if node.parent and node.parent.path == "/reserved-memory")
    return (*machine.tree.reservations, *(pair for node in nodes for pair in addresses(node)))
