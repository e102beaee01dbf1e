"""Ownership: what happens to a vCPU's state happens on the thread that owns it, and nothing is lost on the way."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from irqframe_vgic._v2._distributor import Distributor

from irqframe import Injected

EVENTS = 400


@pytest.fixture
def loose(board: Any) -> Any:
    """A board whose vCPUs nobody owns any more, switched on."""
    made = board(2).on()
    for vcpu in made.vm.vcpus:
        vcpu.release()
    yield made
    for vcpu in made.vm.vcpus:
        vcpu.adopt()


def test_a_raise_for_a_vcpu_of_nobody_is_posted(loose: Any) -> None:
    vcpu = loose.vm.vcpus[0]
    assert loose.line(40, 1) is Injected.POSTED
    assert loose.counters(0).raised == 0 and vcpu.inbox
    vcpu.adopt()
    vcpu.drain()
    assert loose.counters(0).raised == 1
    vcpu.release()


def test_a_raise_that_was_posted_follows_a_move(loose: Any) -> None:
    first, second = loose.vm.vcpus
    first.adopt()
    loose.enable(40, edge=True, targets=0b10)
    assert loose.line(40, 1) is Injected.POSTED
    loose.w(0x800 + 40, 0b01, size=1)
    second.adopt()
    second.drain()
    second.release()
    first.drain()
    assert loose.iar(0) == 40
    first.release()


def test_a_guest_changes_an_spi_on_the_thread_of_its_home(loose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with loose.vm.adopted():
        loose.enable(40, edge=True, targets=0b10)
    stop = threading.Event()
    runner = Runner(loose, 1, stop)
    threads = []
    change = Distributor._change

    def spy(*args: Any) -> None:
        threads.append(threading.get_ident())
        change(*args)

    monkeypatch.setattr(Distributor, "_change", spy)
    started = threading.Event()
    runner.work = started.set
    runner.start()
    assert started.wait(10)
    loose.vm.vcpus[0].adopt()
    loose.set_bit(0x180, 40)
    assert not loose.bit(0x100, 40)
    loose.set_bit(0x200, 40)
    assert loose.bit(0x200, 40)
    loose.vm.vcpus[0].release()
    stop.set()
    runner.join(10)
    assert threads == [runner.ident] * 2


class Runner(threading.Thread):
    """A vCPU on a thread of its own: it takes interrupts until it is told to stop."""

    def __init__(self, made: Any, index: int, stop: threading.Event, work: Any = None) -> None:
        super().__init__(daemon=True)
        self.made, self.index, self.stop, self.work = made, index, stop, work
        self.taken: Counter[int] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.error = error

    def _run(self) -> None:
        vcpu = self.made.vm.vcpus[self.index]
        vcpu.adopt()
        try:
            while not self.stop.is_set():
                if self.work is not None:
                    self.work()
                vcpu.wait(0.001)
                while vcpu.irq_line:
                    value = self.made.iar(self.index)
                    if value & 0x3FF >= 1020:
                        continue
                    self.taken[value & 0x3FF] += 1
                    self.made.eoi(value, self.index)
        finally:
            vcpu.release()


def finish(made: Any, runners: list[Runner], stop: threading.Event) -> None:
    def quiet() -> bool:
        busy = any(vcpu.inbox or vcpu.irq_line for vcpu in made.vm.vcpus)
        return not busy and sum(made.owed(cpu) for cpu in range(2)) == 0

    for _ in range(2000):
        if quiet():
            break
        stop.wait(0.005)
    stop.set()
    for runner in runners:
        runner.join(10)
        assert not runner.is_alive() and runner.error is None, runner.error
    assert quiet()


def test_one_of_n_between_threads(loose: Any) -> None:
    with loose.vm.adopted():
        for intid in (40, 41):
            loose.enable(intid, edge=True, targets=0b11)
    stop = threading.Event()
    runners = [Runner(loose, index, stop) for index in range(2)]
    for runner in runners:
        runner.start()
    for _ in range(EVENTS):
        for intid in (40, 41):
            assert loose.line(intid, 1) is Injected.POSTED
    finish(loose, runners, stop)
    delivered = sum(sum(runner.taken.values()) for runner in runners)
    counted = [loose.counters(cpu) for cpu in range(2)]
    assert sum(c.raised for c in counted) == 2 * EVENTS
    assert delivered == sum(c.delivered for c in counted)
    assert delivered + sum(c.coalesced for c in counted) == 2 * EVENTS


def test_moves_and_raises_from_different_threads(loose: Any) -> None:
    with loose.vm.adopted():
        loose.enable(40, edge=True, targets=0b01)
    stop = threading.Event()
    turn = iter(range(1, 1 << 30))

    def move() -> None:
        loose.w(0x800 + 40, 1 << next(turn) % 2, 0, size=1)

    runners = [Runner(loose, 0, stop, move), Runner(loose, 1, stop)]
    for runner in runners:
        runner.start()
    for _ in range(EVENTS):
        loose.line(40, 1)
    finish(loose, runners, stop)
    counted = [loose.counters(cpu) for cpu in range(2)]
    assert sum(c.raised for c in counted) == EVENTS
    assert sum(runner.taken[40] for runner in runners) + sum(c.coalesced for c in counted) == EVENTS
