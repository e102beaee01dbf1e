"""What is watched of a guest's phases: which moment is the raise, which the handler, and whose traps they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from irqframe.guest import TrapCounts
from irqframe.guest.compare._own_traps import own_traps
from irqframe.guest.compare._watch import PhaseData, Watch
from irqframe.guest.devices import Device, Unconnected, devices_of
from irqframe.machine import Machine, build
from irqframe.vm import VirtualClock, Vm
from irqframe.vm._traps import Served

GICC, GICD, UART = 0x0801_0000, 0x0800_0000, 0x0900_0000
IAR, EOIR, SGIR = GICC + 0x0C, GICC + 0x10, GICD + 0xF00


class Watched:
    """A VM of two vCPUs that is watched; nothing runs, its traps are told by hand."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.clock = VirtualClock()
        machine = Machine.build("gicv2", 2, memory=1 << 20)
        self.vm: Vm = build(machine, clock=self.clock, prepare=self.watch.prepare)
        self.devices: tuple[Device, ...] = devices_of(machine, self.vm, Unconnected())
        self.executed = 0
        self.watch.begin(self.devices, lambda: self.executed)

    def at(self, ns: int, vcpu: int, name: str, *, asserted: int = -1) -> None:
        """A trap at this time, while one vCPU's line is asserted, or none's."""
        self.clock.advance(ns - self.clock.now())
        for each in self.vm.vcpus:
            each.irq_line = each.index == asserted
        self.watch.trap(self.vm.vcpus[vcpu], "some trap", name)

    def mark(self, ns: int, phase: int) -> None:
        self.clock.advance(ns - self.clock.now())
        self.watch.mark(phase)

    def latencies(self, phase: int) -> list[int]:
        return self.watch.phases[phase].latencies


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.vm.destroy()


@pytest.mark.parametrize(("phase", "raises"), [(3, "TEST_PULSE"), (4, "TEST_RAISE"), (5, "TEST_MSI_SEND")])
def test_the_test_device_raises(watched: Watched, phase: int, raises: str) -> None:
    watched.mark(0, phase)
    for start in (100, 200, 300):
        watched.at(start, 0, raises)
        watched.at(start + 7, 0, "GICC_IAR", asserted=0)
        watched.at(start + 10, 0, "TEST_HANDLED")
        watched.at(start + 12, 0, "GICC_EOIR")
    watched.mark(400, 0)
    assert watched.latencies(phase) == [10, 10, 10]
    assert watched.watch.phases[phase].interrupts == 3


@pytest.mark.parametrize("receiver", [0, 1])
def test_an_ipi_is_sent_by_the_trap_before_its_line_is_seen(watched: Watched, receiver: int) -> None:
    watched.mark(0, 2)
    for start in (100, 200):
        watched.at(start, 0, "GICD_SGIR")
        watched.at(start + 30, receiver, "GICC_IAR", asserted=receiver)
        watched.at(start + 35, receiver, "TEST_HANDLED")
        watched.at(start + 40, receiver, "GICC_EOIR")
    watched.mark(300, 0)
    assert watched.latencies(2) == [35, 35]


def test_an_ipi_may_come_as_fiq(watched: Watched) -> None:
    watched.mark(0, 2)
    watched.at(100, 0, "ICC_SGI0R_EL1")
    watched.vm.vcpus[1].fiq_line = True
    watched.clock.advance(20)
    watched.watch.trap(watched.vm.vcpus[1], "sysreg read", "ICC_IAR0_EL1")
    watched.at(125, 1, "TEST_HANDLED")
    watched.mark(200, 0)
    assert watched.latencies(2) == [25]


def test_a_line_that_stays_asserted_is_no_second_ipi(watched: Watched) -> None:
    watched.mark(0, 2)
    watched.at(100, 0, "GICD_SGIR")
    watched.at(120, 1, "another trap", asserted=1)
    watched.at(130, 1, "GICC_IAR", asserted=1)
    watched.at(135, 1, "TEST_HANDLED")
    watched.mark(200, 0)
    assert watched.latencies(2) == [35]


def test_a_timer_is_due_when_its_compare_value_is_reached(watched: Watched) -> None:
    timers = {timer.name: timer for timer in watched.vm.vcpus[1].timers}
    timers["virtual timer"].compare = 1000
    timers["physical timer"].compare = 500
    watched.vm.vcpus[1].timers = tuple(reversed(watched.vm.vcpus[1].timers))
    watched.mark(900, 1)
    watched.at(1040, 1, "TEST_HANDLED")
    watched.mark(2000, 0)
    assert watched.latencies(1) == [40]


def test_a_handler_without_a_raise_counts_and_has_no_latency(watched: Watched) -> None:
    watched.mark(0, 3)
    watched.at(10, 0, "TEST_PULSE")
    watched.at(20, 0, "TEST_HANDLED")
    watched.at(30, 0, "TEST_HANDLED")
    watched.mark(40, 0)
    assert watched.watch.phases[3].interrupts == 2
    assert watched.latencies(3) == [10]


def test_only_what_happens_in_the_phase_is_its(watched: Watched) -> None:
    counts = watched.vm.vcpus[1].mmio_counts
    counts[IAR] = 1000
    watched.executed = 50
    watched.at(5, 0, "TEST_PULSE")
    watched.at(6, 0, "TEST_HANDLED")
    watched.mark(10, 3)
    counts[IAR], counts[EOIR], counts[UART] = 1003, 3, 99
    watched.executed = 750
    watched.mark(60, 4)
    counts[IAR] = 2000
    watched.mark(100, 0)
    counts[IAR] = 3000
    phase = watched.watch.phases[3]
    assert phase == PhaseData(0, 700, 50, TrapCounts({}, {"GICC_EOIR": 3, "GICC_IAR": 3}, {}), [])
    assert watched.watch.phases[4].traps.mmio == {"GICC_IAR": 997}
    assert list(watched.watch.phases) == [3, 4]


def test_a_phase_counts_once_and_unknown_ones_do_not(watched: Watched) -> None:
    for turn, phase in enumerate((3, 6, 3, 1 << 31, 0, 0)):
        watched.mark(watched.clock.now() + 10, phase)
        for _ in range(turn + 1):
            watched.at(watched.clock.now() + 1, 0, "TEST_HANDLED")
    assert list(watched.watch.phases) == [3]
    assert watched.watch.phases[3].interrupts == 1


def test_own_traps_are_neither_devices_nor_the_firmwares(watched: Watched) -> None:
    one, two = watched.vm.vcpus
    one.mmio_counts = {IAR: 1, SGIR: 2, UART: 4, UART + 0x18: 8, 0xDEAD_0000: 16}
    two.mmio_counts = {IAR: 32}
    for fid, times in (0x8400_0000, 1), (0xC400_0003, 2), (0x8000_0000, 4), (0xC500_0209, 8):
        one.hypercalls[fid] = Served(lambda *_: (0, 0, 0, 0))
        one.hypercalls[fid].times = times
    one.unknown_hypercalls = 16
    found = own_traps(watched.vm, watched.devices)
    assert found == TrapCounts({"0xc5000209": 8}, {"GICC_IAR": 33, "GICD_SGIR": 2}, {})
