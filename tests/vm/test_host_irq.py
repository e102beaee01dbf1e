"""Host interrupts, and mapping them to a guest's."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from irqframe.vm import HostIrqs, Vm


def test_active_interrupt_does_not_fire() -> None:
    irq = HostIrqs().allocate("timer")
    assert irq.fire()
    assert not irq.fire()
    assert irq.fired == 1


def test_deactivated_interrupt_fires_again() -> None:
    irqs = HostIrqs()
    irq = irqs.allocate("timer")
    irq.fire()
    irqs.deactivate(irq.number)
    assert irq.fire()


def test_deactivation_lets_the_device_take_it_again() -> None:
    irqs = HostIrqs()
    taken = []
    irq = irqs.allocate("timer", lambda: taken.append(irqs[1].active))
    irq.fire()
    irqs.deactivate(irq.number)
    assert taken == [False]


def test_numbers_start_at_one_and_are_not_used_again() -> None:
    irqs = HostIrqs()
    assert [irqs.allocate(name).number for name in "ab"] == [1, 2]
    irqs.free(2)
    assert irqs.allocate("c").number == 3


@pytest.mark.parametrize("number", [0, 2, -1])
def test_unknown_number(number: int, refused: Callable[..., None]) -> None:
    irqs = HostIrqs()
    irqs.allocate("timer")
    refused(errno.EINVAL, irqs.deactivate, number)
    refused(errno.EINVAL, irqs.free, number)
    refused(errno.EINVAL, irqs.__getitem__, number)


def test_mapping_runs_under_the_vcpus_ownership(chip: Any, vm: Vm) -> None:
    owned = []
    chip.record = lambda name, *what: owned.append((name, *what, vm.vcpus[1].owned))
    thread = threading.Thread(target=vm.map_phys_irq, args=(vm.vcpus[1], 9, 40, bool))
    thread.start()
    thread.join()
    vm.unmap_phys_irq(vm.vcpus[1], 40)
    assert owned == [("map_phys_irq", 1, 40, 9, True), ("unmap_phys_irq", 1, 40, True)]


def test_mapping_without_the_callback(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    vm = make_vm(without("map_phys_irq", "unmap_phys_irq"))
    refused(errno.EOPNOTSUPP, vm.map_phys_irq, vm.vcpus[0], 1, 40, bool)
    refused(errno.EOPNOTSUPP, vm.unmap_phys_irq, vm.vcpus[0], 40)


def test_mapping_before_finalize(refused: Callable[..., None]) -> None:
    vm = Vm()
    vcpu = vm.create_vcpu()
    refused(errno.EAGAIN, vm.map_phys_irq, vcpu, 1, 40, bool)
