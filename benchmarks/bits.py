"""What the state of a target costs per interrupt, in both makes, as ratios in one run: `make bench`.

A cycle is what an interrupt pays: raise, acknowledge, unmask.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from _makes import makes
from _measure import measure
from _rows import Row, tell

from irqframe.bits import RECORD, Op

try:
    from irqframe import _native
except ImportError:
    _native = None  # type: ignore[assignment]

ROUNDS = 25
CYCLES = 4096
EVENTS = 100_000
VCPUS = 4
INTIDS = 2048
GIC_INTIDS = 1020


class Case(NamedTuple):
    """A ratio that is to be measured: what it is about, its two cases, and what it may be."""

    what: str
    case: str
    reference: str
    at_most: float


class Table:
    """As a sealed flow holds the three callbacks of a cycle."""

    __slots__ = ("acknowledge", "pend", "unmask")

    def __init__(self, target: Any) -> None:
        self.pend = target.pend
        self.acknowledge = target.acknowledge
        self.unmask = target.unmask


class Empty:
    """The same three in Python, which do nothing."""

    def pend(self, intid: int) -> None:
        """Nothing."""

    def acknowledge(self) -> None:
        """Nothing."""

    def unmask(self, intid: int) -> None:
        """Nothing."""


def cycles(on: Any, intid: int) -> Callable[[], None]:
    """Cycles of one INTID."""

    def loop() -> None:
        for _ in range(CYCLES):
            on.pend(intid)
            on.acknowledge()
            on.unmask(intid)

    return loop


def selecting(make: Any, depth: int) -> Callable[[], None]:
    """Selection of the most urgent of `depth` pending interrupts of a GICv2, each with some priority."""
    chance = random.Random(3)
    target = make.Priority(GIC_INTIDS, 0)
    for intid in chance.sample(range(GIC_INTIDS), depth):
        target.set_priority(intid, chance.randrange(0, 256, 8))
        target.pend(intid)

    def loop() -> None:
        for _ in range(CYCLES):
            target.first_priority()
            target.first()

    return loop


def records() -> bytes:
    """Cycles of random INTIDs on random vCPUs."""
    chance = random.Random(5)
    events = ((chance.randrange(VCPUS), chance.randrange(INTIDS)) for _ in range(EVENTS))
    each = (RECORD.pack(op, 0, vcpu, intid) for vcpu, intid in events for op in (Op.PEND, Op.ACKNOWLEDGE, Op.UNMASK))
    return b"".join(each)


def replaying(make: Any, trace: bytes, out: array[int]) -> Callable[[], None]:
    """The records, all in one call."""
    targets = [make.LowestFirst(INTIDS, 0) for _ in range(VCPUS)]
    return lambda: make.replay(targets, trace, out)


def c_loop(trace: bytes, out: array[int]) -> Callable[[], None] | None:
    """The same in C, without checks and counters; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "loop.so"
        source = Path(__file__).with_name("bits_loop.c")
        subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", built, source], check=True)
        library = ctypes.CDLL(str(built))
    library.make.restype = ctypes.c_void_p
    targets = ctypes.c_void_p(library.make(ctypes.c_size_t(VCPUS)))
    into = ctypes.c_void_p(out.buffer_info()[0])
    count = ctypes.c_size_t(3 * EVENTS)

    def loop() -> None:
        library.replay(targets, trace, count, into)
        assert out  # it is kept for as long as it is written to

    return loop


def cases() -> Iterator[tuple[str, Callable[[], None]]]:
    """Everything that is measured."""
    # The same buffers for everybody: where they lie in memory changes what it costs to go through them.
    trace, out = records(), array("i", bytes(3 * 4 * EVENTS))
    for name, make in makes().items():
        yield f"{name} cycle", cycles(Table(make.LowestFirst(INTIDS, 0)), INTIDS - 2)
        yield f"{name} select 1", selecting(make, 1)
        yield f"{name} select 1020", selecting(make, GIC_INTIDS)
        yield f"{name} replay", replaying(make, trace, out)
    yield "Python empty", cycles(Table(Empty()), INTIDS - 2)
    if _native is not None:
        yield "compiled empty", cycles(Table(_native.Empty()), INTIDS - 2)
    loop = c_loop(trace, out)
    if loop is not None:
        yield "C loop", loop


def bars() -> Iterator[Case]:
    """The bars."""
    yield Case("compiled: a cycle, to three empty methods in C", "compiled cycle", "compiled empty", 1.5)
    yield Case("Python: a cycle, to three empty methods", "Python cycle", "Python empty", 7)
    yield Case("compiled: replay from a buffer, to a loop in C", "compiled replay", "C loop", 2)
    for name in makes():
        yield Case(f"{name}: selection among 1,020, to 1", f"{name} select 1020", f"{name} select 1", 1.3)


def memory() -> Iterator[tuple[str, float, float]]:
    """Bytes of an idle target of 2,048 INTIDs: which make, to what it needs at least, and how often that may be."""
    for name, make in makes().items():
        target = make.LowestFirst(INTIDS)
        if name == "Python":
            held = [
                target,
                *(
                    getattr(target, slot)
                    for slot in chain(*(c.__dict__.get("__slots__", ()) for c in type(target).__mro__))
                ),
            ]
            yield "Python: an idle target, to a byte for each INTID", sum(map(sys.getsizeof, held)) / INTIDS, 1.5
        else:
            bits = 3 * INTIDS / 8
            yield "compiled: an idle target, to pending, masked and level bits", sys.getsizeof(target) / bits, 3


def rows() -> list[Row]:
    """What there is to measure of them, and the memory of an idle target."""
    times = measure(dict(cases()), ROUNDS)
    found = [
        Row(bar.what, times[bar.case] / times[bar.reference], bar.at_most)
        for bar in bars()
        if bar.case in times and bar.reference in times
    ]
    return found + [Row(what, ratio, at_most) for what, ratio, at_most in memory()]


if __name__ == "__main__":
    sys.exit(tell(rows))
