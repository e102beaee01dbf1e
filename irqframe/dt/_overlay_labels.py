"""What an overlay may refer to: the symbols of its base and, of a base that was source text, its labels."""

from __future__ import annotations

from irqframe.dt._close import CloseNames
from irqframe.dt._collected import Collected
from irqframe.dt._overlay_fixups import Wanted
from irqframe.dt._overlay_paths import Paths, c_string
from irqframe.dt._symbols import SYMBOLS
from irqframe.dt._tree import Node, Property, Tree

_RELATED = 4


class Labels:
    """The labels of the base.

    A symbol of `__symbols__` comes before a label of the text; a node that only the text labels is given a phandle when
    it is asked for, the lowest that is free.

    Attributes:
        owners: the node that has each label of the text.
        nodes: by phandle.
    """

    def __init__(self, tree: Tree, paths: Paths, report: Collected) -> None:
        self.file = tree.file
        self.paths = paths
        self.report = report
        self.owners = tree.by_label()
        self.nodes = tree.by_phandle()
        self._symbols = paths.child(tree.root, SYMBOLS)
        self._close = CloseNames()
        self._free = 1
        self._refused = False

    def phandle(self, wanted: Wanted) -> int | None:
        """The phandle of the node that has a label; None, and a finding, if there is no such node or phandle."""
        symbol = self._symbols.properties.get(wanted.label) if self._symbols is not None else None
        node = self.owners.get(wanted.label)
        if symbol is None and node is None:
            self._unknown(wanted)
            return None
        if symbol is not None:
            node = self.paths.at(c_string(symbol) or "")
        if node is None:
            self._astray(wanted, symbol, "leads to no node")
            return None
        phandle = node.phandle
        if phandle is None and node.labels:
            phandle = self._number(node)
        if phandle is None:
            self._astray(wanted, symbol, f"leads to {node.path}, which has no phandle")
        return phandle

    def _number(self, node: Node) -> int:
        while self._free in self.nodes:
            self._free += 1
        self.nodes[self._free] = node
        node.set_cells("phandle", self._free)
        return self._free

    def _unknown(self, wanted: Wanted) -> None:
        if self._symbols is None and not self.owners:
            self._no_symbols(wanted)
            return
        symbols = self._symbols.properties if self._symbols is not None else {}
        close = self._close.of(wanted.label, symbols.keys() | self.owners.keys())
        hint = ""
        if close:
            owner = self.owners.get(close)
            place = f" ({owner.span.file}:{owner.span.line})" if owner is not None and owner.span.line else ""
            hint = f"did you mean &{close}{place}?"
        more = [(place.prop.span_at(place.offset), "and here") for place in wanted.places[1 : 1 + _RELATED]]
        self.report.add(
            "E0215",
            f"&{wanted.label} is not defined in {self.file}",
            wanted.span,
            path=wanted.path,
            found=f"&{wanted.label}",
            hint=hint,
            related=tuple((span, why) for span, why in more if span.line),
        )

    def _no_symbols(self, wanted: Wanted) -> None:
        """Once is enough: no label can be found then."""
        if not self._refused:
            self._refused = True
            self.report.add(
                "E0216",
                f"{self.file} has no symbols, so &{wanted.label} cannot be found in it",
                wanted.span,
                path=wanted.path,
                hint="give its node a label, or name it by &{/path} { }"
                if self.paths.root.span.line
                else "give the base as DTS, or compile it with dtc -@",
            )

    def _astray(self, wanted: Wanted, symbol: Property | None, why: str) -> None:
        value = symbol.data[:80].partition(b"\0")[0].decode("ascii", "backslashreplace") if symbol is not None else ""
        self.report.add(
            "E0219",
            f"symbol {wanted.label} of {self.file} {why}",
            wanted.span,
            path=wanted.path,
            found=f'"{value}"',
            related=((symbol.span, "the symbol"),) if symbol is not None and symbol.span.line else (),
        )
