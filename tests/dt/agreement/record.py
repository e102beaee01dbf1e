"""Stores what dt-validate says of the corpus: `python tests/dt/agreement/record.py`.

Of each tree it stores a checksum, so that a verdict is never taken for that of another tree, and the nodes that
dt-validate complains of; null where dtschema does not get through.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import cases  # noqa: E402

from irqframe.dt import read_dtb  # noqa: E402

VERDICTS = HERE / "verdicts.json"

# The version of dtschema whose verdicts are stored.
WITNESS = "2026.9"

OR_BELOW = " or below"


def witnessed(folder: Path, corpus: Iterable[cases.Case]) -> dict[str, list[str] | None]:
    """The nodes of each tree that dt-validate complains of, by the case's name."""
    trees = {case.name: case.data for case in corpus}
    asked = json.dumps({name: data.hex() for name, data in trees.items()})
    command = [sys.executable, HERE / "witness.py", folder]
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    return {name: nodes(trees[name], errors) for name, errors in json.loads(answer).items()}


def nodes(data: bytes, errors: list[list[Any]] | None) -> list[str] | None:
    """The nodes that errors are about, with `OR_BELOW` where none of some alternatives fits."""
    if errors is None:
        return None
    tree = read_dtb(data, "t")
    found = set()
    for path, place, alternatives in errors:
        node = tree.node(path)
        assert node is not None
        for step in place:
            node = node.children.get(str(step), node)
        found.add(node.path + (OR_BELOW if alternatives else ""))
    return sorted(found)


def folders(work: Path) -> dict[str, Path]:
    """The folder of each set of bindings."""
    return {"ours": cases.lay_out(work / "ours"), "linux": cases.LINUX}


def checksum(case: cases.Case) -> str:
    """What a verdict is for."""
    return f"{zlib.crc32(case.data):08x}"


def main() -> None:
    """Ask, and store."""
    corpus = list(cases.cases())
    stored = {}
    with tempfile.TemporaryDirectory() as work:
        for bindings, folder in folders(Path(work)).items():
            mine = [case for case in corpus if case.bindings == bindings]
            verdicts = witnessed(folder, mine)
            stored |= {case.name: [checksum(case), verdicts[case.name]] for case in mine}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(verdict)}" for name, verdict in stored.items())
    VERDICTS.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(stored)} trees, {sum(verdict is None for _, verdict in stored.values())} without a verdict")


if __name__ == "__main__":
    main()
