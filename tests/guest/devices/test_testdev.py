"""The test device: what a guest makes it do, and what it learns of the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from irqframe.dt import addresses
from irqframe.flow import Injected, Trigger, discover
from irqframe.guest.devices import Handled, TestDevice, devices_of
from irqframe.guest.devices._testdev import MAX_COUNTED
from irqframe.machine import Device, Machine, build

BASE = 0x0B00_0000
(
    ID,
    LINES,
    PULSE,
    RAISE,
    LOWER,
    ADDR_LO,
    ADDR_HI,
    DATA,
    SEND,
    HANDLED,
    MARK,
    EXIT,
    CLOCK_LO,
    CLOCK_HI,
    LATER,
    RANDOM,
) = (BASE + 4 * n for n in range(16))
LEVEL, EDGE = (20, Trigger.LEVEL_HIGH), (21, Trigger.EDGE_RISING)
GICD_ICFGR = 0x0800_0C00
V2M_TYPER, V2M_SETSPI = 0x08, 0x40

Make = Callable[..., tuple[Any, TestDevice]]


def machine(*lines: Any, irqchip: str = "gicv2", msi: bool = False) -> Machine:
    device = Device("testdev", ("irqframe,testdev",), address=BASE, lines=lines, msi=msi)
    return Machine.build(irqchip, 2, devices=[device], plugins=discover({}))


def edge(cpu: Any, intid: int) -> None:
    """Set an interrupt up as the guest's driver does for an edge."""
    register = GICD_ICFGR + 4 * (intid // 16)
    cpu.write(register, cpu.read(register) | 2 << 2 * (intid % 16))


@pytest.fixture
def make(console: Any, cpu_of: Any) -> Make:
    """(lines, msi, how it is made) -> CPU 0 and the device."""

    def made(*lines: Any, msi: bool = False, **how: Any) -> tuple[Any, TestDevice]:
        of = machine(*lines, msi=msi)
        cpu = cpu_of(of)
        (device,) = devices_of(of, cpu.vm, console, **how)
        assert isinstance(device, TestDevice)
        edge(cpu, 32 + 21)
        return cpu, device

    return made


def test_it_is_found_with_its_lines(make: Make) -> None:
    cpu, device = make(LEVEL, EDGE)
    assert cpu.read(ID) == 0x69726466
    assert cpu.read(LINES) == 2
    assert len({line.name for line in device.lines}) == 2
    assert device.name == "testdev@b000000"


def test_lines_are_raised_lowered_and_pulsed(make: Make) -> None:
    cpu, device = make(LEVEL, EDGE)
    cpu.write(RAISE, 0)
    assert cpu.pending(20)
    cpu.write(LOWER, 0)
    assert not cpu.pending(20)
    cpu.write(PULSE, 1)
    assert cpu.pending(21)
    cpu.write(PULSE, 1)
    assert [line.raised for line in device.lines] == [1, 2]
    assert device.lines[1].outcomes == {Injected.LATCHED: 1, Injected.COALESCED: 1}


@pytest.mark.parametrize("line", [2, 0xFFFFFFFF])
def test_a_line_that_is_not_there_is_never_raised(make: Make, line: int) -> None:
    cpu, device = make(LEVEL, EDGE)
    for register in (RAISE, PULSE, LOWER):
        cpu.write(register, line)
    assert [one.raised for one in device.lines] == [0, 0]


def test_a_device_without_lines(make: Make) -> None:
    cpu, device = make()
    assert cpu.read(LINES) == 0
    cpu.write(LATER, 0)
    device.update()
    assert device.deadline() is None


def test_a_delayed_pulse(make: Make) -> None:
    cpu, device = make(EDGE)
    cpu.write(LATER, 1000)
    assert device.deadline() == 1000
    cpu.write(LATER, 500)
    assert device.deadline() == 500
    cpu.advance(499)
    device.update()
    assert not cpu.pending(21)
    cpu.advance(1)
    device.update()
    assert cpu.pending(21)
    assert device.deadline() is None
    device.update()
    assert device.lines[0].raised == 1


def test_a_pulse_without_delay_is_at_once(make: Make) -> None:
    cpu, device = make(EDGE)
    cpu.write(LATER, 0)
    assert cpu.pending(21)
    assert device.deadline() is None


def test_messages(make: Make) -> None:
    cpu, device = make(msi=True)
    frame = addresses(machine(msi=True).msis[0].ref.controller)[0][0]
    first = cpu.read(frame + V2M_TYPER) >> 16 & 0x3FF
    edge(cpu, first)
    cpu.write(ADDR_LO, frame + V2M_SETSPI)
    cpu.write(DATA, first)
    cpu.write(SEND, 1)
    assert device.messages == {Injected.LATCHED: 1}
    assert cpu.pending(first - 32)
    cpu.write(SEND, 1)
    assert device.messages == {Injected.LATCHED: 1, Injected.COALESCED: 1}
    assert device.refused == 0


def test_a_message_to_nowhere_is_no_error(make: Make) -> None:
    cpu, device = make(msi=True)
    cpu.write(ADDR_HI, 0xFFFFFFFF)
    cpu.write(SEND, 1)
    assert device.refused + sum(device.messages.values()) == 1
    assert Injected.LATCHED not in device.messages


def test_a_device_without_a_receiver_sends_nothing(console: Any, cpu_of: Any) -> None:
    """Not even where another device could."""
    devices = [
        Device("testdev", ("irqframe,testdev",), address=BASE, lines=(), msi=True),
        Device("testdev", ("irqframe,testdev",), address=BASE + 0x1000, lines=()),
    ]
    of = Machine.build("gicv2", devices=devices, plugins=discover({}))
    cpu = cpu_of(of)
    frame = addresses(of.msis[0].ref.controller)[0][0]
    found = devices_of(of, cpu.vm, console)
    for base in (0, 0x1000):
        cpu.write(base + ADDR_LO, frame + V2M_SETSPI)
        cpu.write(base + DATA, cpu.read(frame + V2M_TYPER) >> 16 & 0x3FF)
        cpu.write(base + SEND, 1)
    assert [(device.refused, sum(device.messages.values())) for device in found] == [(0, 1), (1, 0)]


def test_the_deviceid_is_the_trees(console: Any) -> None:
    """A GICv3's ITS tells devices apart by it."""
    seen = []

    class Recorder:
        def __init__(self, vm: Any) -> None:
            self.finalized = vm
            self.mmio, self.clock, self.vcpus = vm.mmio, vm.clock, vm.vcpus

        def signal_msi(self, address: int, data: int, devid: int) -> Injected:
            seen.append((address, data, devid))
            return Injected.LATCHED

    of = machine(irqchip="gicv3", msi=True)
    vm: Any = Recorder(build(of))
    devices_of(of, vm, console)
    for register, value in ((ADDR_LO, 0x80), (ADDR_HI, 1), (DATA, 9), (SEND, 1)):
        vm.mmio.write(vm.vcpus[0], register, 4, value)
    assert seen == [(0x1_0000_0080, 9, of.msis[0].devid)]


def test_what_the_guest_took_is_counted(make: Make) -> None:
    cpu, device = make(LEVEL)
    other = cpu.vm.vcpus[1]
    cpu.write(HANDLED, 52)
    cpu.vm.mmio.write(other, HANDLED, 4, 52)
    cpu.write(HANDLED, 52)
    assert device.counts == {(0, 52): 2, (1, 52): 1}
    assert device.handled == []


def test_what_the_guest_took_is_recorded_as_far_as_asked(make: Make) -> None:
    cpu, device = make(LEVEL, record=2)
    cpu.advance(7)
    for value in (52, 53, 54):
        cpu.write(HANDLED, value)
    assert device.handled == [Handled(7, 0, 52), Handled(7, 0, 53)]


def test_counts_are_bounded(make: Make) -> None:
    cpu, device = make(LEVEL)
    device.counts.update(((1, n), 1) for n in range(MAX_COUNTED - 1))
    for value in (5, 6, 5):
        cpu.write(HANDLED, value)
    assert len(device.counts) == MAX_COUNTED
    assert device.counts[0, 5] == 2
    assert device.uncounted == 1


def test_phases_and_the_end_are_told(make: Make) -> None:
    cpu, device = make(LEVEL)
    told: list[tuple[str, int]] = []
    assert device.status is None
    cpu.write(MARK, 1)
    device.on_mark = lambda phase: told.append(("mark", phase))
    device.on_exit = lambda status: told.append(("exit", status))
    cpu.write(MARK, 2)
    cpu.write(EXIT, 3)
    cpu.write(EXIT, 0)
    assert told == [("mark", 2), ("exit", 3)]
    assert (device.phase, device.status) == (2, 3)


def test_the_clock_is_read_in_two_halves(make: Make) -> None:
    cpu, _ = make(LEVEL)
    cpu.advance((1 << 32) - 1)
    assert cpu.read(CLOCK_LO) == 0xFFFFFFFF
    cpu.advance(1)
    assert cpu.read(CLOCK_HI) == 0
    assert (cpu.read(CLOCK_LO), cpu.read(CLOCK_HI)) == (0, 1)


def test_random_numbers_follow_the_seed(make: Make) -> None:
    drawn = []
    for seed in (1, 1, 2):
        cpu, _ = make(LEVEL, seed=seed)
        drawn.append([cpu.read(RANDOM) for _ in range(8)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) > 1


def test_write_only_registers_read_zero(make: Make) -> None:
    cpu, _ = make(LEVEL)
    for register in (PULSE, RAISE, LOWER, SEND, HANDLED, MARK, EXIT, LATER):
        cpu.write(register, 0)
        assert cpu.read(register) == 0
