"""Asks Linux's own functions where interrupts go: they are cut out of a source tree and compiled with a shim.

    python ask.py LINUX TREE.dtb ...    print what they answer, a line each
    python ask.py LINUX --record        write what they answer for each vector beside it

LINUX is the folder of a Linux source tree; nothing of it is kept. A C compiler is needed, for --record dtc too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VECTORS = HERE.parent

# of_irq_parse_raw follows a circle of maps without end.
ENDLESS = ("map-circle",)

# File -> what is taken from it, in order.
WANTED = {
    "drivers/of/base.c": (
        "of_phandle_iterator_init",
        "of_phandle_iterator_next",
        "of_phandle_iterator_args",
        "__of_parse_phandle_with_args",
        "of_map_id",
    ),
    "drivers/of/irq.c": (
        "of_irq_find_parent",
        "of_irq_imap_abusers",
        "of_irq_parse_imap_parent",
        "of_irq_parse_raw",
        "of_irq_parse_one",
    ),
    "drivers/pci/of.c": ("of_irq_parse_pci",),
}


def cut(text: str, name: str) -> str:
    """A function or table at the top level of a C source, from its first line to the brace that ends it."""
    head = rf"^(?=[a-z_])[^\n;{{}}]*\b{re.escape(name)}\b"
    found = re.search(rf"{head}(?:\([^;{{]*\)\n\{{|[^\n]*= \{{).*?^\}}[^\n]*\n", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit(f"{name} is not where it is looked for")
    return found[0]


def build(linux: Path, folder: Path) -> Path:
    """Compile the program into `folder`."""
    parts = []
    for file, names in WANTED.items():
        text = (linux / file).read_text(encoding="utf-8")
        parts += [cut(text, name) for name in names]
    (folder / "linux.h").write_text(
        "\n".join([*parts[:3], (HERE / "glue.h").read_text(encoding="utf-8"), *parts[3:]]), encoding="utf-8"
    )
    program = folder / "ask"
    command = ["cc", "-std=gnu11", "-O1", "-w", f"-I{HERE}", f"-I{folder}", "-o", str(program), str(HERE / "main.c")]
    subprocess.run(command, check=True)
    return program


def answers(program: Path, tree: Path) -> list[str]:
    """What Linux answers about a DTB."""
    done = subprocess.run([program, tree], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


def record(program: Path, folder: Path) -> None:
    """Write the answers of every vector but those that Linux walks for ever."""
    for vector in sorted(VECTORS.glob("*.json")):
        said = json.loads(vector.read_text(encoding="utf-8"))
        said["linux"] = []
        if vector.stem not in ENDLESS:
            tree = folder / "tree.dtb"
            subprocess.run(["dtc", "-q", "-O", "dtb", "-o", tree, vector.with_suffix(".dts")], check=True)
            said["linux"] = answers(program, tree)
        vector.write_text(layout(said), encoding="utf-8")


def layout(said: Mapping[str, Any]) -> str:
    """JSON with one entry of a list on a line."""
    parts = []
    for key, value in said.items():
        entries = ",\n".join(f"    {json.dumps(one)}" for one in value) if isinstance(value, list) else ""
        parts.append(f'  "{key}": ' + (f"[\n{entries}\n  ]" if entries else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str]) -> int:
    """See the module."""
    linux, *trees = arguments
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(linux), Path(folder))
        if trees == ["--record"]:
            record(program, Path(folder))
            return 0
        for tree in trees:
            print("\n".join(answers(program, Path(tree))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
