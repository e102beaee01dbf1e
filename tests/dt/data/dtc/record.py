"""Records what dtc makes of each case of cases.txt, into expected.json; run it where dtc 1.6.1 is installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from irqframe.dt import read_dtb
from irqframe.errors import InputError

HERE = Path(__file__).parent


def cases() -> dict[str, str]:
    """The cases: name and text."""
    found: dict[str, str] = {}
    name = ""
    for line in (HERE / "cases.txt").read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            name = line[4:].strip()
            assert name not in found, name
            found[name] = ""
        else:
            found[name] += line
    return found


def compiled(text: str) -> object:
    """What dtc makes of a text: reservations, and nodes with their properties; None if it refuses it
    or writes nothing that could be read."""
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-"]
    run = subprocess.run(command, input=text.encode(), capture_output=True, cwd=HERE, check=False)
    if run.returncode:
        return None
    try:
        tree = read_dtb(run.stdout, "dtc")
    except InputError:  # the root deleted: dtc writes a DTB without any node
        return None
    nodes = [[node.path, *([prop.name, prop.data.hex()] for prop in node.properties.values())] for node in tree.walk()]
    return {"reservations": tree.reservations, "boot_cpu": tree.boot_cpu, "nodes": nodes}


if __name__ == "__main__":
    expected = {name: compiled(text) for name, text in cases().items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    (HERE / "expected.json").write_text("{\n" + lines + "\n}\n")
