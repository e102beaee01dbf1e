"""Level sources: trusted lines, host interrupts behind them, RESAMPLE and ENABLE."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from irqframe.errors import VmError
from irqframe.flow import Injected


def line(made: Any, intid: int, level: int) -> Injected:
    return made.vm.inject(0, intid, level)


def test_resample_pends_a_line_that_is_still_high(machine: Any) -> None:
    made = machine()
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    assert line(made, 20, 1) is Injected.LATCHED
    assert made.ack() == 20
    made.ok("RVIC_RESAMPLE", 20)
    assert not made.cpu(0).irq_line  # masked by the acknowledge
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    assert made.ack() == 20
    line(made, 20, 0)
    made.ok("RVIC_RESAMPLE", 20)
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    assert made.ack() is None
    assert made.counters().resampled == 1
    assert made.balance() == 0


def test_a_falling_line_never_clears_pending(machine: Any) -> None:
    made = machine()
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    line(made, 20, 1)
    assert line(made, 20, 0) is Injected.NOTHING
    assert made.ack() == 20  # spurious by design


def test_resample_of_an_ipi_or_an_edge_does_nothing(machine: Any) -> None:
    made = machine()
    made.enable()
    made.deliverable(3)
    assert made.ack() == 3
    made.ok("RVIC_RESAMPLE", 3)
    assert not made.pending(3)


def test_level_that_rises_while_disabled_is_sampled_by_enable(machine: Any) -> None:
    made = machine()
    assert line(made, 20, 1) is Injected.LATCHED
    assert line(made, 20, 1) is Injected.COALESCED
    assert not made.pending(20)
    assert made.balance() == 0
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    made.enable()
    assert made.ack() == 20
    assert made.balance() == 0
    assert made.counters()[:3] == (2, 1, 1)


def test_level_that_rises_and_falls_while_disabled_is_withdrawn(machine: Any) -> None:
    made = machine()
    line(made, 20, 1)
    line(made, 20, 0)
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    made.enable()
    assert made.ack() is None
    assert made.counters().withdrawn == 1
    assert made.balance() == 0


def test_level_that_stays_high_over_disable_and_enable(machine: Any) -> None:
    made = machine()
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    line(made, 20, 1)
    assert made.ack() == 20
    made.ok("RVIC_DISABLE")
    made.ok("RVIC_ENABLE")
    made.ok("RVIC_ENABLE")  # enabled already: looks at nothing
    assert made.pending(20)
    assert made.counters().resampled == 1


def test_resample_on_a_disabled_instance_is_refused(machine: Any) -> None:
    made = machine()
    line(made, 20, 1)
    assert made.hvc("RVIC_RESAMPLE", 20) == (0x0003, 0, 0, 0)
    assert made.hvc("RVIC_RESAMPLE", 32) == (0x0001, 0, 0, 0)  # the parameter is looked at first
    assert not made.pending(20)


# Host interrupts: the timer of a vCPU


@pytest.fixture
def timed(machine: Any) -> Any:
    made = machine(1, timers=True)
    made.cpu(0).load()
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 27)
    return made


def test_timer_fires_again_after_resample_found_its_line_low(timed: Any) -> None:
    timer = timed.cpu(0).timers[0]
    for turn in range(1, 4):
        timer.program(timed.vm.clock.now())
        assert timer.host_irq.active
        assert timed.ack() == 27
        timer.stop()
        assert timer.host_irq.active
        timed.ok("RVIC_RESAMPLE", 27)
        assert not timer.host_irq.active
        timed.ok("RVIC_CLEAR_MASKED", 0, 27)
        assert timed.ack() is None
        assert timer.host_irq.fired == turn


def test_timer_that_is_not_stopped_is_delivered_again(timed: Any) -> None:
    timer = timed.cpu(0).timers[0]
    timer.program(timed.vm.clock.now())
    assert timed.ack() == 27
    timed.ok("RVIC_RESAMPLE", 27)
    timed.ok("RVIC_CLEAR_MASKED", 0, 27)
    assert timed.ack() == 27
    assert timer.host_irq.fired == 1
    assert timed.counters().resampled == 1


def test_timer_that_fires_while_disabled(timed: Any) -> None:
    timed.ok("RVIC_DISABLE")
    timer = timed.cpu(0).timers[0]
    timer.program(timed.vm.clock.now())
    assert timer.outcomes == {Injected.LATCHED: 1}
    timed.ok("RVIC_ENABLE")
    assert timed.ack() == 27
    timed.ok("RVIC_DISABLE")
    timer.stop()
    timed.ok("RVIC_ENABLE")  # finds the line low, and ends the host's interrupt
    assert not timer.host_irq.active
    assert timed.balance() == 0


def refused(number: int, do: Any, *arguments: Any) -> None:
    with pytest.raises(VmError) as caught:
        do(*arguments)
    assert caught.value.errno == number, caught.value


def high(intid: int) -> bool:
    return True


def test_mapping_is_checked(timed: Any) -> None:
    table = timed.vm.flow.table
    cpu = timed.cpu(0)
    for intid in (32, 64, -1):
        refused(errno.EINVAL, table.map_phys_irq, cpu, 0, intid, high)
    refused(errno.EBUSY, table.map_phys_irq, cpu, 0, 27, high)
    refused(errno.EINVAL, table.map_phys_irq, cpu, 99, 20, high)
    refused(errno.EINVAL, table.unmap_phys_irq, cpu, 20)
    table.map_phys_irq(cpu, 0, 20, high)
    timed.ok("RVIC_RESAMPLE", 20)
    assert timed.pending(20)
    table.unmap_phys_irq(cpu, 20)
    timed.ok("RVIC_CLEAR_PENDING", 0, 20)
    timed.ok("RVIC_RESAMPLE", 20)
    assert not timed.pending(20)


def test_injected_level_is_not_remembered_behind_a_callback(timed: Any) -> None:
    table = timed.vm.flow.table
    table.map_phys_irq(timed.cpu(0), 0, 20, lambda intid: False)
    timed.vm.inject(0, 20, 1)
    table.unmap_phys_irq(timed.cpu(0), 20)
    timed.ok("RVIC_CLEAR_PENDING", 0, 20)
    timed.ok("RVIC_RESAMPLE", 20)
    assert not timed.pending(20)


def test_owners(timed: Any) -> None:
    table = timed.vm.flow.table
    cpu = timed.cpu(0)
    mine, yours = object(), object()
    table.set_owner(cpu, 20, mine)
    table.set_owner(cpu, 20, mine)
    refused(errno.EEXIST, table.set_owner, cpu, 20, yours)
    refused(errno.EEXIST, table.set_owner, cpu, 27, mine)  # the timer's
    refused(errno.EINVAL, table.set_owner, cpu, 40, mine)
    refused(errno.EINVAL, table.set_owner, cpu, 3, mine)
    refused(errno.EINVAL, timed.vm.inject, 0, 20, 1, yours)
    assert timed.vm.inject(0, 20, 1, mine) is Injected.LATCHED
    assert timed.vm.inject(0, 20, 1) is Injected.COALESCED
