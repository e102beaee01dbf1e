"""Devices as the tree has them: which, where, and on which lines."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.dt import parse_dts
from irqframe.errors import IrqframeError
from irqframe.flow import discover
from irqframe.guest.devices import Pl011, Pl031, devices_of
from irqframe.machine import Machine, build, frames_of, load_machine
from irqframe.vm import OverlapError

BOARD = """/dts-v1/;
/ {
    #address-cells = <1>; #size-cells = <1>; compatible = "t,t"; model = "t"; interrupt-parent = <&gic>;
    aliases { console = "/bus/serial@1000"; };
    CHOSEN
    memory@40000000 { device_type = "memory"; reg = <0x40000000 0x1000000>; };
    cpus { #address-cells = <1>; #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; }; };
    gic: intc@8000000 { compatible = "arm,cortex-a15-gic"; reg = <0x8000000 0x1000>, <0x8010000 0x2000>;
        interrupt-controller; #interrupt-cells = <3>; };
    serial@FIRST { compatible = "arm,pl011", "arm,primecell"; reg = <0xFIRST 0x100>; interrupts = <FIRSTIRQ>; };
    bus { #address-cells = <1>; #size-cells = <1>; compatible = "simple-bus"; ranges = <0 0x9000000 0x100000>;
        serial@1000 { compatible = "arm,pl011", "arm,primecell"; reg = <0x1000 0x1000>; interrupts = <0 5 4>; };
        serial@2000 { compatible = "arm,pl011", "arm,primecell"; reg = <0x2000 0x1000>; interrupts = <0 6 4>;
            status = "disabled"; };
        rtc@3000 { compatible = "arm,pl031", "arm,primecell"; reg = <0x3000 0x1000>; };
    };
};
"""


def board(chosen: str = "", first: str = "a000000", irq: str = "0 5 4") -> Machine:
    text = BOARD.replace("CHOSEN", f"chosen {{ stdout-path = {chosen}; }};" if chosen else "")
    text = text.replace("FIRSTIRQ", irq).replace("FIRST", first)
    return load_machine(parse_dts(text, "t.dts"), discover({}))


def test_the_virt_boards_are_found(virt: Machine, cpu: Any, console: Any) -> None:
    devices = devices_of(virt, cpu.vm, console, epoch=77)
    assert {device.name for device in devices} == {"pl011@9000000", "pl031@9010000"}
    cpu.write(0x0900_0000, ord("!"))
    assert console.printed == b"!"
    assert cpu.read(0x0901_0000) == 77
    cpu.write(0x0900_0038, 1 << 5)
    assert cpu.pending(1)
    cpu.write(0x0901_0010, 1)
    cpu.write(0x0901_0004, 77)
    assert cpu.pending(2)


def test_addresses_are_those_of_the_cpus(console: Any, cpu_of: Any) -> None:
    machine = board()
    cpu = cpu_of(machine)
    serial, other, rtc = devices_of(machine, cpu.vm, console)
    assert isinstance(serial, Pl011) and isinstance(other, Pl011) and isinstance(rtc, Pl031)
    assert cpu.vm.mmio.name(0x0900_1018) == "UARTFR"
    assert cpu.vm.mmio.find(0x0900_2000, 4) is None  # disabled
    assert cpu.vm.mmio.name(0x0900_3000) == "RTCDR"


def test_a_device_without_interrupt_works_unconnected(console: Any, cpu_of: Any) -> None:
    machine = board()
    cpu = cpu_of(machine)
    rtc = devices_of(machine, cpu.vm, console)[2]
    cpu.write(0x0900_3010, 1)
    cpu.write(0x0900_3008, 0)
    assert rtc.lines[0].raised == 1


def test_devices_of_one_line_share_it(console: Any, cpu_of: Any) -> None:
    machine = board()
    cpu = cpu_of(machine)
    devices_of(machine, cpu.vm, console)
    for base in (0x0A00_0000, 0x0900_1000):
        cpu.write(base + 0x38, 1 << 5)
        cpu.write(base, ord("x"))
    assert cpu.pending(5)
    cpu.write(0x0A00_0044, 1 << 5)
    assert cpu.pending(5)
    cpu.write(0x0900_1044, 1 << 5)
    assert not cpu.pending(5)


@pytest.mark.parametrize(
    ("chosen", "at"),
    [
        ("", 0x0A00_0000),
        ('"/bus/serial@1000"', 0x0900_1000),
        ('"/bus/serial@1000:115200n8"', 0x0900_1000),
        ('"console:115200"', 0x0900_1000),
        ('"/serial@a000000"', 0x0A00_0000),
        ('"nowhere"', 0x0A00_0000),
        ('"/bus/rtc@3000"', 0x0A00_0000),
        ('"\\xff"', 0x0A00_0000),
    ],
)
def test_the_console_is_at_the_port_that_the_tree_names(console: Any, cpu_of: Any, chosen: str, at: int) -> None:
    machine = board(chosen)
    cpu = cpu_of(machine)
    devices = devices_of(machine, cpu.vm, console)
    for base in (0x0A00_0000, 0x0900_1000):
        cpu.write(base, base >> 24)
    assert console.printed == bytes([at >> 24])
    console.typed = b"z"
    for device in devices:
        device.update()
    assert cpu.read(at) == ord("z")


def test_a_per_cpu_interrupt_is_refused(console: Any) -> None:
    machine = board(irq="1 5 4")
    with pytest.raises(IrqframeError, match=r"^/serial@a000000: its interrupt is per CPU, and its device has one"):
        devices_of(machine, build(machine), console)


def test_a_device_that_does_not_fit_in_is_refused(console: Any) -> None:
    """The tree's ranges are apart, the frames are not."""
    machine = board(first="9000f00")
    with pytest.raises(OverlapError, match="serial@1000 at 0x9001000 overlaps serial@9000f00 at 0x9000f00"):
        devices_of(machine, build(machine), console)


def test_frames_say_what_was_asked_for(virt: Machine) -> None:
    (frame,) = frames_of(virt, {"arm,pl031"})
    assert (frame.node.path, frame.compatible, frame.address, frame.size) == (
        "/pl031@9010000",
        "arm,pl031",
        0x0901_0000,
        0x1000,
    )
    assert frames_of(virt, ()) == ()
    assert frames_of(virt, {"gpio-keys"}) == ()
