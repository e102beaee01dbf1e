"""Interrupt maps: the rows of a nexus node and the look-up in them (DTSpec v0.4, 2.4.3; Linux, of_irq_parse_raw).

1. A row is: child unit address, child specifier, parent phandle, parent unit address, parent specifier. The child's
   cell counts are the nexus' own, the parent's are the parent's.
2. A row matches if it equals the wanted unit under the mask; the first that matches counts.
3. Rows whose parent is disabled do not match (Linux).
4. Where a row cannot be read its length is unknown, so the map ends there, with a finding; the rows before it serve.
5. Some controllers have an `interrupt-map` in a form of their own, which their drivers read; here as in Linux it is
   passed over, and interrupts end at the controller (`reads_own_map`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from irqframe.dt._providers import Providers, Reference
from irqframe.dt._report import cell_span, cells_text, count, size_of
from irqframe.dt._status import is_enabled
from irqframe.dt._tree import Node, Property
from irqframe.errors import Span

Cells = tuple[int, ...]

# Linux's of_irq_imap_abusers.
_OWN_MAPS = frozenset(
    {
        "CBEA,platform-spider-pic",
        "fsl,ls1021a-extirq",
        "fsl,ls1043a-extirq",
        "fsl,ls1088a-extirq",
        "pasemi,rootbus",
        "realtek,rtl-intc",
        "renesas,rza1-irqc",
        "sti,platform-spider-pic",
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an interrupt map.

    Attributes:
        index: number of the row, from 0.
        unit: child unit address and child specifier.
        parent: who the row sends to.
        address: parent unit address.
        specifier: parent specifier.
        span: place of the row's first cell.
        spans: place of each cell of `specifier`.
    """

    index: int
    unit: Cells
    parent: Reference
    address: Cells
    specifier: Cells
    span: Span
    spans: tuple[Span, ...]


@dataclass(slots=True)
class InterruptMap:
    """The map of one nexus node.

    Attributes:
        node: the nexus.
        mask: what of a unit address and specifier counts.
        rows: distinct rows under the mask that can match, in order.
        whole: False if it could not be read to its end, so that a row may be missing.
    """

    node: Node
    mask: Cells
    rows: list[Row] = field(default_factory=list)
    whole: bool = True
    _by_unit: dict[Cells, Row] = field(default_factory=dict)
    _disabled: dict[Cells, Row] = field(default_factory=dict)

    def add(self, row: Row) -> Row | None:
        """Append a row, unless its parent is disabled or an earlier one takes everything that it would match: that."""
        if not is_enabled(row.parent.target):
            self._disabled.setdefault(self._masked(row.unit), row)
            return None
        first = self._by_unit.setdefault(self._masked(row.unit), row)
        if first is not row:
            return first
        self.rows.append(row)
        return None

    def find(self, unit: Cells) -> Row | None:
        """The first row that matches a unit address and specifier."""
        return self._by_unit.get(self._masked(unit))

    def find_disabled(self, unit: Cells) -> Row | None:
        """The first row that would match a unit address and specifier if its parent were not disabled."""
        return self._disabled.get(self._masked(unit))

    def _masked(self, unit: Cells) -> Cells:
        return tuple(cell & mask for cell, mask in zip(unit, self.mask, strict=True))


def reads_own_map(node: Node) -> bool:
    """Whether a controller's `interrupt-map` is for its driver alone."""
    return node.has("interrupt-controller") and not _OWN_MAPS.isdisjoint(node.compatible)


def read_map(providers: Providers, nexus: Node, address_cells: int, interrupt_cells: int) -> InterruptMap:
    """The map of `nexus`, whose child units have these cell counts; faults go to the report of `providers`."""
    width = address_cells + interrupt_cells
    mask = _read_mask(providers, nexus, width)
    made = InterruptMap(nexus, mask or (0xFFFFFFFF,) * width, whole=mask is not None)
    prop = nexus.properties["interrupt-map"]
    cells = prop.cells
    if not cells:
        _cut(providers, nexus, prop, 0, "whole rows of cells", size_of(prop))
        made.whole = False
        return made
    start = index = 0
    row: Row | None = None
    while start < len(cells):
        row = _read_row(providers, nexus, prop, cells, start, width, index, _explained(row))
        if row is None:
            made.whole = False
            break
        first = made.add(row)
        if first is not None:
            _never_matches(providers, nexus, row, first)
        start += width + 1 + len(row.address) + len(row.specifier)
        index += 1
    return made


def _never_matches(providers: Providers, nexus: Node, row: Row, first: Row) -> None:
    providers.report.add(
        "W0416",
        f"row {row.index} of the interrupt map of {nexus.path} never matches",
        nexus,
        row.span,
        expected="a unit address and specifier of its own, under `interrupt-map-mask`",
        found=cells_text(row.unit),
        related=((first.span, f"row {first.index} takes all that it would"),),
        subject=(id(nexus), row.index),
    )


def _read_mask(providers: Providers, nexus: Node, width: int) -> Cells | None:
    prop = nexus.properties.get("interrupt-map-mask")
    if prop is None:
        return (0xFFFFFFFF,) * width
    if len(prop.data) == 4 * width:
        return prop.cells
    providers.report.add(
        "E0410",
        "`interrupt-map-mask` does not fit the map",
        nexus,
        prop.span,
        expected=f"{count(width, 'cell')} (a unit address and a specifier below {nexus.path})",
        found=size_of(prop),
        subject=id(prop),
    )
    return None


def _read_row(
    providers: Providers, nexus: Node, prop: Property, cells: Cells, start: int, width: int, index: int, hint: str
) -> Row | None:
    at = start + width
    if at >= len(cells):
        found = count(len(cells) - start, "cell")
        _cut(providers, nexus, prop, start, f"at least {count(width + 1, 'cell')} in row {index}", found)
        return None
    parent = providers.target(nexus, prop, at, cells[at], hint=hint)
    if parent is None:
        return None
    interrupt_cells = providers.interrupt_cells(parent, hint=hint)
    address_cells = providers.parent_address_cells(parent.target)
    if interrupt_cells is None or address_cells is None:
        return None
    middle = at + 1 + address_cells
    end = middle + interrupt_cells
    if end > len(cells):
        found = count(len(cells) - start, "cell")
        _cut(providers, nexus, prop, start, f"{count(end - start, 'cell')} in row {index}", found)
        return None
    return Row(
        index,
        cells[start:at],
        parent,
        cells[at + 1 : middle],
        cells[middle:end],
        cell_span(prop, start),
        tuple(cell_span(prop, cell) for cell in range(middle, end)),
    )


def _explained(before: Row | None) -> str:
    """Where a phandle is none, the row before it often has more or fewer cells than whoever wrote it thought."""
    if before is None:
        return ""
    path = before.parent.target.path
    address, specifier = count(len(before.address), "cell"), count(len(before.specifier), "cell")
    return (
        f"row {before.index} was read with {address} of unit address and {specifier} of specifier after its phandle, "
        f"as `#address-cells` and `#interrupt-cells` of {path} have it"
    )


def _cut(providers: Providers, nexus: Node, prop: Property, cell: int, expected: str, found: str) -> None:
    providers.report.add(
        "E0406",
        "`interrupt-map` ends in the middle of a row",
        nexus,
        cell_span(prop, cell),
        expected=expected,
        found=found,
        hint="a row is: child unit address, child specifier, phandle, parent unit address, parent specifier",
        subject=id(prop),
    )
