"""Ownership: what happens to a vCPU's state happens on the thread that owns it, and nothing is lost on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from irqframe_vgic._v2._distributor import Distributor

from irqframe import Injected

EVENTS = 400


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


def test_a_guest_changes_an_spi_on_the_thread_of_its_home(
    loose: Any, start_one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loose.vm.adopted():
        loose.enable(40, edge=True, targets=0b10)
    threads = []
    change = Distributor._change

    def spy(*args: Any) -> None:
        threads.append(threading.get_ident())
        change(*args)

    monkeypatch.setattr(Distributor, "_change", spy)
    started = threading.Event()
    running = start_one(loose, started.set)
    assert started.wait(10)
    loose.vm.vcpus[0].adopt()
    loose.set_bit(0x180, 40)
    assert not loose.bit(0x100, 40)
    loose.set_bit(0x200, 40)
    assert loose.bit(0x200, 40)
    loose.vm.vcpus[0].release()
    running.end()
    assert threads == [running.runners[0].ident] * 2


def test_one_of_n_between_threads(loose: Any, start: Any) -> None:
    with loose.vm.adopted():
        for intid in (40, 41):
            loose.enable(intid, edge=True, targets=0b11)
    running = start(loose)
    for _ in range(EVENTS):
        for intid in (40, 41):
            assert loose.line(intid, 1) is Injected.POSTED
    counted = running.finish()
    delivered = sum(running.taken.values())
    assert sum(c.raised for c in counted) == 2 * EVENTS
    assert delivered == sum(c.delivered for c in counted)
    assert delivered + sum(c.coalesced for c in counted) == 2 * EVENTS


def test_moves_and_raises_from_different_threads(loose: Any, start: Any) -> None:
    with loose.vm.adopted():
        loose.enable(40, edge=True, targets=0b01)
    turn = iter(range(1, 1 << 30))

    def move() -> None:
        loose.w(0x800 + 40, 1 << next(turn) % 2, 0, size=1)

    running = start(loose, {0: move})
    for _ in range(EVENTS):
        loose.line(40, 1)
    counted = running.finish()
    assert sum(c.raised for c in counted) == EVENTS
    assert running.taken[40] + sum(c.coalesced for c in counted) == EVENTS


def test_a_raise_that_is_overtaken_by_its_end_leaves_no_level(board: Any, from_outside: Any) -> None:
    made = board(2).on()
    made.enable(40, targets=0b01)
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
    made.w(0x800 + 40, 0b10, size=1)
    made.vm.mmio.write = store
    first.bind()
    second.adopt()
    second.drain()
    assert not made.bit(0x200, 40) and not made.irq(1)
    assert sum(made.owed(cpu) for cpu in range(2)) == 0
    assert made.counters(1).raised == made.counters(1).withdrawn == 1


def test_what_a_guest_does_to_a_vcpu_that_does_not_run_is_bounded(board: Any) -> None:
    made = board(2).on()
    second = made.vm.vcpus[1]
    second.release()
    made.enable(41, edge=True, targets=0b11)
    for _ in range(2000):
        made.set_bit(0x200, 41)
        made.set_bit(0x280, 41)
        made.send(3, 0b10)
    assert len(second.inbox) < 1000
    second.adopt()
    second.drain()
    assert made.iar(1) == 3
    assert made.counters(1).raised == 2000


def test_state_is_saved_when_every_raise_has_come_home(board: Any, from_outside: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True, targets=0b10)
    from_outside(made.line, 40, 1)
    made.w(0x800 + 40, 0b01, size=1)
    state = made.vm.save_state()
    other = board(2)
    other.vm.restore_state(state)
    assert other.bit(0x200, 40) and other.owed(0) == 1
