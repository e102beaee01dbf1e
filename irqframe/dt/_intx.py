"""INTx of PCI functions: which controller takes each pin of the functions that a tree names below its PCI hosts.

1. A function with `interrupts` says its pin itself: `interrupts` resolves it, from the function's own unit address.
2. Of any other function only its configuration space knows the pin, so all four are followed, INTA to INTD.
3. A pin is looked up in the map of the bus that the function is on, by the function's unit address. A bridge without a
   map passes it on: pin p of device d becomes pin (p - 1 + d) mod 4 + 1 of the bridge, on the bus above (PCI-to-PCI
   Bridge Architecture 1.2, table 9-1). A bridge with a map takes its own pins through it, swizzled once (Linux,
   of_irq_parse_pci).
4. Linux swizzles at bridges that have no node only. At one that has a node but no map it looks for the address of the
   function behind in the map above; where that leads elsewhere, a warning says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irqframe.dt._interrupts import Cursor, Hop, Resolver, sends_on
from irqframe.dt._providers import Reference
from irqframe.dt._report import Report
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, Tree
from irqframe.errors import Finding

PINS = 4

# A row of `reg`: three cells of address, two of size.
_PCI_REG = 5
_DEVFN = 0xFFFF00  # bus, device and function in the first cell of a PCI address
_DEVICE_SHIFT, _DEVICE_MASK = 11, 0x1F


@dataclass(frozen=True, slots=True)
class IntxRoute:
    """The way of one pin of a PCI function.

    Attributes:
        node: the function; a device or a bridge.
        pin: 1 for INTA to 4 for INTD.
        passed: each bridge that swizzled the pin, and the pin that it has there.
        specifier: the cells as the controller takes them.
        controller: who takes it.
        hops: the rows of the maps that it goes through.
    """

    node: Node
    pin: int
    passed: tuple[tuple[Node, int], ...]
    specifier: tuple[int, ...]
    controller: Node
    hops: tuple[Hop, ...]


def intx_routes(tree: Tree) -> tuple[tuple[IntxRoute, ...], tuple[Finding, ...]]:
    """The pins of every enabled PCI function without `interrupts` whose host has an interrupt map, in tree order.

    Args:
        tree: a tree as it was loaded; its values may be anything.

    Returns:
        The routes that resolve, and a warning for each function that Linux takes elsewhere (W0414). A pin that no row
        takes is no fault: the function may not have it.
    """
    report = Report()
    # Faults of maps are reported where their rows are resolved.
    resolver = Resolver(tree, Report())
    routes = tuple(
        route
        for node in enabled(tree)
        if is_pci_function(node) and not node.has("interrupts") and not node.has("interrupts-extended")
        for pin in range(1, PINS + 1)
        for route in _routes(resolver, report, node, pin)
    )
    return routes, report.findings


def is_pci_function(node: Node) -> bool:
    """Whether a node is a device or bridge on a PCI bus: below a PCI host, with a `reg` of PCI's five cells a row.

    The cell counts of the bridges above do not matter: boards get them wrong, and Linux does not read them.
    """
    above: Node | None = node
    while above is not None:
        cells = above.cells("reg")
        if not cells or len(cells) % _PCI_REG:
            return False
        above = above.parent
        if above is not None and above.strings("device_type") == ("pci",):
            return True
    return False


def _routes(resolver: Resolver, report: Report, node: Node, pin: int) -> Iterator[IntxRoute]:
    passed: list[tuple[Node, int]] = []
    at, here = node, pin
    nexus = node.parent
    if sends_on(node):
        nexus, here = node, swizzled(pin, node)
    while nexus is not None and not sends_on(nexus) and is_pci_function(nexus):
        here, at = swizzled(here, at), nexus
        passed.append((at, here))
        nexus = nexus.parent
    if nexus is None or not sends_on(nexus):
        return
    end = _look_up(resolver, nexus, at, here)
    if end is None:
        return
    yield IntxRoute(node, pin, tuple(passed), end.specifier, end.provider.target, end.hops)
    linux = _look_up(resolver, nexus, node, pin) if passed else end
    if linux is None or (linux.provider.target, linux.specifier) != (end.provider.target, end.specifier):
        _warn(report, node, passed[0][0])


def swizzled(pin: int, device: Node) -> int:
    """The pin of the bridge above that a pin of a device becomes."""
    return (pin - 1 + device_number(device)) % PINS + 1


def device_number(node: Node) -> int:
    """The device number in a PCI function's `reg`; 0 if it has none."""
    cells = node.cells("reg")
    return cells[0] >> _DEVICE_SHIFT & _DEVICE_MASK if cells else 0


def _look_up(resolver: Resolver, nexus: Node, node: Node, pin: int) -> Cursor | None:
    reg = node.cells("reg")
    cells = resolver.providers.unit_address_cells(nexus)
    if cells is None or not reg:
        return None
    address = ((reg[0] & _DEVFN, 0, 0) + (0,) * cells)[:cells]
    reference = Reference(nexus, node, node.span)
    if resolver.providers.interrupt_cells(reference) != 1:
        return None
    return resolver.follow(Cursor(reference, address, (pin,), (node.span,), (Hop(node, "reg", node.span),)))


def _warn(report: Report, node: Node, bridge: Node) -> None:
    report.add(
        "W0414",
        f"Linux routes the INTx pins of {node.path} as if {bridge.path} were no bridge",
        node,
        node.span,
        expected="an `interrupt-map` in the bridge, which Linux does not swizzle at without one",
        found="none",
        related=((bridge.span, "the bridge"),),
        subject=id(node),
    )
