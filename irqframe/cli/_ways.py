"""The way of an interrupt in words: every step with the place where it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from irqframe.dt import InterruptRef, MsiRange, Upstream
    from irqframe.errors import Span
    from irqframe.machine import Topology

PART: Final = "as a part of it"
"""How a controller within another one sends."""

DRIVER: Final = "by its driver"
"""How a controller sends of which the tree does not say it."""

LINES: Final = 3
"""How many of a controller's own lines are named."""


def place(span: Span, file: str) -> str:
    """`:line` in the file that the heading names, `name:line` in one that it includes, "" where there are no lines."""
    if not span.line:
        return ""
    folder = os.path.join(os.path.dirname(file), "")
    name = "" if span.file == file else span.file.removeprefix(folder)
    return f"{name}:{span.line}"


def way(topology: Topology, ref: InterruptRef) -> str:
    """From the property that the device has to the controller that signals CPUs."""
    steps = []
    for at, hop in enumerate(ref.hops):
        nexus = f"{hop.node.path} " if at else ""
        steps.append(nexus + _at(hop.property, hop.span, topology.tree.file))
    return " -> ".join([*steps, ref.controller.path, *cascade(topology, ref)])


def cascade(topology: Topology, ref: InterruptRef) -> Iterator[str]:
    """The steps behind the controller that takes an interrupt."""
    for upstream in topology.cascade(ref.controller):
        yield sends(upstream, topology.tree.file)
        yield upstream.parents[0].path


def sends(upstream: Upstream, file: str) -> str:
    """How a controller sends on what it takes: "interrupts (:88) SPI 11, SPI 15"."""
    if not upstream.stated:
        return DRIVER
    how = _at(upstream.property, upstream.span, file) if upstream.property else PART
    lines = lines_of(upstream)
    return f"{how} {lines}" if lines else how


def lines_of(upstream: Upstream, limit: int = LINES) -> str:
    """The lines that a controller raises, the first ones by name."""
    from irqframe.machine import line_of

    names = [range_text(one) for one in upstream.ranges] or [
        line_of(ref.controller, ref.specifier).name for ref in upstream.refs
    ]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def range_text(one: MsiRange) -> str:
    """The interrupts of a row of `msi-ranges`: "<0x0 0x2c0 0x1> and the 31 after it"."""
    from irqframe.machine import line_of

    first = line_of(one.controller, one.first).name
    return first if one.length == 1 else f"{first} and the {one.length - 1} after it"


def _at(name: str, span: Span, file: str) -> str:
    where = place(span, file)
    return f"{name} ({where})" if where else name
