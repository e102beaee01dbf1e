"""The figures that the text of docs/rvic-vs-gic.md names are those that are measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rvic-vs-gic.md"
TEXT = " ".join(PAGE.read_text(encoding="utf-8").split())
PHASES = ("timer", "IPI", "wired edge", "wired level", "MSI")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What the page's command measures."""
    command = "compare docs/examples/virt-rvic.dts --irqchip rvic,gicv2,gicv3 --json"
    done = subprocess.run(
        [sys.executable, "-m", "irqframe", *command.split()], cwd=ROOT, capture_output=True, check=True
    )
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def phases(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["irqchip"], phase["phase"]): phase for each in report["irqchips"] for phase in each["phases"]}


def cost(phase: dict[str, Any], model: str) -> float:
    return float(phase["costs"][model]["cost"] / phase["interrupts"])


def traps(phase: dict[str, Any], model: str = "emulated") -> float:
    return float(phase["costs"][model]["traps"] / phase["interrupts"])


def says(text: str) -> None:
    assert text in TEXT, f"the page does not say {text!r}"


def test_where_everything_traps(report: dict[str, Any]) -> None:
    of = phases(report)
    for irqchip in ("rvic", "gicv2", "gicv3"):
        assert [traps(of[irqchip, name]) for name in ("wired edge", "MSI", "IPI")] == [2, 2, 3]
        assert {traps(of[irqchip, name]) for name in ("timer", "wired level")} == {3 if irqchip == "rvic" else 2}
    edge = [f"{cost(of[each, 'wired edge'], 'emulated'):g}" for each in ("rvic", "gicv2", "gicv3")]
    says(f"rVIC's two hypercalls are {edge[0]} ns, GICv2's two accesses to memory {edge[1]} ns, GICv3's two system")
    says(f"registers {edge[2]} ns")
    level = [f"{cost(of[each, 'wired level'], 'emulated'):g}" for each in ("rvic", "gicv2", "gicv3")]
    says(f"{level[0]} ns to {level[1]} and {level[2]}.")


def test_where_hardware_serves(report: dict[str, Any]) -> None:
    of, model = phases(report), "hardware GIC"
    served = {cost(of[each, name], model) for each in ("gicv2", "gicv3") for name in PHASES if name != "IPI"}
    assert {traps(of[each, name], model) for each in ("gicv2", "gicv3") for name in PHASES if name != "IPI"} == {0}
    (gic,) = served
    edge, level = cost(of["rvic", "wired edge"], model), cost(of["rvic", "wired level"], model)
    says(f"for {gic:g} ns by the model; rVIC takes {edge:g} ns for an edge, {edge / gic:.0f} times that, and ")
    says(f"and {level:g} ns for a level, {level / gic:.0f} times.")
    ipi = [cost(of[each, "IPI"], model) for each in ("rvic", "gicv2", "gicv3")]
    says(f"is {ipi[0]:g} ns on rVIC, {ipi[1]:g} on GICv2, {ipi[2]:g} on GICv3: ")
    says(f"{ipi[0] / ipi[1]:.1f} and {ipi[0] / ipi[2]:.1f} times.")
    more = level - gic
    says(f"A level is {more:g} ns more: a guest that takes 1,000 interrupts a second loses {more / 1e4:.2f} % of a CPU")
    says(f"one that takes 100,000 loses {more / 100:.0f} %.")
    more = edge - gic
    assert ipi[0] - ipi[2] == more
    says(f"are {more:g} ns more by the model, so {more / 19.26:.0f} % and {more / 21.79:.0f} % on top.")


def test_outside_of_the_phases(report: dict[str, Any]) -> None:
    outside = [
        each["run"]["traps"]["total"] - sum(phase["traps"]["total"] for phase in each["phases"])
        for each in report["irqchips"]
    ]
    says(
        f"On four CPUs rVIC made {outside[0]:,} traps outside of the phases, GICv2 {outside[1]} and GICv3 {outside[2]}"
    )
    calls = 2 * 512 + 2
    says(f"with 512 INTIDs {calls:,} calls, {calls * 306 / 1000:.0f} µs by the model")
    assert report["irqchips"][0]["run"]["traps"]["hypercalls"]["RVIC_SET_MASKED"] >= 4 * 512


def test_the_guests_own_part(report: dict[str, Any]) -> None:
    of = phases(report)
    pairs = [(of["rvic", name], of[other, name]) for name in PHASES for other in ("gicv2", "gicv3")]
    more = [round((mine["instructions"] - theirs["instructions"]) / 1000) for mine, theirs in pairs]
    says(f"executes {min(more)} to {max(more)} instructions more for an interrupt")
    later = [mine["latency_ns"]["median"] - theirs["latency_ns"]["median"] for mine, theirs in pairs]
    says(f"from raise to handler it is {min(later)} to {max(later)}.")
    assert all(phase["latency_ns"]["median"] == phase["latency_ns"]["most"] for phase in of.values())


def test_the_costs_are_those_that_are_shipped(report: dict[str, Any]) -> None:
    kinds = report["costs"]["models"][0]["kinds"]
    served = report["costs"]["models"][1]["served"]
    says(f"| a hypercall | {kinds['hypercall']['value']:g} |")
    says(f"| an access to a GIC's registers in memory | {kinds['mmio']['value']:g} |")
    says(f"| an access to a GIC's system registers | {kinds['sysreg']['value']:g} | **assumed**")
    assert {each["value"] for each in served.values()} == {14}
    says("| an access that hardware serves | 14 |")
    rows = re.findall(r"\| [\w ,-]+? \| (\d+) \| (\d+) \| (\d\.\d\d) \| \d+ \|", TEXT)
    assert len(rows) == 4
    assert all(f"{int(mmio) / int(hvc):.2f}" == ratio for hvc, mmio, ratio in rows)
