"""What the cycle of an interrupt costs by the number of INTIDs and of vCPUs, and with how many others pending, in both
makes: `make bench`.

A cycle is what a target does for one interrupt: raised, acknowledged, unmasked. INTIDs and vCPUs come at random.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from types import ModuleType

from _makes import makes
from _measure import measure
from _rows import Row, Series, tell

INTIDS = (64, 256, 1024, 2048, 8192, 65536)
VCPUS = (1, 4, 16, 64, 512)
SIZE = 2048
CYCLES = 4096
ROUNDS = 15
BAR = 1.3


def cycles(make: ModuleType, size: int, vcpus: int) -> Callable[[], None]:
    """Cycles of random INTIDs on random vCPUs."""
    targets = [make.LowestFirst(size) for _ in range(vcpus)]
    chance = Random(1)
    work = [(targets[chance.randrange(vcpus)], chance.randrange(size)) for _ in range(CYCLES)]
    for target, intid in work:
        target.unmask(intid)

    def loop() -> None:
        for target, intid in work:
            target.pend(intid)
            target.acknowledge()
            target.unmask(intid)

    return loop


def drained(make: ModuleType) -> Callable[[], None]:
    """Cycles of every INTID, each pending alone."""
    target, order = make.LowestFirst(SIZE, 0), shuffled()

    def loop() -> None:
        for intid in order:
            target.pend(intid)
            target.unmask(target.acknowledge())

    return loop


def drained_deep(make: ModuleType) -> Callable[[], None]:
    """The same, all of them pending before the first is acknowledged; it pays for a loop more."""
    target, order = make.LowestFirst(SIZE, 0), shuffled()

    def loop() -> None:
        for intid in order:
            target.pend(intid)
        for _ in order:
            target.unmask(target.acknowledge())

    return loop


def shuffled() -> list[int]:
    """Every INTID, in random order."""
    return Random(7).sample(range(SIZE), SIZE)


def costs(cases: dict[int, Callable[[], None]], times: int) -> dict[int, float]:
    """Nanoseconds of one cycle in each case."""
    found = measure({str(case): loop for case, loop in cases.items()}, ROUNDS)
    return {case: found[str(case)] / times * 1e6 for case in cases}


def by_intids(make: ModuleType) -> dict[int, float]:
    """On one vCPU, by the number of INTIDs."""
    return costs({size: cycles(make, size, 1) for size in INTIDS}, CYCLES)


def by_vcpus(make: ModuleType) -> dict[int, float]:
    """Of 2,048 INTIDs, by the number of vCPUs."""
    return costs({vcpus: cycles(make, SIZE, vcpus) for vcpus in VCPUS}, CYCLES)


def by_pending(make: ModuleType) -> dict[int, float]:
    """Of 2,048 INTIDs, by how many are pending at once."""
    return costs({1: drained(make), SIZE: drained_deep(make)}, SIZE)


def rows() -> list[Row]:
    """The ends of each curve."""
    found = []
    for name, make in makes().items():
        for what, cost in (
            ("at 65,536 INTIDs, to 64", by_intids(make)),
            ("at 512 vCPUs, to 1", by_vcpus(make)),
            ("with all of 2,048 pending, to one", by_pending(make)),
        ):
            little, much = cost[min(cost)], cost[max(cost)]
            found.append(Row(f"{name}: a cycle {what}", much / little, BAR, f"{much:.0f} ns to {little:.0f} ns"))
    return found


def series() -> list[Series]:
    """The curves."""
    return [
        Series(name, over, list(curve(make).items()))
        for over, curve in (("INTIDs", by_intids), ("vCPUs", by_vcpus))
        for name, make in makes().items()
    ]


if __name__ == "__main__":
    sys.exit(tell(rows, series))
