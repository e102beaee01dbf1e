"""`irqframe run`: the report as text and as JSON, and its options."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
EVENTS = "--events=600"


@pytest.fixture(params=["gicv2", "rvic"])
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def numbers(line: str) -> list[int]:
    return [int(text) for text in re.findall(r"\d+", line)]


def test_the_text_is_a_table_traps_and_a_sum(irqframe: Run, virt_dts: Path, chip: str) -> None:
    result = irqframe("run", virt_dts, "--irqchip", chip, EVENTS)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{virt_dts}: 4 vCPUs, irqchip {chip} (")
    assert lines[0].endswith("55 sources, 1 with MSIs")
    header = "source controller route raised delivered coalesced dropped pending cpu0 cpu1 cpu2 cpu3"
    assert " ".join(lines[2].split()) == header
    rows = lines[3 : lines.index("", 3)]
    assert len(rows) == 55 + 1 + 4 + 1  # wired, MSI, IPIs, the unused input
    assert lines[-1].startswith("every interrupt accounted for: ")
    raised, delivered, coalesced, dropped, pending = numbers(lines[-1])
    assert raised == delivered + coalesced + dropped + pending
    assert raised >= 600
    assert any(line.startswith("traps: ") and line.endswith(" per delivered interrupt") for line in lines)


def test_rates_go_to_standard_error(irqframe: Run, virt_dts: Path) -> None:
    result = irqframe("run", virt_dts, EVENTS)
    assert re.fullmatch(r"\d+ events in \d+\.\d\d s: [\d,]+ events/s\n", result.stderr)
    assert "events/s" not in result.stdout


def test_json_schema(irqframe: Run, virt_dts: Path, chip: str) -> None:
    result = irqframe("run", virt_dts, "--irqchip", chip, EVENTS, "--json", "--seed", "7")
    assert (result.returncode, result.stderr) == (0, "")
    report: dict[str, Any] = json.loads(result.stdout)
    assert list(report) == [
        "schema",
        "make",
        "machine",
        "irqchip",
        "quirks",
        "vcpus",
        "seed",
        "events",
        "handled",
        "moves",
        "moves_pending",
        "spurious",
        "sources",
        "traps",
        "setup_traps",
        "notes",
        "accounted",
        "fault",
        "timing",
    ]
    assert (report["schema"], report["machine"], report["irqchip"]) == (1, str(virt_dts), chip)
    assert (report["seed"], report["vcpus"], report["quirks"], report["accounted"]) == (7, [0, 1, 2, 3], [], True)
    assert set(report["timing"]) == {"seconds", "events_per_second"}
    for source in report["sources"]:
        assert list(source) == [
            "name",
            "controller",
            "route",
            "raised",
            "delivered",
            "coalesced",
            "dropped",
            "pending",
        ]
        accounted = sum(source["delivered"]) + source["coalesced"] + sum(source["dropped"].values()) + source["pending"]
        assert source["raised"] == accounted
    # A level line that several devices hold is handed out once and handled by each.
    assert report["events"] == sum(source["raised"] for source in report["sources"])
    assert report["traps"]["total"] == sum(
        sum(report["traps"][kind].values()) for kind in ("hypercalls", "mmio", "sysregs")
    )


def test_text_and_json_agree(irqframe: Run, rvic_dts: Path) -> None:
    text = irqframe("run", rvic_dts, EVENTS).stdout
    report = json.loads(irqframe("run", rvic_dts, EVENTS, "--json").stdout)
    for source in report["sources"]:
        (row,) = (line for line in text.splitlines() if line.startswith(source["name"] + "  "))
        assert f"  {source['raised']}  " in row
        assert f"  {sum(source['delivered'])}  " in row
    assert f"traps: {report['traps']['total']}, " in text


def test_quirks_are_switched_on_and_named(irqframe: Run, rvic_dts: Path) -> None:
    report = json.loads(irqframe("run", rvic_dts, EVENTS, "--json", "--quirks", "K28, K20").stdout)
    assert report["quirks"] == ["K28", "K20"]


def test_an_option_of_the_irqchip_changes_the_order(irqframe: Run, rvic_dts: Path) -> None:
    lowest = irqframe("run", rvic_dts, EVENTS, "--option", "order=lowest")
    fifo = irqframe("run", rvic_dts, EVENTS, "--option", "order=fifo")
    assert (lowest.returncode, fifo.returncode) == (0, 0)
    assert irqframe("run", rvic_dts, EVENTS).stdout == lowest.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--irqchip", "nope"), "plugin 'nope': not installed; the installed irqchips are: "),
        (("--quirks", "K9,nope"), "Rvic has no quirk 'nope'; it has K1, "),
        (("--option", "nope=1"), "Rvic has no option 'nope'; it has order [EINVAL]"),
        (("--option", "order=nope"), "option 'order' is one of lowest, fifo, not 'nope' [EINVAL]"),
    ],
    ids=["irqchip", "quirk", "option", "value"],
)
def test_names_that_are_not_known_end_with_1(
    irqframe: Run, rvic_dts: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = irqframe("run", rvic_dts, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"irqframe: error: {message}")
    assert result.stderr.count("\n") == 1


def test_an_option_without_a_value_is_a_malformed_command_line(irqframe: Run, rvic_dts: Path) -> None:
    assert irqframe("run", rvic_dts, "--option", "order").returncode == 2


def test_one_event_is_enough(irqframe: Run, virt_dts: Path, chip: str) -> None:
    """Every source is raised once whatever the number says."""
    report = json.loads(irqframe("run", virt_dts, "--irqchip", chip, "--events", "1", "--json").stdout)
    assert all(source["raised"] for source in report["sources"])


def test_a_run_that_fails_says_what_it_found(irqframe: Run, rvic_dts: Path) -> None:
    """D7 maps an interrupt to another CPU than the one that was asked for."""
    result = irqframe("run", rvic_dts, EVENTS, "--quirks", "D7")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[1] == "quirks: D7"
    assert any(line.startswith("timer (virt)") for line in lines)
    fault = lines[-1].removeprefix("NOT accounted for: ")
    assert " was delivered to CPU 0, but it waits for CPU " in fault
    assert result.stderr == f"irqframe: error: {fault}\n"
    report = json.loads(irqframe("run", rvic_dts, EVENTS, "--quirks", "D7", "--json").stdout)
    assert (report["accounted"], report["fault"]) == (False, fault)


GICV3 = Path(__file__).parents[2] / "docs" / "examples" / "virt-gicv3.dts"
REG = "\t\treg = <0x00 0x40000000 0x00 0x8000000>;\n"
MEMORY = f'\tmemory@40000000 {{\n{REG}\t\tdevice_type = "memory";\n\t}};\n'
TOO_LITTLE = "no 0x10000 bytes of guest memory are left for the tables of LPIs"


@pytest.mark.parametrize(
    ("memory", "place", "says", "found"),
    [
        (MEMORY.replace("0x8000000", "0x20000"), "reg", TOO_LITTLE, "0x20000 bytes of memory"),
        (MEMORY.replace("0x8000000", "0x8000"), "reg", TOO_LITTLE, "0x8000 bytes of memory"),
        ("", "its@8080000", "LPIs need tables in guest memory, and the machine has none", "no memory"),
    ],
    ids=["not for all", "for none", "no memory"],
)
def test_a_guest_without_the_memory_for_its_tables(
    irqframe: Run, tmp_path: Path, memory: str, place: str, says: str, found: str
) -> None:
    text = GICV3.read_text(encoding="utf-8")
    assert text.count(MEMORY) == 1
    changed = text.replace(MEMORY, memory)
    path = tmp_path / "m.dts"
    path.write_text(changed, encoding="utf-8")
    assert irqframe("check", path).returncode == 0
    result = irqframe("run", path, EVENTS, "--json")
    assert result.returncode == 1
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["code"], finding["message"]) == ("E0632", f"the scripted guest does not come up: {says}")
    line = changed.split("\n")[finding["span"]["line"] - 1]
    assert line[finding["span"]["column"] - 1 :].startswith(place)
    assert (finding["found"], "--memory" in finding["hint"]) == (found, True)
