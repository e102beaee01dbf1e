"""`irqframe dtb` and `irqframe dts`: the tree of a machine, written."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.dt import Tree, load, read_dtb, to_dtb

Run = Callable[..., subprocess.CompletedProcess[str]]
Process = Callable[..., subprocess.CompletedProcess[bytes]]


def content(tree: Tree) -> list[tuple[str, dict[str, bytes]]]:
    return [(node.path, {name: prop.data for name, prop in node.properties.items()}) for node in tree.walk()]


@pytest.mark.parametrize("name", ["dtb", "dts"])
def test_what_is_written_to_standard_output_is_what_is_written_to_a_file(
    process: Process, virt_dts: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / f"out.{name}"
    piped = process(name, virt_dts)
    filed = process(name, virt_dts, "-o", out)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert (filed.returncode, filed.stdout, filed.stderr) == (0, b"", b"")
    assert out.read_bytes() == piped.stdout


@pytest.mark.parametrize("source", ["virt_dts", "virt_dtb", "rvic_dts"])
@pytest.mark.parametrize("name", ["dtb", "dts"])
def test_the_tree_written_is_the_tree_read(
    irqframe: Run, request: pytest.FixtureRequest, tmp_path: Path, source: str, name: str
) -> None:
    path: Path = request.getfixturevalue(source)
    out = tmp_path / f"out.{name}"
    assert irqframe(name, path, "-o", out).returncode == 0
    before, after = load(str(path)), load(str(out))
    assert content(after) == content(before)
    assert after.reservations == before.reservations
    assert after.boot_cpu == before.boot_cpu


@pytest.mark.parametrize("name", ["dtb", "dts"])
def test_a_machine_that_does_not_run_is_not_written(irqframe: Run, tmp_path: Path, name: str) -> None:
    bad, out = Path(__file__).parents[2] / "docs" / "examples" / "broken.dts", tmp_path / "out"
    result = irqframe(name, bad, "-o", out)
    assert (result.returncode, result.stdout) == (1, "")
    assert not out.exists()


@pytest.mark.parametrize(
    ("output", "why"),
    [("missing/out", "No such file or directory"), (".", "Is a directory")],
    ids=["missing", "folder"],
)
@pytest.mark.parametrize("name", ["dtb", "dts"])
def test_a_file_that_cannot_be_written(
    irqframe: Run, virt_dts: Path, tmp_path: Path, name: str, output: str, why: str
) -> None:
    result = irqframe(name, virt_dts, "-o", tmp_path / output)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"irqframe: error: {tmp_path / output}: {why}\n"


def test_a_tree_that_is_no_machine_is_written(irqframe: Run, tmp_path: Path) -> None:
    (tmp_path / "small.dts").write_text("/dts-v1/;\n/ { l: a { b = <&l>; }; };\n")
    assert irqframe("dtb", "-@", tmp_path / "small.dts", "-o", tmp_path / "small.dtb").returncode == 0
    symbols = load(tmp_path / "small.dtb").node("/__symbols__")
    assert symbols is not None
    assert symbols.strings("l") == ("/a",)


def test_a_tree_that_nobody_serves_is_written_as_it_was_read(irqframe: Run, tmp_path: Path) -> None:
    dump = Path(__file__).parents[1] / "dt" / "data" / "virt-gicv3.dtb.gz"
    blob = gzip.decompress(dump.read_bytes()).replace(b"arm,gic-v3", b"acme,gic-3")
    before = read_dtb(blob, "virt")
    (tmp_path / "in.dtb").write_bytes(blob)
    result = irqframe("dtb", tmp_path / "in.dtb", "-o", tmp_path / "out.dtb")
    assert result.returncode == 0
    assert "served by no installed irqchip" in result.stderr
    assert (tmp_path / "out.dtb").read_bytes() == to_dtb(before)
    refused = irqframe("dtb", tmp_path / "in.dtb", "--bootable", "-o", tmp_path / "boot.dtb")
    assert refused.returncode == 1
    assert "E0601" in refused.stderr
