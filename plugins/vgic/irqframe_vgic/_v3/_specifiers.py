"""The interrupt specifiers of a GICv3, both ways (Linux, interrupt-controller/arm,gic-v3.yaml).

1. <type number flags>: type 0 is an SPI, 1 a PPI, 2 an extended SPI, 3 an extended PPI; each is counted from 0.
2. A fourth cell names the CPUs that share a PPI, or is 0. That is a matter of the tree alone.
3. Bits 3:0 of the flags are the trigger; the others have no meaning here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from irqframe.errors import SpecifierError
from irqframe.flow import Source, SourceKind
from irqframe_vgic._intids import FIRST_EPPI, FIRST_ESPI, MAX_SPIS, PRIVATE, SGIS
from irqframe_vgic._triggers import trigger_of
from irqframe_vgic._v3._lines import EPPI, ESPI, MAX_EPPIS, MAX_ESPIS, PPI, SPI, LineCounts

_PPIS: Final = PRIVATE - SGIS


class _Kind(NamedTuple):
    """A type of specifier.

    Attributes:
        name: what errors call it.
        article: with "a" or "an".
        kind: what its sources are.
        first: `Source.number` of its number 0.
        intid: INTID of its number 0.
        most: how many a GIC has at most.
    """

    name: str
    article: str
    kind: SourceKind
    first: int
    intid: int
    most: int


_KINDS: Final = {
    SPI: _Kind("SPI", "an SPI", SourceKind.SPI, 0, PRIVATE, MAX_SPIS),
    PPI: _Kind("PPI", "a PPI", SourceKind.PPI, SGIS, SGIS, _PPIS),
    ESPI: _Kind("extended SPI", "an extended SPI", SourceKind.SPI, MAX_SPIS, FIRST_ESPI, MAX_ESPIS),
    EPPI: _Kind("extended PPI", "an extended PPI", SourceKind.PPI, FIRST_EPPI, FIRST_EPPI, MAX_EPPIS),
}


def translate(counts: LineCounts, cells: tuple[int, ...], gic: str = "the GIC") -> Source:
    """The source that a specifier names.

    Args:
        counts: how many lines there are.
        cells: the specifier.
        gic: name of the node that it is for, for the errors.

    Raises:
        SpecifierError: for a type or a number that the GIC does not serve.
        TriggerError: for a trigger that it does not serve.
    """
    if len(cells) not in (3, 4):
        raise SpecifierError(
            f"a GICv3 specifier has 3 or 4 cells, not {len(cells)}", expected="<type number flags> or one cell more"
        )
    kind = _KINDS.get(cells[0])
    if kind is None:
        expected = "0 (SPI), 1 (PPI), 2 (extended SPI) or 3 (extended PPI)"
        raise SpecifierError(f"{cells[0]} is no type of a GICv3 interrupt", cell=0, expected=expected)
    _check_number(kind, cells[1], _count(counts, cells[0]), gic)
    return Source(kind.kind, kind.first + cells[1], trigger_of(cells[2], kind.kind, kind.article))


def _count(counts: LineCounts, kind: int) -> int:
    return {SPI: counts.spis, PPI: _PPIS, ESPI: counts.espis, EPPI: counts.eppis}[kind]


def _check_number(kind: _Kind, number: int, count: int, gic: str) -> None:
    if number < count:
        return
    intid = f" (interrupt {number + kind.intid})" if kind.kind is SourceKind.SPI else ""
    served = f"{kind.name} 0..{count - 1}" if count else f"no {kind.name}s"
    # An INTID in place of a number, unless it is a number that another GIC may have.
    meant = kind.kind is SourceKind.PPI and kind.intid <= number < kind.intid + kind.most
    raise SpecifierError(
        f"{kind.name} {number}{intid} is outside what {gic} serves ({served})",
        cell=1,
        hint=f"an interrupt ID is no PPI number: interrupt {number} is {kind.name} {number - kind.intid}"
        if meant
        else "",
    )


def encode(counts: LineCounts, source: Source) -> tuple[int, ...]:
    """The specifier that names a source, of three cells.

    Args:
        counts: how many lines there are.
        source: what to name.

    Raises:
        SpecifierError: if the GIC does not serve the source.
    """
    for number, kind in _KINDS.items():
        if source.kind is kind.kind and 0 <= source.number - kind.first < kind.most:
            cells = (number, source.number - kind.first, int(source.trigger))
            translate(counts, cells)
            return cells
    if source.kind is SourceKind.PPI:
        expected = "an INTID of 16..31 or 1056..1119"
        raise SpecifierError(f"PPIs have no INTID {source.number}", cell=1, expected=expected)
    raise SpecifierError(f"there is no shared line {source.number}", cell=1, expected=f"0..{MAX_SPIS + MAX_ESPIS - 1}")
