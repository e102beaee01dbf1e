"""`irqframe compare`: one guest on several irqchips, as text, JSON and picture, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed")

Run = Callable[..., subprocess.CompletedProcess[str]]
IRQCHIPS = "--irqchip=rvic,gicv2,gicv3"
COUNT = "--count=10"
PHASES = ["timer", "IPI", "wired edge", "wired level", "MSI"]
COSTS = """
unit = "beans"
[[model]]
name = "flat"
hypercall = 1
mmio = 10
sysreg = 100
[[model]]
name = "soft"
hypercall = 1
mmio = 10
sysreg = 100
[model.served]
"GICC_*" = 0.5
"""


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    path = tmp_path / "beans.toml"
    path.write_text(COSTS, encoding="utf-8")
    return path


def test_the_text_has_each_kind_of_interrupt_under_each_irqchip(irqframe: Run, rvic_dts: Path, costs: Path) -> None:
    result = irqframe("compare", rvic_dts, IRQCHIPS, COUNT, "--costs", costs)
    assert (result.returncode, result.stderr) == (0, "")
    first, _, header, *lines = result.stdout.splitlines()
    assert first == f"{rvic_dts}: 4 vCPUs, irqchips rvic, gicv2, gicv3"
    assert " ".join(header.split()) == (
        "phase irqchip interrupts traps hypercalls MMIO sysregs instructions latency p90 max "
        "flat beans soft traps soft beans"
    )
    rows = [line.split("  ") for line in lines[:15]]
    assert [row[0] for row in rows] == [phase for phase in PHASES for _ in range(3)]
    table = {(line[:11].strip(), line[11:].split()[0]): line[11:].split()[1:] for line in lines[:15]}
    # interrupts, traps, their kinds; then the two models
    assert table["wired level", "rvic"][:5] == ["10", "3", "3", "0", "0"]
    assert table["wired level", "rvic"][-3:] == ["3", "3", "3"]
    assert table["IPI", "gicv2"][:5] == ["10", "3", "0", "3", "0"]
    assert table["IPI", "gicv2"][-3:] == ["30", "1", "11"]
    assert table["MSI", "gicv3"][:5] == ["10", "2", "0", "0", "2"]
    assert table["MSI", "gicv3"][-3:] == ["200", "2", "200"]
    assert lines[15] == ""
    assert "IPI          gicv2    GICC_EOIR 1, GICC_IAR 1, GICD_SGIR 1" in lines
    assert lines[-2:] == [
        f"model 'flat' of {costs}, in beans: hypercall 1, mmio 10, sysreg 100",
        f"model 'soft' of {costs}, in beans: hypercall 1, mmio 10, sysreg 100",
    ]


def test_json_schema(irqframe: Run, virt_dts: Path, costs: Path) -> None:
    result = irqframe("compare", virt_dts, IRQCHIPS, COUNT, "--costs", costs, "--smp=2", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    report: dict[str, Any] = json.loads(result.stdout)
    assert list(report) == ["schema", "make", "machine", "kernel", "count", "vcpus", "costs", "irqchips"]
    assert (report["schema"], report["machine"], report["kernel"]) == (1, str(virt_dts), None)
    assert (report["count"], report["vcpus"]) == (10, [0, 1])
    assert report["costs"]["unit"] == "beans"
    soft = report["costs"]["models"][1]
    assert soft["served"] == {"GICC_*": {"value": 0.5, "source": ""}}
    assert [each["irqchip"] for each in report["irqchips"]] == ["rvic", "gicv2", "gicv3"]
    for each in report["irqchips"]:
        assert list(each) == ["irqchip", "ended", "phases", "run", "notes"]
        assert each["ended"] == {"reason": "test", "text": ""}
        assert [phase["phase"] for phase in each["phases"]] == PHASES
        assert each["notes"] == []
        for phase in each["phases"]:
            assert list(phase) == ["phase", "interrupts", "instructions", "ns", "traps", "latency_ns", "costs"]
            assert list(phase["latency_ns"]) == ["samples", "median", "p90", "most"]
        assert list(each["run"]) == ["interrupts", "instructions", "ns", "traps", "costs"]
        assert each["run"]["interrupts"] == 50
        assert each["run"]["traps"]["total"] > sum(phase["traps"]["total"] for phase in each["phases"])
    gicv2 = report["irqchips"][1]["phases"][1]
    assert gicv2["costs"] == {"flat": {"traps": 30, "cost": 300.0}, "soft": {"traps": 10, "cost": 110.0}}


@pytest.mark.parametrize("form", [("--json",), ("--svg", "-"), ()])
def test_it_is_the_same_each_time(irqframe: Run, rvic_dts: Path, form: tuple[str, ...]) -> None:
    first, second = (irqframe("compare", rvic_dts, IRQCHIPS, COUNT, *form) for _ in range(2))
    assert first.returncode == 0
    assert first.stdout == second.stdout != ""


def test_in_other_processes_too(
    irqframe: Run, process: Callable[..., subprocess.CompletedProcess[bytes]], rvic_dts: Path
) -> None:
    other = process("compare", rvic_dts, IRQCHIPS, COUNT, "--json")
    assert other.stdout.decode() == irqframe("compare", rvic_dts, IRQCHIPS, COUNT, "--json").stdout


def test_the_picture_has_a_bar_for_each_figure(irqframe: Run, rvic_dts: Path, tmp_path: Path, costs: Path) -> None:
    file = tmp_path / "plot.svg"
    result = irqframe("compare", rvic_dts, IRQCHIPS, COUNT, "--costs", costs, "--svg", file)
    assert result.stdout.startswith(str(rvic_dts))
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    name = "{http://www.w3.org/2000/svg}"
    rects = [(rect.get("class"), rect.findtext(f"{name}title")) for rect in root.iter(f"{name}rect")]
    bars = [title for _, title in rects if title]
    assert len(bars) == 15 * 3
    assert ("fill-sysreg", "gicv3, IPI: system registers") in rects
    assert ("fill-cost", "rvic, MSI: soft") in rects
    texts = [text.text for text in root.iter(f"{name}text")]
    assert [text for text in texts if text in PHASES] == PHASES
    assert "soft: beans" in texts
    alone = irqframe("compare", rvic_dts, IRQCHIPS, COUNT, "--costs", costs, "--svg", "-")
    assert alone.stdout == file.read_text(encoding="utf-8")


def test_a_program_of_ones_own_is_compared_over_its_whole_run(irqframe: Run, rvic_dts: Path, bare_metal: Path) -> None:
    options = ("--kernel", bare_metal / "tests.img", "--append", "tests=wired n=5", "--smp", "1")
    machine = Path(__file__).parents[2] / "docs" / "examples" / "virt-gicv2.dts"
    result = irqframe("compare", machine, "--irqchip=gicv2,gicv3", *options)
    assert result.returncode == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("whole run")]
    assert [row[2] for row in rows[:2]] == ["gicv2", "gicv3"]
    assert "latency" not in result.stdout.splitlines()[2]


def test_a_program_without_a_driver_is_told_of(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> None:
    spin = tmp_path / "spin.bin"
    spin.write_bytes(0x14000000.to_bytes(4, "little"))  # b .
    result = irqframe("compare", rvic_dts, "--irqchip=rvic", "--kernel", spin, "--limit=0.01")
    assert result.returncode == 0
    assert "note: rvic: the run ended by timeout: 0.01 s of virtual time are over\n" in result.stdout
    assert "note: rvic: not one interrupt was taken; a guest needs a driver for this irqchip\n" in result.stdout


def test_a_workload_that_fails_is_an_error(irqframe: Run, rvic_dts: Path) -> None:
    result = irqframe("compare", rvic_dts, "--irqchip=gicv3", "--limit=0.001")
    assert result.returncode == 1
    assert result.stderr == (
        "irqframe: error: gicv3: the workload failed, 0.001 s of virtual time are over: guest: gicv3, 4 CPUs, n 1000\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "Missing option '--irqchip'"),
        (("--irqchip", " , "), 2, "names no irqchip"),
        (("--irqchip", "rvic,plic"), 1, "plic"),
        ((IRQCHIPS, "--count", "0"), 2, "0 is not in the range"),
        ((IRQCHIPS, "--limit", "0"), 2, "0"),
        ((IRQCHIPS, "--limit", "nan"), 2, "'nan' is no time"),
        ((IRQCHIPS, "--initrd", "x"), 2, "--initrd is for --kernel"),
        ((IRQCHIPS, "--svg", "-", "--json"), 2, "only one of --json and --svg can go to standard output"),
        ((IRQCHIPS, "--kernel", "/nowhere/Image"), 1, "/nowhere/Image"),
        ((IRQCHIPS, "--costs", "/nowhere/costs.toml"), 1, "/nowhere/costs.toml: No such file or directory"),
        ((IRQCHIPS, "--svg", "/nowhere/x.svg", COUNT), 1, "/nowhere/x.svg"),
    ],
)
def test_what_is_wrong(irqframe: Run, rvic_dts: Path, options: tuple[str, ...], code: int, message: str) -> None:
    result = irqframe("compare", rvic_dts, *options)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr


@pytest.mark.parametrize("as_json", [True, False])
def test_a_bad_file_of_costs_is_one_error(irqframe: Run, rvic_dts: Path, costs: Path, as_json: bool) -> None:
    costs.write_text(COSTS.replace("mmio = 10", "mmio = -10", 1), encoding="utf-8")
    form = ["--json"] if as_json else []
    result = irqframe("compare", rvic_dts, IRQCHIPS, "--costs", costs, *form)
    why = f"{costs}: model[0].mmio: expected a number from 0 to 1e+12"
    assert (result.returncode, result.stderr) == (1, f"irqframe: error: {why}\n")
    assert not as_json or json.loads(result.stdout)["error"] == why


def test_without_the_extra_it_says_what_to_install(rvic_dts: Path) -> None:
    words = ["compare", str(rvic_dts), IRQCHIPS]
    program = f"import sys; sys.modules['unicorn'] = None; from irqframe.cli import run; sys.exit(run({words}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "irqframe: error: running code needs unicorn: install irqframe[guest]\n"
