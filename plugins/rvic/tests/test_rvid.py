"""The rVID: map, inputs, messages, and who does the work on which thread."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest

from irqframe.errors import VmError
from irqframe.flow import Injected, RoutingEntry, RoutingKind, SourceKind

DOORBELL = 0xBA5E_0000


def refused(number: int, do: Any, *arguments: Any) -> None:
    with pytest.raises(VmError) as caught:
        do(*arguments)
    assert caught.value.errno == number, caught.value


def wired(machine: Any, **kwargs: Any) -> Any:
    """Input 3 leads to INTID 40 of CPU 1, unmasked; both CPUs are enabled."""
    made = machine(**kwargs)
    made.enable()
    made.ok("RVID_MAP", 3, made.mpidr(1), 40)
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 40)
    return made


def test_input_arrives_where_it_is_mapped(machine: Any) -> None:
    made = wired(machine)
    assert made.vm.set_irq(3, 1) is Injected.LATCHED
    assert made.vm.set_irq(3, 1) is Injected.COALESCED
    assert made.vm.set_irq(3, 0) is Injected.NOTHING
    assert made.ack(0) is None
    assert made.ack(1) == 40
    assert made.counters(1)[:3] == (2, 1, 1)


def test_map_replaces_and_leaves_what_is_latched(machine: Any) -> None:
    made = wired(machine)
    made.vm.set_irq(3, 1)
    made.ok("RVID_MAP", 3, 0, 50)
    made.ok("RVIC_CLEAR_MASKED", 0, 50)
    assert made.pending(40, cpu=1)
    made.vm.set_irq(3, 1)
    assert made.ack(0) == 50


def test_unmap_loses_events_and_counts_them(machine: Any) -> None:
    made = wired(machine)
    made.ok("RVID_UNMAP", 3)
    made.ok("RVID_UNMAP", 3)
    assert made.vm.set_irq(3, 1) is Injected.DROPPED_UNROUTED
    assert made.vm.dropped == {Injected.DROPPED_UNROUTED: 1}
    assert made.ack(1) is None


def test_two_inputs_may_share_an_interrupt(machine: Any) -> None:
    made = wired(machine)
    made.ok("RVID_MAP", 4, made.mpidr(1), 40)
    made.vm.set_irq(3, 1)
    assert made.vm.set_irq(4, 1) is Injected.COALESCED
    made.ok("RVID_UNMAP", 3)
    assert made.ack(1) == 40
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 40)
    made.vm.set_irq(4, 1)
    assert made.ack(1) == 40


def test_no_such_input(machine: Any) -> None:
    made = wired(machine)
    for pin in (32, -1):
        entry = RoutingEntry(0, RoutingKind.IRQCHIP, pin=pin)
        refused(errno.EINVAL, made.vm.flow.table.irqfd_set_irq, entry, made.vm, 0, 1, False)


def test_edge_to_a_disabled_instance_is_dropped_with_its_reason(machine: Any) -> None:
    made = wired(machine)
    made.ok("RVIC_DISABLE", cpu=1)
    assert made.vm.set_irq(3, 1) is Injected.DROPPED_DISABLED
    assert made.counters(1).dropped == {Injected.DROPPED_DISABLED: 1}
    made.ok("RVIC_ENABLE", cpu=1)
    assert made.ack(1) is None
    assert made.balance(1) == 0


def test_foreign_thread_posts_and_the_owner_delivers(machine: Any) -> None:
    made = wired(machine)
    outcomes: list[Injected] = []
    thread = threading.Thread(target=lambda: outcomes.append(made.vm.set_irq(3, 1)))
    thread.start()
    thread.join()
    assert outcomes == [Injected.POSTED]
    assert not made.cpu(1).chip.target.deliverable
    assert made.cpu(1).runnable
    made.cpu(1).enter()
    assert made.cpu(1).irq_line
    assert made.ack(1) == 40


def test_a_machine_that_nobody_adopted_works_by_hand(machine: Any) -> None:
    made = wired(machine, adopt=False)
    assert made.vm.set_irq(3, 1) is Injected.POSTED
    assert made.ack(1) is None  # the inbox is drained at the entry that follows
    assert made.ack(1) == 40


def from_elsewhere(do: Any, *arguments: Any) -> None:
    thread = threading.Thread(target=do, args=arguments)
    thread.start()
    thread.join()


def test_posted_input_follows_a_map_and_finds_no_unmapped_one(machine: Any) -> None:
    made = wired(machine)
    from_elsewhere(made.vm.set_irq, 3, 1)
    made.ok("RVID_MAP", 3, 0, 41)
    made.ok("RVIC_CLEAR_MASKED", 0, 41)
    made.cpu(1).enter()
    assert (made.ack(1), made.ack(0)) == (None, 41)
    from_elsewhere(made.vm.set_irq, 3, 1)
    made.ok("RVID_UNMAP", 3)
    made.cpu(0).enter()
    assert made.ack(0) is None
    assert made.vm.dropped == {Injected.DROPPED_UNROUTED: 1}


def test_posted_input_is_forwarded_to_the_inbox_of_the_new_owner(machine: Any) -> None:
    made = wired(machine, adopt=False)
    made.cpu(1).adopt()
    from_elsewhere(made.vm.set_irq, 3, 1)
    made.ok("RVID_MAP", 3, 0, 41)
    made.cpu(1).enter()
    assert not made.cpu(0).chip.is_pending(41)  # this thread does not own CPU 0
    assert len(made.cpu(0).inbox) == 1
    made.cpu(1).release()
    made.cpu(0).adopt()
    made.cpu(0).enter()
    assert made.cpu(0).chip.is_pending(41)
    made.cpu(0).release()


def test_moved_by_hand_is_withdrawn_there_and_raised_here(machine: Any) -> None:
    made = wired(machine)
    made.vm.set_irq(3, 1)
    made.ok("RVIC_SIGNAL", 0, 40)
    made.ok("RVIC_CLEAR_PENDING", made.mpidr(1), 40)
    assert made.counters(1).withdrawn == 1
    assert made.counters(0).raised == 1
    assert made.balance(0) == made.balance(1) == 0


# Messages


def test_message_raises_the_input_of_its_data(machine: Any) -> None:
    made = wired(machine, msis=(0, 16))
    assert made.vm.signal_msi(DOORBELL, 3) is Injected.LATCHED
    assert made.ack(1) == 40
    route = RoutingEntry(9, RoutingKind.MSI, address=DOORBELL, data=3)
    made.vm.routing.replace([route])
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 40)
    assert made.vm.set_irq(9, 1) is Injected.LATCHED
    assert made.vm.set_irq(9, 0) is Injected.NOTHING
    assert made.ack(1) == 40


def test_messages_that_no_interrupt_belongs_to(machine: Any) -> None:
    made = wired(machine, msis=(4, 16))
    refused(errno.EINVAL, made.vm.signal_msi, DOORBELL, 3)  # an input, but no message
    refused(errno.EINVAL, made.vm.signal_msi, DOORBELL, 20)
    refused(errno.EINVAL, made.vm.signal_msi, DOORBELL, 1 << 31)
    refused(errno.EINVAL, made.vm.signal_msi, DOORBELL + 4, 4)
    refused(errno.ENODEV, wired(machine).vm.signal_msi, DOORBELL, 4)


def test_inatomic_serves_pins_and_leaves_messages_to_the_slow_path(machine: Any) -> None:
    made = wired(machine, msis=(0, 16))
    inatomic = made.vm.flow.table.set_irq_inatomic
    assert inatomic(RoutingEntry(3, RoutingKind.IRQCHIP, pin=3), made.vm, 0, 1, False) is Injected.LATCHED
    message = RoutingEntry(9, RoutingKind.MSI, address=DOORBELL, data=3)
    assert inatomic(message, made.vm, 0, 1, False) is None


# What is told at the end of a run


def test_what_an_intid_is_and_what_waits(machine: Any) -> None:
    made = machine(cpus=2)
    made.enable()
    made.ok("RVID_MAP", 5, made.mpidr(1), 40)
    made.vm.set_irq(5, 1)
    made.deliverable(3, cpu=1)
    flow, cpu = made.vm.flow, made.cpu(1)
    names = [flow.call("identify", cpu, intid) for intid in (3, 27, 40, 41)]
    assert [name if isinstance(name, str) else name[:2] for name in names] == [
        "IPI 3",
        (SourceKind.PPI, 27),
        (SourceKind.SPI, 5),
        "INTID 41",
    ]
    assert flow.call("identify", made.cpu(0), 40) == "INTID 40", "input 5 leads to the other vCPU"
    assert flow.call("waiting", cpu) == {3: "pending", 40: "pending, masked"}
    made.ack(cpu=1)
    assert flow.call("waiting", cpu) == {40: "pending, masked"} and flow.call("waiting", made.cpu(0)) == {}
