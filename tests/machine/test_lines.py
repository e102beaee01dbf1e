"""What specifiers are called without an irqchip: by the bindings of Linux, arm,gic-v3.yaml and interrupts.txt."""

from __future__ import annotations

import pytest

from irqframe.dt import Node
from irqframe.errors import Span
from irqframe.flow import Source, SourceKind, Trigger
from irqframe.machine import Line, line_of


def controller(compatible: str) -> Node:
    node = Node("c", Span("t"))
    node.set_strings("compatible", compatible)
    return node


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        # The binding: type 0 is SPI, 1 PPI (0..15, INTID 16..31), 2 extended SPI, 3 extended PPI.
        ((0, 33, 4), Line("SPI 33", "level high", False, Source(SourceKind.SPI, 33, Trigger.LEVEL_HIGH))),
        ((1, 13, 8), Line("PPI 29", "level low", True, Source(SourceKind.PPI, 29, Trigger.LEVEL_LOW))),
        ((1, 13, 0xF04), Line("PPI 29", "level high", True, Source(SourceKind.PPI, 29, Trigger.LEVEL_HIGH))),
        ((1, 7, 4, 99), Line("PPI 23", "level high", True, Source(SourceKind.PPI, 23, Trigger.LEVEL_HIGH))),
        ((2, 5, 1), Line("ESPI 5", "edge rising")),
        ((3, 5, 1), Line("EPPI 5", "edge rising", True)),
        ((0, 33, 7), Line("SPI 33", "flags 0x7")),
        ((9, 33, 4), Line("<0x9 0x21 0x4>")),
    ],
)
def test_arm_gics(cells: tuple[int, ...], line: Line) -> None:
    assert line_of(controller("arm,gic-v3"), cells) == line


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        ((5,), Line("line 5")),
        ((5, 2), Line("line 5", "edge falling")),
        ((5, 0), Line("line 5", "none")),
        ((5, 99), Line("<0x5 0x63>")),
        ((0, 33, 4), Line("<0x0 0x21 0x4>")),
        ((), Line("<>")),
    ],
)
def test_other_controllers(cells: tuple[int, ...], line: Line) -> None:
    assert line_of(controller("example,other"), cells) == line
