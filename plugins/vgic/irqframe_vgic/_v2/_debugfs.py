"""Where the interrupts of a GICv2 go, for the text of its state."""

from __future__ import annotations

from irqframe_vgic._block import Block
from irqframe_vgic._debugfs import Route
from irqframe_vgic._intids import SGIS
from irqframe_vgic._v2._interface import CpuInterface


def route(block: Block, n: int, cpu: CpuInterface | None) -> Route:
    """The lowest target of an interrupt, all of them, and the sources of an SGI."""
    targets = block.targets[n]
    home = (targets & -targets).bit_length() - 1 if targets else 0
    return Route(home, targets, cpu.sources[n] if cpu is not None and n < SGIS else 0)
