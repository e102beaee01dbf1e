"""The page's tables are those that the code runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_check_can_fail(tmp_path: Path) -> None:
    (tmp_path / "generate.py").write_text((DOCS / "generate.py").read_text(encoding="utf-8"), encoding="utf-8")
    for page in ("vgic.md", "gicv3.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        (tmp_path / page).write_text(text.replace("GICD_TYPER", "GICD_TYPE"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "out of date" in done.stderr
