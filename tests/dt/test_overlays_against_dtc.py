"""Overlays and symbols against dtc and fdtoverlay: the same tree byte for byte, or both refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from irqframe.dt import Tree, apply_overlay, parse_dts, read_dtb
from irqframe.errors import InputError

DATA = Path(__file__).parent / "data"


def _recorder() -> ModuleType:
    spec = util.spec_from_file_location("record", DATA / "overlay" / "record.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORD = _recorder()
SOURCES: dict[str, str] = RECORD.cases("sources.txt")
APPLIED: dict[str, str] = RECORD.cases("applied.txt")
SYMBOLS: dict[str, str] = RECORD.symbol_cases()
EXPECTED: dict[str, dict[str, Any]] = json.loads((DATA / "overlay" / "expected.json").read_text())


def _has_dtc() -> bool:
    if shutil.which("dtc") is None or shutil.which("fdtoverlay") is None:
        return False
    return "1.6.1" in subprocess.run(["dtc", "--version"], capture_output=True, text=True, check=True).stdout


needs_dtc = pytest.mark.skipif(not _has_dtc(), reason="dtc and fdtoverlay 1.6.1 are not installed")


def parsed(text: str, *, symbols: bool = False) -> tuple[Tree | None, str]:
    try:
        return parse_dts(text, str(DATA / "dtc" / "case.dts"), symbols=symbols), ""
    except InputError as error:
        return None, str(error)


def content(tree: Tree | None) -> object:
    return RECORD.content(tree) if tree is not None else None


@pytest.mark.parametrize("name", SOURCES)
def test_source_same_as_dtc(name: str) -> None:
    tree, findings = parsed(SOURCES[name])
    assert content(tree) == EXPECTED["plain"][name], findings


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols_same_as_dtc(name: str) -> None:
    tree, findings = parsed(SYMBOLS[name], symbols=True)
    assert content(tree) == EXPECTED["symbols"][name], findings


@pytest.mark.parametrize("name", APPLIED)
def test_applied_same_as_fdtoverlay(name: str) -> None:
    base, *overlays = (parse_dts(text, "case.dts", symbols=True) for text in APPLIED[name].split("--- overlay\n"))
    before = [content(tree) for tree in (base, *overlays)]
    tree: Tree | None = base
    findings = ""
    try:
        for overlay in overlays:
            tree = apply_overlay(tree or base, overlay)
    except InputError as error:
        tree, findings = None, str(error)
    assert content(tree) == EXPECTED["applied"][name], findings
    assert [content(tree) for tree in (base, *overlays)] == before


@needs_dtc
def test_expected_is_what_dtc_says() -> None:
    assert json.loads(json.dumps(RECORD.everything())) == EXPECTED


def test_cases_are_of_both_kinds() -> None:
    for part, few, many in (("plain", 15, 80), ("symbols", 60, 250), ("applied", 20, 55)):
        refused = [name for name, value in EXPECTED[part].items() if value is None]
        assert few < len(refused) < len(EXPECTED[part]) - few, part
        assert len(EXPECTED[part]) > many, part


@pytest.mark.parametrize("name", ["virt-gicv2", "virt-gicv3"])
@needs_dtc
def test_symbols_of_a_qemu_tree_same_as_dtc(name: str) -> None:
    file = DATA / f"{name}.dts"
    # dtc writes no labels; each node with a phandle gets one.
    text = file.read_text().replace("\t\tcompatible", "\t\tq: compatible", 1)
    text = "/dts-v1/;\n" + text.split("\n", 1)[1].replace("\tintc@", "\tgic: intc@").replace(
        "\tpl011@", "\tuart: pl011@"
    )
    data = RECORD.compiled(text, symbols=True)
    assert data is not None
    assert content(parse_dts(text, str(file), symbols=True)) == content(read_dtb(data, "dtc"))
