"""What each set-up operation refuses, and with which errno (the reference's order of checks)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import PluginError, VmError
from irqframe.vm import MPIDR_AFFINITY, VCpu, Vm, default_mpidr


@pytest.fixture
def small(chip: Any) -> Any:
    """A chip for two vCPUs."""

    class Small(type(chip)):
        vcpu_limit = 2

    return Small()


# Creating the irqchip


def test_second_irqchip(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EEXIST, vm.create_irqchip, type(chip)(), "other")


def test_irqchip_while_a_vcpu_runs(chip: Any, refused: Callable[..., None]) -> None:
    vm = Vm(quirks=["K5"])
    vcpu = vm.create_vcpu()
    refused(errno.ENODEV, vcpu.load)
    vcpu.load()
    refused(errno.EBUSY, vm.create_irqchip, chip, "recording")
    vcpu.put()
    refused(errno.EBUSY, vm.create_irqchip, chip, "recording")  # it has run


def test_irqchip_for_fewer_vcpus(small: Any, refused: Callable[..., None]) -> None:
    vm = Vm()
    for _ in range(3):
        vm.create_vcpu()
    refused(errno.EINVAL, vm.create_irqchip, small, "small")
    assert vm.flow.chip is None


@pytest.mark.parametrize("failing", ["create", "vcpu_init"])
def test_irqchip_that_refuses_is_not_kept(chip: Any, refused: Callable[..., None], failing: str) -> None:
    vm = Vm()
    vcpu = vm.create_vcpu()
    chip.failures[failing] = VmError(errno.ENOMEM, "no room")
    refused(errno.ENOMEM, vm.create_irqchip, chip, "recording")
    assert vm.flow.chip is None
    assert vcpu.chip is None
    vm.create_irqchip(type(chip)(), "recording")
    assert vm.flow.chip_name == "recording"


# Creating vCPUs


def test_vcpu_after_finalize(vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EBUSY, vm.create_vcpu)
    refused(errno.EBUSY, vm.create_vcpu, 9999)  # before the id is looked at


@pytest.mark.parametrize("vcpu_id", [-1, 512, 1 << 40])
def test_vcpu_id_out_of_range(vcpu_id: int, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, Vm().create_vcpu, vcpu_id)


def test_vcpu_ids_up_to_the_limit() -> None:
    assert Vm().create_vcpu(511).vcpu_id == 511


def test_more_vcpus_than_the_irqchip_serves(small: Any, refused: Callable[..., None]) -> None:
    vm = Vm()
    vm.create_irqchip(small, "small")
    vm.create_vcpu()
    refused(errno.EINVAL, vm.create_vcpu, 2)
    vm.create_vcpu()
    refused(errno.EINVAL, vm.create_vcpu)


def test_taken_vcpu_id(refused: Callable[..., None]) -> None:
    vm = Vm()
    vm.create_vcpu(3)
    refused(errno.EEXIST, vm.create_vcpu, 3, 0x200)
    assert len(vm.vcpus) == 1


def test_taken_mpidr(refused: Callable[..., None]) -> None:
    vm = Vm()
    vm.create_vcpu(0, 0x100)
    refused(errno.EEXIST, vm.create_vcpu, 1, 0x100)


@pytest.mark.parametrize("bit", [24, 30, 31, 40, 63])
def test_mpidr_with_other_bits(bit: int, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, Vm().create_vcpu, 0, 1 << bit)


def test_mpidr_affinity_bits_are_taken() -> None:
    assert Vm().create_vcpu(0, MPIDR_AFFINITY).mpidr == 0xFF00FFFFFF


@pytest.mark.parametrize(
    ("vcpu_id", "mpidr"), [(0, 0), (15, 0xF), (16, 0x100), (17, 0x101), (4095, 0xFF0F), (4096, 0x10000)]
)
def test_default_mpidr(vcpu_id: int, mpidr: int) -> None:
    assert default_mpidr(vcpu_id) == mpidr


def test_vcpus_are_found_by_id_and_mpidr() -> None:
    vm = Vm()
    vcpu = vm.create_vcpu(17)
    assert (vcpu.index, vcpu.vcpu_id, vcpu.mpidr) == (0, 17, 0x101)
    assert vm.vcpu_by_id(17) is vcpu
    assert vm.vcpu_by_mpidr(0x101) is vcpu
    assert vm.vcpu_by_id(0) is None
    assert vm.vcpu_by_mpidr(0) is None


def test_refused_vcpu_is_gone(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    vm = make_vm(chip, cpus=0, finalize=False)
    chip.failures["vcpu_init"] = VmError(errno.ENOMEM, "no room")
    refused(errno.ENOMEM, vm.create_vcpu)
    assert vm.vcpus == ()
    chip.failures.clear()
    assert vm.create_vcpu().index == 0


# Finalizing and running


def test_finalize_without_irqchip(refused: Callable[..., None]) -> None:
    refused(errno.ENODEV, Vm().finalize)


def test_finalize_twice(vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EBUSY, vm.finalize)


def test_run_before_finalize_is_refused_every_time(
    chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    vm = make_vm(chip, finalize=False)
    for _ in range(3):
        refused(errno.ENODEV, vm.vcpus[0].load)
    assert not vm.vcpus[0].has_run_once
    vm.finalize()
    vm.vcpus[0].load()
    vm.vcpus[0].put()


def test_run_without_irqchip(refused: Callable[..., None]) -> None:
    refused(errno.ENODEV, Vm().create_vcpu().load)


# Device attributes


def test_attributes_reach_the_irqchip(chip: Any, vm: Vm) -> None:
    vm.set_device_attr(0, 0, 5)
    assert vm.get_device_attr(0, 0) == 7
    assert chip.log[-2:] == [("set_attr", 0, 0, 5), ("get_attr", 0, 0)]
    assert vm.has_device_attr(0, 0)
    assert not vm.has_device_attr(0, 1)


def test_attributes_of_an_irqchip_without_any(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    for finalize in (False, True):
        vm = make_vm(without("set_attr", "get_attr", "has_attr"), finalize=finalize)
        refused(errno.ENXIO, vm.set_device_attr, 0, 0, 0)
        refused(errno.ENXIO, vm.get_device_attr, 0, 0)
        assert not vm.has_device_attr(0, 0)


def test_attributes_without_irqchip(refused: Callable[..., None]) -> None:
    refused(errno.ENXIO, Vm().set_device_attr, 0, 0, 0)
    assert not Vm().has_device_attr(0, 0)


def test_attribute_errors_keep_their_errno(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    chip.failures["set_attr"] = VmError(errno.EBUSY, "set already")
    refused(errno.EBUSY, vm.set_device_attr, 0, 0, 5)


# Injection


def test_inject_before_finalize(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    vm = make_vm(chip, finalize=False)
    refused(errno.EAGAIN, vm.inject, 0, 27, 1)


@pytest.mark.parametrize("cpu", [-1, 2, 1 << 40])
def test_inject_to_no_vcpu(vm: Vm, cpu: int, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vm.inject, cpu, 27, 1)


def test_inject_without_the_callback(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    refused(errno.EOPNOTSUPP, make_vm(without("inject_irq")).inject, 0, 27, 1)
    refused(errno.EOPNOTSUPP, Vm().inject, 0, 27, 1)


def test_claim_that_is_none(vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vm.claim, "GICD at 0x8000000")


def test_irqchip_that_breaks_the_spec_is_a_plugin_error(chip: Any) -> None:
    class Misspelt(type(chip)):
        from irqframe import hookimpl

        @hookimpl
        def irqchip_vcpu_initt(self, vcpu: VCpu) -> None:
            """Not in the specification."""

    vm = Vm()
    with pytest.raises(PluginError, match="irqchip_vcpu_initt"):
        vm.create_irqchip(Misspelt(), "misspelt")
    assert vm.flow.chip is None
    vm.create_irqchip(chip, "misspelt")  # the name is free again
