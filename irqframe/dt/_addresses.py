"""Addresses: `reg` in the cells of the parent, and through `ranges` to the CPUs (DTSpec v0.4, 2.3.5 to 2.3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from irqframe.dt._tree import Node

Pairs = tuple[tuple[int, int], ...]

# The specification's defaults for a node that does not say.
_ADDRESS_CELLS = 2
_SIZE_CELLS = 1

# No bus has longer addresses; PCI's have 3 cells.
_MAX_CELLS = 4

# More than any bus has; it bounds the time that a hostile tree can ask for. Those after them are not read.
_MAX_WINDOWS = 256

# The space code of a PCI address (IEEE 1275 PCI binding, 2.2.1.1): I/O, 32-bit memory, 64-bit memory.
_PCI_SPACE = 0x0300_0000


def address_cells(bus: Node | None) -> int:
    """Cells of an address in the `reg` of the children of `bus`."""
    cells = None if bus is None else bus.u32("#address-cells")
    return _ADDRESS_CELLS if cells is None else cells


def size_cells(bus: Node | None) -> int:
    """Cells of a size in the `reg` of the children of `bus`."""
    cells = None if bus is None else bus.u32("#size-cells")
    return _SIZE_CELLS if cells is None else cells


def number(cells: tuple[int, ...]) -> int:
    """Cells as one number, the first most significant; 0 if there are none."""
    value = 0
    for cell in cells:
        value = value << 32 | cell
    return value


def reg(node: Node) -> Pairs:
    """The (address, size) pairs of `reg`, as the parent's `#address-cells` and `#size-cells` divide it.

    Returns:
        Addresses as they are on the parent's bus; sizes 0 where there are no size cells. Empty if `reg` is absent or
        does not divide.
    """
    first, second = address_cells(node.parent), size_cells(node.parent)
    return tuple((number(row[:first]), number(row[first:])) for row in _rows(node.cells("reg"), first + second))


def addresses(node: Node) -> Pairs:
    """The (address, size) pairs of `reg` as the CPUs see them, through the `ranges` of every bus above.

    Returns:
        As `reg`; empty also if a bus above has no `ranges`, or none that covers a pair: the CPUs cannot reach it.
    """
    return _at_cpus(node, reg(node))


def address(node: Node, name: str) -> int | None:
    """The one address that a property has, as the CPUs see it.

    Args:
        node: has the property; its parent says how many cells an address has.
        name: of the property.

    Returns:
        The address; None if there is no such property, it is of another length, or the CPUs cannot reach it.
    """
    cells = node.cells(name)
    if not cells or len(cells) != address_cells(node.parent):
        return None
    found = _at_cpus(node, ((number(cells), 1),))
    return found[0][0] if found else None


def _at_cpus(node: Node, pairs: Pairs) -> Pairs:
    """Pairs on the bus of a node as they are through every bus above; empty if one of them is not there."""
    bus = node.parent
    while pairs and bus is not None and bus.parent is not None:
        pairs = _through(bus, pairs)
        bus = bus.parent
    return pairs


def _through(bus: Node, pairs: Pairs) -> Pairs:
    """The pairs as they are on the bus above; empty if one of them is not there."""
    ranges = bus.properties.get("ranges")
    if ranges is None:
        return ()
    if not ranges.data:
        return pairs
    pci = bus.strings("device_type") == ("pci",)
    windows = [(*_split(child, pci), above, length) for child, above, length in _ranges(bus, ranges.cells)]
    found = []
    for address, size in pairs:
        wanted_space, wanted = _split(address, pci)
        for space, base, above, length in windows:
            if space == wanted_space and base <= wanted and wanted + size <= base + length:
                found.append((above + wanted - base, size))
                break
        else:
            return ()
    return tuple(found)


def _ranges(bus: Node, cells: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    child, parent, length = address_cells(bus), address_cells(bus.parent), size_cells(bus)
    for row in islice(_rows(cells, child + parent + length), _MAX_WINDOWS):
        yield number(row[:child]), number(row[child : child + parent]), number(row[child + parent :])


def _split(address: int, pci: bool) -> tuple[int, int]:
    """Space and offset of an address; only PCI's have a space, in the first of three cells."""
    if not pci:
        return 0, address
    return address >> 64 & _PCI_SPACE, address & (1 << 64) - 1


def _rows(cells: tuple[int, ...], width: int) -> Iterator[tuple[int, ...]]:
    if 0 < width <= 3 * _MAX_CELLS and len(cells) % width == 0:
        for start in range(0, len(cells), width):
            yield cells[start : start + width]
