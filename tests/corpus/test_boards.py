"""Every board of Linux's arm64: it loads, its DTB is dtc's, and each interrupt resolves or is reported with a reason.

`make test-corpus` fetches the source and runs this; it takes some minutes. `compare.py` does the work, in two processes
beside this one, and has no knowledge of a board.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irqframe import dt

HERE = Path(__file__).parent
LINUX = HERE.parents[1] / ".venv" / "corpus" / "linux"
DTS = LINUX / "arch" / "arm64" / "boot" / "dts"

WANTED = os.environ.get("IRQFRAME_CORPUS") == "1" and DTS.is_dir()
BOARDS = sorted(str(path.relative_to(DTS)) for path in DTS.rglob("*.dts")) if WANTED else ["any"]

pytestmark = pytest.mark.skipif(not WANTED, reason="`make test-corpus` fetches the boards of Linux and compares them")

Result = dict[str, Any]


@pytest.fixture(scope="module")
def compared(request: pytest.FixtureRequest) -> Iterator[Iterator[str]]:
    """What `compare.py` says of the boards that are to be tested, line by line, in their order."""
    chosen = [item.callspec.params["board"] for item in request.session.items if "board" in _parameters(item)]
    source = [] if "include_dirs" in inspect.signature(dt.load).parameters else ["--cpp"]
    command = [sys.executable, str(HERE / "compare.py"), str(LINUX), *source, *chosen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # not all results were asked for
            process.terminate()


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


@pytest.fixture
def result_of(compared: Iterator[str], results: list[Result]) -> Callable[[str], Result]:
    def wait(board: str) -> Result:
        result: Result = json.loads(next(compared))
        results.append(result)
        assert result["board"] == board
        return result

    return wait


@pytest.mark.parametrize("board", BOARDS)
def test_board(board: str, result_of: Callable[[str], Result]) -> None:
    result = result_of(board)
    if result["refused"]:
        pytest.skip(f"dtc does not compile it: {result['refused']}")
    assert not result["error"]
    assert result["differences"] == []
    assert result["unexplained"] == []


def test_the_corpus_is_whole(results: list[Result]) -> None:
    """Against a tree that was unpacked in part, or a dtc that refuses everything."""
    if len(results) < len(BOARDS):
        pytest.skip("not all boards were asked for")
    assert sum(not result["refused"] for result in results) > 700
    assert sum(result["interrupts"] for result in results) > 50_000
