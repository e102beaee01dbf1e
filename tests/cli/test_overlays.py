"""`--overlay` and `--symbols`: machines that overlays changed, and findings that lead into the overlay."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.dt import Tree, is_overlay, load

Run = Callable[..., subprocess.CompletedProcess[str]]
Process = Callable[..., subprocess.CompletedProcess[bytes]]

needs_dtc = pytest.mark.skipif(
    shutil.which("dtc") is None or shutil.which("fdtoverlay") is None, reason="dtc and fdtoverlay are not installed"
)

SERIAL = """\
/dts-v1/;
/plugin/;
&{/} {
	serial1: serial@9100000 {
		compatible = "arm,pl011", "arm,primecell";
		reg = <0x0 0x9100000 0x0 0x1000>;
		clocks = <&apb_pclk>, <&apb_pclk>;
		clock-names = "uartclk", "apb_pclk";
		interrupts = <40 4>;
	};
};
"""
MOVED = """\
/dts-v1/;
/plugin/;
&serial1 {
	interrupts = <41 4>;
};
"""


@pytest.fixture
def serial(tmp_path: Path) -> Path:
    return written(tmp_path / "serial.dts", SERIAL)


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    return written(tmp_path / "moved.dts", MOVED)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def compiled(path: Path, *flags: str) -> Path:
    out = path.with_suffix(".dtb")
    subprocess.run(["dtc", "-q", *flags, "-O", "dtb", "-o", out, path], check=True)
    return out


def content(tree: Tree) -> list[tuple[str, list[tuple[str, bytes]]]]:
    return [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]


@pytest.mark.parametrize("name", ["dtb", "dts"])
def test_overlays_are_applied_in_order(
    irqframe: Run, rvic_dts: Path, serial: Path, moved: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    assert irqframe(name, rvic_dts, "--overlay", serial, "--overlay", moved, "-o", out).returncode == 0
    node = load(str(out)).node("/serial@9100000")
    assert node is not None
    assert node.cells("interrupts") == (41, 4)


def test_overlay_of_an_overlay_needs_it(irqframe: Run, rvic_dts: Path, serial: Path, moved: Path) -> None:
    result = irqframe("check", rvic_dts, "--overlay", moved, "--overlay", serial)
    assert result.returncode == 1
    assert f"{moved}:3:1: error[E0215]: &serial1 is not defined in {rvic_dts}" in result.stderr


@needs_dtc
def test_same_as_dtc_and_fdtoverlay(irqframe: Run, rvic_dts: Path, serial: Path, moved: Path, tmp_path: Path) -> None:
    base = written(tmp_path / "base.dts", rvic_dts.read_text())
    binary = [compiled(path, "-@") for path in (base, serial, moved)]
    theirs, ours, mixed = (tmp_path / name for name in ("theirs", "ours", "mixed"))
    subprocess.run(["fdtoverlay", "-i", binary[0], "-o", theirs, *binary[1:]], check=True)
    assert irqframe("dtb", base, "-@", "--overlay", serial, "--overlay", moved, "-o", ours).returncode == 0
    assert content(load(str(ours))) == content(load(str(theirs)))
    command = ["dtb", binary[0], "--symbols", "--overlay", binary[1], "--overlay", moved, "-o", mixed]
    assert irqframe(*command).returncode == 0
    assert content(load(str(mixed))) == content(load(str(theirs)))


@needs_dtc
def test_symbols_same_as_dtc(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> None:
    base = written(tmp_path / "base.dts", rvic_dts.read_text())
    assert irqframe("dtb", base, "-@", "-o", tmp_path / "ours").returncode == 0
    assert content(load(str(tmp_path / "ours"))) == content(load(str(compiled(base, "-@"))))
    assert irqframe("dtb", base, "-o", tmp_path / "ours").returncode == 0
    assert content(load(str(tmp_path / "ours"))) == content(load(str(compiled(base))))


def test_symbols_of_a_re_targeted_machine_lead_somewhere(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.dtb"
    assert irqframe("dtb", rvic_dts, "-@", "--irqchip", "gicv2", "-o", out).returncode == 0
    tree = load(str(out))
    symbols = tree.root.children["__symbols__"].properties
    assert "uart0" in symbols
    assert all(tree.node(prop.strings[0]) is not None for prop in symbols.values())


def test_finding_leads_into_the_overlay(irqframe: Run, rvic_dts: Path, serial: Path) -> None:
    serial.write_text(SERIAL.replace("<40 4>", "<4000 4>"))
    result = irqframe("check", rvic_dts, "--overlay", serial, "--json")
    assert result.returncode == 1
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["span"]["file"], finding["span"]["line"]) == (str(serial), 9)
    text = irqframe("check", rvic_dts, "--overlay", serial).stderr
    assert "    9 | \t\tinterrupts = <4000 4>;" in text


def test_finding_of_a_binding_leads_into_the_overlay(irqframe: Run, rvic_dts: Path, moved: Path) -> None:
    moved.write_text('/dts-v1/;\n/plugin/;\n&rvid {\n\t#interrupt-cells = "two";\n};\n')
    result = irqframe("check", rvic_dts, "--overlay", moved)
    assert result.returncode == 1
    assert f"{moved}:4:" in result.stderr


def test_way_names_the_overlay(irqframe: Run, rvic_dts: Path, serial: Path) -> None:
    result = irqframe("inspect", rvic_dts, "--overlay", serial, "--json")
    ways = {one["node"]: one["way"][0] for one in json.loads(result.stdout)["sources"]}
    assert (ways["/serial@9100000"]["file"], ways["/serial@9100000"]["line"]) == (str(serial), 9)


def test_run_with_an_overlay(irqframe: Run, rvic_dts: Path, serial: Path) -> None:
    result = irqframe("run", rvic_dts, "--overlay", serial, "--events", "500", "--json")
    assert result.returncode == 0
    assert "serial@9100000" in result.stdout


def test_faults_of_all_files_together(irqframe: Run, rvic_dts: Path, serial: Path, moved: Path, tmp_path: Path) -> None:
    base = written(tmp_path / "base.dts", rvic_dts.read_text().replace("psci {", "psci {\n= ;", 1))
    serial.write_text(SERIAL.replace("<40 4>;", "<40 4;"))
    result = irqframe("dtb", base, "--overlay", serial, "--overlay", moved, "--overlay", tmp_path / "none", "-o", "x")
    assert result.returncode == 1
    for place in (f"{base}:", f"{serial}:9:", f"{tmp_path / 'none'}: error[E0001]"):
        assert place in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("arguments", ["check", "inspect", "run", "dtb --append x -o x", "dts --irqchip rvic"])
def test_overlay_in_place_of_a_machine(irqframe: Run, serial: Path, arguments: str) -> None:
    name, *options = arguments.split()
    result = irqframe(name, serial, *options)
    assert result.returncode == 1
    assert f"{serial}:3:1: error[E0224]" in result.stderr
    assert "apply it with --overlay" in result.stderr


def test_machine_in_place_of_an_overlay(irqframe: Run, rvic_dts: Path) -> None:
    result = irqframe("check", rvic_dts, "--overlay", rvic_dts)
    assert result.returncode == 1
    assert "error[E0225]" in result.stderr


def test_overlay_from_standard_input(process: Process, rvic_dts: Path) -> None:
    result = process("check", rvic_dts, "--overlay", "-", stdin=SERIAL.encode())
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"28 sources" in result.stdout


def test_an_overlay_is_written_as_it_is_compiled(irqframe: Run, serial: Path, tmp_path: Path) -> None:
    assert irqframe("dtb", serial, "-o", tmp_path / "ours.dtbo").returncode == 0
    tree = load(tmp_path / "ours.dtbo")
    assert is_overlay(tree)
    assert "__fixups__" in tree.root.children
    assert "__overlay__" in irqframe("dts", serial).stdout
