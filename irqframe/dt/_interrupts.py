"""The interrupt tree: every interrupt of a machine, followed to the controller that takes it.

The rules are those of the Devicetree Specification v0.4, 2.4, and where it is silent those of Linux
(of_irq_parse_one, of_irq_parse_raw):

1. Disabled nodes, and what is below them, have no interrupts: nothing of them is read and nothing is reported.
2. A specifier whose parent is a nexus goes through the nexus' map, with the unit address from the device's own `reg`,
   and on through further maps, until a controller takes it. The map of a controller counts before the controller,
   which takes what a row of the map sends to the controller itself.
3. Each distinct row of an interrupt map is a source too: the device behind it, on a bus such as PCI, is found later.
4. A device without a `reg`, or with a short one, finds its row only if the map's mask passes over the unit address.
   (Linux 6.11 and later take zeros for what is missing; before, nothing was found.)
5. A fault is reported once, at the place that is wrong; whatever does not depend on it still resolves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from irqframe.dt._interrupt_map import InterruptMap, Row, read_map, reads_own_map
from irqframe.dt._providers import Providers, Reference
from irqframe.dt._report import Report, cell_span, cells_text, count
from irqframe.dt._specifiers import Specifier, specifiers
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, Tree
from irqframe.errors import Finding, Span

# More maps in a row than any machine has; it bounds the time a hostile tree can ask for.
MAX_LEVELS = 16


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of an interrupt's way to its controller.

    Attributes:
        node: where the step is written: the device first, then each nexus.
        property: "interrupts", "interrupts-extended" or "interrupt-map".
        span: first cell of the specifier, or of the map's row.
        row: number of the map's row; -1 for a step that is no map's.
    """

    node: Node
    property: str
    span: Span
    row: int = -1


@dataclass(frozen=True, slots=True)
class InterruptRef:
    """One interrupt, resolved.

    Attributes:
        node: the device that has it; for a row of an interrupt map the nexus.
        index: position in the device's list; for a row its number in the map.
        name: the entry of `interrupt-names` at that position, "" if there is none.
        specifier: the cells as the controller takes them, after every map.
        controller: who takes it.
        span: where the device's specifier begins; for a row, where the row does.
        hops: the way, from the node to the controller; a step per property it was found in.
        spans: place of each cell of `specifier`, which is a map's row if the interrupt went through one.
        unit: for a row, its child unit address and child specifier; else empty.
    """

    node: Node
    index: int
    name: str
    specifier: tuple[int, ...]
    controller: Node
    span: Span
    hops: tuple[Hop, ...]
    spans: tuple[Span, ...] = ()
    unit: tuple[int, ...] = ()


def interrupts(tree: Tree) -> tuple[tuple[InterruptRef, ...], tuple[Finding, ...]]:
    """Every interrupt of the tree's enabled nodes, in tree order; a nexus' rows follow its own interrupts.

    Args:
        tree: a tree as it was loaded; its values may be anything.

    Returns:
        The interrupts that resolve, and a finding for each fault that keeps others from it (E0401 to E0413).
    """
    report = Report()
    resolver = Resolver(tree, report)
    found = tuple(ref for node in enabled(tree) for ref in resolver.of_node(node))
    return found, report.findings


def specifiers_at(tree: Tree, controllers: Collection[Node]) -> set[tuple[int, ...]]:
    """What is written for controllers, in enabled devices and in rows of maps; no map is followed, which takes time.

    Args:
        tree: a tree as it was loaded; its values may be anything.
        controllers: nodes of it.

    Returns:
        Their specifiers, each once; what cannot be read is left out.
    """
    resolver = Resolver(tree, Report())
    return {cells for node in enabled(tree) for target, cells in resolver.written_in(node) if target in controllers}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an interrupt has come to: the provider, and the unit address and specifier it has there."""

    provider: Reference
    address: tuple[int, ...]
    specifier: tuple[int, ...]
    spans: tuple[Span, ...]
    hops: tuple[Hop, ...]


class Resolver:
    """Follows the interrupts of one tree; faults go to its report."""

    def __init__(self, tree: Tree, report: Report) -> None:
        self.report = report
        self.providers = Providers(tree, report)
        # Maps by nexus and by the cell count of the unit address that they are read with.
        self._maps: dict[tuple[int, int], InterruptMap] = {}

    def of_node(self, node: Node) -> Iterator[InterruptRef]:
        """The interrupts that a device lists, then the rows of its map."""
        names = node.strings("interrupt-names")
        for specifier in specifiers(self.providers, node):
            ref = self._of_device(node, specifier)
            if ref is not None:
                named = specifier.index < len(names)
                yield replace(ref, name=names[specifier.index]) if named else ref
        if sends_on(node):
            yield from self._of_rows(node)

    def written_in(self, node: Node) -> Iterator[tuple[Node, tuple[int, ...]]]:
        """Who each specifier in a device and each row of its map is for, and the specifier."""
        for specifier in specifiers(self.providers, node):
            yield specifier.parent.target, specifier.cells
        if sends_on(node):
            for row in self._rows(node):
                yield row.parent.target, row.specifier

    def _of_device(self, node: Node, specifier: Specifier) -> InterruptRef | None:
        address = self._unit_address(node, specifier)
        if address is None:
            return None
        first = Hop(node, specifier.property, specifier.spans[0])
        end = self.follow(Cursor(specifier.parent, address, specifier.cells, specifier.spans, (first,)))
        if end is None:
            return None
        controller = end.provider.target
        return InterruptRef(node, specifier.index, "", end.specifier, controller, first.span, end.hops, end.spans)

    def _unit_address(self, node: Node, specifier: Specifier) -> tuple[int, ...] | None:
        """The device's unit address, as its nexus wants it; empty before a controller without a map."""
        nexus = specifier.parent.target
        if not sends_on(nexus):
            return ()
        wanted = self.providers.unit_address_cells(nexus)
        table = None if wanted is None else self._map(specifier.parent, wanted)
        if wanted is None or table is None:
            return None
        cells = node.cells("reg")[:wanted]
        if len(cells) == wanted or not any(table.mask[:wanted]):
            return cells + (0,) * (wanted - len(cells))
        reg = node.properties.get("reg")
        self.report.add(
            "E0409",
            f"{node.path} needs a `reg` for the interrupt map of {nexus.path}",
            node,
            reg.span if reg is not None else node.span,
            expected=f"`reg` with a unit address of {count(wanted, 'cell')}",
            found="none" if reg is None else count(len(cells), "cell"),
            subject=id(node),
        )
        return None

    def _of_rows(self, nexus: Node) -> Iterator[InterruptRef]:
        for row in self._rows(nexus):
            end = self.follow(_after(row, nexus, ()), [nexus])
            if end is not None:
                controller = end.provider.target
                yield InterruptRef(
                    nexus, row.index, "", end.specifier, controller, row.span, end.hops, end.spans, row.unit
                )

    def _rows(self, nexus: Node) -> Sequence[Row]:
        own = Reference(nexus, nexus, nexus.properties["interrupt-map"].span)
        address_cells = self.providers.unit_address_cells(nexus)
        table = None if address_cells is None else self._map(own, address_cells)
        return () if table is None else table.rows

    def _map(self, nexus: Reference, address_cells: int) -> InterruptMap | None:
        interrupt_cells = self.providers.interrupt_cells(nexus)
        if interrupt_cells is None:
            return None
        key = (id(nexus.target), address_cells)
        if key not in self._maps:
            self._maps[key] = read_map(self.providers, nexus.target, address_cells, interrupt_cells)
        return self._maps[key]

    def follow(self, cursor: Cursor, passed: list[Node] | None = None) -> Cursor | None:
        """Follow maps until a controller takes the interrupt; None, with a finding, if none does."""
        way = list(passed or ())
        while sends_on(cursor.provider.target):
            nexus = cursor.provider.target
            if way and way[-1] is nexus and nexus.has("interrupt-controller"):
                break
            if nexus in way or len(way) >= MAX_LEVELS:
                self._endless(way, nexus)
                return None
            table = self._map(cursor.provider, len(cursor.address))
            if table is None:
                return None
            row = table.find(cursor.address + cursor.specifier)
            if row is None:
                self._no_row(table, cursor)
                return None
            way.append(nexus)
            cursor = _after(row, nexus, cursor.hops)
        return cursor if self.providers.may_end_at(cursor.provider) else None

    def _endless(self, way: list[Node], nexus: Node) -> None:
        looping = nexus in way
        cycle = way[way.index(nexus) :] if looping else way
        first = min(cycle, key=lambda node: node.properties["interrupt-map"].span)
        prop = first.properties["interrupt-map"]
        self.report.add(
            "E0408",
            "interrupt maps send an interrupt in a circle" if looping else "too many interrupt maps in a row",
            first,
            prop.span,
            expected=f"a way to an interrupt controller through at most {MAX_LEVELS} maps",
            found=" -> ".join(node.path for node in ([*cycle, nexus] if looping else cycle[:3])),
            subject=frozenset(map(id, cycle)) if looping else id(first),
        )

    def _no_row(self, table: InterruptMap, cursor: Cursor) -> None:
        # A map that could not be read to its end may lack just this row, and has its own finding.
        if not table.whole:
            return
        device = cursor.hops[-1]
        prop = table.node.properties["interrupt-map"]
        unit = cursor.address + cursor.specifier
        off = table.find_disabled(unit)
        self.report.add(
            "E0407",
            f"no row of the interrupt map of {table.node.path} matches",
            device.node,
            device.span,
            expected="a row for the unit address and specifier, under `interrupt-map-mask`",
            found=cells_text(unit),
            hint="" if off is None else f"row {off.index} would, but {off.parent.target.path} is disabled",
            related=((cell_span(prop, 0), "the interrupt map"),),
        )


def sends_on(node: Node) -> bool:
    """Whether a node is a nexus: what comes to it goes on through its map."""
    return node.has("interrupt-map") and not reads_own_map(node)


def _after(row: Row, nexus: Node, hops: tuple[Hop, ...]) -> Cursor:
    """Where a row of a map leads."""
    hop = Hop(nexus, "interrupt-map", row.span, row.index)
    return Cursor(row.parent, row.address, row.specifier, row.spans or (row.span,), (*hops, hop))
