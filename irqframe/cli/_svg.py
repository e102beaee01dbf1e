"""A picture as SVG: no script, no font that must be there, the same text for the same tree.

1. Widths are those of a fixed-pitch font, so nothing overlaps that was not meant to.
2. A controller is a bar as high as what comes to it, at its right; chips stand in columns, each with a bus at its right
   side that leads to the bar.
3. Colours come from classes, for light and for dark surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from irqframe.cli._picture import COLOURS, Box, Chip, Picture

CHAR: Final = 6.7  # of 11 pixels of any fixed-pitch font
SMALL: Final = 5.5  # of 9 pixels
CHIP: Final = 18
GAP: Final = 4
BUS: Final = 14
BAR: Final = 110
MARGIN: Final = 20
COLUMN: Final = 36
NAME: Final = 40
TEXT: Final = 30


def svg_of(picture: Picture) -> str:
    """The picture as an SVG document."""
    canvas = _Canvas()
    legend = canvas.legend(picture)
    top = 70.0
    roots = [_Placed(box) for box in picture.roots]
    width = max([one.width for one in roots], default=0.0)
    y = top
    bars = []
    for one in roots:
        x = MARGIN + width - one.width
        canvas.box(one, x, y)
        bars.append((x + one.width, y + one.height / 2))
        y += one.height + MARGIN
    right = MARGIN + width
    if picture.cpus and bars:
        right = canvas.cpus(picture, right, top, y - MARGIN, bars)
    for other in picture.others:
        placed = _Placed(other)
        canvas.box(placed, MARGIN, y)
        right = max(right, MARGIN + placed.width)
        y += placed.height + MARGIN
    return canvas.document(max(right, legend) + MARGIN, y)


class _Placed:
    """A box with its size, and that of the grid of its chips."""

    width: float
    height: float

    def __init__(self, box: Box) -> None:
        self.box = box
        self.children = [_Placed(child) for child in box.boxes]
        count = len(box.chips)
        self.columns = -(-count // COLUMN)
        self.rows = -(-count // self.columns) if count else 0
        self.cells = [self._width(box.chips[n * self.rows : (n + 1) * self.rows]) for n in range(self.columns)]
        grid = sum(self.cells) + BUS * self.columns
        links = max([_link(child.box) for child in self.children], default=0.0)
        behind = max([child.width for child in self.children], default=0.0)
        self.gap = max(links, 2 * BUS)
        self.inlet = max(grid + BUS, behind + self.gap) if count or self.children else 0.0
        titles = [len(_short(box.title)) * CHAR, *(len(_short(line)) * SMALL for line in box.lines)]
        self.bar = max(BAR, max(titles) + 16)
        below = MARGIN / 2 if count and self.children else 0.0
        self.grid_height = self.rows * (CHIP + GAP) + (10 if self.columns > 1 else 0) + below
        behind_it = sum(child.height + MARGIN for child in self.children) - (MARGIN if self.children else 0)
        self.height = max(self.grid_height + behind_it, 24.0 + 12 * len(box.lines))
        self.width = self.inlet + self.bar

    @staticmethod
    def _width(chips: list[Chip]) -> float:
        names = max(len(_short(chip.name)) for chip in chips)
        lines = max(len(_short(chip.line, TEXT)) for chip in chips)
        return (names + lines + 2) * CHAR + 18


@dataclass(slots=True)
class _Canvas:
    """The elements of a document, the lines below the rest."""

    lines: ET.Element
    shapes: ET.Element

    def __init__(self) -> None:
        self.lines = ET.Element("g", {"class": "lines"})
        self.shapes = ET.Element("g")

    def document(self, width: float, height: float) -> str:
        size = {"width": _n(width), "height": _n(height), "viewBox": f"0 0 {_n(width)} {_n(height)}"}
        root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
        ET.SubElement(root, "style").text = _style()
        ET.SubElement(root, "rect", {"class": "page", "width": "100%", "height": "100%"})
        root.extend((self.lines, self.shapes))
        ET.indent(root, " ")
        return ET.tostring(root, encoding="unicode") + "\n"

    def legend(self, picture: Picture) -> float:
        """The heading and the meaning of the colours; returns how wide they are."""
        self._text(MARGIN, 24, picture.title, "title")
        x = float(MARGIN)
        for state, meaning in picture.states:
            self._rect(self.shapes, x, 38, 4, 12, f"fill-{state}")
            self._text(x + 9, 48, meaning, "note")
            x += len(meaning) * SMALL + 9 + 22
        return max(x, MARGIN + len(picture.title) * 8.0)

    def box(self, placed: _Placed, x: float, y: float) -> None:
        """A box with all before it; its bar ends at x + placed.width."""
        box = placed.box
        left = x + placed.inlet
        self._grid(placed, left, y)
        below = y + placed.grid_height
        for child in placed.children:
            at = left - placed.gap
            self.box(child, at - child.width, below)
            middle = below + child.height / 2
            dashes = "" if child.box.stated else " vague"
            self._line(at, middle, left, middle, f"arrow{dashes}")
            self._text(at + 6, middle - 4, _short(child.box.link, TEXT), "note")
            below += child.height + MARGIN
        group = ET.SubElement(self.shapes, "g", {"class": f"{box.kind} state-{box.state}"})
        ET.SubElement(group, "title").text = box.tip
        self._rect(group, left, y, placed.bar, placed.height, "bar", 4)
        self._text(left + 8, y + 16, _short(box.title), "name", group)
        for at, line in enumerate(box.lines):
            self._text(left + 8, y + 29 + 12 * at, _short(line), "note", group)

    def _grid(self, placed: _Placed, left: float, y: float) -> None:
        x = left - BUS - sum(placed.cells) - BUS * placed.columns
        bottom = y + placed.rows * (CHIP + GAP) + 4
        for column, width in enumerate(placed.cells):
            chips = placed.box.chips[column * placed.rows : (column + 1) * placed.rows]
            bus = x + width + BUS / 2
            for row, chip in enumerate(chips):
                top = y + row * (CHIP + GAP)
                self._chip(chip, x, top, width)
                middle = top + CHIP / 2
                self._line(x + width, middle, left if placed.columns == 1 else bus, middle)
            if placed.columns > 1:
                self._line(bus, y + CHIP / 2, bus, bottom)
            x += width + BUS
        if placed.columns > 1:
            self._line(left - BUS - sum(placed.cells[1:]) - BUS * (placed.columns - 0.5), bottom, left, bottom, "arrow")

    def _chip(self, chip: Chip, x: float, y: float, width: float) -> None:
        group = ET.SubElement(self.shapes, "g", {"class": f"chip state-{chip.state}"})
        ET.SubElement(group, "title").text = chip.tip
        self._rect(group, x, y, width, CHIP, "body", 2)
        self._rect(group, x, y, 4, CHIP, f"fill-{chip.state}")
        self._text(x + 9, y + 13, _short(chip.name), "label", group)
        self._text(x + width - 6, y + 13, _short(chip.line, TEXT), "label end", group)

    def cpus(self, picture: Picture, right: float, top: float, bottom: float, bars: list[tuple[float, float]]) -> float:
        """The CPUs, right of every bar; returns where they end."""
        x = right + 40
        width = max(len(line) for line in picture.cpus) * SMALL + 20
        height = max(bottom - top, 26.0 + 12 * len(picture.cpus))
        self._rect(self.shapes, x, top, width, height, "cpus", 4)
        self._text(x + 8, top + 16, "CPUs", "name")
        for at, line in enumerate(picture.cpus):
            self._text(x + 8, top + 30 + 12 * at, line, "note")
        for bar, middle in bars:
            self._line(bar, middle, x, middle, "arrow")
        return x + width

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "") -> None:
        path = f"M{_n(x1)} {_n(y1)}H{_n(x2)}V{_n(y2)}"
        if "arrow" in kind:
            path += "m-5 -3l5 3l-5 3"
        ET.SubElement(self.lines, "path", {"d": path, **({"class": kind} if kind else {})})

    @staticmethod
    def _rect(into: ET.Element, x: float, y: float, width: float, height: float, kind: str, round_: int = 0) -> None:
        place = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height)}
        ET.SubElement(into, "rect", {"class": kind, **place, **({"rx": str(round_)} if round_ else {})})

    def _text(self, x: float, y: float, text: str, kind: str, into: ET.Element | None = None) -> None:
        to = self.shapes if into is None else into
        ET.SubElement(to, "text", {"class": kind, "x": _n(x), "y": _n(y)}).text = text


def _link(box: Box) -> float:
    return len(_short(box.link, TEXT)) * SMALL + 18


def _short(text: str, limit: int = NAME) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _style() -> str:
    light = _rules(0, "#ffffff", "#f6f8fa", "#24292f", "#57606a", "#afb8c1")
    dark = _rules(1, "#0d1117", "#161b22", "#e6edf3", "#9198a1", "#3d444d")
    shapes = (
        'text{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px}'
        ".title{font-size:13px;font-weight:bold}.name{font-weight:bold}.note{font-size:9px}.end{text-anchor:end}"
        "path{fill:none;stroke-width:1}.vague{stroke-dasharray:4 3}.nexus .bar{stroke-dasharray:5 3}"
        ".state-DISABLED .bar,.state-UNUSED .bar{stroke-dasharray:2 2}"
    )
    return f"{shapes}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(which: int, page: str, body: str, text: str, note: str, line: str) -> str:
    states = "".join(
        f".fill-{name}{{fill:{colours[which]}}}.state-{name} .bar{{stroke:{colours[which]}}}"
        for name, colours in COLOURS.items()
    )
    return (
        f".page{{fill:{page}}}.body,.bar,.cpus{{fill:{body};stroke:{line}}}text{{fill:{text}}}.note{{fill:{note}}}"
        f"path{{stroke:{line}}}{states}"
    )
