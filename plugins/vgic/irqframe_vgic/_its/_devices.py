"""How large the DeviceIDs of a machine are; that is a fact of the hardware that a tree implies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from irqframe.dt import msi_routes
from irqframe.flow import NodeRef
from irqframe_vgic._wired import tree_of

_MOST: Final = 32


def device_bits(nodes: Sequence[NodeRef], least: int) -> int:
    """Bits of a DeviceID that hold every MSI specifier that the tree sends to its ITSs.

    Args:
        nodes: the GIC's, as its hooks get them; one at least.
        least: the implementation's.
    """
    own = {id(node) for node in nodes}
    routes, _ = msi_routes(tree_of(nodes))
    last = max((route.msi_base + route.length - 1 for route in routes if id(route.controller) in own), default=0)
    return min(max(least, last.bit_length()), _MOST)
