"""`irqframe inspect`: the machine as it is understood, with the way of every interrupt."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_text_says_where_everything_was_written(irqframe: Run, virt_dts: Path) -> None:
    result = irqframe("inspect", virt_dts)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{virt_dts}: 4 CPUs, irqchip gicv2, 55 sources, 1 with MSIs"
    text = virt_dts.read_text().splitlines()
    number = next(n for n, line in enumerate(text, 1) if "interrupt-map = " in line)
    (row,) = (line for line in lines if line.startswith("pcie@10000000 dev 2 INTB "))
    assert row.split("  ")[-1].strip() == f"interrupt-map (:{number}) -> /intc@8000000"
    assert [line.split() for line in lines if line.startswith("cpu@")] == [
        [f"cpu@{n}", f"0x{n}", "psci"] for n in range(4)
    ]
    assert any(line.startswith("PMU ") and "none" in line for line in lines)


def test_the_file_is_named_once(irqframe: Run, virt_dts: Path, virt_dtb: Path) -> None:
    for path in (virt_dts, virt_dtb):
        assert irqframe("inspect", path).stdout.count(str(path)) == 1


def test_a_file_that_is_included_is_named(irqframe: Run, virt_dts: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "board.dtsi").write_text(virt_dts.read_text().replace("/dts-v1/;", ""))
    path = tmp_path / "m.dts"
    path.write_text('/dts-v1/;\n/include/ "parts/board.dtsi"\n/ { pl011@9000000 { interrupts = <0 1 4>; }; };\n')
    lines = irqframe("inspect", path).stdout.splitlines()
    (uart,) = (line for line in lines if line.startswith("pl011@9000000 "))
    (rtc,) = (line for line in lines if line.startswith("pl031@9010000 "))
    assert uart.endswith("interrupts (:3) -> /intc@8000000")
    number = next(n for n, line in enumerate(virt_dts.read_text().splitlines(), 1) if "pl031@9010000 {" in line)
    place = rtc.partition("(")[2].partition(")")[0]
    assert place.startswith("parts/board.dtsi:")
    assert number < int(place.partition(":")[2]) < number + 10


def test_json_schema(irqframe: Run, virt_dtb: Path) -> None:
    result = irqframe("inspect", "--json", virt_dtb)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert list(report) == [
        "schema",
        "machine",
        "irqchip",
        "cpus",
        "memory",
        "controllers",
        "sources",
        "msis",
        "defaults",
    ]
    assert (report["schema"], report["machine"], report["irqchip"]) == (1, str(virt_dtb), "gicv2")
    assert report["memory"] == [{"address": 0x4000_0000, "size": 0x800_0000}]
    assert [node["node"] for node in report["controllers"]] == ["/intc@8000000", "/intc@8000000/v2m@8020000"]
    assert [cpu["mpidr"] for cpu in report["cpus"]] == [0, 1, 2, 3]
    uart = next(source for source in report["sources"] if source["name"] == "pl011@9000000")
    way = [{"node": "/pl011@9000000", "property": "interrupts", "file": str(virt_dtb), "line": 0, "column": 0}]
    assert uart == {
        "name": "pl011@9000000",
        "node": "/pl011@9000000",
        "kind": "SPI",
        "number": 1,
        "trigger": "LEVEL_HIGH",
        "controller": "/intc@8000000",
        "specifier": [0, 1, 4],
        "way": way,
    }
    assert report["msis"] == [
        {
            "name": "pcie@10000000 MSI",
            "node": "/pcie@10000000",
            "controller": "/intc@8000000/v2m@8020000",
            "devid": 0,
        }
    ]


@pytest.mark.parametrize(("name", "nodes"), [("rvic", ["/rvic", "/rvid"]), ("gicv2", None)])
def test_a_machine_can_be_seen_with_another_irqchip(
    irqframe: Run, virt_dts: Path, name: str, nodes: list[str] | None
) -> None:
    own = json.loads(irqframe("inspect", "--json", virt_dts).stdout)
    other = json.loads(irqframe("inspect", "--json", virt_dts, "--irqchip", name).stdout)
    assert other["irqchip"] == name
    if nodes is None:
        assert other == own
    else:
        assert [node["node"] for node in other["controllers"]] == nodes
        keys = ("name", "node", "kind", "number", "trigger")
        assert [[one[key] for key in keys] for one in other["sources"]] == [
            [one[key] for key in keys] for one in own["sources"]
        ]


def test_what_is_wrong_with_the_machine_is_said_instead(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.dts"
    path.write_text("/dts-v1/;\n/ { };\n")
    result = irqframe("inspect", path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "error[E0605]" in result.stderr


@pytest.mark.parametrize("command", ["inspect", "run", "dts"])
def test_retargeting_needs_who_serves_the_machine_as_it_is(irqframe: Run, virt_dts: Path, command: str) -> None:
    gicv3 = virt_dts.with_name("virt-gicv3.dts")
    why = "--irqchip reads the machine's own controller first, so an irqchip that serves it must be installed; "
    own = irqframe(command, gicv3).stderr
    assert "error[E0601]" in own
    assert why not in own
    assert irqframe(command, gicv3, "--irqchip", "rvic").stderr == own.replace("= hint: `", f"= hint: {why}`")
