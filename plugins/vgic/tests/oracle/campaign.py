"""Random sequences against the live oracle, for a time or a number of operations.

1. Every GIC that was asked for has its turn in each round, with its own QEMU, so that a run that is cut short has seen
   all of them.
2. A sequence is named by its seed: the same seed, version and number of CPUs make the same sequence again.
3. Nothing is kept open at the end, whichever way it ends.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final

from oracle.describe import report
from oracle.qemu import QEMU
from oracle.search import Shrinker, check, make, rows_for
from oracle.witness import Witness

LENGTH: Final = 1000
"""Actions of a sequence, unless the plan says otherwise."""
_EVERY: Final = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign does.

    Attributes:
        gics: (version, CPUs) of each GIC.
        seconds: when it ends.
        operations: or when so many were done, on all GICs of a version together.
        seed: of the first sequence.
        without: exemptions that do not hold.
        qemu: the program.
        differences: it ends after so many.
        length: actions of a sequence.
    """

    gics: tuple[tuple[int, int], ...]
    seconds: float = float("inf")
    operations: int | None = None
    seed: int = 0
    without: tuple[str, ...] = ()
    qemu: str = QEMU
    differences: int = 1
    length: int = LENGTH


@dataclass(slots=True)
class Tally:
    """What a campaign has seen.

    Attributes:
        sequences: done on both sides.
        operations: of a GIC, by version.
        hits: how often each exemption applied.
        reports: the differences.
    """

    sequences: int = 0
    operations: Counter[int] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    reports: list[str] = field(default_factory=list)


class Campaign:
    """Sequences on the GICs of a plan; a context manager that ends their QEMUs.

    Attributes:
        tally: what was seen so far.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rows = {version: rows_for(version, plan.without) for version, _ in plan.gics}
        self._stack = ExitStack()
        self._witnesses: dict[tuple[int, int], Witness] = {}
        self.tally = Tally()

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self) -> None:
        """Until the time is over, the operations are done, or there are enough differences."""
        plan, tally = self._plan, self.tally
        end, said = time.monotonic() + plan.seconds, time.monotonic()
        seed = plan.seed
        while True:
            for gic in plan.gics:
                if self._done(gic[0]):
                    continue
                self._one(*gic, seed)
                if time.monotonic() > end or len(tally.reports) >= plan.differences:
                    return
                if time.monotonic() - said > _EVERY:
                    said = time.monotonic()
                    sys.stderr.write(f"{_count(tally)}\n")
            if all(self._done(version) for version, _ in plan.gics):
                return
            seed += 1

    def _done(self, version: int) -> bool:
        wanted = self._plan.operations
        return wanted is not None and self.tally.operations[version] >= wanted

    def _one(self, version: int, cpus: int, seed: int) -> None:
        rows, tally = self._rows[version], self.tally
        script = make(version, cpus, Random(seed), self._plan.length, rows)
        witness = self._witness(version, cpus)
        found = check(witness, script)
        tally.sequences += 1
        tally.operations[version] += len(script.steps)
        tally.hits += script.hits
        if found is not None:
            small = Shrinker(witness, version, cpus, rows).shrink(script, found)
            tally.reports.append(f"seed {seed}: {report(small, version, cpus)}")

    def _witness(self, version: int, cpus: int) -> Witness:
        key = version, cpus
        if key not in self._witnesses:
            self._witnesses[key] = self._stack.enter_context(Witness(version, cpus, self._plan.qemu))
        return self._witnesses[key]


def _count(tally: Tally) -> str:
    counts = ", ".join(f"GICv{version} {count}" for version, count in sorted(tally.operations.items()))
    return f"operations: {counts}; differences: {len(tally.reports)}"


def summary(tally: Tally, names: Sequence[str]) -> str:
    """What a campaign has seen, as text; of the exemptions, those named."""
    lines = [*tally.reports, f"{tally.sequences} sequences; {_count(tally)}", "exemptions by how often they applied:"]
    lines += [f"  {tally.hits[name]:8}  {name}" for name in sorted(names, key=lambda name: -tally.hits[name])]
    return "\n".join(lines)
