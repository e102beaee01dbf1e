"""Random sequences on both, and the shortest sequence for a difference.

A difference is made small by leaving operations out: halves first, then smaller and smaller parts, as long as there is
still a difference (delta debugging). Both sides start each try as after power-on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from oracle.exempt_v2 import ROWS as ROWS_V2
from oracle.exempt_v3 import ROWS as ROWS_V3
from oracle.exemptions import Exemption
from oracle.model import Model
from oracle.operations import Op
from oracle.script import Difference, Script, difference, replay
from oracle.sequence_v2 import SequenceV2
from oracle.sequence_v3 import SequenceV3
from oracle.witness import Witness

EXEMPTIONS: Final[tuple[Exemption, ...]] = (*ROWS_V2, *ROWS_V3)
"""The whole table."""
_SEQUENCES: Final = {2: SequenceV2, 3: SequenceV3}
VERSIONS: Final = tuple(_SEQUENCES)
"""Versions of the GIC that there are sequences for."""


class Found(NamedTuple):
    """A difference, with the shortest sequence that shows it.

    Attributes:
        ops: the sequence.
        difference: at its last operation.
    """

    ops: tuple[Op, ...]
    difference: Difference


def rows_for(version: int, but: Sequence[str] = ()) -> tuple[Exemption, ...]:
    """The exemptions of a GIC, without those named in `but`."""
    return tuple(row for row in EXEMPTIONS if row.version == version and row.name not in but)


def make(version: int, cpus: int, random: Random, length: int, rows: Sequence[Exemption]) -> Script:
    """A random sequence, done on the model."""
    with Model(version, cpus) as model:
        script = Script(model, rows)
        _SEQUENCES[version](random, script.do, cpus).run(length)
        return script


def check(witness: Witness, script: Script) -> Difference | None:
    """Do a sequence on the oracle, as after power-on, and compare."""
    witness.reset()
    outcomes = witness.run(step.op for step in script.steps)
    return difference(script.steps, outcomes)


class Shrinker:
    """Makes a difference small.

    Args:
        witness: the oracle.
        version: of the GIC.
        cpus: how many CPUs.
        rows: the exemptions that hold.
    """

    def __init__(self, witness: Witness, version: int, cpus: int, rows: Sequence[Exemption]) -> None:
        self._witness = witness
        self._version = version
        self._cpus = cpus
        self._rows = rows

    def shrink(self, script: Script, found: Difference) -> Found:
        """The shortest sequence that was found for a difference."""
        best = self._up_to(script, found)
        part = max(len(best.ops) // 2, 1)
        while True:
            shorter = next(self._shorter(best, part), None)
            if shorter is not None:
                best = shorter
            elif part == 1:
                return best
            else:
                part = max(part // 2, 1)

    def _shorter(self, best: Found, part: int) -> Iterator[Found]:
        for start in range(len(best.ops) - part, -1, -part):
            tried = self._try(best.ops[:start] + best.ops[start + part :])
            if tried is not None:
                yield tried

    def _try(self, ops: Sequence[Op]) -> Found | None:
        script = replay(ops, self._version, self._cpus, self._rows)
        found = check(self._witness, script)
        return self._up_to(script, found) if found else None

    @staticmethod
    def _up_to(script: Script, found: Difference) -> Found:
        return Found(tuple(step.op for step in script.steps[: found.at + 1]), found)
