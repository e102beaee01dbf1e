"""GSI routing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import MAX_ROUTES, Vm

PIN = RoutingKind.IRQCHIP
MSI = RoutingKind.MSI


def test_default_routing(vm: Vm) -> None:
    assert vm.routing.entries == tuple(RoutingEntry(n, PIN, pin=n) for n in range(4))


def test_default_routing_replaces(vm: Vm) -> None:
    vm.routing.replace([RoutingEntry(100, PIN, pin=1)])
    vm.routing.set_default(2)
    assert [entry.gsi for entry in vm.routing.entries] == [0, 1]


def test_raise_goes_to_the_pin(chip: Any, vm: Vm) -> None:
    vm.routing.replace([RoutingEntry(100, PIN, pin=3)])
    with vm.adopted():
        assert vm.set_irq(100, 1) is Injected.LATCHED
        assert vm.set_irq(100, 1) is Injected.COALESCED
        assert vm.set_irq(100, 0) is Injected.NOTHING
    assert [entry for entry in chip.log if entry[0] == "irqfd_set_irq"] == [
        ("irqfd_set_irq", 3, 0, 1),
        ("irqfd_set_irq", 3, 0, 1),
        ("irqfd_set_irq", 3, 0, 0),
    ]


def test_raise_by_message(chip: Any, vm: Vm) -> None:
    vm.routing.replace([RoutingEntry(5, MSI, address=0x8020040, data=9, devid=8)])
    with vm.adopted():
        assert vm.set_irq(5, 1) is Injected.LATCHED
    assert ("set_msi", 0x8020040, 9, 8, 1) in chip.log


def test_gsi_with_both_kinds_reaches_both(chip: Any, vm: Vm) -> None:
    vm.routing.replace([RoutingEntry(5, PIN, pin=2), RoutingEntry(5, MSI, data=9)])
    with vm.adopted():
        vm.set_irq(5, 1)
    assert vm.vcpus[0].chip == {34, 41}


def test_a_refusal_does_not_keep_the_other_entry_from_its_raise(
    chip: Any, vm: Vm, refused: Callable[..., None]
) -> None:
    vm.routing.replace([RoutingEntry(5, PIN, pin=2), RoutingEntry(5, MSI, data=9)])
    chip.failures["irqfd_set_irq"] = VmError(errno.EINVAL, "no such pin")
    with vm.adopted():
        refused(errno.EINVAL, vm.set_irq, 5, 1)
    assert vm.vcpus[0].chip == {41}


def test_raise_before_finalize(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    refused(errno.EAGAIN, make_vm(chip, finalize=False).set_irq, 0, 1)


def test_gsi_without_entry_is_counted(vm: Vm) -> None:
    assert vm.set_irq(77, 1) is Injected.DROPPED_UNROUTED
    assert vm.set_irq(77, 0) is Injected.NOTHING
    assert vm.dropped == {Injected.DROPPED_UNROUTED: 1}


def test_what_the_irqchip_drops_it_counts_itself(chip: Any, vm: Vm) -> None:
    vm.routing.replace([RoutingEntry(5, PIN, pin=2)])
    chip._latch = lambda vm, intid: Injected.DROPPED_UNROUTED
    assert vm.set_irq(5, 1) is Injected.DROPPED_UNROUTED
    assert vm.dropped == {}


@pytest.mark.parametrize(
    "bad",
    [
        RoutingEntry(0, PIN, pin=-1),
        RoutingEntry(0, PIN, pin=MAX_ROUTES),
        RoutingEntry(-1, PIN),
        RoutingEntry(1 << 32, PIN),
        RoutingEntry(0, MSI, data=1 << 32),
        RoutingEntry(0, MSI, data=-1),
        RoutingEntry(0, MSI, address=1 << 64),
    ],
)
def test_bad_entry_keeps_the_old_table(vm: Vm, bad: Any, refused: Callable[..., None]) -> None:
    before = vm.routing.entries
    refused(errno.EINVAL, vm.routing.replace, [RoutingEntry(9, PIN), bad])
    assert vm.routing.entries == before
    assert vm.set_irq(9, 1) is Injected.DROPPED_UNROUTED


def test_one_gsi_twice(vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vm.routing.replace, [RoutingEntry(1, PIN, pin=1), RoutingEntry(1, PIN, pin=2)])


def test_table_size(vm: Vm, refused: Callable[..., None]) -> None:
    vm.routing.replace(RoutingEntry(n, PIN, pin=n) for n in range(MAX_ROUTES))
    assert len(vm.routing.entries) == MAX_ROUTES
    refused(errno.EINVAL, vm.routing.replace, (RoutingEntry(n, PIN) for n in range(MAX_ROUTES + 1)))
    refused(errno.EINVAL, vm.routing.set_default, MAX_ROUTES + 1)


def test_endless_table_is_refused(vm: Vm, refused: Callable[..., None]) -> None:
    def endless() -> Iterator[Any]:
        gsi = 0
        while True:
            yield RoutingEntry(gsi, PIN)
            gsi += 1

    refused(errno.EINVAL, vm.routing.replace, endless())


@pytest.mark.parametrize(("lacking", "kind"), [("irqfd_set_irq", PIN), ("set_msi", MSI)])
@pytest.mark.parametrize("finalize", [False, True])
def test_kind_that_the_irqchip_does_not_take(
    without: Callable[..., Any],
    make_vm: Callable[..., Vm],
    refused: Callable[..., None],
    lacking: str,
    kind: Any,
    finalize: bool,
) -> None:
    vm = make_vm(without(lacking), pins=0, finalize=finalize)
    refused(errno.EINVAL, vm.routing.replace, [RoutingEntry(0, kind)])


@pytest.mark.parametrize(("lacking", "kind"), [("irqfd_set_irq", PIN), ("set_msi", MSI)])
def test_entry_taken_on_trust_is_refused_when_it_is_raised(
    without: Callable[..., Any], refused: Callable[..., None], lacking: str, kind: Any
) -> None:
    vm = Vm()
    vm.routing.replace([RoutingEntry(0, kind)])
    vm.create_irqchip(without(lacking), "lacking")
    vm.create_vcpu()
    vm.finalize()
    refused(errno.EINVAL, vm.set_irq, 0, 1)
    vm.destroy()


def test_entry_set_before_there_is_an_irqchip_works(chip: Any) -> None:
    vm = Vm()
    vm.routing.replace([RoutingEntry(0, PIN, pin=1)])
    vm.create_irqchip(chip, "recording")
    vm.create_vcpu()
    vm.finalize()
    with vm.adopted():
        assert vm.set_irq(0, 1) is Injected.LATCHED
    vm.destroy()


def test_replacing_is_seen_whole_by_other_threads(vm: Vm) -> None:
    """A raise finds the old table or the new one: never a GSI without entries, which is in both."""
    stop = threading.Event()
    unrouted = []

    def raiser() -> None:
        while not stop.is_set():
            if vm.set_irq(1, 1) is Injected.DROPPED_UNROUTED:
                unrouted.append(1)

    thread = threading.Thread(target=raiser)
    thread.start()
    for _ in range(200):
        vm.routing.set_default(4)
        vm.routing.replace([RoutingEntry(1, PIN, pin=3)])
    stop.set()
    thread.join()
    assert unrouted == []
