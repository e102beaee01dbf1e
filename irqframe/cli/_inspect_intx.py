"""PCI INTx for people: the pins of a host's slots, and of the functions behind its bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from irqframe.dt import InterruptRef
    from irqframe.machine import Topology

PINS: Final = 4

_DEVICE_SHIFT: Final = 11
_DEVICES: Final = 32


def intx_rows(found: Topology) -> list[tuple[str, ...]]:
    """A row for each slot that a PCI host's interrupt map tells apart, and for each function without interrupts."""
    from irqframe.machine import line_of

    slots: dict[tuple[str, str], list[str]] = {}
    for ref in found.rows:
        if ref.node.strings("device_type") == ("pci",) and len(ref.unit) == PINS and 1 <= ref.unit[3] <= PINS:
            pins = slots.setdefault((ref.node.path, _slot(ref)), ["-"] * PINS)
            pins[ref.unit[3] - 1] = line_of(ref.controller, ref.specifier).name
    rows = [(f"{path} {slot}", *pins, f"interrupt-map of {path}") for (path, slot), pins in slots.items()]
    return rows + _functions(found)


def _functions(found: Topology) -> list[tuple[str, ...]]:
    from irqframe.machine import line_of

    functions: dict[str, list[str]] = {}
    through: dict[str, str] = {}
    for route in found.intx:
        pins = functions.setdefault(route.node.path, ["-"] * PINS)
        pins[route.pin - 1] = line_of(route.controller, route.specifier).name
        maps = [hop.node.path for hop in route.hops if hop.row >= 0]
        swizzled = [f"swizzled at {node.name}" for node, _ in route.passed]
        through[route.node.path] = ", ".join([*swizzled, *(f"interrupt-map of {path}" for path in maps)])
    return [(path, *pins, through[path]) for path, pins in functions.items()]


def _slot(row: InterruptRef) -> str:
    """The devices that a row of a PCI host's map stands for."""
    masks = row.node.cells("interrupt-map-mask")
    mask = masks[0] >> _DEVICE_SHIFT & (_DEVICES - 1) if masks else _DEVICES - 1
    device = row.unit[0] >> _DEVICE_SHIFT & mask
    if mask == _DEVICES - 1:
        return f"device {device}"
    if mask == 0:
        return "any device"
    devices = [str(number) for number in range(_DEVICES) if number & mask == device]
    return f"device {', '.join(devices[:3])}{', ...' if len(devices) > 3 else ''}"
