"""WFI, wake-up, power and pause."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe.vm import VCpu, Vm


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.0005)


@pytest.fixture
def vcpu(vm: Vm) -> Iterator[Any]:
    vm.vcpus[0].load()
    yield vm.vcpus[0]
    vm.vcpus[0].put()


@pytest.fixture
def sleeper(vm: Vm) -> Iterator[Any]:
    """Start a thread that runs vCPU 0 and waits; gives (vcpu, results), joined when the test ends."""
    vcpu = vm.vcpus[0]
    results: list[tuple[bool, bool]] = []

    def run(timeout: float) -> None:
        vcpu.load()
        results.append((vcpu.wait(timeout), vcpu.in_guest))
        vcpu.put()

    threads = []

    def start(timeout: float = 20.0) -> Any:
        threads.append(threading.Thread(target=run, args=(timeout,)))
        threads[0].start()
        wait_for(lambda: vcpu.blocked or results)
        return vcpu, results

    yield start
    threads[0].join(10)
    assert not threads[0].is_alive()


# The wake-up test


@pytest.mark.parametrize("what", ["irq_line", "fiq_line"])
def test_line_makes_runnable(vcpu: VCpu, what: str) -> None:
    assert not vcpu.runnable
    setattr(vcpu, what, True)
    assert vcpu.runnable


def test_pending_state_makes_runnable(vcpu: VCpu) -> None:
    vcpu.chip.add(40)
    assert vcpu.runnable


def test_posted_work_makes_runnable(vcpu: VCpu) -> None:
    vcpu.post(int)
    assert vcpu.runnable


@pytest.mark.parametrize("what", ["powered_off", "paused"])
def test_nothing_runs_while_off(vcpu: VCpu, what: str) -> None:
    vcpu.irq_line = True
    vcpu.chip.add(40)
    setattr(vcpu, what, True)
    assert not vcpu.runnable
    assert not vcpu.enter()
    assert not vcpu.in_guest


def test_irqchip_without_pending_irq_has_nothing(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(without("vcpu_pending_irq"))
    vm.vcpus[0].chip.add(40)
    assert not vm.vcpus[0].runnable


# Blocking, on one thread


def test_block_and_unblock(chip: Any, vcpu: VCpu) -> None:
    vcpu.enter()
    chip.log.clear()
    assert vcpu.block()
    assert vcpu.blocked
    assert not vcpu.in_guest
    vcpu.unblock()
    vcpu.unblock()
    assert chip.names() == ["vcpu_sync_hwstate", "vcpu_blocking", "vcpu_unblocking"]
    assert not vcpu.blocked


def test_no_sleep_with_something_to_take(chip: Any, vcpu: VCpu) -> None:
    vcpu.chip.add(40)
    chip.log.clear()
    assert not vcpu.block()
    assert not vcpu.blocked
    assert "vcpu_blocking" not in chip.names()


# Waiting, on a thread of its own


def test_wait_ends_at_once_with_something_to_take(chip: Any, vcpu: VCpu) -> None:
    vcpu.chip.add(40)
    assert vcpu.wait(5.0)
    assert vcpu.in_guest
    assert "vcpu_blocking" not in chip.names()


def test_wait_ends_at_its_timeout(chip: Any, vcpu: VCpu) -> None:
    started = time.monotonic()
    assert not vcpu.wait(0.02)
    assert 0.015 < time.monotonic() - started < 2
    assert chip.names()[-3:] == ["vcpu_blocking", "vcpu_unblocking", "vcpu_flush_hwstate"]
    assert vcpu.in_guest


def test_injection_wakes(vm: Vm, sleeper: Any) -> None:
    vcpu, results = sleeper()
    vm.inject(0, 40, 1)
    wait_for(lambda: results)
    assert results == [(True, True)]
    assert not vcpu.blocked


def test_kick_wakes_with_nothing_to_take(sleeper: Any) -> None:
    vcpu, results = sleeper()
    vcpu.kick()
    wait_for(lambda: results)
    assert results == [(False, True)]


def test_no_wake_up_is_lost(chip: Any, vm: Vm) -> None:
    """Hand the interrupt over at every moment around the sleep: each is taken, none waits for the timeout."""
    vcpu = vm.vcpus[0]
    rounds = 300
    taken = []

    def run() -> None:
        vcpu.load()
        while len(taken) < rounds:
            if vcpu.wait(5.0):
                taken.append(vcpu.chip.pop())
        vcpu.put()

    thread = threading.Thread(target=run)
    started = time.monotonic()
    thread.start()
    for number in range(rounds):
        vm.inject(0, 1000 + number, 1)
        wait_for(lambda number=number: len(taken) > number)
    thread.join(10)
    assert not thread.is_alive()
    assert taken == [1000 + number for number in range(rounds)]
    assert time.monotonic() - started < 5


# Power


def test_power_off_stops_the_vcpu_and_its_timers(chip: Any, vm: Vm, vcpu: VCpu) -> None:
    vcpu.enter()
    vcpu.timers[0].program(100)
    vcpu.power_off()
    assert not vcpu.in_guest
    assert not vcpu.enter()
    assert not vcpu.timers[0].enabled
    vm.clock.advance(200)
    vcpu.timers[0].update()
    assert "inject_irq" not in chip.names()


def test_power_on_resets_the_irqchips_part(chip: Any, vcpu: VCpu) -> None:
    vcpu.chip.add(40)
    vcpu.irq_line = True
    vcpu.power_off()
    chip.log.clear()
    vcpu.power_on()
    assert ("reset", 0) in chip.log
    assert ("reset", None) not in chip.log
    assert vcpu.chip == set()
    assert vcpu.enter()
    assert not vcpu.irq_line


def test_power_on_of_a_vcpu_that_is_on(vcpu: VCpu, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vcpu.power_on)


def test_power_on_with_an_irqchip_that_cannot_reset(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(without("reset"))
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.power_off()
    vcpu.power_on()
    assert vcpu.enter()
    vcpu.put()


def test_power_on_wakes_a_thread_that_sleeps_powered_off(chip: Any, vm: Vm, sleeper: Any) -> None:
    """CPU_ON from another vCPU: the owner of the one that is off answers, though it must not enter the guest."""
    vm.vcpus[0].power_off()
    vcpu, results = sleeper()
    vcpu.kick()
    time.sleep(0.02)
    assert results == []  # a kick alone does not run it
    vcpu.power_on()
    wait_for(lambda: results)
    assert results == [(False, True)]
    assert ("reset", 0) in chip.log


def test_paused_vcpu_runs_on_when_kicked(vm: Vm, sleeper: Any) -> None:
    vm.vcpus[0].paused = True
    vcpu, results = sleeper()
    vm.inject(0, 40, 1)
    time.sleep(0.02)
    assert results == []
    vcpu.paused = False
    vcpu.kick()
    wait_for(lambda: results)
    assert results == [(True, True)]


def test_power_off_between_flush_and_entry(chip: Any, vcpu: VCpu) -> None:
    original = chip.record

    def off(name: str, *what: Any) -> None:
        original(name, *what)
        if name == "vcpu_flush_hwstate":
            vcpu.power_off()

    chip.record = off
    assert not vcpu.enter()
    assert chip.names().count("vcpu_flush_hwstate") == 1
    assert chip.names()[-1] == "vcpu_sync_hwstate"
