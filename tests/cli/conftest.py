"""The command line as its tests call it: in this process, or as a user's own."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.cli import run

ROOT = Path(__file__).parents[2]
VIRT = ROOT / "tests" / "dt" / "data" / "virt-gicv2.dts"

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def irqframe(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process: `irqframe("check", path)`."""

    def call(*arguments: str | Path) -> Result:
        capsys.readouterr()
        listed = [str(argument) for argument in arguments]
        code = run(listed)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(listed, code, out, err)

    return call


@pytest.fixture
def command() -> list[str]:
    """What begins a command line of a process of its own."""
    return [sys.executable, "-m", "irqframe"]


@pytest.fixture
def process(command: list[str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command line in a process of its own, in an empty folder."""

    def call(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        line = [*command, *(str(argument) for argument in arguments)]
        return subprocess.run(line, input=stdin, capture_output=True, cwd=tmp_path, check=False, timeout=60)

    return call


@pytest.fixture(scope="session")
def virt_dts() -> Path:
    """QEMU's GICv2 machine, as dtc writes it."""
    return VIRT


@pytest.fixture(scope="session")
def virt_dtb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """QEMU's GICv2 machine, as QEMU writes it."""
    path = tmp_path_factory.mktemp("virt") / "virt.dtb"
    path.write_bytes(gzip.decompress(VIRT.with_suffix(".dtb.gz").read_bytes()))
    return path


@pytest.fixture(scope="session")
def rvic_dts() -> Path:
    """The machine that is shipped."""
    return ROOT / "docs" / "examples" / "virt-rvic.dts"


@pytest.fixture(autouse=True)
def _all_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says, the installed plugins are loaded."""
    monkeypatch.delenv("IRQFRAME_LOAD_PLUGINS", raising=False)
