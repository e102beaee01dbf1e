"""The overflow line of the performance monitors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irqframe import Injected
from irqframe.vm import Vm


def injections(chip: Any) -> list[tuple]:
    return [entry[1:4] for entry in chip.log if entry[0] == "inject_irq"]


def test_overflow_is_told_on_change(chip: Any, vm: Vm) -> None:
    pmu = vm.vcpus[1].pmu
    with vm.adopted():
        for overflow in (False, True, True, False, False, True):
            pmu.set_overflow(overflow)
    assert injections(chip) == [(1, 23, 1), (1, 23, 0), (1, 23, 1)]
    assert pmu.raised == 2
    assert pmu.outcomes == {Injected.LATCHED: 1, Injected.COALESCED: 1}
    assert pmu.outcome is Injected.COALESCED


def test_pmu_owns_its_intid_at_the_first_run(chip: Any, make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(chip, cpus=1, pmu_intid=21, timer_intids=(None, None))
    vm.vcpus[0].load()
    vm.vcpus[0].put()
    assert [entry for entry in chip.log if entry[0] == "set_owner"] == [("set_owner", 0, 21)]


def test_reset_of_the_vcpu_clears_the_overflow(chip: Any, vm: Vm) -> None:
    """Else the device would take the line for high, and the next overflow would be lost."""
    pmu = vm.vcpus[0].pmu
    with vm.adopted():
        pmu.set_overflow(True)
        vm.reset_vcpu(vm.vcpus[0])
        assert not pmu.asserted
        chip.log.clear()
        pmu.set_overflow(True)
    assert injections(chip) == [(0, 23, 1)]


def test_machine_without_pmu() -> None:
    assert Vm(pmu_intid=None).create_vcpu().pmu is None
