"""`irqframe run --replay`: a recorded run made again, on the same irqchip and on every other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Process = Callable[..., subprocess.CompletedProcess[bytes]]
CHIPS = ("rvic", "gicv2", "gicv3")
GOOD = '{"ns": 0, "vcpu": 0, "kind": "raise", "intid": 2, "source": "IPI 0 LATCHED"}\n'


@pytest.fixture
def trace(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    assert irqframe("run", rvic_dts, "--events", "600", "--trace", path).returncode == 0
    return path


def report(irqframe: Run, *arguments: str | Path) -> dict[str, Any]:
    result = irqframe("run", "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def steps(path: Path) -> list[list[Any]]:
    """What a trace says was done; when, and by which INTID, is the irqchip's."""
    events = map(json.loads, path.read_text().splitlines())
    kinds = ("raise", "deliver", "move", "off", "on")
    return [[one["vcpu"], one["kind"], one["source"]] for one in events if one["kind"] in kinds]


@pytest.mark.parametrize("other", CHIPS)
@pytest.mark.parametrize("chip", CHIPS)
def test_every_irqchip_replays_what_every_other_took(
    irqframe: Run, rvic_dts: Path, tmp_path: Path, chip: str, other: str
) -> None:
    path, again = tmp_path / "trace", tmp_path / "again"
    first = report(irqframe, rvic_dts, "--irqchip", chip, "--events", "600", "--trace", path)
    second = report(irqframe, rvic_dts, "--irqchip", other, "--replay", path, "--trace", again)
    told = second["recording"]
    assert (second["irqchip"], second["seed"], second["accounted"]) == (other, None, True)
    assert second["events"] == told["raises"] == told["made"] == first["events"]
    assert (told["file"], told["not_made"], told["contradictions"]) == (str(path), [], 0)
    assert told["moves"]["recorded"] == told["moves"]["made"] == first["moves"]
    rows = {row["name"]: row for row in told["sources"]}
    for source in first["sources"]:
        row = rows[source["name"]]
        assert row["raised"] == {"recorded": source["raised"], "replayed": source["raised"]}
        assert row["delivered"]["recorded"] == sum(source["delivered"])
    if chip == other:
        assert told["same"] and second["sources"] == first["sources"]
        assert steps(again) == steps(path)
    assert told["same"] is (chip == other or "rvic" not in (chip, other))


def test_a_replay_of_a_replay_is_the_same(irqframe: Run, rvic_dts: Path, trace: Path, tmp_path: Path) -> None:
    path = tmp_path / "again"
    once = irqframe("run", rvic_dts, "--irqchip", "gicv3", "--replay", trace, "--trace", path).stdout
    assert irqframe("run", rvic_dts, "--irqchip", "gicv3", "--replay", trace).stdout == once
    assert report(irqframe, rvic_dts, "--irqchip", "gicv3", "--replay", path)["recording"]["same"]


def test_calls_that_were_recorded_too_change_nothing(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrapped"
    first = report(irqframe, rvic_dts, "--events", "600", "--trace", path, "--wrap", "trace")
    second = report(irqframe, rvic_dts, "--replay", path)
    assert second["recording"]["same"] and second["sources"] == first["sources"]


def test_the_text_says_how_it_compares(irqframe: Run, rvic_dts: Path, trace: Path) -> None:
    result = irqframe("run", rvic_dts, "--replay", trace)
    assert result.returncode == 0 and "events/s" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[-3].startswith("every interrupt accounted for: 602 raised = ")
    assert lines[-2:] == [
        "recording: 602 raises, 602 made again",
        "  every source of this machine was raised and delivered as often as recorded",
    ]


def test_what_is_not_there_is_named(irqframe: Run, trace: Path, rvic_dts: Path) -> None:
    gic = rvic_dts.with_name("virt-gicv2.dts")
    result = irqframe("run", gic, "--replay", trace)
    assert result.returncode == 0
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("  not made: "))
    assert " of serial@9000000" in line and line.endswith(" (the machine has no such source)")
    told = report(irqframe, gic, "--replay", trace)["recording"]
    assert told["same"] is False
    assert told["made"] + sum(one["raises"] for one in told["not_made"]) == told["raises"]


def test_a_recording_may_come_from_a_pipe(process: Process, rvic_dts: Path, trace: Path) -> None:
    piped = process("run", rvic_dts, "--replay", "-", stdin=trace.read_bytes())
    assert piped.returncode == 0
    assert piped.stdout == process("run", rvic_dts, "--replay", trace).stdout
    bad = process("run", rvic_dts, "--replay", "-", stdin=GOOD.encode() + b"nothing\n")
    assert bad.returncode == 1
    assert bad.stderr.startswith(b"<stdin>:2:1: error[E0701]: this line is no JSON\n")
    assert b"recording as far as it was read: 1 raise, 1 made again\n" in bad.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--events", "9"), "--events does not go with --replay: the recording says what is raised"),
        (("--seed", "1"), "--seed does not go with --replay: the recording says what is raised"),
    ],
)
def test_options_that_exclude_each_other(
    irqframe: Run, rvic_dts: Path, trace: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = irqframe("run", rvic_dts, "--replay", trace, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith(f"Error: {message}\n")


def test_the_recording_is_not_overwritten(irqframe: Run, rvic_dts: Path, trace: Path, tmp_path: Path) -> None:
    before, link, fresh = trace.read_bytes(), tmp_path / "link", tmp_path / "fresh"
    link.symlink_to(trace)
    for name in (trace, link):
        result = irqframe("run", rvic_dts, "--replay", trace, "--trace", name)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.endswith("Error: --trace would overwrite what --replay reads\n")
        assert trace.read_bytes() == before
    fresh.write_text("kept")
    assert irqframe("run", rvic_dts, "--replay", tmp_path / "missing", "--trace", fresh).returncode == 1
    assert fresh.read_text() == "kept"


def test_a_fault_ends_the_comparison_too(irqframe: Run, rvic_dts: Path, trace: Path) -> None:
    """What was read before it counts on both sides."""
    result = irqframe("run", rvic_dts, "--replay", trace, "--quirks", "as-is", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)["recording"]
    assert told["whole"] is False
    assert any(source["delivered"]["recorded"] for source in told["sources"])


def test_standard_input_is_one_of_the_two(irqframe: Run) -> None:
    result = irqframe("run", "-", "--replay", "-")
    assert result.returncode == 2
    assert result.stderr.endswith("Error: the machine and --replay cannot both be standard input\n")


@pytest.mark.parametrize(
    ("text", "first", "made"),
    [
        (b"", "error[E0702]: no raise is recorded here", 0),
        (GOOD.replace("IPI 0", "gpu").encode(), "error[E0702]: nothing that is recorded here can be raised", 0),
        (GOOD.encode() * 3 + b"{}\n", ":4:1: error[E0701]: this line is no event", 3),
        (GOOD.encode() + b"\x00" * 3_000_000, ":2:1: error[E0701]: this line is longer than 64 KiB", 1),
        (GOOD.encode() + b"\xff\n", ":2:1: error[E0002]: this is not UTF-8 text", 1),
        (GOOD.encode() + GOOD.replace("IPI 0", "x" * 70_000).encode(), ":2:1: error[E0701]: this line is longer", 1),
        (GOOD.encode() + GOOD.replace("IPI 0", "é" * 40_000).encode(), ":2:1: error[E0701]: this line is longer", 1),
        (GOOD.replace('"vcpu": 0', '"vcpu": 007').encode(), ":1:20: error[E0701]: this line is no JSON", 0),
        (b"\n", ":1:1: error[E0701]: this line is no JSON", 0),
    ],
    ids=["empty", "no source", "no event", "huge", "no text", "long", "long beyond ASCII", "zeros", "blank"],
)
def test_a_bad_recording_ends_with_1(
    irqframe: Run, rvic_dts: Path, tmp_path: Path, text: bytes, first: str, made: int
) -> None:
    """What stood before the bad line is replayed and told."""
    path = tmp_path / "bad"
    path.write_bytes(text)
    result = irqframe("run", rvic_dts, "--replay", path)
    assert (result.returncode, bool(result.stdout)) == (1, made > 0)
    assert not made or f"\nrecording as far as it was read: {made} raise" in result.stdout
    assert first in result.stderr.splitlines()[0] and result.stderr.startswith(str(path))
    assert result.stderr.endswith("\n1 error\n") and len(result.stderr) < 1000
    told = json.loads(irqframe("run", rvic_dts, "--json", "--replay", path).stdout)
    assert [finding["span"]["file"] for finding in told["findings"]] == [str(path)]
    assert ("recording" in told) == (made > 0)


@pytest.mark.parametrize(("name", "why"), [("missing", "No such file or directory"), (".", "Is a directory")])
def test_a_recording_that_cannot_be_read(irqframe: Run, rvic_dts: Path, name: str, why: str) -> None:
    result = irqframe("run", rvic_dts, "--replay", name)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{name}: error[E0001]: cannot be read: {why}\n1 error\n"


def test_a_name_does_not_reach_the_terminal_as_it_is(irqframe: Run, rvic_dts: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    names = ["a\x1b[2Jb", "two\nlines", "\ud800", "\u202eback", "x" * 5000]
    path.write_text(GOOD + "".join(GOOD.replace('"IPI 0 LATCHED"', json.dumps(f"{name} LATCHED")) for name in names))
    result = irqframe("run", rvic_dts, "--replay", path)
    assert result.returncode == 0
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("  not made: "))
    assert line.isprintable() and len(line) < 300
    assert "a\ufffd[2Jb" in line and "two\ufffdlines" in line and "\ufffdback" in line
    told = report(irqframe, rvic_dts, "--replay", path)["recording"]
    assert [one["name"] for one in told["not_made"]] == names


def test_what_has_no_guest_replays_nothing(
    irqframe: Run, rvic_dts: Path, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irqframe_rvic import Rvic

    monkeypatch.delattr(Rvic, "irqchip_guest_driver")
    result = irqframe("run", rvic_dts, "--replay", trace)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "irqframe: error: --replay needs a guest, and rvic brings no guest driver\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc/self/status")
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, rvic_dts: Path) -> None:
    """One is a hundred times as long as the other."""
    peak = "import sys; from irqframe.cli import run; code = run(sys.argv[1:]); "
    peak += "print(open('/proc/self/status').read(), file=sys.stderr); sys.exit(code)"
    trap = '{"ns": 0, "vcpu": 0, "kind": "hypercall", "intid": -1, "source": "RVIC_INFO"}\n'
    used = []
    for times in (3, 300):
        path = tmp_path / f"trace{times}"
        path.write_text((trap * 900 + GOOD) * times)
        line = [sys.executable, "-c", peak, "run", str(rvic_dts), "--replay", str(path)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        used += [int(kilobytes) for kilobytes in re.findall(r"^VmHWM:\s+(\d+) kB", done.stderr, re.MULTILINE)]
    assert used[1] < used[0] + 8 * 1024
