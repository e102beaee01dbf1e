"""How a machine's tree divides the SPIs: what is wired, how many there are, and which each MSI frame raises.

1. A number of SPIs that was asked for stays. Else it is the implementation's, or the next one that holds every SPI that
   the tree wires or gives to a frame: how many a GIC has is a fact of the hardware, which no tree says.
2. A frame whose node has `arm,msi-base-spi` raises what that says. The hardware of another one would say it in
   MSI_TYPER, so it is given SPIs here that nothing is wired to and no other frame has: from INTID 80 on if they are
   free, as QEMU's virt board has them, else the highest run; more SPIs are made, up to the architecture's 988, before
   it gets fewer than 64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from irqframe.dt import Node, is_enabled
from irqframe.flow import NodeRef
from irqframe_vgic._implementation import SPI_CHOICES
from irqframe_vgic._intids import MAX_SPIS, PRIVATE
from irqframe_vgic._v2._v2m import DEFAULT_BASE, DEFAULT_SPIS
from irqframe_vgic._wired import enough, wired

V2M_COMPATIBLE: Final = "arm,gic-v2m-frame"
BASE_SPI: Final = "arm,msi-base-spi"
NUM_SPIS: Final = "arm,msi-num-spis"


@dataclass(frozen=True, slots=True)
class Division:
    """The SPIs of a machine.

    Attributes:
        count: how many there are.
        frames: of each enabled MSI frame, by its path: its first INTID, and how many it has.
    """

    count: int
    frames: Mapping[str, tuple[int, int]]


def divide(spis: int, nodes: Sequence[NodeRef], *, fixed: bool) -> Division:
    """Divide the SPIs of a machine.

    Args:
        spis: how many there are at least.
        nodes: the GIC and its frames, as its hooks get them.
        fixed: whether there are no more.
    """
    # The nodes that the core hands over are those of its own trees.
    own = [cast("Node", node) for node in nodes]
    frames = [node for node in own if V2M_COMPATIBLE in node.compatible and is_enabled(node)]
    taken = _wired(nodes)
    said: dict[str, tuple[int, int]] = {}
    for node in frames:
        first, count = node.u32(BASE_SPI), _length(node)
        if first is not None:
            said[node.path] = (first, count)
            taken.update(range(max(first - PRIVATE, 0), min(first - PRIVATE + count, MAX_SPIS)))
    if not fixed:
        spis = holding(spis, taken)
    given: dict[str, tuple[int, int]] = {}
    for node in frames:
        if node.path in said:
            given[node.path] = said[node.path]
            continue
        first, count, spis = _free(spis, taken, _length(node), fixed=fixed, shorter=not node.has(NUM_SPIS))
        taken.update(range(first, min(first + count, MAX_SPIS)))
        given[node.path] = (first + PRIVATE, count)
    return Division(spis, given)


def holding(least: int, spis: Iterable[int]) -> int:
    """How many SPIs a GIC has that has all of these; `least` at least."""
    return enough(least, spis, SPI_CHOICES)


def _wired(nodes: Sequence[NodeRef]) -> set[int]:
    """The SPIs that the tree sends anything to."""
    return {cells[1] for cells in wired(nodes) if len(cells) == 3 and cells[0] == 0 and cells[1] < MAX_SPIS}


def _length(node: Node) -> int:
    count = node.u32(NUM_SPIS)
    return DEFAULT_SPIS if count is None else count


def _free(spis: int, taken: set[int], count: int, *, fixed: bool, shorter: bool) -> tuple[int, int, int]:
    """(first SPI, how many, how many the GIC has) for a frame; the default if nothing is free."""
    default = DEFAULT_BASE - PRIVATE
    counts = (count, *(count >> n for n in range(1, count.bit_length()))) if shorter else (count,)
    for length in counts if len(taken) < MAX_SPIS else ():
        if default + length <= spis and taken.isdisjoint(range(default, default + length)):
            return default, length, spis
        end = _run(range(spis - 1, -1, -1), taken, length)
        if end is not None:
            return end, length, spis
        end = None if fixed else _run(range(MAX_SPIS), taken, length)
        if end is not None:
            return end - length + 1, length, holding(spis, (end,))
    return default, count, spis


def _run(spis: Iterable[int], taken: set[int], count: int) -> int | None:
    """The last SPI of the first run, as they come, that is free and long enough."""
    free = 0
    for spi in spis if count <= MAX_SPIS else ():
        free = 0 if spi in taken else free + 1
        if free >= count:
            return spi
    return None
