"""A re-targeted tree, with dtc as the outside witness: it compiles without a warning, and loads to the same machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from irqframe.dt import load
from irqframe.machine import Machine, load_machine

ROOT = Path(__file__).parents[2]
VIRT = ROOT / "tests" / "dt" / "data" / "virt-gicv2.dts"
SHIPPED = ROOT / "docs" / "examples" / "virt-rvic.dts"
DTC = shutil.which("dtc")

needs_dtc = pytest.mark.skipif(DTC is None, reason="dtc is not installed")

# Checks of dtc that a wrong rewriting of an interrupt would set off.
ABOUT_INTERRUPTS = (
    "interrupt_provider",
    "interrupts_property",
    "interrupt_map",
    "interrupts_extended_is_cell",
    "msi_parent_property",
    "phandle_references",
    "explicit_phandles",
    "duplicate_property_names",
    "duplicate_node_names",
    "unit_address_vs_reg",
    "reg_format",
    "ranges_format",
    "avoid_unnecessary_addr_size",
)


def irqframe(*arguments: str | Path) -> bytes:
    """What a user's `irqframe ...` prints."""
    line = [sys.executable, "-m", "irqframe", *(str(argument) for argument in arguments)]
    result = subprocess.run(line, capture_output=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


def dtc(data: bytes, source: str, target: str) -> tuple[bytes, Counter[str]]:
    """Compile or decompile: what dtc made, and how often each check fired."""
    assert DTC is not None
    line = [DTC, "-I", source, "-O", target, "-"]
    result = subprocess.run(line, input=data, capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    fired = re.findall(r"(?:Warning|ERROR) \((\w+)\)", result.stderr.decode())
    return result.stdout, Counter(fired)


def summary(machine: Machine) -> dict[str, object]:
    """All that a machine is, but for where its tree was written."""
    return {
        "irqchip": machine.irqchip,
        "cpus": [(cpu.node.path, cpu.mpidr, cpu.enable_method) for cpu in machine.cpus],
        "memory": machine.memory,
        "controllers": [(node.path, node.compatible) for node in machine.controllers],
        "sources": [(one.name, one.source, one.ref.controller.path, one.ref.specifier) for one in machine.sources],
        "msis": [(one.name, one.devid, one.ref.controller.path) for one in machine.msis],
        "timer": machine.timer,
        "pmu": machine.pmu,
        "defaults": machine.defaults,
    }


def neutral(machine: Machine) -> dict[str, object]:
    """What no irqchip owns."""
    return {
        "cpus": [(cpu.node.path, cpu.mpidr, cpu.enable_method) for cpu in machine.cpus],
        "memory": machine.memory,
        "sources": [(one.name, one.source) for one in machine.sources],
        "msis": [(one.name, one.devid) for one in machine.msis],
        "timer": machine.timer,
        "pmu": machine.pmu,
    }


def machine_of(data: bytes, path: Path) -> Machine:
    path.write_bytes(data)
    return load_machine(load(str(path)))


@needs_dtc
@pytest.mark.parametrize("chip", ["rvic", "gicv2"])
def test_dtc_has_nothing_to_say_of_a_retargeted_tree(chip: str) -> None:
    fired = dtc(irqframe("dts", VIRT, "--irqchip", chip), "dts", "dtb")[1]
    assert not fired.keys() & set(ABOUT_INTERRUPTS)
    # Nothing at all that it did not say of the tree before: that of decompiled trees, whose phandles are numbers.
    assert fired == dtc(VIRT.read_bytes(), "dts", "dtb")[1]


@needs_dtc
@pytest.mark.parametrize("chip", ["rvic", "gicv2"])
def test_dtc_has_nothing_to_say_of_a_retargeted_dtb(tmp_path: Path, chip: str) -> None:
    """The shipped machine has an msi-parent too; in a DTB, a phandle is a number to dtc as well."""
    for source in (VIRT, SHIPPED):
        assert not dtc(irqframe("dtb", source, "--irqchip", chip), "dtb", "dtb")[1].keys() & set(ABOUT_INTERRUPTS)


@needs_dtc
def test_the_shipped_machine_has_no_warning_at_all() -> None:
    assert not dtc(SHIPPED.read_bytes(), "dts", "dtb")[1]


@needs_dtc
@pytest.mark.parametrize("chip", ["rvic", "gicv2"])
def test_what_dtc_makes_of_it_is_the_same_machine(tmp_path: Path, chip: str) -> None:
    text = irqframe("dts", VIRT, "--irqchip", chip)
    ours = machine_of(text, tmp_path / "ours.dts")
    theirs = machine_of(dtc(text, "dts", "dtb")[0], tmp_path / "theirs.dtb")
    assert ours.irqchip == chip
    assert summary(theirs) == summary(ours)


@needs_dtc
@pytest.mark.parametrize("chip", ["rvic", "gicv2"])
def test_the_dtb_is_the_same_machine_too(tmp_path: Path, chip: str) -> None:
    blob = irqframe("dtb", VIRT, "--irqchip", chip)
    ours = machine_of(blob, tmp_path / "ours.dtb")
    theirs = machine_of(dtc(blob, "dtb", "dts")[0], tmp_path / "theirs.dts")
    assert summary(theirs) == summary(ours)
    of_text = machine_of(irqframe("dts", VIRT, "--irqchip", chip), tmp_path / "text.dts")
    assert summary(of_text) == summary(ours)


@needs_dtc
def test_dtc_and_we_write_the_same_dtb_of_it() -> None:
    """Compared as what dtc reads in them: its output is canonical but for the header."""
    text = irqframe("dts", VIRT, "--irqchip", "rvic")
    theirs = dtc(dtc(text, "dts", "dtb")[0], "dtb", "dts")[0]
    assert dtc(irqframe("dtb", VIRT, "--irqchip", "rvic"), "dtb", "dts")[0] == theirs


def test_there_and_back_again(tmp_path: Path) -> None:
    original = load_machine(load(str(VIRT)))
    there = tmp_path / "there.dts"
    rvic = machine_of(irqframe("dts", VIRT, "--irqchip", "rvic"), there)
    back = machine_of(irqframe("dts", there, "--irqchip", "gicv2"), tmp_path / "back.dts")
    assert (original.irqchip, rvic.irqchip, back.irqchip) == ("gicv2", "rvic", "gicv2")
    assert neutral(rvic) == neutral(original)
    assert neutral(back) == neutral(original)
    specifiers = {one.name: one.ref.specifier[:2] for one in original.sources}
    assert {one.name: one.ref.specifier[:2] for one in back.sources} == specifiers


def test_nothing_of_the_old_irqchip_is_left() -> None:
    text = irqframe("dts", VIRT, "--irqchip", "rvic").decode()
    for old in ("gic", "v2m", "intc@", "0x8005", "0x8006"):
        assert old not in text.lower()
    before = irqframe("dts", VIRT).decode()
    # What has nothing to do with interrupts is as it was.
    for line in ('compatible = "cfi-flash";', 'stdout-path = "/pl011@9000000";', "clocks = <0x8000>;"):
        assert text.count(line) == before.count(line) > 0


def test_the_retargeted_machine_runs(tmp_path: Path) -> None:
    there = tmp_path / "there.dtb"
    there.write_bytes(irqframe("dtb", VIRT, "--irqchip", "rvic"))
    out = irqframe("run", there, "--events", "500", "--json", "--irqchip", "rvic")
    assert b'"accounted": true' in out
