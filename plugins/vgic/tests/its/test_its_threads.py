"""Several threads: vCPUs that write commands, devices that send, and owners that take their LPIs."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from irqframe import Injected

EVENTS = 300


@pytest.fixture
def loose(bench: Any) -> Any:
    """A bench whose vCPUs nobody owns any more; device 3 has events 0 to 3 as LPIs 8200 to 8203, on CPU 0."""
    made = bench().on()
    made.device(3, *((event, 8200 + event, 0) for event in range(4)))
    for vcpu in made.vm.vcpus:
        vcpu.release()
    yield made
    for vcpu in made.vm.vcpus:
        vcpu.adopt()


class Runner(threading.Thread):
    """A vCPU on a thread of its own: it takes LPIs, and does its own work, until it is told to stop."""

    def __init__(self, made: Any, index: int, stop: threading.Event, work: Any = None) -> None:
        super().__init__(daemon=True)
        self.made, self.index, self.stop, self.work = made, index, stop, work
        self.taken: Counter[int] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        vcpu = self.made.vm.vcpus[self.index]
        vcpu.adopt()
        try:
            while not self.stop.is_set():
                if self.work is not None:
                    self.work()
                vcpu.wait(0.001)
                while vcpu.irq_line:
                    intid = self.made.iar(self.index)
                    self.taken[intid] += intid != 1023
        except BaseException as error:
            self.error = error
        finally:
            vcpu.release()


def finish(made: Any, runners: list[Runner], stop: threading.Event) -> None:
    for _ in range(2000):
        if not any(vcpu.inbox or vcpu.irq_line for vcpu in made.vm.vcpus):
            break
        stop.wait(0.005)
    stop.set()
    for runner in runners:
        runner.join(10)
        assert not runner.is_alive() and runner.error is None, runner.error
    with made.vm.adopted():
        assert made.balanced()


def test_a_message_for_a_vcpu_of_nobody_is_posted(loose: Any) -> None:
    assert [loose.message(3, 0), loose.message(3, 0)] == [Injected.POSTED] * 2
    assert loose.counters().raised == 0
    with loose.vm.adopted():
        loose.vm.vcpus[0].drain()
        assert loose.taken() == [8200]


def test_sync_waits_until_it_is_done(loose: Any) -> None:
    loose.vm.vcpus[1].adopt()
    loose.do(loose.of_event("INT", 3, 0), cpu=1)
    assert loose.cpus[0].lpis.owed == 0 and len(loose.vm.vcpus[0].inbox) == 1
    loose.do(loose.sync(0), cpu=1)
    assert loose.cpus[0].lpis.owed == 1 and not loose.vm.vcpus[0].inbox
    loose.vm.vcpus[1].release()


def test_commands_after_a_move_find_the_lpi_where_it_is(loose: Any) -> None:
    """CPU 0 belongs to nobody when its LPI moves to CPU 1 and is discarded there."""
    loose.vm.vcpus[1].adopt()
    loose.message(3, 0)
    loose.do(loose.movi(3, 0, 1), loose.of_event("DISCARD", 3, 0), cpu=1)
    with loose.vm.adopted():
        for vcpu in loose.vm.vcpus:
            vcpu.drain()
    assert loose.taken(1) == [] and loose.cpus[0].lpis.owed == 0 and loose.cpus[1].lpis.owed == 0
    loose.vm.vcpus[1].release()


def test_commands_after_movall_find_the_lpis_where_they_are(loose: Any) -> None:
    """To CPU 1 and back to CPU 0, which belongs to nobody."""
    loose.vm.vcpus[1].adopt()
    loose.message(3, 0)
    loose.do(loose.movall(0, 1), loose.movall(1, 0), loose.sync(0), cpu=1)
    loose.vm.vcpus[1].release()
    with loose.vm.adopted():
        assert loose.taken(0) == [8200] and loose.taken(1) == []


def test_an_inbox_does_not_fill_without_end(loose: Any) -> None:
    loose.vm.vcpus[1].adopt()
    for _ in range(40):
        loose.do(*[loose.of_event("INT", 3, 0)] * 100, cpu=1)
    assert len(loose.vm.vcpus[0].inbox) <= 300
    loose.vm.vcpus[1].release()


def test_two_vcpus_write_commands_for_each_other(loose: Any) -> None:
    stop = threading.Event()
    guest = threading.Lock()

    def work(cpu: int) -> Any:
        turn = iter(range(1, 1 << 30))

        def go() -> None:
            while not guest.acquire(timeout=0.001):
                loose.vm.vcpus[cpu].drain()  # a guest that spins leaves when it is kicked
            event = next(turn) % 4
            commands = [
                loose.movi(3, event, next(turn) // 3 % 2),
                loose.sync(1 - cpu),
                loose.of_event("INT", 3, event),
                loose.sync(cpu),
            ]
            loose.w(0x88, loose.queue(*commands, cpu=cpu), cpu=cpu)
            guest.release()

        return go

    runners = [Runner(loose, index, stop, work(index)) for index in range(2)]
    for runner in runners:
        runner.start()
    for turn in range(EVENTS):
        assert loose.message(3, turn % 4) is Injected.POSTED
        stop.wait(0.0005)
    finish(loose, runners, stop)
    counted = [loose.counters(cpu) for cpu in range(2)]
    assert sum(c.raised for c in counted) >= EVENTS
    assert sum(c.delivered for c in counted) == sum(sum(runner.taken.values()) for runner in runners)
    assert all(not c.dropped for c in counted)


def test_writes_of_cwriter_from_two_threads_at_once(loose: Any) -> None:
    """No lock of the guest's: both write the same commands' end again and again, and each is done once."""
    stop = threading.Event()
    ready = threading.Barrier(3)
    with loose.vm.adopted():
        at = loose.queue(*([loose.sync(0), loose.sync(1)] * 50), loose.of_event("INT", 3, 2))

    def once(cpu: int) -> Any:
        done: list[int] = []

        def go() -> None:
            if not done:
                done.append(1)
                ready.wait(10)
                loose.w(0x88, at, cpu=cpu)

        return go

    runners = [Runner(loose, index, stop, once(index)) for index in range(2)]
    for runner in runners:
        runner.start()
    ready.wait(10)
    for _ in range(2000):
        if sum(runner.taken[8202] for runner in runners):
            break
        stop.wait(0.005)
    finish(loose, runners, stop)
    assert loose.its.queue.creadr == at and sum(runner.taken[8202] for runner in runners) == 1
