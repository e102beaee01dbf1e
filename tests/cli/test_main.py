"""Exit codes, and what goes where: the rules of the command line as a whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from irqframe.cli import _main
from irqframe.errors import IrqframeError

Run = Callable[..., subprocess.CompletedProcess[str]]
Process = Callable[..., subprocess.CompletedProcess[bytes]]

COMMANDS = ("check", "dtb", "dts", "inspect", "plugins", "run")


def test_the_installed_script_is_the_same_as_the_module(process: Process, virt_dts: Path) -> None:
    script = shutil.which("irqframe", path=sysconfig.get_path("scripts"))
    if script is None:
        pytest.skip("the console script is not installed")
    typed = subprocess.run([script, "check", virt_dts], capture_output=True, check=False, timeout=60)
    assert (typed.returncode, typed.stderr) == (0, b"")
    assert typed.stdout == process("check", virt_dts).stdout


def test_version(irqframe: Run) -> None:
    result = irqframe("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"irqframe {version('irqframe')}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_and_explains_itself(irqframe: Run, name: str) -> None:
    assert f"\n  {name} " in irqframe("--help").stdout
    result = irqframe(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: irqframe {name} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("--nope",),
        *((name, "--nope") for name in COMMANDS),
        ("run",),
        ("check",),
        ("run", "m.dts", "extra"),
        ("run", "m.dts", "--events", "0"),
        ("run", "m.dts", "--events", "many"),
        ("run", "m.dts", "--seed", "x"),
        ("run", "m.dts", "--wrap", "nope"),
    ],
    ids=" ".join,
)
def test_a_malformed_command_line_ends_with_2(irqframe: Run, arguments: tuple[str, ...]) -> None:
    result = irqframe(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "\nError: " in result.stderr


def test_no_command_at_all_shows_the_help_and_ends_with_2(irqframe: Run) -> None:
    result = irqframe()
    assert (result.returncode, result.stdout) == (2, "")
    assert "Commands:" in result.stderr


def test_a_fault_of_irqframe_ends_with_3_and_asks_for_a_report(
    irqframe: Run, monkeypatch: pytest.MonkeyPatch, virt_dts: Path
) -> None:
    def broken(path: str, *_: object, **__: object) -> object:
        raise ZeroDivisionError(path)

    monkeypatch.setattr("irqframe.cli._check.load_tree", broken)
    result = irqframe("check", virt_dts)
    assert (result.returncode, result.stdout) == (3, "")
    assert "ZeroDivisionError" in result.stderr
    assert result.stderr.endswith(
        "irqframe: this is a fault of irqframe; please report it with what is printed above\n"
    )


def test_nothing_but_a_run_that_went_well_ends_with_0(
    irqframe: Run, monkeypatch: pytest.MonkeyPatch, virt_dts: Path
) -> None:
    def leave(path: str, *_: object, **__: object) -> object:
        raise SystemExit(0)

    monkeypatch.setattr("irqframe.cli._check.load_tree", leave)
    assert irqframe("check", virt_dts).returncode == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_an_interruption_ends_with_130(
    irqframe: Run, monkeypatch: pytest.MonkeyPatch, virt_dts: Path, error: type[BaseException]
) -> None:
    def interrupted(path: str, *_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr("irqframe.cli._check.load_tree", interrupted)
    result = irqframe("check", virt_dts)
    assert (result.returncode, result.stdout, result.stderr.strip()) == (130, "", "irqframe: interrupted")


def test_ctrl_c_ends_a_run_with_130_and_no_traceback(command: list[str], virt_dts: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    line = [*command, "run", str(virt_dts), "--events", "100000000", "--trace", str(trace)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        until = time.monotonic() + 30
        while not (trace.exists() and trace.stat().st_size) and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err.strip()) == (130, "", "irqframe: interrupted")


@pytest.mark.parametrize("name", ["inspect", "dts", "run"])
def test_a_reader_that_has_enough_is_no_fault(command: list[str], virt_dts: Path, name: str) -> None:
    more = ["--events", "200"] if name == "run" else []
    with subprocess.Popen(
        [*command, name, str(virt_dts), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # before anything is written: every write fails
        err = running.stderr.read()
    assert running.returncode == 0
    assert b"Traceback" not in err
    assert b"Broken" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("name", ["inspect", "dts", "dtb"])
def test_output_that_cannot_be_written_ends_with_1(command: list[str], virt_dts: Path, name: str) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*command, name, str(virt_dts)], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert result.returncode == 1
    assert result.stderr == b"irqframe: error: No space left on device\n"


@pytest.fixture
def unserved(tmp_path: Path, virt_dts: Path) -> Path:
    """A machine whose controller nobody serves."""
    path = tmp_path / "unserved.dts"
    path.write_text(virt_dts.read_text().replace("arm,cortex-a15-gic", "acme,intc"))
    return path


def test_bad_input_is_json_where_json_was_asked_for(irqframe: Run, unserved: Path) -> None:
    text = irqframe("run", unserved)
    result = irqframe("run", "--json", unserved)
    assert (result.returncode, result.stderr) == (1, text.stderr)
    assert text.stdout == ""
    report = json.loads(result.stdout)
    assert list(report) == ["schema", "error", "findings"]
    assert report["schema"] == 1
    assert report["findings"] == json.loads(irqframe("check", "--json", unserved).stdout)["findings"]
    assert report["findings"][0]["code"] == "E0601"
    assert "E0601: no installed irqchip serves /intc@8000000" in report["error"]


def test_an_error_without_findings_is_json_as_well(
    irqframe: Run, monkeypatch: pytest.MonkeyPatch, rvic_dts: Path
) -> None:
    def refuse(path: str, *_: object, **__: object) -> object:
        raise IrqframeError("no")

    monkeypatch.setattr("irqframe.cli._machines.load_tree", refuse)
    for name in ("run", "inspect"):
        result = irqframe(name, rvic_dts, "--json")
        assert (result.returncode, result.stderr) == (1, "irqframe: error: no\n")
        assert json.loads(result.stdout) == {"schema": 1, "error": "no", "findings": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nope.dts"),
        ("run", "MACHINE", "--quirks", "K99"),
        ("run", "MACHINE", "--events", "1", "--trace", "no/such/folder"),
        ("plugins",),
        ("check", "MACHINE"),
    ],
)
def test_every_refusal_is_json(
    irqframe: Run, monkeypatch: pytest.MonkeyPatch, rvic_dts: Path, arguments: tuple[str, ...]
) -> None:
    if arguments[0] in ("plugins", "check"):
        monkeypatch.setattr("irqframe.flow.discover", _refuse)
    line = [str(rvic_dts) if argument == "MACHINE" else argument for argument in arguments]
    text, result = irqframe(*line), irqframe(*line, "--json")
    assert (text.returncode, text.stdout) == (1, "")
    assert (result.returncode, result.stderr) == (1, text.stderr)
    assert json.loads(result.stdout)["error"]


def _refuse() -> object:
    raise IrqframeError("no")


def test_json_as_the_value_of_another_option_asks_for_nothing(
    irqframe: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = irqframe("run", "nope.dts", "--trace", "--json")
    assert (result.returncode, result.stdout) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_json_that_cannot_be_written_changes_nothing(command: list[str]) -> None:
    line = [*command, "inspect", "nope.dts"]
    with open("/dev/full", "wb") as full:
        result = subprocess.run([*line, "--json"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    text = subprocess.run(line, capture_output=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (1, text.stderr)


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert (
        _main.EXIT_OK,
        _main.EXIT_BAD_INPUT,
        _main.EXIT_USAGE,
        _main.EXIT_INTERNAL,
        _main.EXIT_INTERRUPTED,
    ) == (0, 1, 2, 3, 130)


def test_commands_are_light_until_they_are_asked_for(command: list[str]) -> None:
    heavy = ("jsonschema", "ruamel.yaml", "fdt", "rich")
    line = f"import sys; from irqframe.cli import run; run(['--version']); print(sys.modules.keys() & {set(heavy)!r})"
    result = subprocess.run(
        [command[0], "-c", line], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ)
    )
    assert result.stdout.splitlines()[1:] == ["set()"]
