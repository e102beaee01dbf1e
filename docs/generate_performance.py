"""The page of `make bench`'s figures, and its plot: made from docs/performance.json, which benchmarks/performance.py
records."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from math import log2
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
PROGRAMS = HERE.parent / "benchmarks"
RECORD = HERE / "performance.json"
NOTICE = "<!-- Made by docs/generate.py from docs/performance.json; `make bench-record` measures anew. -->\n"

WIDTH, HEIGHT = 360, 200
LEFT, TOP, GAP = 56, 40, 70
COLOURS = ("#2563eb", "#c2410c", "#15803d", "#7e22ce")
STYLE = (
    "text{font:11px monospace;fill:#1f2937}.axis{stroke:#6b7280;fill:none}.grid{stroke:#d1d5db}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.grid{stroke:#374151}}"
)


def performance_pages() -> dict[str, str]:
    """The page and the plot, by file name; nothing before anything was recorded."""
    if not RECORD.exists():
        return {}
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return {"performance.md": page(record), "performance.svg": plot(record["series"])}


def page(record: Mapping[str, Any]) -> str:
    """The tables, a section per program."""
    rows = record["rows"]
    barred = [row for row in rows if row["bar"] is not None]
    missed = [row for row in barred if not row["holds"]]
    parts = [
        "# Performance\n",
        NOTICE,
        "Every figure is a ratio of two costs in one run, cases interleaved; of times, the medians of CPU times count.",
        "So a busy machine changes them little, by about a tenth. A bar is what a ratio must not exceed. Where the",
        "other cost is that of an empty call or a bare loop, it is the limit: nothing comes nearer than a ratio of 1.",
        "[Benchmarks](benchmarks.md) says how to run them, and what the figures mean.\n",
        f"Seen with Python {record['python']}: {len(barred) - len(missed)} of {len(barred)} bars hold.\n",
        *(f"- Missed: {row['name']}, {row['ratio']:.3g} where {row['bar']:.3g} is the bar." for row in missed),
        "" if missed else None,
        "![What the cycle of an interrupt costs, by INTIDs and by vCPUs](performance.svg)\n",
        *_sections(rows),
    ]
    return "\n".join(part for part in parts if part is not None).rstrip() + "\n"


def _sections(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    for program, group in groupby(rows, key=lambda row: row["program"]):
        yield f"## [`benchmarks/{program}.py`](../benchmarks/{program}.py)\n"
        yield _about(program)
        yield "| what, to what | ratio | bar | costs |"
        yield "|---|---:|---:|---|"
        for row in group:
            bar = "" if row["bar"] is None else f"{row['bar']:.3g}"
            yield f"| {row['name']} | {row['ratio']:.3g} | {bar} | {row['detail']} |"
        yield ""


def _about(program: str) -> str:
    """What a program says of itself, but for how it is run."""
    text = ast.get_docstring(ast.parse((PROGRAMS / f"{program}.py").read_text(encoding="utf-8"))) or ""
    told = [paragraph for paragraph in text.split("\n\n") if "--check" not in paragraph]
    return "\n\n".join(told).replace(": `make bench`", "").replace(", `make bench`", "") + "\n"


def plot(series: list[Mapping[str, Any]]) -> str:
    """One chart beside the other: the cost, in nanoseconds from 0, over a scale of powers of two."""
    charts = {over: [one for one in series if one["over"] == over] for over in sorted({one["over"] for one in series})}
    width = LEFT + (WIDTH + GAP) * len(charts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 50}">',
        f"<style>{STYLE}</style>",
    ]
    for place, (over, lines) in enumerate(charts.items()):
        parts += _chart(LEFT + place * (WIDTH + GAP), over, lines)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _chart(left: float, over: str, lines: list[Mapping[str, Any]]) -> Iterator[str]:
    values = sorted({x for line in lines for x, _ in line["points"]})
    most = max(cost for line in lines for _, cost in line["points"])
    top = 100 * -(-most * 1.1 // 100)
    span = max(log2(values[-1]) - log2(values[0]), 1)
    bottom = TOP + HEIGHT

    def at(x: float, cost: float) -> tuple[float, float]:
        return left + (log2(x) - log2(values[0])) / span * WIDTH, bottom - cost / top * HEIGHT

    yield f'<text x="{left}" y="{TOP - 20}">ns per cycle, by {escape(over)}</text>'
    for step in range(5):
        cost = top / 4 * step
        y = at(values[0], cost)[1]
        yield f'<path class="grid" d="M{left} {y:.1f}h{WIDTH}"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{cost:.0f}</text>'
    yield f'<path class="axis" d="M{left} {TOP}V{bottom}h{WIDTH}"/>'
    for value in values:
        yield f'<text x="{at(value, 0)[0]:.1f}" y="{bottom + 18}" text-anchor="middle">{value}</text>'
    for colour, line in zip(COLOURS, lines, strict=False):
        points = [at(x, cost) for x, cost in line["points"]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        yield f'<text x="{left + 8}" y="{points[0][1] - 8:.1f}" style="fill:{colour}">{escape(line["name"])}</text>'
