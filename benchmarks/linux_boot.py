"""What booting Linux to power-off costs in user CPU time, `irqframe boot` against QEMU's TCG: a ratio, `make bench`.

Kernel and RAM disk are those of `make test-linux`, the machines are alike: one CPU, no network, a PL011 as the console.
Each boot is a process of its own, Python's start included. Boots are paired, so that what else the machine does falls
on both.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from _rows import Row, tell

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".venv" / "linux"
IMAGE, INITRD = HOME / "Image", HOME / "initrd.cpio"
APPEND = "console=ttyAMA0"
QEMU = "qemu-system-aarch64"
LAST = b"reboot: Power down"

#: As a user has it: modules are compiled once, and output is buffered.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

ROUNDS = 5
BAR = 2.5
CHIPS = ("gicv2", "gicv3")


def irqframe(chip: str) -> list[str]:
    """The command that boots with irqframe."""
    machine = ROOT / "docs" / "examples" / f"virt-{chip}.dts"
    command = [sys.executable, "-m", "irqframe", "boot", str(machine), "--smp=1", "--kernel", str(IMAGE)]
    return [*command, "--initrd", str(INITRD), "--append", APPEND]


def qemu(chip: str) -> list[str]:
    """The command that boots with QEMU."""
    machine = ["-M", f"virt,gic-version={chip[-1]}", "-cpu", "cortex-a72", "-smp", "1", "-m", "128"]
    guest = ["-kernel", str(IMAGE), "-initrd", str(INITRD), "-append", APPEND]
    return [QEMU, *machine, "-accel", "tcg,thread=single", "-nographic", "-nic", "none", *guest]


def user_seconds(command: list[str]) -> float:
    """User CPU time of a process that boots to power-off."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=ROOT, env=ENVIRONMENT
    )
    if done.returncode or LAST not in done.stdout:
        raise SystemExit(f"{command[0]} does not boot to power-off:\n{done.stdout[-2000:].decode(errors='replace')}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def rows() -> list[Row]:
    """A row per GIC; none without what it needs."""
    if not IMAGE.exists() or shutil.which(QEMU) is None:
        print(f"Linux was not booted: it needs {QEMU}, and the kernel that `make test-linux` fetches", file=sys.stderr)
        return []
    rounds = int(os.environ.get("IRQFRAME_BENCH_ROUNDS", ROUNDS))
    return [row(chip, rounds) for chip in CHIPS]


def row(chip: str, rounds: int) -> Row:
    """The boots on one GIC."""
    pairs = [(user_seconds(irqframe(chip)), user_seconds(qemu(chip))) for _ in range(rounds)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Row(f"booting Linux on {chip}, to QEMU", ratio, BAR, f"{ours:.2f} s to {theirs:.2f} s of user time")


if __name__ == "__main__":
    sys.exit(tell(rows))
