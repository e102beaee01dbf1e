"""What the cycle of an interrupt costs by the number of INTIDs and of vCPUs, and with how many others pending.

A cycle is what a target does for one interrupt: raised, acknowledged, unmasked. All of it is in Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

from _measure import measure
from _rows import Row, Series, tell

from irqframe.bits import LowestFirst

INTIDS = (64, 256, 1024, 2048, 8192, 65536)
VCPUS = (1, 4, 16, 64, 512)
SIZE = 2048
CYCLES = 4096
ROUNDS = 15


def cycles(size: int, vcpus: int) -> Callable[[], None]:
    """Cycles of random INTIDs on random vCPUs."""
    targets = [LowestFirst(size) for _ in range(vcpus)]
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


def drained(pending: int) -> Callable[[], None]:
    """Cycles of every INTID, `pending` of them at once."""
    target = LowestFirst(SIZE)
    order = list(range(SIZE))
    Random(1).shuffle(order)
    groups = [order[start : start + pending] for start in range(0, SIZE, pending)]
    for intid in order:
        target.unmask(intid)

    def loop() -> None:
        pend, acknowledge, unmask = target.pend, target.acknowledge, target.unmask
        for group in groups:
            for intid in group:
                pend(intid)
            for _ in group:
                intid = acknowledge()
                unmask(intid)

    return loop


def costs(cases: dict[int, Callable[[], None]], times: int) -> dict[int, float]:
    """Nanoseconds of one cycle in each case."""
    found = measure({str(case): loop for case, loop in cases.items()}, ROUNDS)
    return {case: found[str(case)] / times * 1e6 for case in cases}


def by_intids() -> dict[int, float]:
    """On one vCPU, by the number of INTIDs."""
    return costs({size: cycles(size, 1) for size in INTIDS}, CYCLES)


def by_vcpus() -> dict[int, float]:
    """Of 2,048 INTIDs, by the number of vCPUs."""
    return costs({vcpus: cycles(SIZE, vcpus) for vcpus in VCPUS}, CYCLES)


def rows() -> list[Row]:
    """The ends of each curve."""
    intids, vcpus = by_intids(), by_vcpus()
    pending = costs({one: drained(one) for one in (1, SIZE)}, SIZE)
    compared = (
        ("the cycle at 65,536 INTIDs, to 64", intids, 65536, 64),
        ("the cycle at 512 vCPUs, to 1", vcpus, 512, 1),
        ("the cycle with all of 2,048 pending, to one", pending, SIZE, 1),
    )
    return [
        Row(name, cost[much] / cost[little], 1.3, f"{cost[much]:.0f} ns to {cost[little]:.0f} ns")
        for name, cost, much, little in compared
    ]


def series() -> list[Series]:
    """The two curves."""
    return [
        Series("Python", "INTIDs", list(by_intids().items())),
        Series("Python", "vCPUs", list(by_vcpus().items())),
    ]


if __name__ == "__main__":
    sys.exit(tell(rows, series))
