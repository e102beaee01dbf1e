"""The symbols that an overlay brings: under the paths that its nodes have in the tree that it changed."""

from __future__ import annotations

import re

from irqframe.dt._collected import Collected
from irqframe.dt._fixups import ROOM_MAX
from irqframe.dt._overlay_merge import OVERLAY, Merge
from irqframe.dt._symbols import SYMBOLS
from irqframe.dt._tree import Node, Piece, PieceKind, Property

_Targets = dict[Node, tuple[Node | None, str]]

# What stands in a fragment; other symbols name what is in no tree once the overlay is applied.
_IN_FRAGMENT = re.compile(rb"/([^/]*)/__overlay__(?:/(.*))?", re.DOTALL)


def merge_symbols(merge: Merge, report: Collected) -> None:
    """Enter the symbols of an overlay in its base, as `fdt_overlay_apply` does; a known name means the new node then.

    Args:
        merge: the overlay, carried out.
        report: takes the findings (E0223, E0226).
    """
    symbols = merge.overlay.child(merge.overlay.root, SYMBOLS)
    if symbols is None:
        return
    base = merge.base
    known = base.child(base.root, SYMBOLS)
    if known is None:
        merge.touch(base.root)
        known = base.add(base.root, Node(SYMBOLS, symbols.span))
    merge.touch(known)
    room = ROOM_MAX
    targets: _Targets = {}
    for prop in symbols.properties.values():
        path = _path(merge, symbols, prop, targets, report)
        if path is None:
            continue
        data = path.encode() + b"\0"
        room -= len(data)
        if room < 0:
            report.fail("E0226", "the symbols of the overlay take too much room", prop.span, path=symbols.path)
        piece = Piece(0, len(data), PieceKind.STRING, prop.span)
        known.properties[prop.name] = Property(prop.name, data, prop.span, (piece,))


def _path(merge: Merge, symbols: Node, prop: Property, targets: _Targets, report: Collected) -> str | None:
    """The path of a symbol in the base; None if it has none there. `targets` keeps what was looked up."""
    if prop.data.find(b"\0") != len(prop.data) - 1 or not prop.data.startswith(b"/"):
        _refuse(symbols, prop, "is no path", report)
        return None
    found = _IN_FRAGMENT.fullmatch(prop.data[:-1])
    if found is None:
        return None
    name, below = (part.decode("ascii", "backslashreplace") for part in (found[1], found[2] or b""))
    fragment = merge.overlay.child(merge.overlay.root, name)
    if fragment is None or merge.overlay.child(fragment, OVERLAY) is None:
        _refuse(symbols, prop, "leads to no fragment", report)
        return None
    if fragment not in targets:
        targets[fragment] = merge.target(fragment)
    target, path = targets[fragment]
    if target is None:  # which is reported
        return None
    return f"{path if len(path) > 1 else ''}/{below}"


def _refuse(symbols: Node, prop: Property, why: str, report: Collected) -> None:
    found = prop.data[:80].partition(b"\0")[0].decode("ascii", "backslashreplace")
    report.add("E0223", f"symbol {prop.name} of the overlay {why}", prop.span, path=symbols.path, found=f'"{found}"')
