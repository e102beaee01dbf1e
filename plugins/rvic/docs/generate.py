"""Write what these pages say twice: the tables in rvic.md and the diagram states.svg, out of the tables the code runs.

python generate.py            write them
python generate.py --check    change nothing, and exit with 1 if one of them is stale
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from irqframe_rvic._abi import RVIC_FUNCTIONS, RVID_FUNCTIONS, Function, Reason
from irqframe_rvic._quirks import QUIRKS
from irqframe_rvic._transitions import TRANSITIONS, Event, State

HERE = Path(__file__).resolve().parent
PAGE = "rvic.md"
DIAGRAM = "states.svg"

TITLES = {
    State.IDLE: "idle",
    State.PENDING: "pending",
    State.MASKED: "masked",
    State.MASKED_PENDING: "masked and pending",
}


# Tables


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def hypercalls(functions: tuple[Function, ...]) -> str:
    """Every function with its checks, in order."""
    rows = []
    for function in functions:
        name = f"`{function.name}`" + (f" (extension: {function.extension})" if function.extension else "")
        arguments = ", ".join(f"x{n} = {what}" for n, what in enumerate(function.arguments, 1)) or "–"
        checks = (
            "; ".join(f"{check.condition}: `{check.result[0]:#06x}`" for check in function.failures) or "cannot fail"
        )
        rows.append([f"`{function.fid:#x}`", name, arguments, function.target or "–", function.value, checks])
    return table(["Id", "Name", "Arguments", "State of", "x1 out", "Checks in order, with x0"], rows)


def reasons() -> str:
    """The reasons of a status word."""
    return table(["Reason", "Name"], [[str(int(reason)), f"`{reason.name}`"] for reason in Reason])


def states() -> str:
    """The state table."""
    rows = []
    for state in State:
        after = [TRANSITIONS.get((state, event)) for event in Event]
        cells = ["–" if to is None else "stays" if to is state else TITLES[to] for to in after]
        rows.append([f"**{TITLES[state]}**", *cells])
    return table(["State", *(f"`{event.value}`" for event in Event)], rows)


def quirks() -> str:
    """The quirks, as `quirks=` takes them."""
    return table(["Name", "What it brings back"], [[f"`{name}`", text] for name, text in QUIRKS.items()])


SECTIONS = {
    "rvic-functions": lambda: hypercalls(RVIC_FUNCTIONS),
    "rvid-functions": lambda: hypercalls(RVID_FUNCTIONS),
    "reasons": reasons,
    "states": states,
    "quirks": quirks,
}


def fill(page: str) -> str:
    """The page with the sections between its markers made anew."""
    for name, make in SECTIONS.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"{PAGE}: the markers of section {name!r} are missing")
        page = f"{head}{begin}\n{make()}\n\n{end}{tail}"
    return page


# The diagram: four boxes in a square. Where two arrows connect the same boxes they run side by side, each on the right
# of its own direction.

WIDTH, HEIGHT = 960, 430
BOX_WIDTH, BOX_HEIGHT = 270, 84
ASIDE = 15
CENTRES = {
    State.IDLE: (170, 75),
    State.PENDING: (770, 75),
    State.MASKED: (170, 355),
    State.MASKED_PENDING: (770, 355),
}
HEAD = "#1d4e89"
STYLE = """
  text { font-family: Helvetica, Arial, sans-serif; text-anchor: middle; fill: #1a1a1a; }
  .name { font-size: 18px; font-weight: bold; }
  .note { font-size: 11.5px; fill: #555; }
  .event { font-size: 13px; font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .box { fill: #f2f6fb; stroke: #1d4e89; stroke-width: 2; }
  .deliverable { fill: #dcefdc; stroke: #2e7d32; }
  .arrow { stroke: #1d4e89; stroke-width: 1.8; fill: none; marker-end: url(#head); }
"""


def arrows() -> Mapping[tuple[State, State], list[str]]:
    """The events that lead from one state to another."""
    found: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        if after is not before:
            found.setdefault((before, after), []).append(event.value)
    return found


def diagram() -> str:
    """The diagram as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title">',
        '<title id="title">States of one rVIC interrupt</title>',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{HEAD}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for pair, events in arrows().items():
        parts += draw_arrow(*pair, events)
    for state in State:
        parts += draw_box(state)
    return "\n".join([*parts, "</svg>", ""])


def draw_box(state: State) -> list[str]:
    """A state, with the events that do not change it."""
    x, y = CENTRES[state]
    stays = [event.value for event in Event if TRANSITIONS.get((state, event)) is state]
    kind = "box deliverable" if state is State.PENDING else "box"
    notes = {State.PENDING: "deliverable", State.MASKED: "after reset"}
    lines = [notes[state]] if state in notes else []
    lines.append(f"stays: {', '.join(stays)}")
    parts = [
        f'<rect class="{kind}" x="{x - BOX_WIDTH // 2}" y="{y - BOX_HEIGHT // 2}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="10"/>',
        f'<text class="name" x="{x}" y="{y - 10 if len(lines) > 1 else y - 4}">{TITLES[state]}</text>',
    ]
    first = y + 9 if len(lines) > 1 else y + 18
    parts += [f'<text class="note" x="{x}" y="{first + 17 * n}">{line}</text>' for n, line in enumerate(lines)]
    return parts


def draw_arrow(before: State, after: State, events: list[str]) -> list[str]:
    """An arrow from box to box with the names of its events."""
    (x1, y1), (x2, y2) = CENTRES[before], CENTRES[after]
    text = ", ".join(events)
    if y1 == y2:  # horizontal
        way = 1 if x2 > x1 else -1
        y = y1 - way * ASIDE
        x1, x2 = x1 + way * BOX_WIDTH // 2, x2 - way * BOX_WIDTH // 2 - way * 3
        label = (f"{(x1 + x2) // 2}", f"{y - 7 if way > 0 else y + 18}", "middle")
        line = f"M{x1} {y} L{x2} {y}"
    elif x1 == x2:  # vertical
        way = 1 if y2 > y1 else -1
        x = x1 - way * ASIDE
        y1, y2 = y1 + way * BOX_HEIGHT // 2, y2 - way * BOX_HEIGHT // 2 - way * 3
        label = (f"{x - 8 if way > 0 else x + 8}", f"{(y1 + y2) // 2 + 4}", "end" if way > 0 else "start")
        line = f"M{x} {y1} L{x} {y2}"
    else:  # diagonal, from corner to corner
        way_x, way_y = (1 if x2 > x1 else -1), (1 if y2 > y1 else -1)
        x1, y1 = x1 + way_x * (BOX_WIDTH // 2 - 12), y1 + way_y * BOX_HEIGHT // 2
        x2, y2 = x2 - way_x * (BOX_WIDTH // 2 - 12), y2 - way_y * (BOX_HEIGHT // 2 + 3)
        label = (f"{(x1 + x2) // 2 - 14}", f"{(y1 + y2) // 2 - 8}", "end")
        line = f"M{x1} {y1} L{x2} {y2}"
    label_x, label_y, anchor = label
    return [
        f'<path class="arrow" d="{line}"/>',
        f'<text class="event" x="{label_x}" y="{label_y}" style="text-anchor: {anchor}">{text}</text>',
    ]


def made() -> dict[Path, str]:
    """What every generated file should hold."""
    page = HERE / PAGE
    return {page: fill(page.read_text(encoding="utf-8")), HERE / DIAGRAM: diagram()}


def stale() -> list[str]:
    """Names of the files that do not hold it."""
    return [path.name for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is stale")
    if parser.parse_args().check:
        for name in stale():
            sys.stderr.write(f"{name} is stale; run {Path(__file__).name}\n")
        return 1 if stale() else 0
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
