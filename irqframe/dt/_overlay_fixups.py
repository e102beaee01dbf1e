"""The references of an overlay that is applied: read from its fixups, checked, and written anew.

The fixups of a DTB are bytes that nobody vouches for: an entry counts only if the node, the property and the four bytes
are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from irqframe.dt._collected import Collected
from irqframe.dt._fixups import FIXUPS, LOCAL_FIXUPS
from irqframe.dt._overlay_paths import Paths
from irqframe.dt._phandles import PHANDLE_NAMES, real_nodes
from irqframe.dt._tree import Node, Property
from irqframe.errors import Span

PHANDLE_MAX = 0xFFFFFFFE

_ENTRY = re.compile(rb"(/[^:]*):([^:]+):([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class Place:
    """Four bytes of a value."""

    prop: Property
    offset: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A label of the base that the overlay refers to.

    Attributes:
        label: its name.
        path: the first node that refers to it.
        span: where.
        places: all places.
    """

    label: str
    path: str
    span: Span
    places: tuple[Place, ...]


class Cells:
    """Cells within values, to read and to write; a value is put together once, by `flush`."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Property, bytearray]] = {}

    def get(self, place: Place) -> int:
        """The cell at a place."""
        return int.from_bytes(self._data(place.prop)[place.offset : place.offset + 4], "big")

    def set(self, place: Place, value: int) -> None:
        """Write the cell at a place."""
        self._data(place.prop)[place.offset : place.offset + 4] = value.to_bytes(4, "big")

    def flush(self) -> None:
        """Give the properties their values."""
        for prop, data in self._open.values():
            prop.data = bytes(data)
        self._open.clear()

    def _data(self, prop: Property) -> bytearray:
        known = self._open.get(id(prop))
        if known is None:
            known = self._open[id(prop)] = (prop, bytearray(prop.data))
        return known[1]


class Fixups:
    """The fixups of one overlay."""

    def __init__(self, paths: Paths, report: Collected) -> None:
        self.paths = paths
        self.report = report

    # __fixups__

    def outside(self) -> Iterator[Wanted]:
        """The labels of the base that the overlay refers to, in order."""
        fixups = self.paths.child(self.paths.root, FIXUPS)
        if fixups is None:
            return
        for prop in fixups.properties.values():
            found = list(self._entries(fixups, prop))
            if found:
                node, at, _ = found[0]
                yield Wanted(prop.name, node.path, prop.span_at(at), tuple(place for _, _, place in found))

    def _entries(self, fixups: Node, prop: Property) -> Iterator[tuple[Node, int, Place]]:
        *entries, rest = prop.data.split(b"\0")
        if rest or not entries:
            self._malformed(fixups, prop, len(prop.data) - len(rest), rest)
        at = 0
        for entry in entries:
            match = _ENTRY.fullmatch(entry)
            if match is None:
                self._malformed(fixups, prop, at, entry)
            else:
                path, name = (part.decode("ascii", "backslashreplace") for part in match.groups()[:2])
                node = self.paths.at(path)
                place = self._place(node, path, name, int(match[3]), (prop, at))
                if node is not None and place is not None:
                    yield node, at, place
            at += len(entry) + 1

    def _malformed(self, node: Node, prop: Property, at: int, entry: bytes) -> None:
        self.report.add(
            "E0217",
            f"{node.name} has an entry for {prop.name} that cannot be read",
            prop.span_at(at),
            path=node.path,
            expected='"/path:property:offset"',
            found=_quoted(entry),
        )

    def _place(self, node: Node | None, path: str, name: str, offset: int, entry: tuple[Property, int]) -> Place | None:
        """The place that an entry of the fixups names; if there is none, that is a finding."""
        prop = node.properties.get(name) if node is not None else None
        if prop is not None and offset + 4 <= len(prop.data) and name not in PHANDLE_NAMES:
            return Place(prop, offset)
        # Looked for only now: it takes time.
        span = entry[0].span_at(entry[1])
        if name in PHANDLE_NAMES:
            message = f"{name} refers to another node, so the fixups say"
            self.report.add("E0214", message, span, path=_short(path))
            return None
        if node is None:
            self._no_node(path, span)
            return None
        if prop is None:
            message = f"{node.path} has no property {_short(name)}, which the fixups name"
        else:
            message = f"property {name} of {node.path} has no cell at byte {offset}, where the fixups say it has"
        found = f"{len(prop.data)} bytes" if prop is not None else ""
        self.report.add("E0218", message, span, path=node.path, found=found)
        return None

    def _no_node(self, path: str, span: Span) -> None:
        self.report.add("E0218", f"the overlay has no node {_short(path)}, which its fixups name", span)

    # __local_fixups__

    def inside(self) -> Iterator[Place]:
        """The places that refer to nodes of the overlay itself, in order.

        A phandle that a node has by `phandle = <&itself>` is no reference: it moves because it is a phandle.
        """
        fixups = self.paths.child(self.paths.root, LOCAL_FIXUPS)
        work = [(self.paths.root, fixups)] if fixups is not None else []
        while work:
            node, fixup = work.pop()
            for prop in fixup.properties.values():
                if prop.name not in PHANDLE_NAMES:
                    yield from self._offsets(node, fixup, prop)
            below = []
            for child in fixup.children.values():
                known = self.paths.child(node, child.name)
                if known is None:
                    self._no_node(f"{node.path.rstrip('/')}/{child.name}", child.span)
                else:
                    below.append((known, child))
            work += reversed(below)

    def _offsets(self, node: Node, fixup: Node, prop: Property) -> Iterator[Place]:
        if len(prop.data) % 4:
            self.report.add(
                "E0217",
                f"the offsets of property {prop.name} in {LOCAL_FIXUPS} cannot be read",
                prop.span,
                path=fixup.path,
                expected="cells",
                found=f"{len(prop.data)} bytes",
            )
            return
        for index, offset in enumerate(prop.cells):
            place = self._place(node, "", prop.name, offset, (prop, 4 * index))
            if place is not None:
                yield place

    # Phandles

    def shift(self, delta: int) -> None:
        """Move the phandles of the overlay behind those of its base."""
        for node in real_nodes(self.paths.root):
            for name in PHANDLE_NAMES:
                prop = node.properties.get(name)
                if prop is None or len(prop.data) != 4:
                    continue
                phandle = prop.cells[0] + delta
                if phandle > PHANDLE_MAX:
                    self.report.fail(
                        "E0222",
                        f"phandle {prop.cells[0]:#x} cannot be moved behind those of the base",
                        prop.span,
                        path=node.path,
                        expected=f"at most {PHANDLE_MAX - delta:#x}: the base has phandles up to {delta:#x}",
                    )
                prop.data = phandle.to_bytes(4, "big")


def _quoted(entry: bytes) -> str:
    return '"' + _short(entry.decode("ascii", "backslashreplace")) + '"'


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
