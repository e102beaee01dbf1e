"""Debian's arm64 kernel on the GICs: what its init reads in /proc/interrupts is what irqframe counted meanwhile.

`make test-linux` fetches the kernel and runs this. QEMU boots the same kernel and RAM disk on the same machines.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv" / "linux"
IMAGE, INITRD = HOME / "Image", HOME / "initrd.cpio"
MARKS = runpy.run_path(str(Path(__file__).with_name("initrd.py")))
CONSOLE = "console=ttyAMA0"

pytestmark = pytest.mark.skipif(
    not os.environ.get("IRQFRAME_LINUX"), reason="`make test-linux` fetches Debian's kernel and boots it"
)

Counts = list[dict[int, int]]


class Boot:
    """A boot to power-off, with irqframe's counts as they were at the two marks."""

    def __init__(self, chip: str, cpus: int, **options: Any) -> None:
        from irqframe import dt
        from irqframe.cli._boot_console import BootConsole
        from irqframe.guest.aarch64 import Reason, launch
        from irqframe.machine import load_machine, with_cpus

        self.lines: list[str] = []
        self.marks: dict[str, tuple[Counts, list[set[int]]]] = {}
        tree = with_cpus(dt.load(str(ROOT / "docs" / "examples" / f"virt-{chip}.dts")), cpus)
        self.console = BootConsole(
            lambda data: None, lambda word, text: self.guest.runner.end(Reason(word), text), on_line=self._line
        )
        self.guest = launch(load_machine(tree), IMAGE, initrd=INITRD, append=CONSOLE, console=self.console, **options)
        self.ended = self.guest.runner.run(timeout=300)
        self.guest.close()

    def _line(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self.lines.append(text)
        for name in ("BEGIN", "END"):
            if text.endswith(MARKS[name]):
                self.marks[name] = self._counts(), self._active()

    def _counts(self) -> Counts:
        vm = self.guest.vm
        return [dict(vm.flow.call("delivered", vcpu)) for vcpu in vm.vcpus]

    def _active(self) -> list[set[int]]:
        vm = self.guest.vm
        waiting = [vm.flow.call("waiting", vcpu) for vcpu in vm.vcpus]
        return [{intid for intid, state in states.items() if "active" in state} for states in waiting]

    def table(self) -> dict[int, list[int]]:
        """What the guest read: INTID -> how often on each CPU."""
        cpus = len(self.guest.vm.vcpus) or len(self.marks["BEGIN"][0])
        found = {}
        for line in self.lines:
            words = line.split()
            wired = re.match(r"\s*\d+:((?:\s+\d+)+)\s+GIC\S*\s+(\d+) (?:Level|Edge)", line)
            ipi = re.match(r"\s*IPI(\d):((?:\s+\d+)+)\s", line)
            if wired:
                found[int(wired[2])] = [int(word) for word in words[1 : 1 + cpus]]
            elif ipi:
                found[int(ipi[1])] = [int(word) for word in words[1 : 1 + cpus]]
        return found


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("chip", ["gicv2", "gicv3"])
def test_linux_boots_and_counts_as_irqframe_does(chip: str, cpus: int) -> None:
    boot = Boot(chip, cpus)
    assert boot.ended.reason.value == "off", boot.lines[-20:]
    (before, active), (after, _) = boot.marks["BEGIN"], boot.marks["END"]
    table = boot.table()
    assert {27, 33, *range(7)} <= table.keys()
    for intid, counts in table.items():
        for cpu, count in enumerate(counts):
            # One that is in its handler was acknowledged, and Linux may not have counted it yet.
            least = before[cpu].get(intid, 0) - (intid in active[cpu])
            assert least <= count <= after[cpu].get(intid, 0), (intid, cpu)
    # Nothing was acknowledged that Linux does not know.
    assert {intid for counts in after for intid in counts} <= table.keys()
    assert all(before[cpu][27] > 10 for cpu in range(cpus))
    if cpus > 1:
        assert sum(table[1]) > 10, "CPUs call functions on each other"


# The command line


@pytest.fixture
def boot(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`irqframe boot` of the kernel on a GICv3 with one CPU, in a process of its own."""

    def call(*arguments: str, initrd: bool = True) -> subprocess.CompletedProcess[str]:
        machine = str(ROOT / "docs" / "examples" / "virt-gicv3.dts")
        command = [sys.executable, "-m", "irqframe", "boot", machine, "--kernel", str(IMAGE), "--smp=1"]
        command += ["--append", f"{CONSOLE} panic=0", *(["--initrd", str(INITRD)] if initrd else []), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)

    return call


def test_power_off_ends_with_0_and_the_table(boot: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = boot()
    assert done.returncode == 0, done.stderr
    assert MARKS["PRINTED"] in done.stdout and "reboot: Power down" in done.stdout
    report = done.stdout[done.stdout.index("reboot: Power down") :]
    assert re.search(r"\ntimer \(virt\) +/intc@8000000 +\d+ +\d+ ", report)
    assert report.rstrip().endswith("ended: the guest switched the machine off")


def test_a_panic_ends_with_4_and_what_is_left(boot: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = boot("--json", "--timeout=200", initrd=False)
    assert done.returncode == 4, done.stderr
    report = json.loads(done.stdout)
    assert report["ended"]["text"].startswith("Kernel panic - not syncing: ")
    assert "---[ end Kernel panic" in done.stderr
    (cpu,) = report["cpus"]
    assert cpu["registers"]["pc"] >> 48 == 0xFFFF and len(cpu["recent"]) == 16


def test_until_and_timeout(boot: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert boot("--until", "Booting Linux on physical CPU").returncode == 0
    done = boot("--timeout=2", "--until", "a text that does not come")
    assert done.returncode == 5
    assert "\ntimeout: 2 s are over\nCPU 0 " in done.stdout
