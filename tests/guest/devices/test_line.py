"""The interrupt of a device: levels, pulses, sharing, and what is counted."""

from __future__ import annotations

from typing import Any

from irqframe.flow import Injected
from irqframe.guest.devices import Line, Wire


class Pins:
    """Stands for a VM: remembers what was set."""

    def __init__(self) -> None:
        self.log: list[tuple[int, int]] = []
        self.answer = Injected.LATCHED

    def set_irq(self, gsi: int, level: int) -> Injected:
        self.log.append((gsi, level))
        return self.answer if level else Injected.NOTHING


def wired(*names: str) -> tuple[Any, list[Line]]:
    pins: Any = Pins()
    wire = Wire(pins, 7)
    return pins, [Line(name, wire) for name in names]


def test_only_changes_are_told() -> None:
    pins, (line,) = wired("uart")
    for level in (0, 1, 1, 0, 0):
        line(level)
    assert pins.log == [(7, 1), (7, 0)]
    assert (line.level, line.raised, line.outcomes) == (0, 1, {Injected.LATCHED: 1})


def test_what_becomes_of_each_raise_is_counted() -> None:
    pins, (line,) = wired("uart")
    line.pulse()
    pins.answer = Injected.COALESCED
    line.pulse()
    line.pulse()
    assert line.raised == 3
    assert line.outcomes == {Injected.LATCHED: 1, Injected.COALESCED: 2}


def test_a_pulse_ends_low() -> None:
    pins, (line,) = wired("uart")
    line(1)
    line.pulse()
    assert line.level == 0
    assert pins.log == [(7, 1), (7, 0)]


def test_a_shared_wire_is_high_while_any_device_asserts_it() -> None:
    pins, (one, other) = wired("one", "other")
    one(1)
    other(1)
    one(0)
    assert pins.log == [(7, 1)]
    other(0)
    assert pins.log == [(7, 1), (7, 0)]
    assert other.outcomes == {Injected.NOTHING: 1}


def test_a_line_that_is_connected_to_nothing() -> None:
    line = Line("loose", None)
    line.pulse()
    assert (line.raised, line.outcomes) == (1, {Injected.NOTHING: 1})
