"""The runner's slices: what the guest asks for within a slice comes in time; a guest that waits for ever is found."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from irqframe.dt import load, to_dts
from irqframe.errors import IrqframeError
from irqframe.flow import Injected, Trigger, discover
from irqframe.guest.aarch64 import Launched, Reason, launch
from irqframe.guest.devices import TestDevice
from irqframe.machine import Device, Machine, load_machine
from irqframe.vm import Timer

TESTDEV = Device("testdev", ("irqframe,testdev",), lines=((None, Trigger.EDGE_RISING),))
PULSE_LATER = 0x38
DELAY = 4_800
CNTV_TVAL = (3, 3, 14, 3, 0)
CNTV_CTL = (3, 3, 14, 3, 1)
CNTV_CVAL = (3, 3, 14, 3, 2)
NEAR = 100
"""Instructions: what a guest executes before it asks, and the last block."""

Start = Callable[..., Launched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Launch a few words of code, in virtual time unless told otherwise."""
    made: list[Launched] = []

    def started(*code: int, cpus: int = 1, virtual: bool = True) -> Launched:
        machine = Machine.build("gicv2", cpus, devices=("pl011", TESTDEV), memory=16 << 20)
        path = tmp_path / "guest.bin"
        path.write_bytes(struct.pack(f"<{len(code)}I", *code))
        made.append(launch(machine, path, virtual=virtual))
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


@pytest.mark.parametrize("ahead", [1, 1 << 10])
def test_a_timer_further_ahead_than_time_goes_wakes_nobody(a64: type, start: Start, ahead: int) -> None:
    """CVAL is 2^64 - 1, and 2^54 by 16 bits at a time; a tick is 16 ns."""
    value = [a64.movz(1, 0), a64.sub(1, 1, 1)] if ahead == 1 else [a64.movz(1, ahead << 2, 48)]
    guest = start(*value, a64.msr(CNTV_CVAL, 1), a64.movz(1, 1), a64.msr(CNTV_CTL, 1), a64.WFI, a64.b(-4))
    ended = guest.runner.run(60)
    assert ended == (Reason.DIED, "every vCPU sleeps, and nothing will wake one")


@pytest.mark.parametrize("virtual", [True, False])
def test_all_switched_off_is_death(a64: type, start: Start, virtual: bool) -> None:
    guest = start(a64.movz(0, 0x8400, 16), a64.movk(0, 2), a64.hvc(), cpus=2, virtual=virtual)
    assert guest.runner.run(20) == (Reason.DIED, "every vCPU is off")


def test_what_is_posted_is_done_while_the_guest_spins(a64: type, start: Start) -> None:
    guest = start(a64.b(0))
    guest.runner.post(lambda: guest.runner.end(Reason.INTERRUPTED))
    assert guest.runner.run(60).reason is Reason.INTERRUPTED


def test_time_is_over(a64: type, start: Start) -> None:
    ended = start(a64.b(0)).runner.run(0.05)
    assert ended == (Reason.TIMEOUT, "0.05 s are over")


def test_ram_that_no_address_of_the_cpu_reaches_is_refused(a64: type, tmp_path: Path) -> None:
    tree = tmp_path / "high.dts"
    text = to_dts(Machine.build("gicv2", 1, memory=16 << 20).tree)
    found = re.search(r"memory@\w+ \{.*?reg = <([^>]*)>;", text, re.DOTALL)
    assert found is not None
    tree.write_text(text[: found.start(1)] + "0x10000 0 0 0x1000000" + text[found.end(1) :])
    kernel = tmp_path / "guest.bin"
    kernel.write_bytes(struct.pack("<I", a64.b(0)))
    with pytest.raises(IrqframeError, match="ends at 0x1000001000000; addresses of the CPU have 44 bits"):
        launch(load_machine(load(str(tree)), discover({})), kernel)
