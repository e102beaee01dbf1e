"""Every rule of the grammar against dtc: the same tree byte for byte, or both refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from irqframe.dt import Tree, parse_dts, read_dtb
from irqframe.errors import InputError

DATA = Path(__file__).parent / "data"


def _recorder() -> ModuleType:
    spec = util.spec_from_file_location("record", DATA / "dtc" / "record.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORD = _recorder()
CASES: dict[str, str] = RECORD.cases()
EXPECTED: dict[str, Any] = json.loads((DATA / "dtc" / "expected.json").read_text())

#: What readers of DTS get wrong, each with the cases that hold ours to dtc there.
FEATURES = {
    "labels and references to them, forward too": (
        "references forward and back",
        "phandles in the order of references",
    ),
    "phandles given around stated ones": ("phandles around stated ones", "phandle twice"),
    "two labels on a node": ("two labels on a node",),
    "labels on properties and within values": ("labels on properties and values", "labels everywhere in values"),
    "a label that is not defined": ("reference to nothing", "path string to nothing", "extension of nothing"),
    "a reference by path": ("phandle of the root", "paths with slashes to spare", "path to nothing"),
    "a reference as a path": ("references as paths", "aliases"),
    "expressions": ("arithmetic", "shifts", "ternary", "logic", "arithmetic modulo 2 to the 64th"),
    "characters": ("characters", "two characters"),
    "/bits/": ("bits", "bits of an odd width", "reference in 64-bit elements", "references in 32-bit elements"),
    "/memreserve/": ("memreserve", "memreserve behind a node"),
    "several blocks of the root": ("two roots", "two roots, in the right order"),
    "blocks by label and by path": ("extension by label", "extension by path"),
    "deletions": ("property deleted and back in its place", "node deleted and back in its place"),
    "/include/": ("include", "include within an include", "include within a value", "include of nothing"),
    "text for the C preprocessor": ("macro", "hash properties", "line markers"),
    "several statements on a line": ("no blanks",),
    "strings that hold comments and semicolons": ("strings",),
    "escapes": ("strings", "characters", "string with a bare \\x"),
    "empty strings": ("strings",),
    "mixed values": ("mixed values", "cells behind bytes"),
    "bytes": ("bytes", "bytes of three digits"),
    "spellings of numbers": ("numbers", "number with a lower-case suffix"),
    "/incbin/": ("incbin", "incbin of nothing"),
    "/omit-if-no-ref/": ("omit-if-no-ref", "omit-if-no-ref in a chain", "omit-if-no-ref of the root"),
    "what has no end": ("semicolon missing in a node", "node without an end", "array without an end"),
}


def _has_dtc() -> bool:
    if shutil.which("dtc") is None:
        return False
    return "1.6.1" in subprocess.run(["dtc", "--version"], capture_output=True, text=True, check=True).stdout


needs_dtc = pytest.mark.skipif(not _has_dtc(), reason="dtc 1.6.1 is not installed")


def _parsed(text: str) -> tuple[Tree | None, str]:
    try:
        return parse_dts(text, str(DATA / "dtc" / "case.dts")), ""
    except InputError as error:
        return None, str(error)


def _content(tree: Tree | None) -> object:
    if tree is None:
        return None
    nodes = [[node.path, *([prop.name, prop.data.hex()] for prop in node.properties.values())] for node in tree.walk()]
    reservations = [list(entry) for entry in tree.reservations]
    return {"reservations": reservations, "boot_cpu": tree.boot_cpu, "nodes": nodes}


@pytest.mark.parametrize("name", CASES)
def test_same_as_dtc(name: str) -> None:
    tree, findings = _parsed(CASES[name])
    assert _content(tree) == EXPECTED[name], findings


@needs_dtc
def test_expected_is_what_dtc_says() -> None:
    for name, text in CASES.items():
        assert json.loads(json.dumps(RECORD.compiled(text))) == EXPECTED[name], name


def test_cases_are_of_both_kinds() -> None:
    refused = [name for name, value in EXPECTED.items() if value is None]
    assert len(CASES) == len(EXPECTED) > 200
    assert 50 < len(refused) < len(CASES) - 50


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_cases(feature: str) -> None:
    named = FEATURES[feature]
    assert named and set(named) <= CASES.keys()


@pytest.mark.parametrize("name", ["virt-gicv2", "virt-gicv3"])
@needs_dtc
def test_qemu_tree_same_as_dtc(name: str) -> None:
    file = DATA / f"{name}.dts"
    run = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", str(file)], capture_output=True, check=True)
    assert _content(parse_dts(file.read_text(), str(file))) == _content(read_dtb(run.stdout, "dtc"))
