"""The generic timers: direct, behind a host interrupt, and emulated."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe import Injected, VmError
from irqframe.vm import HostClock, VCpu, VirtualClock, Vm

VIRTUAL = 27


@pytest.fixture
def emulated(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> Iterator[Any]:
    """(chip, virtual timer of vCPU 0) without host interrupts; the vCPU is loaded."""
    chip = without("map_phys_irq")
    vm = make_vm(chip)
    vm.vcpus[0].load()
    chip.log.clear()
    yield chip, vm.vcpus[0].timers[0]
    vm.vcpus[0].put()


@pytest.fixture
def direct(chip: Any, vm: Vm) -> Iterator[Any]:
    """(chip, virtual timer of vCPU 0) with a host interrupt; the vCPU is loaded."""
    vm.vcpus[0].load()
    chip.log.clear()
    yield chip, vm.vcpus[0].timers[0]
    vm.vcpus[0].put()


def levels(chip: Any) -> list[int]:
    return [entry[3] for entry in chip.log if entry[0] == "inject_irq" and entry[2] == VIRTUAL]


# The line


def test_condition_of_the_line(emulated: Any) -> None:
    _, timer = emulated
    timer.vcpu.vm.clock.advance(100)
    cases = {(100, True, False): True, (101, True, False): False, (99, False, False): False, (99, True, True): False}
    for (compare, enabled, masked), level in cases.items():
        timer.program(compare, enabled=enabled, masked=masked)
        assert timer.level is level


def test_deadline(emulated: Any) -> None:
    _, timer = emulated
    assert timer.deadline is None
    timer.program(50)
    assert timer.deadline == 50
    timer.program(50, masked=True)
    assert timer.deadline is None
    timer.program(0)
    assert timer.deadline is None  # it has risen already


# Emulated


def test_emulated_timer_injects_every_change_once(emulated: Any) -> None:
    chip, timer = emulated
    timer.program(50)
    assert levels(chip) == []
    timer.vcpu.vm.clock.advance(50)
    timer.update()
    timer.update()
    assert levels(chip) == [1]
    assert timer.asserted
    timer.stop()
    timer.stop()
    assert levels(chip) == [1, 0]
    assert (timer.raised, timer.outcomes) == (1, {Injected.LATCHED: 1})
    assert timer.host_irq is None


def test_injection_names_its_owner(emulated: Any) -> None:
    chip, timer = emulated
    timer.program(0)
    assert chip.log == [("inject_irq", 0, VIRTUAL, 1, timer)]


def test_each_timer_has_its_intid_and_vcpu(chip: Any, make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(chip, timer_intids=(18, 19))
    with vm.adopted():
        for vcpu in vm.vcpus:
            vcpu.load()
            for timer in vcpu.timers:
                timer.program(0)
            vcpu.put()
    assert [entry[1:3] for entry in chip.log if entry[0] == "inject_irq"] == [(0, 18), (0, 19), (1, 18), (1, 19)]


def test_update_from_another_thread_is_posted(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(without("map_phys_irq"))
    timer = vm.vcpus[0].timers[0]
    timer.program(0)
    assert timer.outcomes == {Injected.POSTED: 1}
    assert len(vm.vcpus[0].inbox) == 1


def test_emulated_reset_lowers_the_line(emulated: Any) -> None:
    chip, timer = emulated
    timer.program(0)
    timer.reset()
    assert levels(chip) == [1, 0]
    assert not (timer.enabled or timer.masked or timer.compare or timer.asserted)
    timer.reset()
    assert levels(chip) == [1, 0]


def test_load_catches_up_with_the_time_that_passed(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    chip = without("map_phys_irq")
    vm = make_vm(chip)
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.timers[0].program(10)
    vcpu.put()
    vm.clock.advance(20)
    vcpu.load()
    assert levels(chip) == [1]
    vcpu.put()


# Direct


def test_direct_timer_takes_its_host_interrupt(direct: Any) -> None:
    chip, timer = direct
    timer.program(0)
    assert levels(chip) == [1]
    assert timer.host_irq.active
    assert timer.host_irq.fired == 1
    timer.update()
    assert levels(chip) == [1]  # it is active: it cannot fire again


def test_direct_timer_does_not_tell_that_the_line_fell(direct: Any) -> None:
    chip, timer = direct
    timer.program(0)
    timer.stop()
    assert levels(chip) == [1]
    assert not timer.asserted
    assert timer.host_irq.active  # until the irqchip asks, and finds the level low


def test_deactivated_host_interrupt_fires_again_if_the_line_is_high(direct: Any) -> None:
    chip, timer = direct
    host_irqs = timer.vcpu.vm.host_irqs
    timer.program(0)
    host_irqs.deactivate(timer.host_irq.number)
    assert levels(chip) == [1, 1]
    assert timer.host_irq.fired == 2
    timer.stop()
    host_irqs.deactivate(timer.host_irq.number)
    assert levels(chip) == [1, 1]
    assert not timer.host_irq.active


def test_level_is_asked_for(chip: Any, make_vm: Callable[..., Vm]) -> None:
    asked = {}

    class Asking(type(chip)):
        from irqframe import hookimpl

        @hookimpl
        def irqchip_map_phys_irq(self, vcpu: VCpu, host_irq: Any, intid: int, get_level: Any) -> None:
            asked[vcpu.index, intid] = get_level

    vm = make_vm(Asking(), cpus=1)
    vcpu = vm.vcpus[0]
    vcpu.load()
    assert sorted(asked) == [(0, 27), (0, 30)]
    vcpu.timers[0].program(0)
    assert (asked[0, 27](27), asked[0, 30](30)) == (True, False)
    vcpu.put()


def test_load_ends_a_host_interrupt_that_nobody_needs(chip: Any, vm: Vm) -> None:
    """kvm_timer_vcpu_load: the physical active state is the guest's, or the line's."""
    vcpu = vm.vcpus[0]
    vcpu.load()
    timer = vcpu.timers[0]
    timer.program(0)
    timer.stop()
    vcpu.put()
    chip.active.add((0, VIRTUAL))
    vcpu.load()
    assert timer.host_irq.active
    vcpu.put()
    chip.active.clear()
    vcpu.load()
    assert not timer.host_irq.active
    vcpu.put()


def test_direct_reset_forgets_the_mapped_interrupt(direct: Any) -> None:
    chip, timer = direct
    timer.program(0)
    chip.log.clear()
    timer.reset()
    assert chip.log == [("inject_irq", 0, VIRTUAL, 0, timer), ("reset_mapped_irq", 0, VIRTUAL)]
    assert not timer.host_irq.active
    assert not timer.asserted


def test_reset_without_the_callback(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(without("reset_mapped_irq"))
    vm.vcpus[0].load()
    timer = vm.vcpus[0].timers[0]
    timer.program(0)
    timer.reset()
    assert not timer.host_irq.active
    vm.vcpus[0].put()


def test_each_timer_has_a_host_interrupt_of_its_own(vm: Vm) -> None:
    numbers = []
    for vcpu in vm.vcpus:
        vcpu.load()
        numbers += [timer.host_irq.number for timer in vcpu.timers]
        vcpu.put()
    assert numbers == [1, 2, 3, 4]


def test_host_interrupt_of_a_failed_mapping_is_given_back(chip: Any, vm: Vm) -> None:
    chip.failures["map_phys_irq"] = VmError(errno.EBUSY, "mapped")
    with pytest.raises(VmError):
        vm.vcpus[0].load()
    with pytest.raises(VmError):
        vm.host_irqs[1]
    assert vm.vcpus[0].timers[0].host_irq is None


def test_machine_without_timers() -> None:
    assert Vm(timer_intids=(None, None), pmu_intid=None).create_vcpu().timers == ()


# Clocks


@given(st.lists(st.integers(0, 1 << 40), max_size=20))
def test_virtual_clock_adds_up(steps: Any) -> None:
    clock = VirtualClock(7)
    for step in steps:
        before = clock.now()
        assert clock.advance(step) == clock.now() == before + step
    assert clock.now() == 7 + sum(steps)


def test_time_does_not_go_back() -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="-1"):
        clock.advance(-1)
    assert clock.now() == 0


def test_host_clock_starts_at_its_construction() -> None:
    clock = HostClock()
    first = clock.now()
    assert 0 <= first <= clock.now() < 60 * 10**9
