"""What serving an irqfd allocates: what `epoll` hands over and the counts' numbers, nothing that stays.

The chip writes the eventfd again from within each injection, so that one event follows another on the irqfd thread and
no other thread does anything meanwhile.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import irqframe.vm
from irqframe import Injected, Irqchip, hookimpl
from irqframe.flow import RoutingEntry
from irqframe.vm import Vm

pytestmark = pytest.mark.skipif(not hasattr(os, "eventfd"), reason="eventfd is Linux's")

EVENTS = 100_000
WARM = 1000
"""Events until every dict has its size, and the counts are numbers that are made anew with each."""
GSI = 2
SERVING = str(Path(irqframe.vm.__file__).with_name("_irqfd*.py"))
"""The modules that serve."""


class Echo(Irqchip):
    """Latches each edge, looks, and has the eventfd written again as often as it was told.

    Attributes:
        fd: the eventfd.
        left: events still to come.
        look: called within the last.
        done: set then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fd = -1
        self.left = 0
        self.look: Callable[[], None] = gc.collect
        self.done = threading.Event()

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        """One that has no way but this is raised and lowered."""
        return self._echo() if level else Injected.NOTHING

    def _echo(self) -> Injected:
        self.left -= 1
        if self.left:
            os.eventfd_write(self.fd, 1)
        else:
            self.look()
            self.done.set()
        return Injected.LATCHED

    def serve(self, events: int, look: Callable[[], None]) -> None:
        """Have so many events served."""
        self.left, self.look = events, look
        self.done.clear()
        os.eventfd_write(self.fd, 1)
        assert self.done.wait(60)


class AtomicEcho(Echo):
    """Likewise, at once."""

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        """As the specification says."""
        return self._echo()


@pytest.fixture(params=[Echo, AtomicEcho])
def chip(request: pytest.FixtureRequest) -> Iterator[Echo]:
    """A chip whose irqfd has been served for a while."""
    made: Echo = request.param()
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(made, "echo")
    vm.create_vcpu()
    vm.routing.set_default(4)
    vm.finalize()
    made.fd = os.eventfd(0, os.EFD_CLOEXEC)
    vm.irqfds.assign(made.fd, GSI)
    made.serve(WARM, gc.collect)
    yield made
    vm.destroy()
    os.close(made.fd)


def test_nothing_stays_of_an_event(chip: Echo) -> None:
    blocks: list[int] = [0, 0]

    def count(n: int) -> Callable[[], None]:
        return lambda: blocks.__setitem__(n, sys.getallocatedblocks())

    gc.collect()
    gc.disable()
    try:
        chip.serve(WARM, count(0))
        chip.serve(EVENTS, count(1))
    finally:
        gc.enable()
    # What two calls of `serve` leave themselves, whatever the number of events.
    assert blocks[1] - blocks[0] < 50


def test_an_event_under_way_holds_little(chip: Echo) -> None:
    """Alive within an injection: `epoll`'s list, two counts, and the frames that tracemalloc makes to see them."""
    held: list[tracemalloc.Snapshot] = []
    tracemalloc.start()
    try:
        chip.serve(WARM, tracemalloc.reset_peak)
        before = tracemalloc.get_traced_memory()[0]
        chip.serve(EVENTS // 10, lambda: held.append(tracemalloc.take_snapshot()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    traces = held[0].filter_traces([tracemalloc.Filter(True, SERVING)]).statistics("lineno")
    assert 0 < sum(trace.count for trace in traces) <= 8
    assert sum(trace.size for trace in traces) <= 512
    # A byte that stays of each event would be more.
    assert peak - before < EVENTS // 20
