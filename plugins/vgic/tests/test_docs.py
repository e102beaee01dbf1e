"""The page's tables are those that the code runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from irqframe_vgic._v3 import _icc, _parameters

DOCS = Path(__file__).parents[1] / "docs"


def test_the_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_check_can_fail(tmp_path: Path) -> None:
    (tmp_path / "generate.py").write_text((DOCS / "generate.py").read_text(encoding="utf-8"), encoding="utf-8")
    for page in ("gicv2.md", "gicv3.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        (tmp_path / page).write_text(text.replace("GICD_TYPER", "GICD_TYPE"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "out of date" in done.stderr


def rows(page: str) -> list[list[str]]:
    """The rows of a page's tables, cell by cell."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


@pytest.mark.parametrize("page", ["gicv2.md", "gicv3.md"])
def test_a_register_that_stands_alone_is_no_range(page: str) -> None:
    ranges = [cells[:2] for cells in rows(page) if "–" in cells[0]]
    assert ranges and all(first != last for first, last in (cells[0].split("–") for cells in ranges))
    assert all(not cells[1].endswith(("0–0", "1–1")) for cells in ranges)


def test_system_registers_that_no_implementation_has_are_undefined() -> None:
    served = {claim.name for one in _parameters.IMPLEMENTATIONS.values() for claim in _icc.claims(one)}
    access = {cells[1]: cells[2] for cells in rows("gicv3.md") if cells[1].startswith("ICC_") and len(cells) == 6}
    assert access.keys() > served
    undefined = {name for name, said in access.items() if said == "UNDEFINED"}
    assert undefined == access.keys() - served == {f"ICC_AP{g}R{n}_EL1" for g in (0, 1) for n in (1, 2, 3)}
