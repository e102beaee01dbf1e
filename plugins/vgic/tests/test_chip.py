"""The hooks: injection, owners, host interrupts, messages, routing, attributes, reset, saved state, debugfs."""

from __future__ import annotations

import copy
import errno
import json
import os
import time
from typing import Any

import pytest
from irqframe_vgic import Gicv2

from irqframe import Injected, Irqchip, VmError, hookimpl
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import IrqLine, Vm


def refused(number: int) -> Any:
    return pytest.raises(VmError, match=errno.errorcode[number])


# Set-up


def test_default_routing_is_gsi_n_to_spi_n(board: Any) -> None:
    made = board(2, spis=320)
    assert [(entry.gsi, entry.pin) for entry in made.vm.routing.entries] == [(n, n) for n in range(320)]


def test_routes_that_were_set_before_stay() -> None:
    vm = Vm()
    vm.create_irqchip(Gicv2(), "gicv2")
    vm.create_vcpu()
    vm.routing.replace([RoutingEntry(7, RoutingKind.IRQCHIP, pin=3)])
    vm.finalize()
    assert [(entry.gsi, entry.pin) for entry in vm.routing.entries] == [(7, 3)]


def test_traps_are_counted_by_register_name(board: Any) -> None:
    vm = board(2).vm
    names = {0x0800_0104: "GICD_ISENABLER1", 0x0800_0420: "GICD_IPRIORITYR8", 0x0801_000C: "GICC_IAR"}
    names |= {0x0801_1000: "GICC_DIR", 0x0802_0040: "MSI_SETSPI_NS"}
    assert {gpa: vm.mmio.name(gpa) for gpa in names} == names


def test_no_more_than_eight_vcpus() -> None:
    vm = Vm()
    vm.create_irqchip(Gicv2(), "gicv2")
    for _ in range(8):
        vm.create_vcpu()
    with refused(errno.EINVAL):
        vm.create_vcpu()


def test_without_addresses_no_vcpu_runs() -> None:
    vm = Vm()
    vm.create_irqchip(Gicv2(), "gicv2")
    vcpu = vm.create_vcpu()
    vm.finalize()
    with refused(errno.ENXIO):
        vcpu.load()


def test_a_vcpu_whose_creation_failed_is_no_cpu_interface() -> None:
    class Saboteur:
        fail = False

        @hookimpl(wrapper=True)
        def irqchip_vcpu_init(self, vcpu: Any) -> Any:
            result = yield
            if self.fail:
                raise VmError(errno.ENOMEM, "no memory")
            return result

    vm = Vm()
    saboteur = Saboteur()
    vm.flow.register(saboteur)
    vm.create_irqchip(Gicv2(), "gicv2")
    vm.create_vcpu()
    saboteur.fail = True
    with refused(errno.ENOMEM):
        vm.create_vcpu()
    vm.finalize()
    assert [cpu.vcpu for cpu in vm.chip_data.cpus] == list(vm.vcpus)


@pytest.mark.parametrize(("name", "value"), [("spis", "100"), ("implementation", "gic-400"), ("colour", "red")])
def test_options_are_checked(name: str, value: str) -> None:
    with refused(errno.EINVAL):
        Gicv2(options={name: value})


def test_attributes_set_up_what_a_tree_does() -> None:
    vm = Vm()
    chip = Gicv2()
    vm.create_irqchip(chip, "gicv2")
    vm.create_vcpu()
    vm.set_device_attr(0, 0, 0x0800_0000)
    with refused(errno.ENXIO):
        vm.get_device_attr(0, 1)
    vm.set_device_attr(0, 1, 0x0801_0000)
    vm.set_device_attr(3, 0, 1024)
    vm.set_device_attr(4, 0, 0)
    vm.finalize()
    assert (vm.get_device_attr(0, 0), vm.get_device_attr(3, 0)) == (0x0800_0000, 1020)
    with vm.adopted():
        vm.vcpus[0].load()
        assert vm.vcpus[0].mmio_read(0x0800_0004, 4) == 31
        assert vm.set_irq(987, 1) is Injected.LATCHED
        vm.vcpus[0].put()


@pytest.mark.parametrize(
    ("group", "attr", "value", "number"),
    [
        (0, 0, 0x0800_0800, errno.EINVAL),
        (0, 0, 1 << 48, errno.E2BIG),
        (0, 2, 0, errno.ENXIO),
        (8, 0, 0, errno.ENXIO),
        (3, 0, 63, errno.EINVAL),
        (3, 0, 32, errno.EINVAL),
        (3, 0, 1056, errno.EINVAL),
        (4, 1, 0, errno.ENXIO),
    ],
)
def test_attributes_are_checked(group: int, attr: int, value: int, number: int) -> None:
    vm = Vm()
    vm.create_irqchip(Gicv2(), "gicv2")
    vm.create_vcpu()
    with refused(number):
        vm.set_device_attr(group, attr, value)
    assert vm.has_device_attr(group, attr) is (number != errno.ENXIO)


def test_attributes_are_set_once_and_in_order() -> None:
    vm = Vm()
    vm.create_irqchip(Gicv2(), "gicv2")
    with refused(errno.EBUSY):
        vm.set_device_attr(4, 0, 0)
    vm.create_vcpu()
    vm.set_device_attr(0, 1, 0x1000)
    with refused(errno.EEXIST):
        vm.set_device_attr(0, 1, 0x2000)
    vm.set_device_attr(4, 0, 0)
    with refused(errno.EBUSY):
        vm.set_device_attr(3, 0, 64)


# Injection


@pytest.mark.parametrize("intid", [-1, 0, 15, 288, 1023])
def test_only_ppis_and_spis_have_lines(board: Any, intid: int) -> None:
    with refused(errno.EINVAL):
        board(2).vm.inject(0, intid, 1)


def test_userspace_names_intids(board: Any) -> None:
    made = board(2).on()
    made.enable(40, targets=0b10)
    made.enable(20, cpu=1)
    assert made.vm.irq_line(IrqLine(1, 0, 40).encode(), 1) is Injected.LATCHED
    assert made.vm.irq_line(IrqLine(2, 1, 20).encode(), 1) is Injected.LATCHED
    assert made.vm.irq_line(IrqLine(2, 1, 20).encode(), 1) is Injected.NOTHING
    assert {made.iar(1)} == {20} and not made.irq(0)


@pytest.mark.parametrize(("kind", "number"), [(1, 31), (1, 288), (2, 15), (2, 32)])
def test_userspace_is_checked(board: Any, kind: int, number: int) -> None:
    with refused(errno.EINVAL):
        board(2).vm.irq_line(IrqLine(kind, 0, number).encode(), 1)


def test_a_pin_that_is_not_there_is_refused(board: Any) -> None:
    vm = board(2).vm
    vm.routing.replace([RoutingEntry(0, RoutingKind.IRQCHIP, pin=256)])
    with refused(errno.EINVAL):
        vm.set_irq(0, 1)


def test_what_waits_is_pending_for_the_scheduler(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    vcpu = made.vm.vcpus[0]
    pending = made.vm.flow.table.vcpu_pending_irq
    assert not pending(vcpu)
    made.line(40, 1)
    assert pending(vcpu) and vcpu.runnable


def test_a_vcpu_in_the_guest_is_kicked(board: Any) -> None:
    made = board(2).on()
    made.enable(40, targets=0b10)
    kicked = []
    made.vm.vcpus[1].enter()
    made.vm.vcpus[1].on_kick = lambda: kicked.append(1)
    made.line(40, 1)
    made.line(40, 0)
    assert kicked == [1]


# Owners and host interrupts


def test_an_interrupt_of_a_device_is_that_devices(board: Any) -> None:
    made = board(2).on()
    made.enable(20)
    mine, other = object(), object()
    set_owner = made.vm.flow.table.set_owner
    set_owner(made.vm.vcpus[0], 20, mine)
    set_owner(made.vm.vcpus[0], 20, mine)
    set_owner(made.vm.vcpus[1], 20, other)
    with refused(errno.EEXIST):
        set_owner(made.vm.vcpus[0], 20, other)
    with refused(errno.EINVAL):
        set_owner(made.vm.vcpus[0], 3, mine)
    assert made.vm.inject(0, 20, 1, other) is Injected.DROPPED
    assert made.vm.irq_line(IrqLine(2, 0, 20).encode(), 1) is Injected.DROPPED
    assert not made.irq() and made.counters().dropped == {Injected.DROPPED: 2}
    assert made.vm.inject(0, 20, 1, mine) is Injected.LATCHED
    assert made.vm.inject(0, 20, 0, other) is Injected.NOTHING
    assert made.irq() and made.owed() == 1


def test_an_spi_of_a_device_is_no_irqfds(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    mine = object()
    made.vm.flow.table.set_owner(made.vm.vcpus[1], 40, mine)
    entry = RoutingEntry(8, RoutingKind.IRQCHIP, pin=8)
    for callback in (made.vm.flow.table.irqfd_set_irq, made.chip.irqchip_irqfd_set_irq):
        assert callback(entry, made.vm, 0, 1, False) is Injected.DROPPED
        assert callback(entry, made.vm, 0, 0, False) is Injected.NOTHING
    assert made.chip.irqchip_set_irq_inatomic(entry, made.vm, 0, 1, False) is Injected.DROPPED
    assert made.vm.irq_line(IrqLine(1, 0, 40).encode(), 1) is Injected.DROPPED
    assert not made.irq() and made.counters().dropped == {Injected.DROPPED: 4}
    made.enable(41)
    assert made.vm.set_irq(9, 1) is Injected.LATCHED
    assert made.vm.inject(0, 40, 1, mine) is Injected.LATCHED


def test_owners_come_after_initialising() -> None:
    vm = Vm()
    chip = Gicv2()
    vm.create_irqchip(chip, "gicv2")
    vcpu = vm.create_vcpu()
    with refused(errno.EAGAIN):
        chip.irqchip_set_owner(vcpu, 20, object())


def test_mapping_is_checked(board: Any) -> None:
    made = board(1)
    table, vcpu = made.vm.flow.table, made.vm.vcpus[0]
    table.map_phys_irq(vcpu, 1, 20, lambda intid: True)
    with refused(errno.EBUSY):
        table.map_phys_irq(vcpu, 2, 20, lambda intid: True)
    for intid in (3, 32):
        with refused(errno.EINVAL):
            table.map_phys_irq(vcpu, 2, intid, lambda intid: True)
    table.unmap_phys_irq(vcpu, 20)
    with refused(errno.EINVAL):
        table.unmap_phys_irq(vcpu, 20)


class TestTimer:
    """A direct timer: its level is asked for, its host interrupt ends when the guest deactivates."""

    @pytest.fixture
    def made(self, board: Any) -> Any:
        made = board(1, devices=True).on()
        made.enable(27)
        made.vm.vcpus[0].load()
        made.vm.vcpus[0].enter()
        yield made
        made.vm.vcpus[0].put()

    def test_the_guest_lowers_the_line_and_ends_it(self, made: Any) -> None:
        timer = made.vm.vcpus[0].timers[0]
        timer.program(0)
        assert made.irq() and made.iar() == 27
        assert made.vm.flow.table.map_is_active(made.vm.vcpus[0], 27)
        timer.stop()
        assert timer.host_irq.active
        made.eoi(27)
        assert not timer.host_irq.active and not made.irq()
        assert made.counters()[:2] == (1, 1)

    def test_a_line_that_is_still_high_comes_again(self, made: Any) -> None:
        timer = made.vm.vcpus[0].timers[0]
        timer.program(0)
        made.iar()
        made.eoi(27)
        assert made.irq() and timer.host_irq.active
        assert made.counters().resampled == 1

    def test_a_line_that_falls_before_delivery_is_withdrawn_at_entry(self, made: Any) -> None:
        vcpu = made.vm.vcpus[0]
        vcpu.timers[0].program(0)
        vcpu.timers[0].stop()
        vcpu.leave()
        assert vcpu.enter() and not made.irq()
        assert not vcpu.timers[0].host_irq.active
        assert made.counters().withdrawn == 1 and made.owed() == 0

    def test_it_fires_again_after_each_end(self, made: Any) -> None:
        timer = made.vm.vcpus[0].timers[0]
        for _ in range(5):
            timer.program(0)
            assert made.iar() == 27
            timer.stop()
            made.eoi(27)
        assert made.counters()[:2] == (5, 5) and timer.raised == 5

    def test_a_reset_forgets_it(self, made: Any) -> None:
        timer = made.vm.vcpus[0].timers[0]
        timer.program(0)
        made.iar()
        made.vm.flow.table.reset_mapped_irq(made.vm.vcpus[0], 27)
        assert not made.bit(0x200, 27) and not made.bit(0x300, 27)


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="the host has no eventfds")
def test_a_resampling_irqfd_hears_of_the_end(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    fd, resamplefd = os.eventfd(0), os.eventfd(0, os.EFD_NONBLOCK)
    made.vm.irqfds.assign(fd, 8, resamplefd)
    try:
        for _ in range(3):
            os.eventfd_write(fd, 1)
            await_line(made)
            assert made.iar() == 40
            with pytest.raises(BlockingIOError):
                os.eventfd_read(resamplefd)
            made.eoi(40)
            assert os.eventfd_read(resamplefd) == 1
            assert not made.irq() and not made.bit(0x200, 40)
    finally:
        made.vm.irqfds.deassign(fd, 8)
        os.close(fd)
        os.close(resamplefd)
    assert made.counters()[:2] == (3, 3) and made.counters().resampled == 0


def await_line(made: Any) -> None:
    for _ in range(2000):
        made.vm.vcpus[0].leave()
        made.vm.vcpus[0].enter()
        if made.irq():
            return
        time.sleep(0.001)
    raise AssertionError("the irqfd's raise has not come")


def test_the_end_of_an_edge_interrupt_is_told_to_nobody(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = board(2).on()
    heard: list[int] = []
    monkeypatch.setattr(made.vm, "notify_ack", heard.append)
    for intid, edge in ((40, False), (41, True)):
        made.enable(intid, edge=edge)
        made.line(intid, 1)
        assert made.iar() == intid
        made.line(intid, 0)
        made.eoi(intid)
    assert heard == [8]


# Messages


def test_a_message_is_an_edge(board: Any) -> None:
    made = board(2).on()
    made.enable(80, edge=True)
    made.enable(143, edge=True, targets=2)
    assert made.vm.signal_msi(0x0802_0040, 80) is Injected.LATCHED
    assert made.vm.signal_msi(0x0802_0040, 80, 5) is Injected.COALESCED
    made.w(0x20040, 143, 1)
    assert made.iar(0) == 80 and made.iar(1) == 143


def test_the_frame_says_what_it_has(board: Any) -> None:
    made = board(2)
    assert made.r(0x20008) == 80 << 16 | 64
    assert made.r(0x20FCC) == 0x0510_0000
    made.w(0x20008, 0)
    assert made.r(0x20008) == 80 << 16 | 64 and made.r(0x20040) == 0
    assert [made.r(0x20008, size=size) for size in (1, 2, 8)] == [0, 0, 0]


@pytest.mark.parametrize("size", [2, 4])
def test_a_message_is_a_halfword_or_a_word(board: Any, size: int) -> None:
    made = board(2).on()
    made.enable(81, edge=True)
    for offset, value in ((0x20040, 79), (0x20040, 144), (0x20042, 81)):
        made.w(offset, value, size=size if offset == 0x20040 else 2)
    for other in (1, 8):
        made.w(0x20040, 81, size=other)
    assert not made.irq()
    made.w(0x20040, 0xFC00 | 81, size=size)
    assert made.iar() == 81


def test_reserved_bits_of_a_message_do_not_count(board: Any) -> None:
    made = board(2).on()
    made.enable(81, edge=True)
    assert made.vm.signal_msi(0x0802_0040, 0xABCD_0000 | 81) is Injected.LATCHED
    assert made.iar() == 81


@pytest.mark.parametrize(("address", "data"), [(0x0802_0044, 80), (0, 80), (0x0802_0040, 79), (0x0802_0040, 144)])
def test_messages_are_checked(board: Any, address: int, data: int) -> None:
    with refused(errno.EINVAL):
        board(2).vm.signal_msi(address, data)


def test_without_a_frame_there_are_no_messages(board: Any) -> None:
    with refused(errno.ENODEV):
        board(2, spis=64).vm.signal_msi(0x0802_0040, 80)


def test_the_fast_path_takes_both_kinds(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    made.enable(80, edge=True)
    fast = made.vm.flow.table.set_irq_inatomic
    pin = RoutingEntry(0, RoutingKind.IRQCHIP, pin=8)
    message = RoutingEntry(1, RoutingKind.MSI, address=0x0802_0040, data=80)
    assert fast(pin, made.vm, 0, 1, False) is Injected.LATCHED
    assert fast(message, made.vm, 0, 1, False) is Injected.LATCHED
    assert made.iar() == 40


def test_the_fast_path_leaves_a_line_that_must_fall_to_the_slow_one(board: Any) -> None:
    made = board(2, "qemu")
    pin = RoutingEntry(0, RoutingKind.IRQCHIP, pin=8)
    assert made.vm.flow.table.set_irq_inatomic(pin, made.vm, 0, 1, False) is None


# Sealing


def test_what_is_bound_does_what_the_method_does(board: Any) -> None:
    made = board(2)
    table, chip = made.vm.flow.table, made.chip
    assert table.inject_irq.__func__ is Gicv2.irqchip_inject_irq
    entry = RoutingEntry(0, RoutingKind.IRQCHIP, pin=256)
    for callback in (table.irqfd_set_irq, chip.irqchip_irqfd_set_irq):
        with refused(errno.EINVAL):
            callback(entry, made.vm, 0, 1, False)
    assert isinstance(chip, Irqchip)


# Reset and saved state


def busy(board: Any) -> Any:
    """A board with something of everything."""
    made = board(3).on(ctlr=0b1_0111, distributor=3)
    made.w(0x084, 0x0F00)
    for intid, edge, targets in ((40, False, 1), (41, True, 2), (42, True, 6), (90, False, 4), (96, True, 0)):
        made.enable(intid, edge=edge, targets=targets, priority=intid & 0xF8)
        made.line(intid, 1)
    made.enable(20, cpu=2, priority=0x10)
    made.line(20, 1, cpu=2)
    made.cw(0x08, 4, 1)
    made.iar(2)
    made.send(3, 0b011, 2)
    made.send(3, 0b011, 0)
    made.w(0x00, 3)
    made.iar(0)
    return made


def seen(made: Any) -> list[Any]:
    """Everything that a guest could read without effect."""
    found: list[Any] = []
    for cpu in range(len(made.vm.vcpus)):
        found.append(made.pins(cpu))
        found += [made.r(offset, cpu) for offset in range(0, 0xFFC, 4)]
        found += [made.cr(offset, cpu) for offset in (0, 4, 8, 0x14, 0x18, 0x1C, 0x28, 0xD0, 0xE0)]
        found.append(made.counters(cpu))
    return found


def test_state_goes_through_json_to_another_vm(board: Any) -> None:
    made, other = busy(board), board(3)
    other.vm.restore_state(json.loads(json.dumps(made.vm.save_state())))
    assert seen(other) == seen(made)
    assert [other.iar(cpu) for cpu in (1, 0, 2)] == [made.iar(cpu) for cpu in (1, 0, 2)]
    for cpu in range(3):
        assert other.owed(cpu) == other.waiting(cpu)


def leaves(state: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(state, dict):
        return [leaf for key in state for leaf in leaves(state[key], (*path, key))]
    if isinstance(state, list):
        return [leaf for at in range(len(state)) for leaf in leaves(state[at], (*path, at))]
    return [path]


BAD = (None, -1, 1 << 70, True, "zz", "f" * 65, [], {}, 1.5)


def test_hostile_state_is_refused_and_changes_nothing(board: Any) -> None:
    made = busy(board)
    gic = made.vm.flow.table
    before = seen(made)
    tried = 0
    for vcpu in (None, made.vm.vcpus[0]):
        good = gic.save_state(made.vm, vcpu)
        for path in leaves(good):
            if path[0] == "spis" and path[1] > 1:
                continue
            for value in BAD:
                bad = copy.deepcopy(good)
                place = bad
                for key in path[:-1]:
                    place = place[key]
                if place[path[-1]] == value and type(place[path[-1]]) is type(value):
                    continue
                place[path[-1]] = value
                tried += 1
                with refused(errno.EINVAL):
                    gic.restore_state(made.vm, vcpu, bad)
            for parent in range(len(path)):
                bad = copy.deepcopy(good)
                place = bad
                for key in path[:parent]:
                    place = place[key]
                del place[path[parent]]
                with refused(errno.EINVAL):
                    gic.restore_state(made.vm, vcpu, bad)
    assert tried > 200 and seen(made) == before


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("private", "latch"), 1),
        (("private", "edge"), 0),
        (("private", "line"), 1),
        (("private", "targets"), "02" * 32),
        (("private", "owed"), 1 << 20),
        (("sources",), "08" + "00" * 15),
        (("bpr",), 1),
        (("abpr",), 2),
        (("pmr",), 0xFF),
        (("ctlr",), 1 << 5),
        (("active",), ["1" * 9, "0"]),
        (("dropped",), {"LOST": 1}),
    ],
)
def test_state_that_contradicts_itself_is_refused(board: Any, where: tuple[str, ...], value: Any) -> None:
    made = board(2)
    state = copy.deepcopy(dict(made.vm.flow.table.save_state(made.vm, made.vm.vcpus[0])))
    place = state
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    with refused(errno.EINVAL):
        made.vm.flow.table.restore_state(made.vm, made.vm.vcpus[0], state)


def test_state_of_another_gic_is_refused(board: Any) -> None:
    state = board(2, spis=320).vm.save_state()
    with refused(errno.EINVAL):
        board(2).vm.restore_state(state)


def test_reset_is_power_on_but_for_the_lines(board: Any) -> None:
    made, fresh = busy(board), board(3)
    for intid in (40, 90):
        made.line(intid, 0)
    made.line(20, 0, cpu=2)
    made.vm.reset()
    # Lines that were left high are level-triggered now, and so pending.
    for intid in (41, 42, 96):
        assert made.bit(0x200, intid)
        made.line(intid, 0)
        fresh.line(intid, 1)
        fresh.line(intid, 0)
    assert [made.r(o, cpu) for cpu in range(3) for o in range(0, 0xFFC, 4)] == [
        fresh.r(o, cpu) for cpu in range(3) for o in range(0, 0xFFC, 4)
    ]
    for cpu in range(3):
        assert made.owed(cpu) == made.waiting(cpu) == 0
        assert made.counters(cpu).delivered == 0


def test_reset_of_one_vcpu_leaves_the_shared_interrupts(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True, targets=0b10)
    made.line(40, 1)
    made.send(2, 0b10)
    made.vm.vcpus[1].power_off()
    made.vm.vcpus[1].power_on()
    assert not made.irq(1) and not made.bit(0x200, 2, 1)
    assert made.bit(0x200, 40) and made.owed(1) == made.waiting(1) == 1
    made.cw(0x04, 0xF0, 1)
    made.cw(0x00, 1, 1)
    assert made.iar(1) == 40


def test_destroy_lets_go(board: Any) -> None:
    made = board(2)
    vcpus = made.vm.vcpus
    made.vm.destroy()
    assert made.vm.chip_data is None and all(vcpu.chip is None for vcpu in vcpus)


def test_debugfs_shows_every_interrupt(board: Any) -> None:
    made = busy(board)
    text = made.vm.flow.table.debugfs(made.vm)["vgic-state"]
    assert "vgic_model:\tGICv2\nnr_spis:\t256\nenabled:\t1\n" in text
    rows = [line.split() for line in text.splitlines() if line.lstrip().startswith(("SGI", "PPI", "SPI "))]
    rows = [row for row in rows if len(row) == 9]
    assert len(rows) == 3 * 32 + 256
    (row,) = (row for row in rows if row[:2] == ["SPI", "41"])
    assert row == ["SPI", "41", "1", "1101001", "0", "2", "0", "40", "1"]
