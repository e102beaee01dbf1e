"""irqfds and resamplefds on real eventfds."""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import Vm

linux = pytest.mark.skipif(not hasattr(os, "eventfd"), reason="eventfd is Linux's")

THREAD = "irqframe-irqfd"


def irqfd_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.0005)


@pytest.fixture
def eventfds() -> Iterator[Any]:
    """Makes eventfds, and closes them."""
    made = []

    def make(flags: int = os.EFD_CLOEXEC) -> int:
        made.append(os.eventfd(0, flags))
        return made[-1]

    yield make
    for fd in made:
        os.close(fd)


def signalled(fd: int) -> bool:
    """Whether an eventfd holds something; it is read."""
    if not select.select([fd], [], [], 0)[0]:
        return False
    os.eventfd_read(fd)
    return True


def calls(chip: Any, name: str) -> list[tuple]:
    return [entry[1:] for entry in chip.log if entry[0] == name]


# Assigning


def test_no_thread_before_the_first_irqfd(vm: Vm) -> None:
    assert irqfd_threads() == []


@linux
def test_write_takes_the_fast_path(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 2)
    assert len(irqfd_threads()) == 1
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes)
    assert calls(chip, "set_irq_inatomic") == [(2, 0, 1)]
    assert calls(chip, "irqfd_set_irq") == []
    assert vm.irqfds.outcomes == {Injected.POSTED: 1}
    with vm.adopted():
        vm.drain_owned()
        assert vm.vcpus[0].chip == {34}


@linux
def test_without_a_fast_path_the_line_is_pulsed(
    without: Callable[..., Any], make_vm: Callable[..., Vm], eventfds: Callable[..., int]
) -> None:
    chip = without("set_irq_inatomic")
    vm = make_vm(chip)
    fd = eventfds()
    vm.irqfds.assign(fd, 2)
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes)
    assert calls(chip, "irqfd_set_irq") == [(2, 0, 1), (2, 0, 0)]


@linux
def test_fast_path_that_would_block_takes_the_slow_one(
    chip: Any, make_vm: Callable[..., Vm], eventfds: Callable[..., int]
) -> None:
    class Blocking(type(chip)):
        def _latch(self, vm: Vm, intid: int) -> Any:
            return None if self.log[-1][0] == "set_irq_inatomic" else super()._latch(vm, intid)

    chip = Blocking()
    vm = make_vm(chip)
    fd = eventfds()
    vm.irqfds.assign(fd, 1)
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes)
    assert chip.log[-3:] == [("set_irq_inatomic", 1, 0, 1), ("irqfd_set_irq", 1, 0, 1), ("irqfd_set_irq", 1, 0, 0)]
    assert vm.irqfds.outcomes == {Injected.POSTED: 1}


@linux
def test_every_entry_of_the_gsi_is_raised_once(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    vm.routing.replace([RoutingEntry(9, RoutingKind.IRQCHIP, pin=1), RoutingEntry(9, RoutingKind.MSI, data=3)])
    fd = eventfds()
    vm.irqfds.assign(fd, 9)
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes.get(Injected.POSTED) == 2)
    assert calls(chip, "set_irq_inatomic") == [(1, 0, 1), (0, 0, 1)]
    assert calls(chip, "irqfd_set_irq") == []


@linux
def test_what_was_written_before_counts(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    os.eventfd_write(fd, 1)
    vm.irqfds.assign(fd, 0)
    wait_for(lambda: calls(chip, "set_irq_inatomic"))


@linux
def test_writes_read_as_one_are_counted(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    os.eventfd_write(fd, 3)
    vm.irqfds.assign(fd, 0)
    wait_for(lambda: vm.irqfds.signals == 3)
    assert calls(chip, "set_irq_inatomic") == [(0, 0, 1)]


@linux
def test_thousand_writes_one_after_the_other(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 0)
    for count in range(1, 1001):
        os.eventfd_write(fd, 1)
        if not count % 100:
            wait_for(lambda count=count: vm.irqfds.signals == count)
    assert vm.irqfds.outcomes[Injected.POSTED] == len(calls(chip, "set_irq_inatomic")) > 0


@linux
def test_the_owner_injects_what_the_thread_posts(vm: Vm, eventfds: Callable[..., int]) -> None:
    """The vCPU's thread sleeps in WFI; the irqfd thread wakes it; the state is touched by its owner only."""
    vcpu = vm.vcpus[0]
    fd = eventfds()
    vm.irqfds.assign(fd, 3)
    taken = []

    def run() -> None:
        vcpu.load()
        if vcpu.wait(5.0):
            taken.append(set(vcpu.chip))
        vcpu.put()

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: vcpu.blocked)
    os.eventfd_write(fd, 1)
    thread.join()
    assert taken == [{35}]


@linux
def test_gsi_without_entry_is_counted_as_dropped(vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 99)
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.dropped == {Injected.DROPPED_UNROUTED: 1})
    assert vm.irqfds.outcomes == {Injected.DROPPED_UNROUTED: 1}


@linux
def test_irqfd_follows_the_routing_table(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 0)
    vm.routing.replace([RoutingEntry(0, RoutingKind.IRQCHIP, pin=3)])
    os.eventfd_write(fd, 1)
    wait_for(lambda: calls(chip, "set_irq_inatomic") == [(3, 0, 1)])
    vm.routing.replace([])
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.dropped)
    assert len(calls(chip, "set_irq_inatomic")) == 1


@linux
def test_wrapped_fast_path_is_seen_by_the_wrapper(
    chip: Any, make_vm: Callable[..., Vm], eventfds: Callable[..., int]
) -> None:
    from irqframe import hookimpl

    seen = []

    class Watch:
        @hookimpl(wrapper=True)
        def irqchip_set_irq_inatomic(self, entry: RoutingEntry) -> Iterator[Any]:
            seen.append(entry.pin)
            return (yield)

    vm = make_vm(chip, finalize=False)
    vm.flow.register(Watch())
    vm.finalize()
    fd = eventfds()
    vm.irqfds.assign(fd, 2)
    os.eventfd_write(fd, 1)
    wait_for(lambda: seen == [2])


# Refusals


@linux
def test_before_finalize(
    chip: Any, make_vm: Callable[..., Vm], eventfds: Callable[..., int], refused: Callable[..., None]
) -> None:
    refused(errno.EAGAIN, make_vm(chip, finalize=False).irqfds.assign, eventfds(), 0)


@linux
def test_eventfd_that_is_an_irqfd(vm: Vm, eventfds: Callable[..., int], refused: Callable[..., None]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 0)
    refused(errno.EBUSY, vm.irqfds.assign, fd, 0)
    refused(errno.EBUSY, vm.irqfds.assign, fd, 1)
    copy = os.dup(fd)  # another number, the same eventfd
    refused(errno.EBUSY, vm.irqfds.assign, copy, 0)
    os.close(copy)
    vm.irqfds.assign(eventfds(), 0)  # but a GSI may have several irqfds


@linux
def test_bad_descriptors(vm: Vm, eventfds: Callable[..., int], refused: Callable[..., None]) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    for bad in (-1, 1 << 20, 1 << 80, reader):
        refused(errno.EINVAL, vm.irqfds.assign, bad, 0)
        refused(errno.EINVAL, vm.irqfds.assign, eventfds(), 0, bad)
        refused(errno.EINVAL, vm.irqfds.deassign, bad, 0)
    os.close(reader)
    refused(errno.EINVAL, vm.irqfds.assign, eventfds(), -1)
    assert irqfd_threads() == []


def test_elsewhere_a_clear_error(vm: Vm, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., None]) -> None:
    monkeypatch.delattr(os, "eventfd", raising=False)
    refused(errno.ENOSYS, vm.irqfds.assign, 0, 0)


# Deassigning


@linux
def test_nothing_is_injected_after_deassign(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    for _ in range(50):
        vm.irqfds.assign(fd, 0)
        os.eventfd_write(fd, 1)
        vm.irqfds.deassign(fd, 0)
        done = len(calls(chip, "set_irq_inatomic"))
        os.eventfd_write(fd, 1)
        time.sleep(0.0002)
        assert len(calls(chip, "set_irq_inatomic")) == done
        os.eventfd_read(fd)


@linux
def test_what_was_written_before_deassign_is_injected(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    for count in range(1, 101):
        vm.irqfds.assign(fd, 0)
        os.eventfd_write(fd, 1)
        vm.irqfds.deassign(fd, 0)
        assert vm.irqfds.signals == count


@linux
def test_deassigning_what_is_not_assigned(vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.deassign(fd, 0)
    vm.irqfds.assign(fd, 0)
    vm.irqfds.deassign(fd, 1)
    with pytest.raises(VmError, match="irqfd of GSI 0"):
        vm.irqfds.assign(fd, 0)


@linux
def test_assign_deassign_from_many_threads(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fds = [eventfds() for _ in range(8)]

    def work(fd: int) -> None:
        for _ in range(50):
            vm.irqfds.assign(fd, fd % 4)
            os.eventfd_write(fd, 1)
            vm.irqfds.deassign(fd, fd % 4)

    threads = [threading.Thread(target=work, args=(fd,)) for fd in fds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vm.irqfds.signals == 400
    assert sum(vm.irqfds.outcomes.values()) == 400


@linux
def test_deassign_does_not_wait_for_itself(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    """The irqchip asks the owner for something while the owner deassigns: the owner answers meanwhile."""
    fd = eventfds()
    vcpu = vm.vcpus[0]
    answers = []
    chip._latch = lambda vm, intid: answers.append(vcpu.call(lambda: 42)) or Injected.LATCHED
    with vm.adopted():
        vm.irqfds.assign(fd, 0)
        os.eventfd_write(fd, 1)
        vm.irqfds.deassign(fd, 0)
    assert answers == [42]


@linux
def test_callback_may_deassign_on_the_irqfd_thread(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    done = threading.Event()

    def deassign(vm: Vm, intid: int) -> Any:
        vm.irqfds.deassign(fd, 0)
        done.set()
        return Injected.LATCHED

    chip._latch = deassign
    vm.irqfds.assign(fd, 0)
    os.eventfd_write(fd, 1)
    assert done.wait(5)
    vm.irqfds.assign(fd, 0)


@linux
def test_close_on_the_irqfd_thread_is_refused(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    chip._latch = lambda vm, intid: vm.irqfds.close()
    vm.irqfds.assign(fd, 0)
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.error_count)
    assert vm.irqfds.errors[0].errno == errno.EDEADLK


@linux
def test_destroy_ends_the_thread_and_closes_what_is_ours(
    chip: Any, make_vm: Callable[..., Vm], eventfds: Callable[..., int], refused: Callable[..., None]
) -> None:
    fds = [eventfds() for _ in range(4)]
    before = set(os.listdir("/proc/self/fd"))
    vm = make_vm(chip)
    for fd in fds:
        vm.irqfds.assign(fd, 0)
    vm.irqfds.assign(eventfds(), 1, fds[0])
    assert len(irqfd_threads()) == 1
    vm.destroy()
    assert irqfd_threads() == []
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1  # the test's own, made after
    refused(errno.EAGAIN, vm.irqfds.assign, fds[0], 0)


@linux
def test_close_then_assign_starts_anew(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 0)
    vm.irqfds.close()
    vm.irqfds.close()
    vm.irqfds.assign(fd, 0)
    os.eventfd_write(fd, 1)
    wait_for(lambda: calls(chip, "set_irq_inatomic"))


@linux
def test_deassign_while_the_vm_is_closed_does_not_hang(vm: Vm, eventfds: Callable[..., int]) -> None:
    fds = [eventfds() for _ in range(4)]
    for _ in range(30):
        for fd in fds:
            vm.irqfds.assign(fd, 0)
        threads = [threading.Thread(target=vm.irqfds.deassign, args=(fd, 0)) for fd in fds]
        threads.append(threading.Thread(target=vm.irqfds.close))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive(), "a thread hangs"


# Errors of the irqchip


@linux
@pytest.mark.parametrize("error", [VmError(errno.EINVAL, "no such pin"), IndexError("a bug of the plugin")])
def test_errors_are_kept_and_the_thread_lives(
    chip: Any, vm: Vm, eventfds: Callable[..., int], error: Exception
) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 0)
    chip.failures["set_irq_inatomic"] = error
    for count in range(1, 21):
        os.eventfd_write(fd, 1)
        wait_for(lambda count=count: vm.irqfds.error_count == count)
    assert list(vm.irqfds.errors) == [error] * 16
    chip.failures.clear()
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes)


# Resampling


@linux
def test_resampling_irqfd_holds_the_line_until_the_end_of_interrupt(
    chip: Any, vm: Vm, eventfds: Callable[..., int]
) -> None:
    fd, resamplefd = eventfds(), eventfds()
    vm.irqfds.assign(fd, 2, resamplefd)
    os.eventfd_write(fd, 1)
    wait_for(lambda: calls(chip, "irqfd_set_irq") == [(2, 1, 1)])
    assert calls(chip, "set_irq_inatomic") == []
    assert not signalled(resamplefd)
    vm.notify_ack(1)  # another pin
    assert not signalled(resamplefd)
    vm.notify_ack(2)
    assert calls(chip, "irqfd_set_irq") == [(2, 1, 1), (2, 1, 0)]
    assert signalled(resamplefd)
    assert not signalled(resamplefd)


@linux
def test_the_line_falls_before_the_device_hears_of_it(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd, resamplefd = eventfds(), eventfds()
    heard = []
    original = chip.record

    def record(name: str, *what: Any) -> None:
        if name == "irqfd_set_irq" and not what[2]:
            heard.append(signalled(resamplefd))
        original(name, *what)

    vm.irqfds.assign(fd, 2, resamplefd)
    chip.record = record
    vm.notify_ack(2)
    assert heard == [False]
    assert signalled(resamplefd)


@linux
def test_a_device_that_still_wants_service_raises_again(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    fd, resamplefd = eventfds(), eventfds()
    vm.irqfds.assign(fd, 0, resamplefd)
    for round_ in range(1, 6):
        os.eventfd_write(fd, 1)
        wait_for(lambda round_=round_: calls(chip, "irqfd_set_irq").count((0, 1, 1)) == round_)
        vm.notify_ack(0)
        assert signalled(resamplefd)


@linux
def test_irqfds_of_one_gsi_share_the_line(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    pairs = [(eventfds(), eventfds()) for _ in range(3)]
    for fd, resamplefd in pairs:
        vm.irqfds.assign(fd, 1, resamplefd)
    os.eventfd_write(pairs[1][0], 1)
    wait_for(lambda: calls(chip, "irqfd_set_irq") == [(1, 1, 1)])
    vm.notify_ack(1)
    assert calls(chip, "irqfd_set_irq") == [(1, 1, 1), (1, 1, 0)]  # lowered once
    assert all(signalled(resamplefd) for _, resamplefd in pairs)


@linux
def test_gsis_on_one_pin_all_hear(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    vm.routing.replace([RoutingEntry(10, RoutingKind.IRQCHIP, pin=3), RoutingEntry(11, RoutingKind.IRQCHIP, pin=3)])
    resamplefds = [eventfds(), eventfds()]
    for gsi, resamplefd in zip((10, 11), resamplefds, strict=True):
        vm.irqfds.assign(eventfds(), gsi, resamplefd)
    vm.notify_ack(3)
    assert all(signalled(resamplefd) for resamplefd in resamplefds)


@linux
def test_one_resamplefd_for_two_irqfds(vm: Vm, eventfds: Callable[..., int]) -> None:
    shared, first, second = eventfds(), eventfds(), eventfds()
    vm.irqfds.assign(first, 1, shared)
    vm.irqfds.assign(second, 1, shared)
    vm.irqfds.deassign(first, 1)
    vm.notify_ack(1)
    assert signalled(shared)


@linux
def test_last_irqfd_that_leaves_lowers_the_line(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    pairs = [(eventfds(), eventfds()) for _ in range(2)]
    for fd, resamplefd in pairs:
        vm.irqfds.assign(fd, 1, resamplefd)
    os.eventfd_write(pairs[0][0], 1)
    wait_for(lambda: calls(chip, "irqfd_set_irq"))
    vm.irqfds.deassign(pairs[0][0], 1)
    assert calls(chip, "irqfd_set_irq") == [(1, 1, 1)]
    vm.irqfds.deassign(pairs[1][0], 1)
    assert calls(chip, "irqfd_set_irq") == [(1, 1, 1), (1, 1, 0)]
    vm.notify_ack(1)
    assert not any(signalled(resamplefd) for _, resamplefd in pairs)


@linux
def test_resampler_follows_the_routing_table(vm: Vm, eventfds: Callable[..., int]) -> None:
    resamplefd = eventfds()
    vm.irqfds.assign(eventfds(), 0, resamplefd)
    vm.routing.replace([RoutingEntry(0, RoutingKind.IRQCHIP, pin=7)])
    vm.notify_ack(0)
    assert not signalled(resamplefd)
    vm.notify_ack(7)
    assert signalled(resamplefd)


@linux
def test_full_resamplefd_is_no_fault(vm: Vm, eventfds: Callable[..., int]) -> None:
    resamplefd = eventfds(os.EFD_NONBLOCK)
    vm.irqfds.assign(eventfds(), 0, resamplefd)
    os.eventfd_write(resamplefd, (1 << 64) - 2)
    vm.notify_ack(0)
    assert signalled(resamplefd)


@linux
def test_error_at_the_end_of_interrupt_is_kept(chip: Any, vm: Vm, eventfds: Callable[..., int]) -> None:
    resamplefd = eventfds()
    vm.irqfds.assign(eventfds(), 0, resamplefd)
    chip.failures["irqfd_set_irq"] = VmError(errno.EINVAL, "no such pin")
    vm.notify_ack(0)
    assert vm.irqfds.error_count == 1
    assert signalled(resamplefd)


def test_end_of_interrupt_costs_a_look_when_nobody_listens(vm: Vm) -> None:
    assert vm.irqfds.acks == {}
    vm.notify_ack(3)
    assert vm.irqfds.error_count == 0


@linux
def test_two_vms_have_a_thread_each(chip: Any, make_vm: Callable[..., Vm], eventfds: Callable[..., int]) -> None:
    vms: list[Vm] = [make_vm(type(chip)()) for _ in range(2)]
    for vm in vms:
        vm.irqfds.assign(eventfds(), 0)
    assert len(irqfd_threads()) == 2


@linux
def test_routing_that_changes_while_an_irqfd_injects_counts_it_once(
    chip: Any, vm: Vm, eventfds: Callable[..., int]
) -> None:
    fd = eventfds()
    vm.irqfds.assign(fd, 2)
    original = chip.record

    def reroute(name: str, *what: Any) -> None:
        original(name, *what)
        if name == "set_irq_inatomic":
            vm.routing.set_default(0)

    chip.record = reroute
    os.eventfd_write(fd, 1)
    wait_for(lambda: vm.irqfds.outcomes)
    vm.irqfds.close()
    assert vm.irqfds.outcomes == {Injected.POSTED: 1}
    assert not vm.dropped
