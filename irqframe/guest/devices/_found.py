"""The devices of a machine that real guest code finds in its tree, made and wired as the tree says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from irqframe.errors import IrqframeError
from irqframe.flow import SourceKind
from irqframe.guest.devices._device import Console, Device, Unconnected
from irqframe.guest.devices._line import Line, Wire
from irqframe.guest.devices._pl011 import Pl011
from irqframe.guest.devices._pl031 import EPOCH, Pl031
from irqframe.guest.devices._testdev import TestDevice
from irqframe.machine import Frame, Machine, frames_of
from irqframe.vm import Vm


@dataclass(slots=True)
class _Making:
    """What the devices of one VM are made from."""

    machine: Machine
    vm: Vm
    console: Console
    console_path: str
    epoch: int
    seed: int
    record: int
    wires: dict[int, Wire] = field(default_factory=dict)

    def lines(self, frame: Frame) -> tuple[Line, ...]:
        """The interrupts of a device, in the order of its node."""
        found = []
        for one in self.machine.sources:
            if one.ref.node is frame.node:
                number = one.source.number
                if one.source.kind is not SourceKind.SPI:
                    raise IrqframeError(f"{frame.node.path}: its interrupt is per CPU, and its device has one for all")
                found.append(Line(one.name, self.wires.setdefault(number, Wire(self.vm, number))))
        return tuple(found)

    def line(self, frame: Frame) -> Line:
        """The interrupt of a device that has one; one connected to nothing if the node has none."""
        return next(iter(self.lines(frame)), Line(frame.node.name, None))


def _pl011(making: _Making, frame: Frame) -> Device:
    console = making.console if frame.node.path == making.console_path else Unconnected()
    return Pl011(making.vm, frame.address, making.line(frame), console, frame.node.name)


def _pl031(making: _Making, frame: Frame) -> Device:
    return Pl031(making.vm, frame.address, making.line(frame), making.epoch, frame.node.name)


def _testdev(making: _Making, frame: Frame) -> Device:
    devid = next((one.devid for one in making.machine.msis if one.ref.node is frame.node), None)
    lines = making.lines(frame)
    return TestDevice(
        making.vm, frame.address, lines, devid, seed=making.seed, record=making.record, name=frame.node.name
    )


KINDS: Final[Mapping[str, Callable[[_Making, Frame], Device]]] = MappingProxyType(
    {"arm,pl011": _pl011, "arm,pl031": _pl031, "irqframe,testdev": _testdev}
)
"""The devices that are there, by `compatible`."""


def devices_of(
    machine: Machine,
    vm: Vm,
    console: Console,
    *,
    epoch: int = EPOCH,
    seed: int = 1,
    record: int = 0,
) -> tuple[Device, ...]:
    """Make the devices of a machine; the other nodes of the tree have nobody behind them.

    Args:
        machine: the machine.
        vm: made of it, and finalized.
        console: the other end of the serial port that `stdout-path` of /chosen names, or else of the first one.
        epoch: what real-time clocks show when the VM's clock is 0, seconds.
        seed: of random numbers.
        record: how many runs of handlers a test device keeps.

    Returns:
        The devices, in the order of the tree; each serves its frame already.

    Raises:
        IrqframeError: a device's interrupt is one that every CPU has for itself.
        OverlapError: two of the frames lie on the same address, or one on the irqchip's.
    """
    frames = frames_of(machine, KINDS)
    making = _Making(machine, vm, console, _console_path(machine, frames), epoch, seed, record)
    return tuple(KINDS[frame.compatible](making, frame) for frame in frames)


def _console_path(machine: Machine, frames: tuple[Frame, ...]) -> str:
    """Path of the serial port that is the console: DTSpec v0.4, 3.6, "stdout-path"; "" if there is none."""
    ports = [frame.node.path for frame in frames if frame.compatible == "arm,pl011"]
    children = machine.tree.root.children
    chosen = children["chosen"].strings("stdout-path") if "chosen" in children else ()
    named = chosen[0].partition(":")[0] if chosen else ""
    if named and not named.startswith("/") and "aliases" in children:
        named = next(iter(children["aliases"].strings(named)), "")
    return named if named in ports else next(iter(ports), "")
