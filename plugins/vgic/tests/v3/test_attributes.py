"""Device attributes, as KVM's documentation of its GICv3 has them (Linux, arm-vgic-v3.rst)."""

from __future__ import annotations

import errno

import pytest
from irqframe_vgic import Gicv3

from irqframe.errors import VmError
from irqframe.vm import Vm

ADDR, NR_IRQS, CTRL = 0, 3, 4
DIST, REDIST, REGION = 2, 3, 5


def made(cpus: int) -> Vm:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Gicv3(), "gicv3")
    for _ in range(cpus):
        vm.create_vcpu()
    return vm


def region(index: int, base: int, count: int, flags: int = 0) -> int:
    return count << 52 | base | flags << 12 | index


def test_a_gic_that_no_tree_describes_is_set_up_by_addresses() -> None:
    vm = made(2)
    vm.set_device_attr(ADDR, DIST, 0x0800_0000)
    vm.set_device_attr(ADDR, REDIST, 0x080A_0000)
    vm.set_device_attr(NR_IRQS, 0, 96)
    vm.set_device_attr(CTRL, 0, 0)
    vm.finalize()
    assert vm.get_device_attr(NR_IRQS, 0) == 96
    with vm.adopted():
        first = vm.vcpus[0]
        assert first.mmio_read(0x0800_0004, 4) & 0x1F == 2
        assert [first.mmio_read(0x080A_0008 + 0x2_0000 * cpu, 8) >> 4 & 1 for cpu in range(2)] == [0, 1]


def test_redistributors_are_in_regions_in_the_order_of_their_index() -> None:
    vm = made(3)
    vm.set_device_attr(ADDR, DIST, 0x0800_0000)
    vm.set_device_attr(ADDR, REGION, region(0, 0x0900_0000, 2))
    vm.set_device_attr(ADDR, REGION, region(1, 0x0800_0000 + 0x10_0000, 4))
    vm.finalize()
    with vm.adopted():
        typers = [vm.vcpus[0].mmio_read(base + 8, 8) for base in (0x0900_0000, 0x0902_0000, 0x0810_0000)]
    assert [typer >> 8 & 0xFFFF for typer in typers] == [0, 1, 2]
    assert [typer >> 4 & 1 for typer in typers] == [0, 1, 1]


@pytest.mark.parametrize(
    ("attr", "value", "number"),
    [
        (DIST, 0x0800_1000, errno.EINVAL),
        (DIST, (1 << 48) - 0x8000 & ~0xFFFF | 1 << 48, errno.E2BIG),
        (REDIST, (1 << 48) - 0x1_0000, errno.E2BIG),
        (REGION, region(1, 0x0900_0000, 2), errno.EINVAL),
        (REGION, region(0, 0x0900_0000, 0), errno.EINVAL),
        (REGION, region(0, 0x0900_0000, 2, flags=1), errno.EINVAL),
        (4, 0, errno.ENXIO),
    ],
)
def test_what_cannot_be_is_refused(attr: int, value: int, number: int) -> None:
    vm = made(2)
    with pytest.raises(VmError) as caught:
        vm.set_device_attr(ADDR, attr, value)
    assert caught.value.errno == number


def test_an_address_is_set_once_and_in_one_way() -> None:
    vm = made(2)
    vm.set_device_attr(ADDR, REDIST, 0x080A_0000)
    assert vm.get_device_attr(ADDR, REDIST) == 0x080A_0000
    for attr, value, number in (
        (REDIST, 0x080C_0000, errno.EEXIST),
        (REGION, region(0, 0x0900_0000, 2), errno.EINVAL),
    ):
        with pytest.raises(VmError) as caught:
            vm.set_device_attr(ADDR, attr, value)
        assert caught.value.errno == number
    other = made(2)
    other.set_device_attr(ADDR, REGION, region(0, 0x0900_0000, 2))
    with pytest.raises(VmError):
        other.set_device_attr(ADDR, REDIST, 0x080A_0000)


def test_a_vcpu_does_not_run_without_a_redistributor() -> None:
    vm = made(3)
    vm.set_device_attr(ADDR, DIST, 0x0800_0000)
    vm.set_device_attr(ADDR, REGION, region(0, 0x0900_0000, 2))
    vm.finalize()
    with pytest.raises(VmError) as caught:
        vm.vcpus[0].load()
    assert caught.value.errno == errno.ENXIO
