"""Sequences with what QEMU's GIC said to them, in files: recorded once, replayed without QEMU.

A file is JSON lines, compressed: one object per sequence, with `gic`, `cpus`, `seed`, `qemu`; `ops`, each a list as
`Op` has it; and `outcomes`, each `[value, pins]`, `null` where there is nothing or nothing is compared.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from oracle.model import Model
from oracle.operations import Op, Outcome
from oracle.qemu import QEMU, OracleError, qemu_version
from oracle.script import Script, difference
from oracle.search import make, rows_for
from oracle.witness import Witness

SEQUENCES: Final = 30
"""How many a file has."""
LENGTH: Final = 300
"""Actions of each."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded sequence.

    Attributes:
        gic: version of the GIC.
        cpus: how many.
        name: for a report.
        ops: what was done.
        outcomes: what came of it.
    """

    gic: int
    cpus: int
    name: str
    ops: tuple[Op, ...]
    outcomes: tuple[Outcome, ...]


def recordings(path: Path) -> Iterator[Recording]:
    """The sequences of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            yield Recording(
                one["gic"],
                one["cpus"],
                f"{path.name}, seed {one['seed']}",
                tuple(Op(*op) for op in one["ops"]),
                tuple(Outcome(*outcome) for outcome in one["outcomes"]),
            )


def first_departure(recording: Recording) -> str | None:
    """Where the model first does otherwise than was recorded; None if nowhere."""
    with Model(recording.gic, recording.cpus) as model:
        for at, (op, there) in enumerate(zip(recording.ops, recording.outcomes, strict=True)):
            here = model.step(op)
            if there.value is not None and here.value != there.value:
                return f"{recording.name}, operation {at}, {op}: {here.value} is not {there.value}"
            if there.pins is not None and here.pins != there.pins:
                return f"{recording.name}, operation {at}, {op}: lines {here.pins} are not {there.pins}"
    return None


def record(folder: Path, version: int, cpus: int, qemu: str = QEMU) -> Path:
    """Record a file.

    Raises:
        OracleError: the model does otherwise than QEMU.
    """
    path = folder / f"random-gicv{version}-cpus{cpus}.jsonl.gz"
    rows = rows_for(version)
    said = qemu_version(qemu)
    lines = []
    with Witness(version, cpus, qemu) as witness:
        for seed in range(SEQUENCES):
            script = make(version, cpus, Random(seed), LENGTH, rows)
            witness.reset()
            outcomes = witness.run(step.op for step in script.steps)
            found = difference(script.steps, outcomes)
            if found is not None:
                raise OracleError(f"{path.name}, seed {seed}: there is a difference, {found}")
            head = {"gic": version, "cpus": cpus, "seed": seed, "qemu": said}
            lines.append(json.dumps(head | _content(script, outcomes), separators=(",", ":")))
    write(path, lines)
    return path


def write(path: Path, lines: list[str]) -> None:
    """Write a file; the same lines make the same bytes."""
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def _content(script: Script, outcomes: list[Outcome]) -> dict[str, object]:
    everyone = (1 << 2 * script.model.cpus) - 1
    compared = [
        (outcome.value if step.value else None, outcome.pins if step.pins == everyone else None)
        for step, outcome in zip(script.steps, outcomes, strict=True)
    ]
    return {"ops": [step.op for step in script.steps], "outcomes": compared}
