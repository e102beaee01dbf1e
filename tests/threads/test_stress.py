"""Threads that raise, drain, mask and move lose nothing and double nothing, on each irqchip and in both makes.

`make test-threads` does this with ten million events each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

STRESS = Path(__file__).with_name("stress.py")
EVENTS = int(os.environ.get("IRQFRAME_THREADS", "20000"))
ENOUGH = 10_000_000
"""Events among which a race that one in some 100,000 runs into is sure to be seen."""

unbuilt = pytest.mark.skipif(find_spec("irqframe._native") is None, reason="the C extension is not built")
MAKES = [pytest.param("compiled", marks=unbuilt), "python"]


def stress(irqchip: str, make: str, events: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"IRQFRAME_PURE": "1" if make == "python" else "0"}
    command = (sys.executable, str(STRESS), irqchip, "--events", str(events), *arguments)
    seconds = 120 + events // 2000
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("irqchip", ["rvic", "gicv2", "gicv3"])
def test_nothing_is_lost_and_nothing_comes_twice(irqchip: str, make: str) -> None:
    done = stress(irqchip, make, EVENTS)
    assert done.returncode == 0, done.stderr
    print(done.stdout, end="")
    account: dict[str, Any] = json.loads(done.stdout)
    assert account["make"] == make
    assert account["events"] >= EVENTS
    assert sum(account["outcomes"].values()) + account["chores"]["send"] == account["events"]
    assert account["outcomes"].keys() <= {"POSTED", "LATCHED", "COALESCED"}
    assert account["handled"] + account["coalesced"] == account["events"]
    assert account["handled in turn"] > 0 and account["coalesced"] > 0
    assert account["chores"].keys() == {"move", "mask", "send", "raise_own"}
    assert account["lulls"] >= min(20, EVENTS // 1000)


@pytest.mark.skipif(EVENTS < ENOUGH, reason="`make test-threads` raises often enough for it to be seen")
def test_a_race_of_the_reference_is_seen() -> None:
    """K12: an input that is moved while its raise is under way is latched where nobody takes it any more."""
    done = stress("rvic", "python", EVENTS, "--quirk", "K12")
    assert done.returncode == 1
    assert "pending, masked" in done.stderr
