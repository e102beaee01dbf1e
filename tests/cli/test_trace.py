"""`irqframe run --trace` and `--wrap trace`: what is recorded is what happened."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irqframe.flow import REFERENCE_CALLBACKS
from irqframe.observe import KINDS, Event, read_events

Run = Callable[..., subprocess.CompletedProcess[str]]
EVENTS = "--events=600"
TRAPS = ("hypercall", "mmio read", "mmio write", "sysreg read", "sysreg write")


@pytest.fixture(params=["gicv2", "rvic"])
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def traced(irqframe: Run, virt_dts: Path, tmp_path: Path, chip: str) -> tuple[dict[str, Any], list[Event]]:
    """A run's report and its trace."""
    path = tmp_path / "trace"
    result = irqframe("run", virt_dts, "--irqchip", chip, EVENTS, "--json", "--trace", path)
    assert (result.returncode, result.stderr) == (0, "")
    with path.open() as stream:
        return json.loads(result.stdout), list(read_events(stream))


def test_every_line_is_an_event(irqframe: Run, virt_dts: Path, tmp_path: Path, chip: str) -> None:
    path = tmp_path / "trace"
    assert irqframe("run", virt_dts, "--irqchip", chip, EVENTS, "--trace", path).returncode == 0
    for line in path.read_text().splitlines():
        event = json.loads(line)
        assert list(event) == ["ns", "vcpu", "kind", "intid", "source"]
        assert event["kind"] in KINDS


def test_raises_and_deliveries_are_those_of_the_report(traced: tuple[dict[str, Any], list[Event]]) -> None:
    report, events = traced
    kinds = Counter(event.kind for event in events)
    assert kinds["raise"] == report["events"]
    assert kinds["deliver"] == report["handled"]
    assert kinds["move"] == report["moves"]
    assert (kinds["off"], kinds["on"]) == (1, 1)
    raised = Counter(event.source.rpartition(" ")[0] for event in events if event.kind == "raise")
    assert raised == {source["name"]: source["raised"] for source in report["sources"]}
    coalesced = Counter(
        event.source.rpartition(" ")[0]
        for event in events
        if event.kind == "raise" and event.source.endswith(" COALESCED")
    )
    assert coalesced == Counter({source["name"]: source["coalesced"] for source in report["sources"]})


def test_traps_are_those_of_the_report(traced: tuple[dict[str, Any], list[Event]]) -> None:
    report, events = traced
    traps = [event for event in events if event.kind in TRAPS]
    assert len(traps) == report["traps"]["total"] + report["setup_traps"]["total"]
    for key, kinds in (("hypercalls", TRAPS[:1]), ("mmio", TRAPS[1:3]), ("sysregs", TRAPS[3:])):
        named = Counter(event.source for event in traps if event.kind in kinds)
        assert named == Counter(report["traps"][key]) + Counter(report["setup_traps"][key])


def test_time_never_goes_back(traced: tuple[dict[str, Any], list[Event]]) -> None:
    stamps = [event.ns for event in traced[1]]
    assert stamps == sorted(stamps)
    assert stamps[-1] > stamps[0]


def test_a_trace_changes_nothing(irqframe: Run, virt_dts: Path, tmp_path: Path, chip: str) -> None:
    plain = irqframe("run", virt_dts, "--irqchip", chip, EVENTS).stdout
    assert irqframe("run", virt_dts, "--irqchip", chip, EVENTS, "--trace", tmp_path / "t").stdout == plain
    wrapped = irqframe("run", virt_dts, "--irqchip", chip, EVENTS, "--trace", tmp_path / "w", "--wrap", "trace")
    assert wrapped.stdout == plain


def test_wrapping_adds_the_calls_of_the_flow(irqframe: Run, virt_dts: Path, tmp_path: Path, chip: str) -> None:
    path = tmp_path / "trace"
    arguments = ("run", virt_dts, "--irqchip", chip, EVENTS, "--json", "--trace", path, "--wrap", "trace")
    report = json.loads(irqframe(*arguments).stdout)
    with path.open() as stream:
        calls = Counter(event.kind for event in read_events(stream) if event.kind not in KINDS)
    assert set(calls) <= set(REFERENCE_CALLBACKS)
    message = next(source for source in report["sources"] if source["name"].endswith(" MSI"))
    assert calls["set_msi"] == message["raised"]
    # Two for an edge, the second lowers the line: so many at least.
    wired = [source for source in report["sources"] if source["route"].startswith("SPI") and "edge" in source["route"]]
    assert calls["irqfd_set_irq"] >= 2 * sum(source["raised"] for source in wired)
    assert (calls["vcpu_init"], calls["destroy"]) == (4, 1)


@pytest.mark.parametrize("arguments", [("--wrap", "trace"), ("--trace", "-")], ids=["wrap", "trace"])
def test_without_a_file_it_goes_to_standard_error(irqframe: Run, virt_dts: Path, arguments: tuple[str, ...]) -> None:
    result = irqframe("run", virt_dts, "--events", "50", "--json", *arguments)
    assert json.loads(result.stdout)["accounted"] is True
    lines = result.stderr.splitlines()
    assert len(lines) > 50
    assert all(json.loads(line)["kind"] for line in lines)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/full", "No space left on device"),
        ("missing/trace", "No such file or directory"),
        (".", "Is a directory"),
    ],
)
def test_a_trace_that_cannot_be_written_ends_with_1(irqframe: Run, virt_dts: Path, path: str, why: str) -> None:
    if path.startswith("/dev/") and not Path(path).exists():
        pytest.skip(f"there is no {path}")
    result = irqframe("run", virt_dts, "--events", "5000", "--trace", path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"irqframe: error: {path}: {why}\n"
