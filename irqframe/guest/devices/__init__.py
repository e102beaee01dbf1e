"""Devices for real guest code, found in the machine's tree: a serial port, a clock, and a device for tests."""

from irqframe.guest.devices._device import Console, Device, Unconnected, nobody
from irqframe.guest.devices._found import devices_of
from irqframe.guest.devices._line import Line, Wire
from irqframe.guest.devices._pl011 import Pl011
from irqframe.guest.devices._pl031 import EPOCH, Pl031
from irqframe.guest.devices._testdev import Handled, TestDevice

__all__ = [
    "EPOCH",
    "Console",
    "Device",
    "Handled",
    "Line",
    "Pl011",
    "Pl031",
    "TestDevice",
    "Unconnected",
    "Wire",
    "devices_of",
    "nobody",
]
