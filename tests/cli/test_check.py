"""`irqframe check`: one line per good machine, findings on standard error, both as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Process = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def broken(tmp_path: Path, virt_dts: Path) -> Path:
    """The machine with two faults: a line that is taken, and a specifier that is outside of the GIC."""
    text = virt_dts.read_text().replace("<0x00 0x11 0x01>", "<0x00 0x10 0x01>").replace("0x00 0x12", "0x00 0x3ff")
    path = tmp_path / "broken.dts"
    path.write_text(text)
    return path


def test_good_machines_take_a_line_each(irqframe: Run, virt_dts: Path, virt_dtb: Path, rvic_dts: Path) -> None:
    result = irqframe("check", virt_dts, virt_dtb, rvic_dts)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{virt_dts}: 4 CPUs, gicv2, 55 sources, 1 with MSIs: ok",
        f"{virt_dtb}: 4 CPUs, gicv2, 55 sources, 1 with MSIs: ok",
        f"{rvic_dts}: 4 CPUs, rvic, 27 sources, 1 with MSIs: ok",
    ]


def test_every_fault_of_every_file_is_reported(irqframe: Run, virt_dts: Path, broken: Path) -> None:
    result = irqframe("check", broken, virt_dts, broken.with_name("missing.dts"))
    assert result.returncode == 1
    assert result.stdout == f"{virt_dts}: 4 CPUs, gicv2, 55 sources, 1 with MSIs: ok\n"
    lines = [line for line in result.stderr.splitlines() if ": error[" in line]
    assert [line.partition("error[")[2][:5] for line in lines] == ["E0604", "E0603", "E0001"]
    assert result.stderr.splitlines()[-1] == "3 errors"


def test_json_has_what_the_text_has(irqframe: Run, broken: Path) -> None:
    result = irqframe("check", "--json", broken)
    assert (result.returncode, result.stderr) == (1, "")
    report = json.loads(result.stdout)
    assert (report["schema"], report["summary"]) == (1, "2 errors")
    first, second = report["findings"]
    assert set(first) == {
        "code",
        "severity",
        "message",
        "path",
        "span",
        "expected",
        "found",
        "hint",
        "related",
    }
    assert (first["code"], first["severity"], first["path"]) == ("E0604", "error", "/virtio_mmio@a000200")
    assert set(first["span"]) == {"file", "line", "column", "end_line", "end_column", "expanded_from"}
    assert first["related"][0]["message"] == "the other"
    line = broken.read_text().splitlines()[second["span"]["line"] - 1]
    assert line[second["span"]["column"] - 1 : second["span"]["end_column"] - 1] == "0x3ff"


def test_json_of_a_good_machine_has_no_findings(irqframe: Run, virt_dts: Path) -> None:
    result = irqframe("check", virt_dts, "--json")
    assert result.returncode == 0
    report = json.loads(result.stdout)
    assert list(report) == ["schema", "summary", "files", "findings"]
    assert (report["schema"], report["summary"], report["findings"]) == (1, "0 errors", [])


def test_json_lists_every_file(irqframe: Run, virt_dts: Path, broken: Path, tmp_path: Path) -> None:
    unserved = tmp_path / "unserved.dts"
    unserved.write_text(virt_dts.read_text().replace("arm,cortex-a15-gic", "acme,intc"))
    missing = tmp_path / "missing.dts"
    result = irqframe("check", "--json", virt_dts, broken, unserved, missing)
    known = {"irqchip": "gicv2", "cpus": 4, "sources": 55, "msis": 1}
    first, second, *others = json.loads(result.stdout)["files"]
    assert first == {"file": str(virt_dts), "ok": True} | known
    assert (second["file"], second["ok"], second["irqchip"], second["cpus"]) == (str(broken), False, "gicv2", 4)
    assert others[-1] == {"file": str(missing), "ok": False} | dict.fromkeys(known)
    assert (others[0]["file"], others[0]["ok"]) == (str(unserved), False)


def test_json_calls_standard_input_what_the_text_calls_it(process: Process, virt_dts: Path) -> None:
    report = json.loads(process("check", "-", "--json", stdin=virt_dts.read_bytes()).stdout)
    assert [(file["file"], file["ok"]) for file in report["files"]] == [("<stdin>", True)]


def quoted(irqframe: Run, path: Path) -> tuple[str, str]:
    """The source line of the first finding as it is quoted, and what is marked in it."""
    lines = irqframe("check", path).stderr.splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("      | "))
    marks, text = lines[number][8:], lines[number - 1][8:]
    return text, text[marks.index("^") : len(marks)]


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_long_line_is_quoted_around_the_fault_only(irqframe: Run, broken: Path, where: str) -> None:
    before, after = {"start": (0, 9000), "middle": (4500, 4500), "end": (9000, 0)}[where]
    text = broken.read_text().replace("0x00 0x3ff", "0x00 0x13")
    wrong = "interrupts = <0x00 0x10 0x01>;"
    assert text.count(wrong) == 2
    first, second, third = text.split(wrong)
    padded = f"{'/**/ ' * (before // 5)}{wrong}{' /**/' * (after // 5)}"
    broken.write_text(f"{first}{wrong}{second}\n{padded}\n{third}")
    line, marked = quoted(irqframe, broken)
    assert marked == "0x00"  # the specifier's first cell
    assert wrong in line
    assert (line.startswith("..."), line.endswith("...")) == (where != "start", where != "end")
    assert len(line.removeprefix("...").removesuffix("...")) == 100


def test_a_fault_longer_than_what_is_quoted_is_marked_as_far_as_it_is(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.dts"
    path.write_text(f"/dts-v1/;\n/ {{ {' ' * 300}a = <&{'b' * 300}>; }};\n")
    line, marked = quoted(irqframe, path)
    assert line.startswith("...") and line.endswith("...")
    assert len(line) == 106
    assert set(marked) <= set("&b") and len(marked) == 100


@pytest.mark.parametrize("suffix", [".dts", ".dtb"])
def test_a_machine_may_come_on_standard_input(process: Process, virt_dts: Path, virt_dtb: Path, suffix: str) -> None:
    data = (virt_dts if suffix == ".dts" else virt_dtb).read_bytes()
    result = process("check", "-", stdin=data)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == b"<stdin>: 4 CPUs, gicv2, 55 sources, 1 with MSIs: ok\n"


def test_a_finding_on_standard_input_has_no_file_to_quote(process: Process, broken: Path) -> None:
    result = process("check", "-", stdin=broken.read_bytes())
    assert result.returncode == 1
    assert result.stderr.startswith(b"<stdin>:47:17: error[E0604]: ")
    assert b" | " not in result.stderr


def test_a_file_that_changed_is_quoted_as_it_is_now(irqframe: Run, tmp_path: Path, broken: Path) -> None:
    path = tmp_path / "m.dts"
    text = broken.read_text()
    path.write_text(text)
    assert "interrupts = <0x00 0x10 0x01>; // " not in irqframe("check", path).stderr
    path.write_text(text.replace("<0x00 0x10 0x01>;", "<0x00 0x10 0x01>; // changed"))
    assert "interrupts = <0x00 0x10 0x01>; // changed\n" in irqframe("check", path).stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_read_once(command: list[str], tmp_path: Path, broken: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*command, "check", str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as checking:
        pipe.write_bytes(broken.read_bytes())
        out, err = checking.communicate(timeout=30)
    assert (checking.returncode, out) == (1, b"")
    assert err.startswith(f"{pipe}:47:17: error[E0604]: ".encode())


BINDING = """\
%YAML 1.2
---
$id: http://devicetree.org/schemas/test/uart.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
title: What the machine has no binding for
maintainers: [nobody <nobody@example.org>]
properties:
  compatible:
    const: test,uart
  test,depth:
    $ref: /schemas/types.yaml#/definitions/uint32
    maximum: 16
required: [compatible]
additionalProperties: false
"""


@pytest.fixture
def bindings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "bindings"
    folder.mkdir()
    (folder / "uart.yaml").write_text(BINDING)
    return folder


def test_a_folder_of_bindings(irqframe: Run, rvic_dts: Path, bindings: Path, tmp_path: Path) -> None:
    machine = tmp_path / "machine.dts"
    machine.write_text(rvic_dts.read_text() + '\n/ { uart { compatible = "test,uart"; test,depth = <17>; }; };\n')
    assert irqframe("check", machine).returncode == 0
    for _ in range(2):
        done = irqframe("check", "--bindings", bindings, machine)
        assert done.returncode == 1
        assert "error[E0503]: `test,depth` has a wrong value" in done.stderr
        assert f"see the binding {bindings / 'uart.yaml'}" in done.stderr


def test_what_is_wrong_with_a_folder_is_said_once(irqframe: Run, rvic_dts: Path, bindings: Path) -> None:
    (bindings / "broken.yaml").write_text("a: [1\n")
    done = irqframe("check", "--bindings", bindings, rvic_dts, rvic_dts, "--json")
    found = [finding for finding in json.loads(done.stdout)["findings"] if finding["code"] == "W0515"]
    assert [finding["severity"] for finding in found] == ["warning"]
    done = irqframe("check", "--bindings", bindings / "none", "--bindings", bindings / "uart.yaml", rvic_dts)
    assert done.returncode == 1
    assert done.stderr.count("error[E0514]") == 2
