"""Registers through device attributes: what KVM's userspace reads, writes, and may expect of a copy."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from irqframe_vgic._v2 import _userspace

from irqframe import VmError

DIST, CPU = 1, 2
IIDR, PMR, APR, CTLR = 0x008, 0x04, 0xD0, 0x00

# What says how an interrupt behaves comes before what it does, and the priorities that run come last.
DISTRIBUTOR = (
    0x000,
    *range(0xC00, 0xC48, 4),
    *range(0x080, 0x0A4, 4),
    *range(0x400, 0x520, 4),
    *range(0x820, 0x920, 4),
)


def refused(number: int) -> Any:
    return pytest.raises(VmError, match=errno.errorcode[number])


def attr(offset: int, cpu: int = 0) -> int:
    return cpu << 32 | offset


def copied(source: Any, target: Any) -> None:
    """Take a GICv2 over register by register, as a VMM does."""
    get, put = source.get_device_attr, target.set_device_attr
    put(DIST, attr(IIDR), get(DIST, attr(IIDR)))
    for cpu in range(len(source.vcpus)):
        for offset in DISTRIBUTOR:
            put(DIST, attr(offset, cpu), get(DIST, attr(offset, cpu)))
        for offset in (*range(0x100, 0x124, 4), *range(0x200, 0x224, 4), *range(0x300, 0x324, 4)):
            put(DIST, attr(offset + 0x80, cpu), 0xFFFF_FFFF)
            put(DIST, attr(offset, cpu), get(DIST, attr(offset, cpu)))
        for n in range(0, 16, 4):
            put(DIST, attr(0xF10 + n, cpu), 0xFFFF_FFFF)
            put(DIST, attr(0xF20 + n, cpu), get(DIST, attr(0xF20 + n, cpu)))
        for offset in (0x00, 0x04, 0x08, 0x1C, 0xD0, 0xD4, 0xD8, 0xDC):
            put(CPU, attr(offset, cpu), get(CPU, attr(offset, cpu)))


@pytest.fixture
def busy(board: Any) -> Iterator[Any]:
    """Something of everything: both groups running, SGIs of several sources, an SPI that waits for nobody."""
    made = board(3).on(ctlr=0b0111, distributor=3, pmr=0xF0)
    made.w(0x084, 0x0300)
    for intid, edge, targets, priority in ((40, True, 1, 0x80), (41, True, 1, 0x40), (42, True, 0, 0x20)):
        made.enable(intid, edge=edge, targets=targets, priority=priority)
    made.enable(20, cpu=2, priority=0x10)
    made.line(40, 1)
    assert made.iar() == 40
    made.line(41, 1)
    assert made.iar() == 41
    made.line(42, 1)
    made.line(20, 1, cpu=2)
    made.send(3, 0b100, 0)
    made.send(3, 0b100, 1)
    yield made


def test_a_copy_by_registers_goes_on_as_the_original(board: Any, busy: Any) -> None:
    other = board(3)
    copied(busy.vm, other.vm)
    for made in (busy, other):
        assert made.pins(2) == (True, False)
        assert [made.iar(2), made.iar(2)] == [3, 1023]
        made.eoi(3, 2)
        assert made.iar(2) == 1 << 10 | 3
        made.eoi(1 << 10 | 3, 2)
        assert made.iar(2) == 20
        assert made.cr(0x14) == 0x40
        made.eoi(41)
        assert made.cr(0x14) == 0x80
        made.eoi(40)
        assert made.cr(0x14) == 0xFF
        made.w(0x800 + 42, 0b010, size=1)
        assert made.iar(1) == 42


def test_what_userspace_reads_is_what_the_guest_reads(busy: Any) -> None:
    for cpu in range(3):
        for offset in (*range(0x000, 0xF00, 4), *range(0xF10, 0xF30, 4)):
            if busy.vm.has_device_attr(DIST, attr(offset, cpu)):
                assert busy.vm.get_device_attr(DIST, attr(offset, cpu)) == busy.r(offset, cpu), hex(offset)


def test_the_mask_is_in_the_lower_five_bits(board: Any) -> None:
    made = board(2).on(pmr=0xF0)
    assert made.vm.get_device_attr(CPU, attr(PMR, 1)) == 0x1E
    made.vm.set_device_attr(CPU, attr(PMR, 1), 0x10)
    assert made.cr(PMR, 1) == 0x80 and made.cr(PMR, 0) == 0xF0


def test_active_priorities_are_of_both_groups(busy: Any) -> None:
    vm = busy.vm
    assert (busy.cr(0xD0), busy.cr(0xE0)) == (0, 1 << 16 | 1 << 8)
    assert vm.get_device_attr(CPU, attr(APR)) == 1 << 16 | 1 << 8
    vm.set_device_attr(CPU, attr(APR), 1 << 16 | 1 << 8)
    assert (busy.cr(0xD0), busy.cr(0xE0)) == (0, 1 << 16 | 1 << 8)
    vm.set_device_attr(CPU, attr(APR), 1 << 8 | 1)
    assert (busy.cr(0xD0), busy.cr(0xE0)) == (1, 1 << 8)
    assert busy.cr(0x14) == 0
    busy.cw(0xD0, 1 << 8)
    vm.set_device_attr(CPU, attr(APR), vm.get_device_attr(CPU, attr(APR)))
    assert (busy.cr(0xD0), busy.cr(0xE0)) == (1 << 8, 1 << 8)
    vm.set_device_attr(CPU, attr(APR + 4), 0xFFFF_FFFF)
    assert vm.get_device_attr(CPU, attr(APR + 4)) == 0


def test_pending_sgis_of_userspace_come_from_the_vcpu_itself(board: Any) -> None:
    made = board(2).on()
    made.vm.set_device_attr(DIST, attr(0x200, 1), 1 << 4)
    assert made.r(0xF24, 1) == 0b10
    assert made.iar(1) == 1 << 10 | 4
    made.send(5, 0b10)
    made.vm.set_device_attr(DIST, attr(0x280, 1), 1 << 5)
    assert made.r(0xF24, 1) == 0 and not made.bit(0x200, 5, 1)


def test_groups_are_written_after_the_identification(board: Any) -> None:
    vm = board(2).vm
    vm.set_device_attr(DIST, attr(0x000), 1)
    vm.set_device_attr(DIST, attr(0x084), 0xF0)
    assert vm.get_device_attr(DIST, attr(0x084)) == 0
    with refused(errno.EINVAL):
        vm.set_device_attr(DIST, attr(IIDR), 0x43B)
    vm.set_device_attr(DIST, attr(0x084), 0xF0)
    assert vm.get_device_attr(DIST, attr(0x084)) == 0
    vm.set_device_attr(DIST, attr(IIDR), 0x4B00_243B)
    vm.set_device_attr(DIST, attr(0x084), 0xF0)
    assert vm.get_device_attr(DIST, attr(0x084)) == 0xF0


def test_read_only_registers_ignore_userspace(board: Any) -> None:
    vm = board(2).vm
    for group, offset in ((DIST, 0x004), (DIST, 0x800), (DIST, 0xC00), (CPU, 0xFC)):
        before = vm.get_device_attr(group, attr(offset))
        vm.set_device_attr(group, attr(offset), 0)
        assert vm.get_device_attr(group, attr(offset)) == before


@pytest.mark.parametrize(
    ("group", "offset"),
    [(DIST, 0xF00), (DIST, 0x00C), (DIST, 0x102), (DIST, 0x1000), (CPU, 0x0C), (CPU, 0x10), (CPU, 0xE0), (CPU, 0x1000)],
    ids=["SGIR", "reserved", "no word", "beyond", "IAR", "EOIR", "NSAPR", "DIR"],
)
def test_what_is_no_state_is_not_there(board: Any, group: int, offset: int) -> None:
    vm = board(2).vm
    assert not vm.has_device_attr(group, attr(offset))
    with refused(errno.ENXIO):
        vm.get_device_attr(group, attr(offset))
    with refused(errno.ENXIO):
        vm.set_device_attr(group, attr(offset), 0)


def test_a_vcpu_that_is_not_there_has_no_registers(board: Any) -> None:
    vm = board(2).vm
    assert vm.has_device_attr(CPU, attr(PMR, 1)) and not vm.has_device_attr(CPU, attr(PMR, 2))
    for bad in (attr(PMR, 2), attr(PMR, 1 << 20), -1):
        with refused(errno.EINVAL):
            vm.get_device_attr(CPU, bad)
    for value in (-1, 1 << 32):
        with refused(errno.EINVAL):
            vm.set_device_attr(CPU, attr(PMR), value)


def test_registers_are_busy_while_a_vcpu_runs(board: Any) -> None:
    vm = board(2).vm
    vm.vcpus[1].load()
    with refused(errno.EBUSY):
        vm.get_device_attr(DIST, attr(0))
    with refused(errno.EBUSY):
        vm.set_device_attr(DIST, attr(0), 1)
    vm.vcpus[1].put()
    assert vm.get_device_attr(DIST, attr(0)) == 0


def test_userspace_never_reads_what_has_an_effect() -> None:
    for group in (DIST, CPU):
        names = set(_userspace.TABLES[group].names.values())
        assert names.isdisjoint({"GICC_IAR", "GICC_AIAR", "GICD_SGIR", "GICC_EOIR", "GICC_AEOIR", "GICC_DIR"})
