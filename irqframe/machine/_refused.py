"""Why a machine's VM cannot be made, at its place in the tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from irqframe.dt import addresses, is_enabled, reg
from irqframe.errors import Finding, NodeError, Span, SpecifierError, VmError
from irqframe.machine._model import Machine
from irqframe.machine._overlap import range_text
from irqframe.vm import OverlapError


class _Entry(NamedTuple):
    """An entry of a controller's `reg`: the addresses, whose they are, and where that is written."""

    place: tuple[int, int]
    path: str
    span: Span


def refused(machine: Machine, error: SpecifierError | VmError) -> Finding:
    """A finding (E0607) for what the irqchip refuses: where the error says, else at the first controller."""
    reason = error.reason if isinstance(error, VmError) else str(error)
    message = f"{machine.irqchip} refuses the machine: {reason}"
    if isinstance(error, NodeError):
        return _at_node(machine, error, message)
    if isinstance(error, OverlapError) and (written := list(_written(machine, error))):
        entry, *others = written
        return Finding(
            "E0607",
            message,
            entry.span,
            entry.path,
            expected="addresses of its own for each of the irqchip's frames",
            found=range_text(entry.place),
            related=tuple((other.span, f"`reg` of {other.path}: {range_text(other.place)}") for other in others),
        )
    node = machine.controllers[0] if machine.controllers else machine.tree.root
    return Finding("E0607", message, node.span, node.path)


def _at_node(machine: Machine, error: NodeError, message: str) -> Finding:
    node = machine.tree.node(error.node) or machine.tree.root
    prop = node.properties.get(error.property)
    return Finding(
        "E0607",
        message,
        node.span if prop is None else prop.span_at(4 * error.cell),
        node.path,
        expected=error.expected,
        found=error.found,
        hint=error.hint,
    )


def _written(machine: Machine, error: OverlapError) -> Iterator[_Entry]:
    """The entries that the two frames lie in; without one that lies in none."""
    entries = list(_entries(machine))
    for _, address in error.frames:
        entry = next((one for one in entries if one.place[0] <= address < sum(one.place)), None)
        if entry is not None:
            # The same addresses can be written twice.
            entries.remove(entry)
            yield entry


def _entries(machine: Machine) -> Iterator[_Entry]:
    for node in filter(is_enabled, machine.controllers):
        width = len(node.cells("reg")) // max(len(reg(node)), 1)
        for index, place in enumerate(addresses(node)):
            yield _Entry(place, node.path, node.properties["reg"].span_at(4 * width * index))
