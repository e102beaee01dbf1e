"""The end of a VM."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import VmError
from irqframe.vm import Vm


def test_irqchip_goes_first_and_once(chip: Any, vm: Vm) -> None:
    vm.destroy()
    vm.destroy()
    assert [entry for entry in chip.log if entry[0] == "destroy"] == [("destroy", 2)]  # the vCPUs existed still
    assert vm.vcpus == ()
    assert not vm.finalized


def test_before_anything_was_made() -> None:
    Vm().destroy()


def test_before_finalize(chip: Any, make_vm: Callable[..., Vm]) -> None:
    make_vm(chip, finalize=False).destroy()
    assert chip.names()[-1] == "destroy"


def test_irqchip_that_fails_does_not_keep_the_vm(chip: Any, vm: Vm) -> None:
    chip.failures["destroy"] = VmError(errno.EIO, "no")
    with pytest.raises(VmError):
        vm.destroy()
    assert vm.vcpus == ()
    assert not vm.finalized
    vm.destroy()


def test_nothing_works_on_a_destroyed_vm(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    vcpu = vm.vcpus[0]
    vm.destroy()
    refused(errno.EINVAL, vm.inject, 0, 27, 1)
    refused(errno.EAGAIN, vm.set_irq, 0, 1)
    refused(errno.EAGAIN, vm.signal_msi, 0, 0)
    refused(errno.ENODEV, vm.create_vcpu)
    refused(errno.ENODEV, vm.create_irqchip, type(chip)(), "other")
    refused(errno.ENODEV, vm.finalize)
    refused(errno.ENODEV, vcpu.load)
    refused(errno.ENODEV, vm.reset)
    refused(errno.ENODEV, vm.save_state)
    refused(errno.ENODEV, vm.restore_state, {})
    refused(errno.ENODEV, vm.set_device_attr, 0, 0, 0)
    refused(errno.ENODEV, vm.get_device_attr, 0, 0)
    assert vm.vcpu_by_mpidr(0) is None
    assert vm.vcpu_by_id(0) is None


def test_a_vcpu_that_has_run_does_not_run_again(vm: Vm, refused: Callable[..., None]) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.put()
    vm.destroy()
    refused(errno.ENODEV, vcpu.load)
