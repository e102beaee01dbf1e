"""A comparison as SVG: for each kind of interrupt a bar for each irqchip, of its traps and of what they would cost.

1. No script, no font that must be there, the same text for the same figures.
2. Colours come from classes, for light and for dark surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from irqframe.cli._compare_report import Row, figure, kinds_of, rows_of

if TYPE_CHECKING:
    from irqframe.guest.compare import Costs, Measured

CHAR: Final = 6.7  # of 11 pixels of any fixed-pitch font
MARGIN: Final = 20
BAR: Final = 12
STEP: Final = 17
GROUP: Final = 26
PANEL: Final = 210
FIGURE: Final = 60
TOP: Final = 86

KINDS: Final = (("hypercall", "hypercalls"), ("mmio", "MMIO"), ("sysreg", "system registers"))
COLOURS: Final = (
    ("hypercall", "#8250df", "#bc8cff"),
    ("mmio", "#0969da", "#58a6ff"),
    ("sysreg", "#1a7f37", "#3fb950"),
    ("cost", "#bc4c00", "#f0883e"),
)
"""Of each class: on a light page, and on a dark one."""


def compared_svg(results: Sequence[Measured], costs: Costs) -> str:
    """The comparison as an SVG document."""
    rows = rows_of(results)
    drawing = _Drawing(rows, costs)
    drawing.heading()
    y = float(TOP)
    phase = ""
    for row in rows:
        if row.phase != phase:
            phase = row.phase
            y += GROUP
            drawing.text(MARGIN, y - 9, phase, "name")
        drawing.row(row, y)
        y += STEP
    return drawing.document(y + MARGIN)


class _Drawing:
    """The elements of the document; a panel of bars for traps, and one for each model."""

    def __init__(self, rows: Sequence[Row], costs: Costs) -> None:
        self._costs = costs
        self._shapes = ET.Element("g")
        names = max([len(row.irqchip) for row in rows], default=0)
        self._left = MARGIN + (names + 2) * CHAR
        self._width = self._left + (PANEL + FIGURE) * (1 + len(costs.models)) + MARGIN
        self._most_traps = max([row.per_interrupt(row.traps.total) or 0 for row in rows], default=0) or 1
        bills = [row.per_interrupt(model.bill(row.traps).cost) or 0 for row in rows for model in costs.models]
        self._most_cost = max(bills, default=0) or 1

    def heading(self) -> None:
        """Title, legend, and what each panel shows."""
        self.text(MARGIN, 26, "What one interrupt takes", "title")
        x = self._left
        for kind, words in KINDS:
            self._rect(x, 39, 10, 10, f"fill-{kind}")
            self.text(x + 15, 48, words)
            x += (len(words) + 4) * CHAR
        self.text(self._left, TOP, "traps", "name")
        for panel, model in enumerate(self._costs.models, 1):
            self.text(self._at(panel), TOP, _short(f"{model.name}: {self._costs.unit}"), "name")

    def row(self, row: Row, y: float) -> None:
        """The bars of one irqchip."""
        self.text(MARGIN, y + 10, row.irqchip)
        x = self._left
        for (kind, words), times in zip(KINDS, kinds_of(row.traps), strict=True):
            width = PANEL * (row.per_interrupt(times) or 0) / self._most_traps
            if width:
                self._rect(x, y, width, BAR, f"fill-{kind}", f"{row.irqchip}, {row.phase}: {words}")
            x += width
        self.text(x + 5, y + 10, figure(row.per_interrupt(row.traps.total)))
        for panel, model in enumerate(self._costs.models, 1):
            cost = row.per_interrupt(model.bill(row.traps).cost)
            width = PANEL * (cost or 0) / self._most_cost
            if width:
                self._rect(self._at(panel), y, width, BAR, "fill-cost", f"{row.irqchip}, {row.phase}: {model.name}")
            self.text(self._at(panel) + width + 5, y + 10, figure(cost))

    def document(self, height: float) -> str:
        """The whole."""
        size = {"width": _n(self._width), "height": _n(height), "viewBox": f"0 0 {_n(self._width)} {_n(height)}"}
        root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
        ET.SubElement(root, "style").text = _style()
        ET.SubElement(root, "rect", {"class": "page", "width": "100%", "height": "100%"})
        root.append(self._shapes)
        ET.indent(root, " ")
        return ET.tostring(root, encoding="unicode") + "\n"

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        """A text, its base line at `y`."""
        place = {"x": _n(x), "y": _n(y)}
        ET.SubElement(self._shapes, "text", {**({"class": kind} if kind else {}), **place}).text = text

    def _at(self, panel: int) -> float:
        return self._left + (PANEL + FIGURE) * panel

    def _rect(self, x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> None:
        place = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height)}
        rect = ET.SubElement(self._shapes, "rect", {"class": kind, **place})
        if tip:
            ET.SubElement(rect, "title").text = tip


def _short(text: str) -> str:
    limit = int((PANEL + FIGURE) / CHAR) - 1
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _style() -> str:
    shapes = (
        'text{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px}'
        ".title{font-size:13px;font-weight:bold}.name{font-weight:bold}"
    )
    light = _rules(1, "#ffffff", "#24292f")
    return f"{shapes}{light}@media (prefers-color-scheme:dark){{{_rules(2, '#0d1117', '#e6edf3')}}}"


def _rules(which: int, page: str, text: str) -> str:
    fills = "".join(f".fill-{colours[0]}{{fill:{colours[which]}}}" for colours in COLOURS)
    return f".page{{fill:{page}}}text{{fill:{text}}}{fills}"
