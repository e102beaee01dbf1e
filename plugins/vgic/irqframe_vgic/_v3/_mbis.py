"""Messages to the distributor, as a tree has them: the SPIs that they raise, and where else its doorbells are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from irqframe.dt import Node, address
from irqframe.errors import NodeError
from irqframe.flow import NodeRef
from irqframe_vgic._intids import PRIVATE
from irqframe_vgic._v3._lines import MBI_RANGES, mbis

MBI_ALIAS: Final = "mbi-alias"

ALIAS: Final = 0x1000
"""Bytes of the doorbells' alias."""


def check(nodes: Sequence[NodeRef], end: int) -> None:
    """Whether the GIC has the SPIs that messages raise.

    Args:
        nodes: the GIC's, as its hooks get them.
        end: one more than the INTID of its last SPI.

    Raises:
        NodeError: for INTIDs that are no SPIs, or none at all.
    """
    for node in nodes:
        for place, messages in enumerate(mbis((node,))):
            if not PRIVATE <= messages.start < messages.stop <= end:
                raise NodeError(
                    f"messages to {node.path} raise SPIs that are not there",
                    node.path,
                    MBI_RANGES,
                    2 * place,
                    expected=f"INTIDs of {PRIVATE}..{end - 1}, one at least",
                    found=f"{len(messages)} from {messages.start} on",
                )


def alias(gic: Node, distributor: int) -> int | None:
    """Where the doorbells are once more; None if nowhere, or if that is the distributor itself.

    Raises:
        NodeError: for what is no page that the CPUs reach.
    """
    if not gic.has(MBI_ALIAS):
        return None
    found = address(gic, MBI_ALIAS)
    if found is None or found % ALIAS:
        reason = f"`{MBI_ALIAS}` of {gic.path} is no page that the CPUs reach"
        raise NodeError(reason, gic.path, MBI_ALIAS, expected=f"one address, a multiple of {ALIAS:#x}")
    return None if found == distributor else found
