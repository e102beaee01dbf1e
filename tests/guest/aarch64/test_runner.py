"""The runner's slices: what the guest asks for within a slice comes in time; a guest that waits for ever is found."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from irqframe.flow import Injected, Trigger
from irqframe.guest.aarch64 import Launched, Reason, launch
from irqframe.guest.devices import TestDevice
from irqframe.machine import Device, Machine
from irqframe.vm import Timer

TESTDEV = Device("testdev", ("irqframe,testdev",), lines=((None, Trigger.EDGE_RISING),))
PULSE_LATER = 0x38
DELAY = 4_800
CNTV_TVAL = (3, 3, 14, 3, 0)
CNTV_CTL = (3, 3, 14, 3, 1)
NEAR = 100
"""Instructions: what a guest executes before it asks, and the last block."""

Start = Callable[..., Launched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Launch a few words of code in virtual time; a place for the test device's address is in x0's literal."""
    made: list[Launched] = []

    def started(*code: int, cpus: int = 1) -> Launched:
        machine = Machine.build("gicv2", cpus, devices=("pl011", TESTDEV), memory=16 << 20)
        path = tmp_path / "guest.bin"
        path.write_bytes(struct.pack(f"<{len(code)}I", *code))
        made.append(launch(machine, path, virtual=True))
        return made[-1]

    yield started
    for guest in made:
        guest.close()


def device_of(guest: Launched) -> TestDevice:
    return next(device for device in guest.devices if isinstance(device, TestDevice))


def frame_of(a64: type) -> int:
    """Where `Machine.build` puts the test device."""
    machine = Machine.build("gicv2", 1, devices=("pl011", TESTDEV), memory=16 << 20)
    node = next(one for one in machine.tree.walk() if "irqframe,testdev" in one.compatible)
    return int(node.name.partition("@")[2], 16)


def test_a_devices_deadline_ends_the_slice(a64: type, start: Start) -> None:
    frame = frame_of(a64)
    guest = start(
        a64.movz(0, frame >> 16 & 0xFFFF, 16),
        a64.movk(0, frame & 0xFFFF),
        a64.movz(1, DELAY),
        a64.str_w(1, 0, PULSE_LATER),
        a64.b(0),
    )
    line = device_of(guest).lines[0]
    wire = line._wire
    assert wire is not None
    raised: list[int] = []

    def change(level: int) -> Injected:
        raised.append(guest.vm.clock.now())
        guest.runner.end(Reason.TEST)
        return Injected.LATCHED

    line._wire = type("Seen", (), {"change": staticmethod(change)})()
    assert guest.runner.run(60).reason is Reason.TEST
    assert DELAY <= raised[0] <= DELAY + NEAR


def test_a_timer_ends_the_slice_in_which_it_was_programmed(
    a64: type, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = start(
        a64.movz(1, DELAY // 16), a64.msr(CNTV_TVAL, 1), a64.movz(1, 1), a64.msr(CNTV_CTL, 1), a64.b(0), cpus=2
    )
    raised: list[int] = []

    def update(timer: Timer) -> None:
        if timer.level and not raised:
            raised.append(guest.vm.clock.now())
            guest.runner.end(Reason.TEST)

    monkeypatch.setattr(Timer, "update", update)
    assert guest.runner.run(60).reason is Reason.TEST
    assert DELAY <= raised[0] <= DELAY + NEAR


def test_all_asleep_for_ever_in_virtual_time_is_death(a64: type, start: Start) -> None:
    ended = start(a64.WFI, a64.b(-4), cpus=2).runner.run(60)
    assert ended.reason is Reason.DIED
    assert ended.text == "every vCPU sleeps, and nothing will wake one"


def test_what_is_posted_is_done_while_the_guest_spins(a64: type, start: Start) -> None:
    guest = start(a64.b(0))
    guest.runner.post(lambda: guest.runner.end(Reason.INTERRUPTED))
    assert guest.runner.run(60).reason is Reason.INTERRUPTED


def test_time_is_over(a64: type, start: Start) -> None:
    ended = start(a64.b(0)).runner.run(0.05)
    assert ended == (Reason.TIMEOUT, "0.05 s are over")
