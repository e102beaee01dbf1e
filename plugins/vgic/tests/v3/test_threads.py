"""Ownership on a GICv3: what one CPU does to another's interrupts, and nothing is lost on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from irqframe_vgic._v3._interface import CpuInterface

from irqframe import Injected

EVENTS = 400
SGI = 0x1_0000


def test_another_cpus_redistributor_is_changed_on_its_thread(
    loose: Any, start_one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    change = CpuInterface.change

    def spy(*args: Any) -> None:
        threads.append(threading.get_ident())
        change(*args)

    monkeypatch.setattr(CpuInterface, "change", spy)
    started = threading.Event()
    running = start_one(loose, started.set)
    assert started.wait(10)
    loose.vm.vcpus[0].adopt()
    loose.rw(1, SGI + 0x100, 1 << 27, cpu=0)
    assert loose.rr(1, SGI + 0x100, cpu=0) == 1 << 27
    loose.vm.vcpus[0].release()
    running.end()
    assert threads == [running.runners[0].ident]


def test_routes_and_raises_from_different_threads(loose: Any, start: Any) -> None:
    with loose.vm.adopted():
        loose.enable(40, edge=True)
    turn = iter(range(1, 1 << 30))

    def route() -> None:
        loose.w(0x6000 + 8 * 40, next(turn) % 2, 0, size=8)

    running = start(loose, {0: route})
    for _ in range(EVENTS):
        loose.line(40, 1)
    counted = running.finish()
    assert sum(c.raised for c in counted) == EVENTS
    assert running.taken[40] + sum(c.coalesced for c in counted) == EVENTS


def test_an_spi_for_any_cpu_while_one_joins_and_leaves(loose: Any, start: Any) -> None:
    with loose.vm.adopted():
        for intid in (40, 41):
            loose.enable(intid, edge=True, route=1 << 31)
    turn = iter(range(1, 1 << 30))

    def join_or_leave() -> None:
        loose.rw(1, 0x0000, next(turn) % 2 << 25)

    running = start(loose, {1: join_or_leave})
    for _ in range(EVENTS):
        for intid in (40, 41):
            loose.line(intid, 1)
    counted = running.finish()
    assert sum(c.raised for c in counted) == 2 * EVENTS
    assert sum(running.taken.values()) + sum(c.coalesced for c in counted) == 2 * EVENTS


def test_sgis_between_threads(loose: Any, start: Any) -> None:
    with loose.vm.adopted():
        for cpu in range(2):
            loose.enable(3, cpu=cpu)
    sent = [0, 0]

    def sender(cpu: int) -> Any:
        def send() -> None:
            if sent[cpu] < EVENTS:
                sent[cpu] += 1
                loose.send(3, 1 << 1 - cpu, cpu)

        return send

    running = start(loose, {0: sender(0), 1: sender(1)})
    while sum(sent) < 2 * EVENTS:
        running.stop.wait(0.01)
    counted = running.finish()
    assert sum(c.raised for c in counted) == 2 * EVENTS
    assert running.taken[3] + sum(c.coalesced for c in counted) == 2 * EVENTS


def test_a_raise_for_a_vcpu_of_nobody_is_posted(loose: Any) -> None:
    assert loose.line(40, 1) is Injected.POSTED
    with loose.vm.adopted():
        loose.vm.vcpus[0].drain()
        assert loose.counters(0).raised == 1


def test_a_raise_that_is_overtaken_by_its_end_leaves_no_level(board: Any, from_outside: Any) -> None:
    made = board(2).on()
    made.enable(40)
    second = made.vm.vcpus[1]
    second.release()
    from_outside(made.line, 40, 1)
    # The guest moves the SPI in one trap, before it does what was posted; the device ends its raise meanwhile.
    store = made.vm.mmio.write

    def store_then_end(*args: Any) -> None:
        store(*args)
        from_outside(made.line, 40, 0)

    first = made.vm.vcpus[0]
    made.vm.mmio.write = store_then_end
    first.bind()
    made.w(0x6000 + 8 * 40, 1, size=8)
    made.vm.mmio.write = store
    first.bind()
    second.adopt()
    second.drain()
    assert not made.bit(0x200, 40) and not made.irq(1)
    assert sum(made.owed(cpu) for cpu in range(2)) == 0


def test_sgis_for_a_vcpu_that_does_not_run_are_bounded(board: Any) -> None:
    made = board(2).on()
    made.enable(3, cpu=1)
    second = made.vm.vcpus[1]
    second.release()
    for _ in range(2000):
        made.send(3, 0b10)
    assert len(second.inbox) < 1000
    second.adopt()
    second.drain()
    assert made.counters(1).raised == 2000 and made.iar(1) == 3


def test_two_cpus_begin_to_participate_at_once(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = board(2).on()
    for cpu in range(2):
        made.msr("IGRPEN1", 0, cpu)
    made.enable(41, edge=True, route=1 << 31)
    for vcpu in made.vm.vcpus:
        vcpu.release()
    participates = CpuInterface.participates
    counted, changed = threading.Event(), threading.Event()

    def slowly(self: CpuInterface, group: int) -> bool:
        found = participates(self, group)
        if threading.current_thread().name == "first" and self.vcpu.index == group == 1:
            counted.set()
            changed.wait(0.3)
        return found

    monkeypatch.setattr(CpuInterface, "participates", slowly)

    def join(cpu: int) -> None:
        if cpu:
            counted.wait(5)
        made.vm.vcpus[cpu].adopt()
        made.msr("IGRPEN1", 1, cpu)
        made.vm.vcpus[cpu].release()
        if cpu:
            changed.set()

    threads = [threading.Thread(target=join, args=(cpu,), name=("first", "second")[cpu]) for cpu in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for vcpu in made.vm.vcpus:
        vcpu.adopt()
    made.line(41, 1)
    assert [made.irq(cpu) for cpu in range(2)] == [False, True]


def test_a_reset_vcpu_hands_spis_for_any_cpu_on_with_their_account(board: Any) -> None:
    made = board(2).on()
    made.enable(41, edge=True, route=1 << 31)
    made.msr("PMR", 0, 1)
    made.line(41, 1)
    assert made.owed(1) == 1
    made.vm.reset_vcpu(made.vm.vcpus[1])
    assert [made.owed(cpu) for cpu in range(2)] == [1, 0]
    made.vm.restore_state(made.vm.save_state())
    assert made.iar(0) == 41
