"""Records what dtc and fdtoverlay 1.6.1 make of the cases here, into expected.json; run it where they are installed."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from irqframe.dt import Tree, read_dtb
from irqframe.errors import InputError

HERE = Path(__file__).parent


def cases(file: str) -> dict[str, str]:
    """The cases of a file: name and text."""
    found: dict[str, str] = {}
    name = ""
    for line in (HERE / file).read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            name = line[4:].strip()
            assert name not in found, name
            found[name] = ""
        else:
            found[name] += line
    return found


def symbol_cases() -> dict[str, str]:
    """The cases that are compiled with -@: those here, and those of whole trees."""
    return {**cases("sources.txt"), **{f"tree: {name}": text for name, text in cases("../dtc/cases.txt").items()}}


def compiled(text: str, *, symbols: bool) -> bytes | None:
    """The DTB that dtc makes of a text; None if it refuses it."""
    command = ["dtc", "-q", *(["-@"] if symbols else []), "-I", "dts", "-O", "dtb", "-"]
    run = subprocess.run(command, input=text.encode(), capture_output=True, cwd=HERE.parent / "dtc", check=False)
    return None if run.returncode else run.stdout


def applied(texts: list[str]) -> bytes | None:
    """The DTB that fdtoverlay makes of a base and its overlays; None if it refuses them."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{number}" for number in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            data = compiled(text, symbols=True)
            assert data is not None, text
            Path(name).write_bytes(data)
        run = subprocess.run(
            ["fdtoverlay", "-i", names[0], "-o", f"{folder}/out", *names[1:]], capture_output=True, check=False
        )
        return None if run.returncode else Path(folder, "out").read_bytes()


def content(tree: Tree) -> dict[str, object]:
    """All of a tree as plain data."""
    nodes = [[node.path, *([prop.name, prop.data.hex()] for prop in node.properties.values())] for node in tree.walk()]
    return {"reservations": [list(entry) for entry in tree.reservations], "boot_cpu": tree.boot_cpu, "nodes": nodes}


def read(data: bytes | None) -> object:
    """What stands in a DTB; None if there is none, or it cannot be read."""
    try:
        return content(read_dtb(data, "recorded")) if data is not None else None
    except InputError:  # the root deleted: dtc writes a DTB without any node
        return None


def everything() -> dict[str, dict[str, object]]:
    """What is recorded."""
    return {
        "plain": {name: read(compiled(text, symbols=False)) for name, text in cases("sources.txt").items()},
        "symbols": {name: read(compiled(text, symbols=True)) for name, text in symbol_cases().items()},
        "applied": {name: read(applied(text.split("--- overlay\n"))) for name, text in cases("applied.txt").items()},
    }


if __name__ == "__main__":
    parts = []
    for part, expected in everything().items():
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
        parts.append(f'"{part}": {{\n{lines}\n}}')
    (HERE / "expected.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
