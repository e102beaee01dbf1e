"""What a process pays before it does anything: user CPU time of whole processes, as ratios in one run: `make bench`.

Each is an interpreter without the `site` module, so that nothing is in the figures but what was asked for: an editable
installation, for example, imports `pathlib` into every process. Both packages are found in the same way.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path

from _rows import Row, tell

ROOT = Path(__file__).parents[1]
ROUNDS = 31

PATHS = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {sysconfig.get_path('purelib')!r}]\n"
CASES = {
    "nothing": "pass",
    "irqframe": "import irqframe",
    "names": "from irqframe import Irqchip, hookimpl",
    "pluggy": "import pluggy",
    "help": "from irqframe.cli import main; main(['--help'])",
    "click": "import click",
}

# Modules are compiled once, as wherever a program is installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def user_time(code: str) -> float:
    """Milliseconds of user CPU time of a process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-E", "-s", "-S", "-c", PATHS + code]
    subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) * 1e3


def rows() -> list[Row]:
    """The three starts."""
    samples: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            samples[name].append(user_time(code))
    times = {name: statistics.median(found[1:]) for name, found in samples.items()}
    named = (
        ("import irqframe, to python -c pass", "irqframe", "nothing", 1.5),
        ("from irqframe import Irqchip, hookimpl, to import pluggy", "names", "pluggy", 1.3),
        ("irqframe --help, to import click", "help", "click", 1.5),
    )
    return [
        Row(name, times[case] / times[to], bar, f"{times[case]:.1f} ms to {times[to]:.1f} ms")
        for name, case, to, bar in named
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
