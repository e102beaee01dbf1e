"""Differential: the plugin's GICs and QEMU's, random histories on both (oracle/README.md)."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import page, stub
from oracle.describe import report
from oracle.operations import READ, Op, Outcome
from oracle.qemu import qemu_version
from oracle.script import difference, replay
from oracle.search import EXEMPTIONS, VERSIONS, Found, Shrinker, check, make, rows_for
from oracle.witness import Witness

HERE = Path(__file__).parent

needs_qemu = pytest.mark.skipif(qemu_version() is None, reason="qemu-system-aarch64 is not there")


@pytest.fixture(scope="module", params=[(2, 1), (2, 4), (3, 1), (3, 4)], ids=lambda gic: f"gicv{gic[0]}-{gic[1]}")
def gic(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, Witness]]:
    version, cpus = request.param
    with Witness(version, cpus) as witness:
        yield version, cpus, witness


@needs_qemu
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random=st.randoms(use_true_random=False))
def test_a_short_history_is_qemus(gic: tuple[int, int, Witness], random: Random) -> None:
    version, cpus, witness = gic
    script = make(version, cpus, random, 60, rows_for(version))
    found = check(witness, script)
    ops = tuple(step.op for step in script.steps)
    assert found is None, report(Found(ops[: found.at + 1], found), version, cpus)


@needs_qemu
def test_long_histories_are_qemus(gic: tuple[int, int, Witness]) -> None:
    version, cpus, witness = gic
    rows = rows_for(version)
    for seed in range(2):
        script = make(version, cpus, Random(f"long {seed}"), 500, rows)
        found = check(witness, script)
        assert found is None, report(Shrinker(witness, version, cpus, rows).shrink(script, found), version, cpus)


@needs_qemu
def test_the_oracle_does_the_same_twice(gic: tuple[int, int, Witness]) -> None:
    version, cpus, witness = gic
    ops = [step.op for step in make(version, cpus, Random(1), 200, rows_for(version)).steps]
    runs = []
    for _ in range(2):
        witness.reset()
        runs.append(witness.run(ops))
    assert runs[0] == runs[1]


def command_line(*words: str) -> list[str]:
    return [sys.executable, "-m", "oracle", "run", "2", "--cpus", "1", *words]


@needs_qemu
def test_the_command_line_says_what_it_saw() -> None:
    done = subprocess.run(
        command_line("--operations", "300", "--length", "100"), cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "differences: 0" in done.stdout and "v2-width" in done.stdout


@needs_qemu
def test_a_difference_is_found_and_made_small() -> None:
    words = command_line("--length", "60", "--without", "v2-filter")
    done = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    told = [line.split("writes", 1)[-1] for line in done.stdout.splitlines() if " GICD_SGIR" in line]
    assert int(told[-1].split()[0], 16) >> 24 & 3 == 3
    assert "  QEMU: " in done.stdout and int(done.stdout.split(" operations")[0].split()[-1]) < 12


@needs_qemu
def test_ctrl_c_ends_it_with_what_it_saw() -> None:
    with subprocess.Popen(command_line(), cwd=HERE, stdout=subprocess.PIPE, text=True) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=30)
    assert child.returncode == 130 and "differences: 0" in said


def test_a_difference_is_one_of_value_or_of_lines() -> None:
    script = replay([Op(READ, 0, 0x004)], 2, 1, rows_for(2))
    here = script.steps[0].outcome
    assert difference(script.steps, [here]) is None
    assert difference(script.steps, [Outcome(7, here.pins)]) is not None
    assert difference(script.steps, [Outcome(here.value, 1)]) is not None


def test_exemptions_have_names_of_their_own_and_a_reason() -> None:
    assert len({row.name for row in EXEMPTIONS}) == len(EXEMPTIONS)
    for row in EXEMPTIONS:
        assert row.version in VERSIONS and row.name.startswith(f"v{row.version}-")
        assert row.what and row.reason


def test_the_page_is_current() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text) == text, "run python -m oracle.page"


def test_the_program_is_its_source(tmp_path: Path) -> None:
    assembler, copy = (shutil.which(f"aarch64-linux-gnu-{tool}") for tool in ("as", "objcopy"))
    if assembler is None or copy is None:
        pytest.skip("aarch64-linux-gnu-as is not there")
    code, image = tmp_path / "stub.o", tmp_path / "stub.bin"
    subprocess.run([assembler, HERE / "oracle" / "stub.S", "-o", code], check=True)
    subprocess.run([copy, "-O", "binary", "-j", ".text", code, image], check=True)
    assert image.read_bytes().rstrip(b"\0") == stub.program().rstrip(b"\0")
