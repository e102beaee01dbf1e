"""Departures of the reference's core: what is right, and the quirk."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import QUIRKS, IrqLine, IrqType, Vm


def test_names() -> None:
    assert sorted(QUIRKS) == ["K18", "K24", "K30", "K5", "K6", "K8"]
    assert Vm().quirks == frozenset()
    assert Vm(quirks=["K5", "K9", "D1"]).quirks == {"K5"}  # the others are the irqchip's
    assert Vm(quirks=["as-is"]).quirks == QUIRKS.keys()


# K5: a vCPU that was refused its first run


def test_k5_right(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    vcpu = make_vm(chip, finalize=False).vcpus[0]
    refused(errno.ENODEV, vcpu.load)
    refused(errno.ENODEV, vcpu.load)


def test_k5_quirk(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    vcpu = make_vm(chip, finalize=False, quirks=["K5"]).vcpus[0]
    refused(errno.ENODEV, vcpu.load)
    vcpu.load()
    assert vcpu.enter()
    assert "vcpu_first_run" not in chip.names()
    vcpu.put()


def test_k5_quirk_when_the_irqchip_refuses(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    chip.failures["vcpu_first_run"] = VmError(errno.EBUSY, "not now")
    vcpu = make_vm(chip, quirks=["K5"]).vcpus[0]
    refused(errno.EBUSY, vcpu.load)
    vcpu.load()
    assert "set_owner" not in chip.names()
    vcpu.put()


# K6: the pin limit


@pytest.mark.parametrize(("quirks", "limit"), [([], 4096), (["K6"], 988)])
def test_k6(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None], quirks: list[str], limit: int) -> None:
    vm = make_vm(chip, pins=limit, quirks=quirks)
    refused(errno.EINVAL, vm.routing.set_default, limit + 1)
    vm.routing.replace([RoutingEntry(0, RoutingKind.IRQCHIP, pin=limit - 1)])
    refused(errno.EINVAL, vm.routing.replace, [RoutingEntry(0, RoutingKind.IRQCHIP, pin=limit)])


# K8: id or index


@pytest.fixture
def swapped(chip: Any) -> Any:
    """A VM whose vCPUs have the ids 1, 0 and 9 at the indexes 0, 1 and 2."""

    def make(*quirks: str) -> Vm:
        vm = Vm(quirks=quirks)
        vm.create_irqchip(chip, "recording")
        for vcpu_id in (1, 0, 9):
            vm.create_vcpu(vcpu_id)
        vm.finalize()
        return vm

    return make


def targets(vm: Vm, chip: Any) -> list[int]:
    chip.log.clear()
    with vm.adopted():
        for vcpu in vm.vcpus:
            vcpu.pmu.set_overflow(True)
            vcpu.timers[0].program(0)
    return [entry[1] for entry in chip.log if entry[0] == "inject_irq"]


def test_k8_right(chip: Any, swapped: Callable[..., Vm]) -> None:
    assert targets(swapped(), chip) == [0, 0, 1, 1, 2, 2]


def test_k8_quirk(chip: Any, swapped: Callable[..., Vm]) -> None:
    """The id is taken for an index; the reference's guard against speculation makes 0 of one that is too large."""
    assert targets(swapped("K8"), chip) == [1, 1, 0, 0, 0, 0]


# K18: a missing callback


def test_k18_right(without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    vm = make_vm(without("inject_irq", "inject_userspace_irq", "map_phys_irq"))
    refused(errno.EOPNOTSUPP, vm.inject, 0, 27, 1)
    refused(errno.EOPNOTSUPP, vm.irq_line, IrqLine(IrqType.SPI, 0, 1).encode(), 1)
    refused(errno.EOPNOTSUPP, vm.map_phys_irq, vm.vcpus[0], 1, 27, bool)


def test_k18_quirk(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(without("inject_irq", "inject_userspace_irq", "map_phys_irq", "unmap_phys_irq"), quirks=["K18"])
    assert vm.inject(0, 27, 1) is Injected.NOTHING
    assert vm.irq_line(IrqLine(IrqType.SPI, 0, 1).encode(), 1) is Injected.NOTHING
    vm.map_phys_irq(vm.vcpus[0], 1, 27, bool)
    vm.unmap_phys_irq(vm.vcpus[0], 27)


# K24: routing before the irqchip


@pytest.mark.parametrize("kind", list(RoutingKind))
def test_k24(refused: Callable[..., None], kind: Any) -> None:
    entry = RoutingEntry(0, kind)
    vm = Vm()
    vm.routing.replace([entry])
    assert vm.routing.entries == (entry,)
    refused(errno.EINVAL, Vm(quirks=["K24"]).routing.replace, [entry])


# K30: failed creations


def test_k30_right_irqchip(chip: Any, refused: Callable[..., None]) -> None:
    vm = Vm()
    chip.failures["create"] = VmError(errno.ENOMEM, "no room")
    refused(errno.ENOMEM, vm.create_irqchip, chip, "recording")
    assert vm.flow.chip is None


def test_k30_quirk_irqchip(chip: Any, refused: Callable[..., None]) -> None:
    vm = Vm(quirks=["K30"])
    chip.failures["create"] = VmError(errno.ENOMEM, "no room")
    refused(errno.ENOMEM, vm.create_irqchip, chip, "recording")
    assert vm.flow.chip is chip
    refused(errno.EEXIST, vm.create_irqchip, type(chip)(), "other")


@pytest.mark.parametrize(("quirks", "inits"), [([], 1), (["K30"], 2)])
def test_k30_vcpu_with_a_taken_id(chip: Any, refused: Callable[..., None], quirks: list[str], inits: int) -> None:
    """The reference looks for the clash last: the irqchip has made state for a vCPU that never comes."""
    vm = Vm(quirks=quirks)
    vm.create_irqchip(chip, "recording")
    vm.create_vcpu(5)
    refused(errno.EEXIST, vm.create_vcpu, 5)
    assert chip.names().count("vcpu_init") == inits
    assert len(vm.vcpus) == 1
