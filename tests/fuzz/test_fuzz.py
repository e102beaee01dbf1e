"""What fuzzing has found and grown is given to its targets again: each has a right answer, in little time and space."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

HERE = Path(__file__).parent
TARGETS = ("dtb", "dts", "topology", "overlay", "validation", "bindings", "machine")

# Of what is checked in, all together.
BYTES: Final = 1 << 20


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_and_crashes(target: str) -> None:
    child = subprocess.run(
        [sys.executable, str(HERE / "replay.py"), target], capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    report: dict[str, Any] = json.loads(child.stdout)
    assert report["faults"] == {}
    assert report["inputs"] > 20


def test_every_target_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    assert set(runpy.run_path(str(HERE / "targets.py"))["TARGETS"]) == set(TARGETS)


def test_what_is_checked_in_is_small() -> None:
    files = [path for name in ("corpus", "crashes") for path in (HERE / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < BYTES


def once(target: str, data: bytes, folder: Path, environment: dict[str, str] | None = None) -> str:
    """What `once.py` says of an input."""
    path = folder / "input"
    path.write_bytes(data)
    command = [sys.executable, str(HERE / "once.py"), target, str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **(environment or {})}
    ).stdout


def test_a_fault_is_noticed(tmp_path: Path) -> None:
    """The machinery itself: an error, too much time, too much memory."""
    broken = tmp_path / "sitecustomize.py"
    environment = {"PYTHONPATH": str(tmp_path)}
    template = (
        "import irqframe.dt as dt\n"
        "read = dt.read_dtb\n"
        "def broken(data, file):\n"
        "    if data == b'x':\n"
        "        {}\n"
        "    return read(data, file)\n"
        "dt.read_dtb = broken\n"
    )
    for statement, fault in (
        ("raise KeyError('x')", "KeyError"),
        ("while True: pass", "TooLongError"),
        ("import re; re.match('(a+)+$', 'a' * 60 + 'b')", "TooLongError"),
        ("bytearray(1 << 30)", "MemoryError"),
    ):
        broken.write_text(template.format(statement))
        assert once("dtb", b"x", tmp_path, environment).startswith(f"fault {fault}"), statement
    assert float(once("dtb", b"y", tmp_path, environment)) < 1
