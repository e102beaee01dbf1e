"""The page of the figures, and the interface that they come by."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(path for path in (ROOT / "benchmarks").glob("[a-z]*.py") if path.stem != "performance")

ROWS = [
    {"program": "flow", "name": "one, to other", "ratio": 1.25, "bar": 1.5, "detail": "5 ns to 4 ns", "holds": True},
    {"program": "flow", "name": "two, to other", "ratio": 2.5, "bar": 2, "detail": "", "holds": False},
    {"program": "run", "name": "told only", "ratio": 26.6, "bar": None, "detail": "", "holds": True},
]
SERIES = [
    {"name": "Python", "over": "INTIDs", "points": [[64, 400.0], [65536, 420.0]]},
    {"name": "C & co", "over": "INTIDs", "points": [[64, 60.0], [65536, 61.0]]},
    {"name": "Python", "over": "vCPUs", "points": [[1, 400.0], [512, 450.0]]},
]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/generate_performance.py"))


def test_the_page_has_every_row_and_says_what_is_missed(made: dict[str, Any]) -> None:
    page = made["page"]({"python": "3.11.7", "rows": ROWS, "series": SERIES})
    assert "Seen with Python 3.11.7: 1 of 2 bars hold." in page
    assert "- Missed: two, to other, 2.5 where 2 is the bar." in page
    assert "| one, to other | 1.25 | 1.5 | 5 ns to 4 ns |" in page
    assert "| told only | 26.6 |  |  |" in page
    assert page.index("benchmarks/flow.py") < page.index("benchmarks/run.py")


def test_the_plot_has_a_line_per_series(made: dict[str, Any]) -> None:
    tree = ET.fromstring(made["plot"](SERIES))
    lines = tree.findall("{*}polyline")
    assert len(lines) == 3
    assert len(tree.findall("{*}circle")) == 6
    heights = [[float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in lines]
    assert all(40 <= height <= 240 for each in heights for height in each)
    assert heights[1][0] > heights[0][0], "what costs less stands lower"
    texts = [text.text for text in tree.findall("{*}text")]
    assert {"ns per cycle, by INTIDs", "ns per cycle, by vCPUs", "C & co"} <= set(texts)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_every_benchmark_has_rows(program: Path) -> None:
    assert "def rows() -> list[Row]:" in program.read_text(encoding="utf-8")


def performance(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "benchmarks/performance.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_table_the_record_and_the_exit_code(tmp_path: Path) -> None:
    here = tmp_path / "benchmarks"
    here.mkdir()
    (tmp_path / "docs").mkdir()
    for name in ("_rows.py", "performance.py"):
        (here / name).write_text((ROOT / "benchmarks" / name).read_text())
    rows = "def rows(): return [Row('one, to other', {}, 2.0, 'd')]"
    body = f"import sys\nfrom _rows import Row, tell\n{rows}\nsys.exit(tell(rows))\n"
    (here / "good.py").write_text(body.format(1.5))
    done = performance(tmp_path, "--record", "--check")
    assert done.returncode == 0
    assert done.stdout == "good:\n    1.5  one, to other (d) [at most 2]\n1 of 1 bars hold\n"
    record = json.loads((tmp_path / "docs/performance.json").read_text())
    assert record["rows"] == [
        {"program": "good", "name": "one, to other", "ratio": 1.5, "bar": 2.0, "detail": "d", "holds": True}
    ]
    (here / "slow.py").write_text(body.format(2.5))
    done = performance(tmp_path, "--check", "slow")
    assert done.returncode == 1
    assert "[MISSED: 2]" in done.stdout
    assert "0 of 1 bars hold" in done.stdout
    (here / "broken.py").write_text("import nothing_of_that_name\n")
    done = performance(tmp_path, "--check", "broken")
    assert done.returncode == 1
    assert "-  ModuleNotFoundError: No module named 'nothing_of_that_name'" in done.stdout
    assert performance(tmp_path, "broken").returncode == 0
