"""What `irqframe check` costs, process start included, to dt-validate with the same bindings: `make bench`.

dt-validate is given its schemas preprocessed. With IRQFRAME_LINUX_BINDINGS, a folder as Linux's
Documentation/devicetree/bindings, both check with those too.

Cases are interleaved and each is run many times; the median of the CPU times of their processes counts.
"""

from __future__ import annotations

import gzip
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _rows import Row, tell

from irqframe.dt import machine_bindings

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TREE = ROOT / "tests/dt/data/virt-gicv2.dtb.gz"
ROUNDS = 15
BAR = 1.0

# Modules are compiled once, as wherever a program is installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def ours() -> Iterator[tuple[str, str]]:
    """Our documents, as (path in a binding tree, text)."""
    yield from machine_bindings()
    for path in sorted(ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml")):
        yield f"interrupt-controller/{path.name}", path.read_text()


def run(command: list[str | Path]) -> float:
    """CPU seconds of a process, which may well find faults."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processed(folder: Path, target: Path) -> Path:
    """The schemas of a folder, and dt-schema's own, as dt-validate reads them fastest."""
    subprocess.run([BIN / "dt-mk-schema", "-j", "-o", target, folder], capture_output=True, check=True)
    return target


def rows() -> list[Row]:
    """With our bindings, and with Linux's if they are there."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        ENVIRONMENT["IRQFRAME_CACHE_DIR"] = str(work / "cache")
        tree = work / "virt.dtb"
        tree.write_bytes(gzip.decompress(TREE.read_bytes()))
        for path, text in ours():
            (work / "ours" / path).parent.mkdir(parents=True, exist_ok=True)
            (work / "ours" / path).write_text(text)
        schemas = processed(work / "ours", work / "ours.json")
        cases: dict[str, list[str | Path]] = {
            "check": [BIN / "irqframe", "check", tree],
            "dt-validate": [BIN / "dt-validate", "-s", schemas, tree],
        }
        linux = os.environ.get("IRQFRAME_LINUX_BINDINGS")
        if linux:
            schemas = processed(Path(linux), work / "linux.json")
            cases["check, Linux"] = [BIN / "irqframe", "check", "--bindings", linux, tree]
            cases["dt-validate, Linux"] = [BIN / "dt-validate", "-s", schemas, tree]
        samples: dict[str, list[float]] = {case: [] for case in cases}
        for command in cases.values():
            run(command)
        for _ in range(ROUNDS):
            for case, command in cases.items():
                samples[case].append(run(command))
    times = {case: statistics.median(found) for case, found in samples.items()}
    return [
        Row(
            f"irqframe check of a virt tree with {what}, to dt-validate",
            times[f"check{case}"] / times[f"dt-validate{case}"],
            BAR,
            f"{times[f'check{case}'] * 1e3:.0f} ms to {times[f'dt-validate{case}'] * 1e3:.0f} ms",
        )
        for case, what in (("", "our bindings"), (", Linux", "Linux's bindings, after the first run"))
        if f"check{case}" in times
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
