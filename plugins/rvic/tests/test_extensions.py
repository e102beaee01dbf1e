"""What goes beyond the alpha specification: level inputs and priorities, off unless the tree asks."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from irqframe.errors import GuestError
from irqframe.flow import Injected


@pytest.fixture
def wired(machine: Any) -> Any:
    """Input 3, level-triggered, leads to INTID 40 of CPU 1; both CPUs are enabled."""
    made = machine(level_inputs=True)
    made.enable()
    made.ok("RVID_SET_TRIGGER", 3, 4)
    made.ok("RVID_MAP", 3, made.mpidr(1), 40)
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 40)
    return made


def end(made: Any, intid: int = 40, cpu: int = 1) -> None:
    made.ok("RVIC_RESAMPLE", intid, cpu=cpu)
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(cpu), intid, cpu=cpu)


def test_off_unless_asked_for(machine: Any) -> None:
    made = machine()
    made.enable()
    assert made.hvc("RVID_SET_TRIGGER", 3, 4)[0] == (1 << 64) - 1
    assert made.hvc("RVIC_SET_PRIORITY", 0, 3, 4)[0] == (1 << 64) - 1
    assert made.hvc("RVIC_INFO", 2) == (0x0001, 0, 0, 0)
    assert made.hvc("RVIC_RESAMPLE", 40) == (0x0001, 0, 0, 0)


def test_set_trigger_checks(wired: Any) -> None:
    assert wired.hvc("RVID_SET_TRIGGER", 32, 9) == (0x0001, 0, 0, 0)
    for trigger in (0, 2, 3, 8, 1 << 32 | 4):
        assert wired.hvc("RVID_SET_TRIGGER", 3, trigger) == (0x0101, 0, 0, 0)


def test_level_input_is_delivered_until_its_line_falls(wired: Any) -> None:
    assert wired.vm.set_irq(3, 1) is Injected.LATCHED
    assert wired.vm.set_irq(3, 1) is Injected.NOTHING  # high already
    for _ in range(3):
        assert wired.ack(1) == 40
        end(wired)
    assert wired.ack(1) == 40
    wired.vm.set_irq(3, 0)
    end(wired)
    assert wired.ack(1) is None
    assert wired.counters(1).resampled == 3
    assert wired.balance(1) == 0


def test_edge_input_beside_it_is_not_resampled(wired: Any) -> None:
    wired.ok("RVID_MAP", 4, wired.mpidr(1), 41)
    wired.ok("RVIC_CLEAR_MASKED", wired.mpidr(1), 41)
    assert wired.vm.set_irq(4, 1) is Injected.LATCHED
    assert wired.ack(1) == 41
    end(wired, 41)
    assert wired.ack(1) is None
    assert wired.vm.set_irq(4, 1) is Injected.LATCHED  # each is an edge, the line need not fall


def test_resample_looks_at_every_input_of_the_interrupt(wired: Any) -> None:
    wired.ok("RVID_SET_TRIGGER", 4, 4)
    wired.ok("RVID_MAP", 4, wired.mpidr(1), 40)
    wired.vm.set_irq(3, 1)
    assert wired.vm.set_irq(4, 1) is Injected.COALESCED
    assert wired.ack(1) == 40
    wired.vm.set_irq(3, 0)
    end(wired)
    assert wired.ack(1) == 40  # the other is high
    wired.ok("RVID_UNMAP", 4)
    end(wired)
    assert wired.ack(1) is None
    wired.ok("RVIC_RESAMPLE", 40, cpu=0)
    assert not wired.pending(40, cpu=0)  # on another CPU the INTID is another interrupt


def test_resampling_irqfd_hears_of_the_end_before_the_level_is_sampled(wired: Any) -> None:
    heard = []

    def lower() -> None:
        heard.append("ack")
        wired.vm.set_irq(3, 0, source_id=1)

    wired.vm.irqfds.acks = {3: lower}
    wired.vm.set_irq(3, 1)
    assert wired.ack(1) == 40
    end(wired)
    assert heard == ["ack"]
    assert wired.ack(1) is None
    wired.vm.irqfds.acks = {3: lambda: (lower(), wired.vm.set_irq(3, 1))[0]}  # the device wants more
    wired.vm.set_irq(3, 1)
    assert wired.ack(1) == 40
    end(wired)
    assert wired.ack(1) == 40
    assert wired.balance(1) == 0


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="this host has no eventfd")
def test_irqfd_with_resamplefd(wired: Any) -> None:
    raising, resample = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
    wired.vm.irqfds.assign(raising, 3, resample)
    for _ in range(2):
        os.eventfd_write(raising, 1)
        until(lambda: wired.cpu(1).inbox)
        wired.cpu(1).enter()
        assert wired.ack(1) == 40
        with pytest.raises(BlockingIOError):
            os.eventfd_read(resample)
        end(wired)
        assert os.eventfd_read(resample) == 1
        assert wired.ack(1) is None
    wired.vm.irqfds.close()
    os.close(raising)
    os.close(resample)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_trusted_and_edge_ends_are_nobodys_business(wired: Any) -> None:
    heard: list[int] = []
    wired.vm.irqfds.acks = {n: (lambda n=n: heard.append(n)) for n in range(32)}
    wired.ok("RVIC_RESAMPLE", 20)
    wired.ok("RVID_MAP", 4, wired.mpidr(0), 41)
    wired.ok("RVIC_RESAMPLE", 41)
    assert heard == []


def test_map_of_a_high_input_pends_at_the_new_target(wired: Any) -> None:
    wired.vm.set_irq(3, 1)
    wired.ok("RVIC_CLEAR_MASKED", 0, 50)
    wired.ok("RVID_MAP", 3, 0, 50)
    assert wired.ack(0) == 50
    assert wired.pending(40, cpu=1)
    assert wired.balance(0) == wired.balance(1) == 0


def test_map_of_a_high_edge_input_does_not(wired: Any) -> None:
    wired.vm.set_irq(5, 1)
    wired.ok("RVID_MAP", 5, 0, 50)
    assert not wired.pending(50)
    wired.ok("RVID_SET_TRIGGER", 5, 4)  # now that it is level-triggered it does
    assert wired.pending(50)


def test_unmapped_level_is_dropped_and_sampled_by_map(wired: Any) -> None:
    wired.ok("RVID_UNMAP", 3)
    assert wired.vm.set_irq(3, 1) is Injected.DROPPED_UNROUTED
    wired.ok("RVID_MAP", 3, wired.mpidr(1), 40)
    assert wired.ack(1) == 40
    assert wired.counters(1)[:2] == (0, 1)
    assert wired.counters(1).resampled == 1


def test_level_input_to_a_disabled_instance_waits_for_enable(wired: Any) -> None:
    wired.ok("RVIC_DISABLE", cpu=1)
    assert wired.vm.set_irq(3, 1) is Injected.LATCHED
    assert not wired.pending(40, cpu=1)
    wired.ok("RVIC_ENABLE", cpu=1)
    assert wired.ack(1) == 40
    wired.ok("RVIC_DISABLE", cpu=1)
    wired.ok("RVID_MAP", 3, wired.mpidr(1), 45)
    assert not wired.pending(45, cpu=1)
    wired.ok("RVIC_ENABLE", cpu=1)
    assert wired.pending(45, cpu=1)
    assert wired.balance(1) == 0


@pytest.mark.parametrize("meanwhile", ["nothing", "falls", "moves", "unmapped"])
def test_map_of_a_high_input_of_another_owner(machine: Any, meanwhile: str) -> None:
    made = machine(level_inputs=True)
    made.enable()
    made.ok("RVID_SET_TRIGGER", 3, 4)
    made.vm.set_irq(3, 1)
    mapping = threading.Thread(target=made.vm.chip_data.rvid.map_input, args=(3, made.cpu(1), 40))
    mapping.start()
    mapping.join()
    assert not made.cpu(1).chip.is_pending(40)
    if meanwhile == "falls":
        made.vm.set_irq(3, 0)
    elif meanwhile == "moves":
        made.ok("RVID_MAP", 3, 0, 41)
    elif meanwhile == "unmapped":
        made.ok("RVID_UNMAP", 3)
    made.cpu(1).enter()
    assert made.pending(40, cpu=1) == (meanwhile == "nothing")
    assert made.pending(41, cpu=0) == (meanwhile == "moves")


def test_driver_serves_level_inputs_and_shares_them(guest: Any, sources: Any) -> None:
    edge, level, _ = sources
    made = guest(2, level_inputs=True)
    hwirq = made.driver.request(made.cpus[0], level(7), 1)
    assert made.driver.request(made.cpus[0], level(7), 0) == hwirq  # shared
    with pytest.raises(GuestError, match="both triggers"):
        made.driver.request(made.cpus[0], edge(7), 0)
    left = [2]

    def serve(cpu: Any, taken: int) -> None:
        made.seen.append((cpu.index, taken))
        left[0] -= 1
        if not left[0]:
            made.vm.set_irq(7, 0)

    made.driver.handler = serve
    made.vm.set_irq(7, 1)
    assert made.take() == [(1, hwirq), (1, hwirq)]
    left[0] = 1
    made.vm.set_irq(7, 1)
    made.driver.set_affinity(made.cpus[0], hwirq, 0)
    assert made.take() == [(0, hwirq)]
    assert made.machine.balance(0) == made.machine.balance(1) == 0


def test_driver_refuses_a_level_input_without_the_extension(guest: Any, sources: Any) -> None:
    made = guest()
    with pytest.raises(GuestError, match="no level inputs"):
        made.driver.request(made.cpus[0], sources[1](7), 0)


# Priorities


def test_delivery_is_by_priority_then_intid(machine: Any) -> None:
    made = machine(priorities=True, order="fifo")
    made.enable()
    assert made.ok("RVIC_INFO", 2) == 256
    for intid, priority in ((40, 5), (10, 9), (30, 5), (20, 0)):
        made.ok("RVIC_SET_PRIORITY", 0, intid, priority)
        made.deliverable(intid)
    made.deliverable(50)  # 0 at reset
    made.ok("RVIC_SET_PRIORITY", 0, 10, 1)  # one that waits moves
    assert [made.ack() for _ in range(6)] == [20, 50, 10, 30, 40, None]


def test_set_priority_checks_in_order(machine: Any) -> None:
    made = machine(priorities=True)
    assert made.hvc("RVIC_SET_PRIORITY", 1 << 31, 99, 999) == (0x0001, 0, 0, 0)
    assert made.hvc("RVIC_SET_PRIORITY", 0x77, 99, 999) == (0x0002, 0, 0, 0)
    assert made.hvc("RVIC_SET_PRIORITY", 0, 99, 999) == (0x0101, 0, 0, 0)
    assert made.hvc("RVIC_SET_PRIORITY", 0, 63, 256) == (0x0201, 0, 0, 0)
    assert made.hvc("RVIC_SET_PRIORITY", made.mpidr(1), 63, 255) == (0, 0, 0, 0)
    assert made.cpu(1).chip.target.priority[63] == 255


def test_driver_takes_a_priority_along_when_it_moves_an_interrupt(guest: Any, sources: Any) -> None:
    made = guest(2, priorities=True)
    edge = sources[0]
    first = made.driver.request(made.cpus[0], edge(1), 0)
    second = made.driver.request(made.cpus[0], edge(2), 0)
    made.driver.set_priority(made.cpus[0], first, 7)
    for hwirq in (first, second):
        made.driver.set_affinity(made.cpus[0], hwirq, 1)
    made.vm.set_irq(1, 1)
    made.vm.set_irq(2, 1)
    assert made.take() == [(1, second), (1, first)]
