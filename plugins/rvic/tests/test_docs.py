"""The pages: generated parts are fresh, every defect has its row, every quirk its test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from irqframe_rvic import Rvic
from irqframe_rvic._transitions import TRANSITIONS

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
ROWS = [f"K{n}" for n in range(1, 34)] + ["V1"] + [f"D{n}" for n in range(1, 13)]


def rows() -> dict[str, str]:
    found = re.findall(r"^\| ([KDV]\d+) \| ([^|]+?) \|", (DOCS / "quirks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row, _ in found] == ROWS
    return dict(found)


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCS / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generated_parts_are_fresh() -> None:
    result = generate("--check")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_stale_page_is_noticed(tmp_path: Path) -> None:
    for name in ("generate.py", "rvic.md", "states.svg"):
        (tmp_path / name).write_text((DOCS / name).read_text(encoding="utf-8"), encoding="utf-8")
    page = tmp_path / "rvic.md"
    page.write_text(page.read_text(encoding="utf-8").replace("`0xc5000209`", "`0xc5000210`"), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "generate.py")]
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert checked.stderr.startswith("rvic.md is stale")
    subprocess.run(command, check=True)
    assert page.read_text(encoding="utf-8") == (DOCS / "rvic.md").read_text(encoding="utf-8")


def test_every_defect_is_a_quirk_or_says_why_not() -> None:
    quirks = {row for row, cell in rows().items() if f"`{row}`" in cell}
    assert quirks == Rvic.quirks.keys()
    assert {cell for row, cell in rows().items() if row not in quirks} == {"not applicable"}


@pytest.mark.parametrize("quirk", Rvic.quirks)
def test_every_quirk_has_a_test_of_its_name(quirk: str) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*quirks.py"))
    assert re.search(rf"^def test_{quirk.lower()}_", tests, re.MULTILINE)


def test_the_diagram_has_every_arrow() -> None:
    svg = (DOCS / "states.svg").read_text(encoding="utf-8")
    moves = [event.value for (before, event), after in TRANSITIONS.items() if before is not after]
    assert svg.count('class="arrow"') == len(moves) == 9
    for event in set(moves):
        assert len(re.findall(rf'class="event"[^>]*>{event}<', svg)) == moves.count(event)


def test_the_example_runs() -> None:
    page = (DOCS / "rvic.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["vm"].finalized
    assert names["vm"].vcpus[3].hypercall(0xC500_0201, 1) == (0, 480, 0, 0)
