"""How many lines a machine's GICv3 has, beyond the SGIs and PPIs that every one has.

1. A number that was asked for stays. Else it is the implementation's, or the next one that holds what the tree wires
   and, of SPIs, what it gives to messages.
2. A line's number is that of its SPI, and 988 + n for extended SPI n. A GIC that gets extended SPIs from its tree gets
   all 988 SPIs too, so that no number in between is without a line.
3. `mbi-ranges` has the INTIDs of SPIs that messages to GICD_SETSPI_NSR raise, in pairs: the first one, and how many.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from irqframe.flow import Lines, MessageLines, NodeRef
from irqframe_vgic._implementation import SPI_CHOICES
from irqframe_vgic._intids import MAX_INTIDS, MAX_SPIS, PRIVATE
from irqframe_vgic._wired import enough, wired

SPI: Final = 0
PPI: Final = 1
ESPI: Final = 2
EPPI: Final = 3
"""The types of an interrupt specifier (Linux, arm,gic-v3.yaml)."""

GIC_COMPATIBLE: Final = "arm,gic-v3"
MBI_RANGES: Final = "mbi-ranges"

MAX_ESPIS: Final = 1024
MAX_EPPIS: Final = 64

ESPI_CHOICES: Final = tuple(range(0, MAX_ESPIS + 1, 32))
"""How many extended SPIs (GICD_TYPER page, ESPI_range)."""
EPPI_CHOICES: Final = (0, 32, MAX_EPPIS)
"""How many extended PPIs (GICR_TYPER page, PPInum)."""


class LineCounts(NamedTuple):
    """How many lines there are of each kind that a GIC need not have.

    Attributes:
        spis: shared, INTIDs from 32.
        espis: extended shared, INTIDs from 4096.
        eppis: extended per CPU, INTIDs from 1056.
    """

    spis: int
    espis: int
    eppis: int

    @property
    def shared(self) -> int:
        """One more than the number of the last shared line."""
        return MAX_SPIS + self.espis if self.espis else self.spis


MOST: Final = LineCounts(MAX_SPIS, MAX_ESPIS, MAX_EPPIS)
"""As many as a tree could make them."""


def divide(least: LineCounts, nodes: Sequence[NodeRef], *, fixed: Container[str] = ()) -> LineCounts:
    """The lines of a machine.

    Args:
        least: the implementation's, or those asked for.
        nodes: the GIC's, as its hooks get them.
        fixed: the names of those that were asked for.
    """
    found: dict[int, set[int]] = {kind: set() for kind in (SPI, ESPI, EPPI)}
    for cells in wired(nodes):
        if len(cells) in (3, 4) and cells[0] in found:
            found[cells[0]].add(cells[1])
    for messages in mbis(nodes):
        found[SPI].add(min(messages.stop, MAX_INTIDS) - PRIVATE - 1)
    espis = least.espis if "espis" in fixed else enough(least.espis, found[ESPI], ESPI_CHOICES)
    eppis = least.eppis if "eppis" in fixed else enough(least.eppis, found[EPPI], EPPI_CHOICES)
    spis = least.spis if "spis" in fixed else _spis(least.spis, found[SPI], extended=espis > least.espis)
    return LineCounts(spis, espis, eppis)


def _spis(least: int, found: Iterable[int], *, extended: bool) -> int:
    return MAX_SPIS if extended else enough(least, found, SPI_CHOICES)


def mbis(nodes: Sequence[NodeRef]) -> tuple[range, ...]:
    """The INTIDs of SPIs that messages raise."""
    return tuple(messages for node in nodes for messages in _ranges(node))


def _ranges(node: NodeRef) -> Iterator[range]:
    if GIC_COMPATIBLE in node.compatible and node.has("msi-controller"):
        cells = node.cells(MBI_RANGES)
        for first, count in zip(cells[::2], cells[1::2], strict=False):
            yield range(first, first + count)


def lines(counts: LineCounts, nodes: Sequence[NodeRef]) -> Lines:
    """The shared lines, and those that messages raise."""
    messages = tuple(
        MessageLines(node.path, range(one.start - PRIVATE, one.stop - PRIVATE), MBI_RANGES)
        for node in nodes
        for one in _ranges(node)
    )
    return Lines(counts.shared, messages)
