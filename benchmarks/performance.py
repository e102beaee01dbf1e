"""Every benchmark, as one table: `make bench`.

    python benchmarks/performance.py [PROGRAM...]   print the table; of these programs only
        --record    write what was seen to docs/performance.json, which docs/performance.md is made from
        --check     exit with 1 if a bar is missed, or a program has no rows

Each program runs in a process of its own. One that cannot is told, and has no rows.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from _rows import Row

HERE = Path(__file__).parent
RECORD = HERE.parent / "docs" / "performance.json"
SCHEMA = 1


def programs(names: list[str]) -> list[Path]:
    """The programs of those names, or all."""
    found = sorted(path for path in HERE.glob("[a-z]*.py") if path.name != Path(__file__).name)
    return [path for path in found if not names or path.stem in names]


def measured(program: Path) -> dict[str, Any]:
    """What a program says, or why it does not."""
    done = subprocess.run([sys.executable, program, "--json"], capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()[-1:]
    if done.returncode:
        return {"rows": [], "series": [], "left_out": said}
    return {**json.loads(done.stdout), "left_out": said}


def main(arguments: list[str]) -> int:
    """Run, print, and record."""
    missed = broken = 0
    record: dict[str, Any] = {"schema": SCHEMA, "python": platform.python_version(), "rows": [], "series": []}
    for program in programs([name for name in arguments if not name.startswith("-")]):
        print(f"{program.stem}:", flush=True)
        said = measured(program)
        for row in (Row(**each) for each in said["rows"]):
            print(row, flush=True)
            missed += not row.holds
            record["rows"].append({"program": program.stem, **row._asdict(), "holds": row.holds})
        broken += not said["rows"]
        for line in said["left_out"]:
            print(f"      -  {line}", flush=True)
        record["series"] += said["series"]
    barred = sum(row["bar"] is not None for row in record["rows"])
    print(f"{barred - missed} of {barred} bars hold")
    if "--record" in arguments:
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int("--check" in arguments and bool(missed or broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
