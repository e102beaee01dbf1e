"""What the run over the boards saw, printed at its end and kept beside the tree."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".venv" / "corpus" / "results.jsonl"

Result = dict[str, Any]
RESULTS_KEY = pytest.StashKey[list[Result]]()


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> list[Result]:
    """Where what became of each board is gathered."""
    return pytestconfig.stash.setdefault(RESULTS_KEY, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many boards load and are equal, what was found, and at what cost."""
    results = config.stash.get(RESULTS_KEY, [])
    if not results:
        return
    RESULTS.write_text("".join(json.dumps(result) + "\n" for result in results))
    terminalreporter.section("boards of Linux")
    for line in summary(results):
        terminalreporter.line(line)
    terminalreporter.line(f"each board: {RESULTS.relative_to(ROOT)}")


def summary(results: list[Result]) -> list[str]:
    """Lines that say it."""
    compiled = [one for one in results if not one["refused"]]
    loaded = [one for one in compiled if not one["error"]]
    equal = sum(not one["differences"] for one in loaded)
    total = {key: sum(one[key] for one in loaded) for key in ("nodes", "interrupts", "rows", "messages")}
    lines = [
        f"{len(results)} boards: dtc compiles {len(compiled)}, {len(loaded)} load, {equal} are equal",
        ", ".join(f"{value} {key}" for key, value in total.items()),
    ]
    found = Counter((code, text) for one in loaded for code, _, text in one["findings"])
    lines += [f"{count:5} {code} {text}" for (code, text), count in sorted(found.items())]
    ratios = sorted(one["seconds"]["load"] / (one["seconds"]["cpp"] + one["seconds"]["dtc"]) for one in loaded)
    if ratios:
        middle = statistics.median(ratios)
        lines.append(f"loading costs {middle:.1f} times cpp and dtc (median; {ratios[0]:.1f} to {ratios[-1]:.1f})")
    return lines
