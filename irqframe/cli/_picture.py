"""A topology as boxes in boxes, which both drawings are made from.

1. A controller is a box; what it takes stands in front of it: chips for sources and messages, boxes for the nexus nodes
   and the controllers that send to it.
2. A nexus is drawn once for each controller that it leads to, with what goes there.
3. A controller that sends to several stands before the first; what it sends names all.
4. A controller's own interrupts, which it raises for what it takes, are its link and no chips.
5. A device with many interrupts at one controller is one chip, which tells them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from irqframe.cli._ways import DRIVER, PART, lines_of, place, sends, way
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from irqframe.dt import MsiRef, Node
    from irqframe.machine import Topology, TopologyController, TopologySource

# Deeper cascades stand beside what they send to.
DEPTH: Final = 8
CPUS: Final = 8

# From so many on, the interrupts of a device are one chip; this many of them are named.
MANY: Final = 6
NAMED: Final = 3

COLOURS: Final = MappingProxyType(
    {
        "SHARED": ("#0969da", "#58a6ff"),
        "PER_CPU": ("#1a7f37", "#3fb950"),
        "MESSAGE": ("#8250df", "#bc8cff"),
        "ERROR": ("#cf222e", "#ff7b72"),
        "UNRESOLVED": ("#bc4c00", "#f0883e"),
        "OK": ("#24292f", "#e6edf3"),
        "UNUSED": ("#8c959f", "#6e7681"),
        "DISABLED": ("#8c959f", "#6e7681"),
    }
)
"""Of each state: on a light page, and on a dark one."""

# What XML 1.0 cannot hold; names in a tree may be anything.
_UNPRINTABLE: Final = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Chip:
    """A source, in one line.

    Attributes:
        name: what it is called.
        line: what it is at its controller.
        state: name of a `State`.
        tip: the whole way, with the places.
        order: by what chips of one box are sorted.
        path: of the device, "" if it stands alone in any case.
    """

    name: str
    line: str
    state: str
    tip: str
    order: tuple[str, int] = ("", 0)
    path: str = ""


@dataclass(slots=True)
class Box:
    """A controller or a nexus, with what comes to it.

    Attributes:
        title: of the node.
        lines: more about it, in small.
        kind: "controller", "nexus" or "group".
        state: name of a `State`.
        tip: the whole of it.
        link: what it sends on, and how.
        stated: whether the tree says where it sends.
        chips: what it takes at first hand.
        boxes: what sends to it.
    """

    title: str
    lines: tuple[str, ...]
    kind: str
    state: str
    tip: str
    link: str = ""
    stated: bool = True
    chips: list[Chip] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it.

    Attributes:
        title: what is drawn.
        cpus: the CPUs, in words.
        roots: boxes that signal CPUs.
        others: boxes that lead nowhere: unresolved sources, disabled controllers.
        states: names and meanings of the states that occur, for the legend.
    """

    title: str
    cpus: tuple[str, ...]
    roots: tuple[Box, ...]
    others: tuple[Box, ...]
    states: tuple[tuple[str, str], ...]


def picture(topology: Topology) -> Picture:
    """Arrange a topology."""
    made = _Arranged(topology)
    roots, others = tuple(made.roots()), tuple(made.others())
    seen = {chip.state for box in _all((*roots, *others)) for chip in box.chips}
    seen |= {box.state for box in _all((*roots, *others)) if box.kind == "controller"}
    from irqframe.machine import State

    states = tuple((state.name, state.value) for state in State if state.name in seen)
    cpus = [printable(f"{cpu.node.name} {cpu.mpidr:#x}") for cpu in topology.cpus[:CPUS]]
    if len(topology.cpus) > CPUS:
        cpus.append(f"and {len(topology.cpus) - CPUS} more")
    sources = counted(sum(one.ref is not None for one in topology.sources), "source")
    title = f"{topology.tree.file}: {counted(len(topology.cpus), 'CPU')}, {sources}"
    return Picture(printable(title), tuple(cpus), roots, others, states)


def printable(text: str) -> str:
    """A text without the characters that no drawing can hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _all(boxes: tuple[Box, ...]) -> Iterator[Box]:
    stack = list(boxes)
    while stack:
        box = stack.pop()
        yield box
        stack += box.boxes


def _order(chip: Chip) -> tuple[str, int]:
    return chip.order


def _gathered(chips: list[Chip]) -> Iterator[Chip]:
    """The chips, those of a device with many of them in one."""
    groups: dict[tuple[str, str], list[Chip]] = {}
    for at, chip in enumerate(chips):
        groups.setdefault((chip.path or str(at), chip.state), []).append(chip)
    for (path, state), group in groups.items():
        if len(group) < MANY:
            yield from group
            continue
        lines = ", ".join(chip.line.partition(" edge")[0].partition(" level")[0] for chip in group[:NAMED])
        name = f"{path.rpartition('/')[2]} ({len(group)} interrupts)"
        tip = "\n".join(chip.tip for chip in group)
        yield Chip(name, f"{lines}, ...", state, tip, group[0].order)


class _Arranged:
    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._file = topology.tree.file
        self._boxes: dict[tuple[Node, ...], Box] = {}
        # How controllers send on is their link.
        ways = [one.upstream for one in topology.controllers if one.upstream is not None]
        self._raises = {one.node for one in ways if one.refs}
        self._sends = {one.node for one in ways if one.property.startswith("msi-")}
        for one in topology.controllers:
            if one.upstream is not None:
                self._boxes[one.node,] = self._controller(one)
        for source in topology.sources:
            self._add_source(source)
        for ref in topology.messages:
            if ref.node in self._sends and ref.controller is not ref.node:
                continue
            self._box((ref.controller,)).chips.append(self._message(ref))
        for box in self._boxes.values():
            box.chips = sorted(_gathered(sorted(box.chips, key=_order)), key=_order)

    def roots(self) -> Iterator[Box]:
        """Boxes that stand alone; every other one is put before the controller that it sends to."""
        depth: dict[Node, int] = {}
        for one in self._topology.controllers:
            if one.upstream is None:
                continue
            way = list(self._topology.cascade(one.node))
            depth[one.node] = len(way)
            box = self._boxes[one.node,]
            ends = not way or bool(self._upstream_of(way[-1].parents[0]))
            if ends or not 0 < len(way) <= DEPTH:
                yield box
            else:
                self._box((way[0].parents[0],)).boxes.append(box)

    def others(self) -> Iterator[Box]:
        """Boxes of what leads nowhere."""
        lost = [
            Chip(printable(one.name), "unresolved", one.state.name, self._tip(one.node, one.note))
            for one in self._topology.sources
            if one.ref is None
        ]
        if lost:
            yield Box("unresolved", (), "group", "UNRESOLVED", "interrupts that reach no controller", chips=lost)
        off = [
            Chip(printable(one.node.name), "disabled", one.state.name, self._tip(one.node, "a disabled controller"))
            for one in self._topology.controllers
            if one.upstream is None
        ]
        if off:
            yield Box("disabled controllers", (), "group", "DISABLED", "no operating system starts them", chips=off)

    def _upstream_of(self, node: Node) -> bool:
        """Whether a controller sends on: then the way to it is no whole one."""
        return next(self._topology.cascade(node), None) is not None

    def _controller(self, one: TopologyController) -> Box:
        node, upstream = one.node, one.upstream
        compatible = node.compatible[0] if node.compatible else ""
        lines = [compatible] if compatible else []
        if one.users:
            lines.append(f"takes {one.users}")
        link, tip, stated = "", node.path, True
        if upstream is not None and upstream.parents:
            link = lines_of(upstream) or upstream.property or (PART if upstream.stated else DRIVER)
            stated = upstream.stated
            parents = ", ".join(parent.path for parent in upstream.parents)
            tip = f"{node.path}\n{sends(upstream, self._file)} -> {parents}"
            if len(upstream.parents) > 1:
                link += f" of {counted(len(upstream.parents), 'controller')}"
        return Box(
            printable(node.name or "/"),
            tuple(map(printable, lines)),
            "controller",
            one.state.name,
            self._tip(node, tip),
            printable(link),
            stated,
        )

    def _box(self, key: tuple[Node, ...]) -> Box:
        """The box of a nexus before its controller, or before another nexus; made if it is not there."""
        if key not in self._boxes:
            node = key[-1]
            if len(key) == 1:
                made = Box(printable(node.name), (), "controller", "ERROR", self._tip(node, node.path))
            else:
                made = Box(
                    printable(node.name or "/"),
                    ("interrupt-map",),
                    "nexus",
                    "OK",
                    self._tip(node, f"nexus {node.path}"),
                )
                self._box(key[:-1]).boxes.append(made)
            self._boxes[key] = made
        return self._boxes[key]

    def _add_source(self, one: TopologySource) -> None:
        if one.ref is None or one.line is None:
            return
        if not one.ref.unit and one.node in self._raises and one.ref.controller is not one.node:
            return
        maps = one.ref.hops if one.ref.unit else one.ref.hops[1:]
        # A controller with a map of its own is no nexus to itself.
        key = [one.ref.controller, *(hop.node for hop in reversed(maps) if hop.node is not one.ref.controller)]
        source = one.line.source
        order = (source.kind.value, source.number) if source is not None else ("~", 0)
        name = one.name.removeprefix(f"{one.node.name} ") if one.ref.unit else one.name
        tip = "\n".join([one.name, way(self._topology, one.ref), *([one.note] if one.note else [])])
        text = f"{one.line.name} {one.line.trigger}".strip()
        path = "" if one.ref.unit else printable(one.node.path)
        chip = Chip(printable(name), text, one.state.name, printable(tip), order, path)
        self._box(tuple(key)).chips.append(chip)

    def _message(self, ref: MsiRef) -> Chip:
        last = ref.rid_base + ref.length - 1
        text = f"RID {ref.rid_base:#x}..{last:#x}" if ref.length > 1 else f"ID {ref.msi_base:#x}"
        tip = f"{ref.node.path} ({place(ref.span, self._file) or 'DTB'}) -> {ref.controller.path}"
        return Chip(printable(ref.node.name), text, "MESSAGE", printable(tip))

    def _tip(self, node: Node, text: str) -> str:
        where = place(node.span, self._file)
        return printable(f"{text} ({where})" if where else text)
