"""Checks, and runs, damaged DTBs; what `test_mutated_dtbs.py` has child processes do.

    python mutate.py TREE.dtb FIRST COUNT RUNS

Each of the seeds FIRST..FIRST+COUNT-1 makes one DTB with 1 to 5 random bytes changed, and has `irqframe check` read it,
in this process. The first RUNS of those that it finds sound are run. Prints one JSON object: how many ended with which
exit code, everything that ended otherwise than it may, the longest time of one, and the most memory the process had.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from irqframe.cli import run

CHANGES = 5


def mutant(data: bytes, seed: int) -> bytes:
    """`data` with 1 to 5 bytes changed."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for at in chance.sample(range(len(data)), chance.randint(1, CHANGES)):
        changed[at] ^= chance.randrange(1, 256)
    return bytes(changed)


def called(*arguments: str) -> tuple[int, str, str, float]:
    """Exit code, standard output, standard error and processor seconds of a command."""
    out, err = StringIO(), StringIO()
    started = time.process_time()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue(), time.process_time() - started


def fault_of(code: int, out: str, err: str) -> str:
    """What is wrong with how a check ended, "" if nothing is."""
    if "Traceback" in err:
        return err[-2000:]
    if code == 0 and out.endswith(": ok\n") and "error" not in err:
        return ""
    count = err.count(": error[")
    warned = err.count(": warning[")
    warnings = f", {warned} warning{'s' if warned > 1 else ''}" if warned else ""
    if code == 1 and count and err.endswith(f"{count} error{'s' if count > 1 else ''}{warnings}\n"):
        return ""
    return f"exit code {code}, output {out[-500:]!r}, errors {err[-1500:]!r}"


def peak() -> int:
    """The most memory that this process has had resident, in bytes.

    `getrusage` would count what the parent had when it forked; the kernel's own figure begins at exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(tree: str, first: int, count: int, runs: int) -> dict[str, Any]:
    data = Path(tree).read_bytes()
    codes: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    faults: list[str] = []
    longest, total = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mutant.dtb")
        # What is loaded once is no part of the time of the first mutant.
        called("check", tree)
        for seed in range(first, first + count):
            Path(path).write_bytes(mutant(data, seed))
            code, out, err, seconds = called("check", path)
            codes[str(code)] += 1
            longest, total = max(longest, seconds), total + seconds
            if fault := fault_of(code, out, err):
                faults.append(f"seed {seed}: {fault}")
            if code == 0 and ran.total() < runs:
                code, out, err, seconds = called("run", path, "--events", "50")
                ran[str(code)] += 1
                longest = max(longest, seconds)
                if "Traceback" in err or code not in (0, 1):
                    faults.append(f"seed {seed}: run ended with {code}: {err[-2000:]}")
    return {
        "codes": codes,
        "runs": ran,
        "faults": faults,
        "longest": longest,
        "total": total,
        "peak": peak(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *(int(number) for number in sys.argv[2:5]))))
