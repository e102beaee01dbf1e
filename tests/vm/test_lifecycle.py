"""The life of a VM and a vCPU: the order of the callbacks (facts of the reference: the lifecycle of a trace)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import VmError, hookimpl
from irqframe.vm import VCpu, Vm


def test_whole_life_in_order(chip: Any, make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(chip, cpus=1, pins=0, finalize=False)
    vm.set_device_attr(0, 0, 0x2000020)
    vm.finalize()
    vcpu = vm.vcpus[0]
    vcpu.load()
    assert vcpu.enter()
    vcpu.leave()
    assert vcpu.block()
    vcpu.unblock()
    vcpu.put()
    vm.destroy()
    assert chip.log == [
        ("create",),
        ("vcpu_init", 0),
        ("set_attr", 0, 0, 0x2000020),
        ("vcpu_first_run", 0),
        ("set_owner", 0, 27),
        ("set_owner", 0, 30),
        ("map_phys_irq", 0, 27, 1),
        ("map_phys_irq", 0, 30, 2),
        ("set_owner", 0, 23),
        ("vcpu_load", 0),
        ("map_is_active", 0, 27),
        ("map_is_active", 0, 30),
        ("vcpu_flush_hwstate", 0),
        ("vcpu_sync_hwstate", 0),
        ("vcpu_blocking", 0),
        ("vcpu_unblocking", 0),
        ("vcpu_put", 0),
        ("destroy", 1),
    ]


def test_second_load_is_no_first_run(chip: Any, vm: Vm) -> None:
    for _ in range(2):
        vm.vcpus[0].load()
        vm.vcpus[0].put()
    assert chip.names().count("vcpu_first_run") == 1
    assert chip.names().count("vcpu_load") == 2
    assert chip.names().count("map_phys_irq") == 2


def test_irqchip_catches_up_on_vcpus_that_exist(chip: Any) -> None:
    vm = Vm()
    vm.create_vcpu()
    vm.create_vcpu()
    vm.create_irqchip(chip, "recording")
    assert chip.log == [("create",), ("vcpu_init", 0), ("vcpu_init", 1)]


def test_vcpu_init_comes_before_the_vcpu_is_listed(chip: Any, make_vm: Callable[..., Vm]) -> None:
    seen = []
    vm = make_vm(chip, cpus=0, pins=0, finalize=False)
    chip.record = lambda name, *what: seen.append((name, len(vm.vcpus)))
    vcpu = vm.create_vcpu()
    assert seen == [("vcpu_init", 0)]
    assert vm.vcpus == (vcpu,)


def test_vcpu_has_its_devices_when_the_irqchip_sees_it(chip: Any) -> None:
    vm = Vm(timer_intids=(27, None), pmu_intid=21)
    seen = []

    class Looking(type(chip)):
        @hookimpl
        def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
            seen.append(([(timer.name, timer.intid) for timer in vcpu.timers], vcpu.pmu.intid, vcpu.mpidr))

    vm.create_irqchip(Looking(), "looking")
    vm.create_vcpu(mpidr=0x100)
    assert seen == [([("virtual timer", 27)], 21, 0x100)]


def test_traps_leave_and_enter_the_guest(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.enter()
    chip.log.clear()
    vcpu.hypercall(0x84000000)
    assert chip.names() == ["vcpu_sync_hwstate", "vcpu_flush_hwstate"]
    assert vcpu.in_guest
    assert vcpu.exits == 1
    vcpu.put()
    assert chip.names()[-2:] == ["vcpu_sync_hwstate", "vcpu_put"]
    assert not vcpu.in_guest
    assert not vcpu.loaded


def test_leave_outside_of_the_guest_does_nothing(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    chip.log.clear()
    vcpu.leave()
    assert chip.log == []
    assert vcpu.exits == 0
    vcpu.put()


def test_missing_lifecycle_callbacks_are_skipped(without: Callable[..., Any], make_vm: Callable[..., Vm]) -> None:
    names = ("destroy", "vcpu_init", "vcpu_blocking", "vcpu_unblocking", "vcpu_load", "vcpu_put", "vcpu_pending_irq")
    names += ("vcpu_first_run", "vcpu_flush_hwstate", "vcpu_sync_hwstate", "set_owner", "map_phys_irq", "map_is_active")
    chip = without(*names)
    vm = make_vm(chip, cpus=1, pins=0)
    vcpu = vm.vcpus[0]
    vcpu.load()
    assert vcpu.enter()
    vcpu.leave()
    assert vcpu.block()
    vcpu.unblock()
    vcpu.put()
    vm.destroy()
    assert chip.names() == ["create"]


@pytest.mark.parametrize(
    ("failing", "again"),
    [
        ("vcpu_first_run", ["vcpu_first_run", "set_owner", "set_owner", "map_phys_irq", "map_phys_irq", "set_owner"]),
        ("set_owner", ["vcpu_first_run", "set_owner", "set_owner", "map_phys_irq", "map_phys_irq", "set_owner"]),
        ("map_phys_irq", ["vcpu_first_run", "set_owner", "set_owner", "map_phys_irq", "map_phys_irq", "set_owner"]),
    ],
)
def test_failed_first_run_is_tried_again(chip: Any, vm: Vm, failing: str, again: list[str]) -> None:
    vcpu = vm.vcpus[0]
    chip.failures[failing] = VmError(errno.EPERM, "not now")
    for _ in range(2):
        with pytest.raises(VmError, match="not now"):
            vcpu.load()
        assert not vcpu.loaded
        assert not vcpu.owned
        assert not vcpu.has_run_once
    chip.failures.clear()
    chip.log.clear()
    vcpu.load()
    assert chip.names()[:6] == again
    vcpu.put()


def test_what_was_mapped_before_a_failure_is_not_mapped_twice(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    mapped = []

    def second_fails(name: str, *what: Any) -> None:
        mapped.append((name, *what))
        if name == "map_phys_irq" and what[1] == 30 and len(mapped) < 6:
            raise VmError(errno.EBUSY, "mapped by another")

    chip.record = second_fails
    with pytest.raises(VmError):
        vcpu.load()
    vcpu.load()
    intids = [entry[2] for entry in mapped if entry[0] == "map_phys_irq"]
    assert intids == [27, 30, 30]
    vcpu.put()


def test_failed_load_callback_gives_the_vcpu_back(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    chip.failures["vcpu_load"] = VmError(errno.EIO, "no")
    with pytest.raises(VmError):
        vcpu.load()
    assert not vcpu.owned
    assert "vcpu_put" not in chip.names()


def test_failed_timer_load_is_undone_with_put(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    chip.failures["map_is_active"] = VmError(errno.EIO, "no")
    with pytest.raises(VmError):
        vcpu.load()
    assert chip.names()[-1] == "vcpu_put"
    assert not vcpu.owned
    assert not vcpu.loaded


def test_put_gives_the_vcpu_back_even_if_the_irqchip_fails(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    chip.failures["vcpu_put"] = VmError(errno.EIO, "no")
    with pytest.raises(VmError):
        vcpu.put()
    assert not vcpu.owned


def test_lines_are_computed_anew_at_every_entry(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.chip.add(40)
    assert vcpu.enter()
    assert vcpu.irq_line
    vcpu.leave()
    vcpu.chip.clear()
    assert vcpu.irq_line  # nobody has looked yet
    vcpu.enter()
    assert not vcpu.irq_line
    vcpu.put()


def test_kick_between_flush_and_entry_makes_another_round(chip: Any, vm: Vm) -> None:
    """The kick race of the reference's run loop: a request after the flush aborts the entry, with a sync."""
    vcpu = vm.vcpus[0]
    vcpu.load()
    original = chip.record
    late = [43]

    def kick_once(name: str, *what: Any) -> None:
        original(name, *what)
        if name == "vcpu_flush_hwstate" and late:
            # Exactly where it hurts: the line has been computed, the guest does not run yet.
            intid = late.pop()
            vcpu.post(lambda: vcpu.chip.add(intid))
            assert not vcpu.in_guest

    chip.record = kick_once
    # The recording happens before the line is set, so the first flush saw nothing.
    chip.log.clear()
    assert vcpu.enter()
    assert chip.names() == ["vcpu_flush_hwstate", "vcpu_sync_hwstate", "vcpu_flush_hwstate"]
    assert vcpu.irq_line
    assert not vcpu.requests
    vcpu.put()


def test_a_bare_kick_after_the_flush_makes_another_round(chip: Any, vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    original = chip.record
    kicks = [1]

    def kick_once(name: str, *what: Any) -> None:
        original(name, *what)
        if name == "vcpu_flush_hwstate" and kicks:
            kicks.pop()
            vcpu.kick()

    chip.record = kick_once
    chip.log.clear()
    vcpu.enter()
    assert chip.names() == ["vcpu_flush_hwstate", "vcpu_sync_hwstate", "vcpu_flush_hwstate"]
    vcpu.put()


def test_kick_in_the_guest_reaches_on_kick(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    kicked = []
    vcpu.on_kick = lambda: kicked.append(vcpu.in_guest)
    vcpu.load()
    vcpu.kick()
    assert kicked == []  # it is not in the guest: the next entry looks
    vcpu.enter()
    vcpu.kick()
    assert kicked == [True]
    assert vcpu.requests
    vcpu.put()


def test_kick_outside_of_the_guest_reaches_on_wake(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    told = []
    vcpu.on_wake = lambda: told.append(vcpu.in_guest)
    vcpu.load()
    vcpu.kick()
    assert told == [False]
    vcpu.enter()
    vcpu.kick()
    assert told == [False]  # it is in the guest: that is on_kick's
    vcpu.put()


def test_a_trap_that_fails_leaves_the_vcpu_outside(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.enter()
    with pytest.raises(VmError):
        vcpu.mmio_read(0x1000, 4)
    assert not vcpu.in_guest
    assert vcpu.enter()
    vcpu.put()
