"""What a controller's specifier says, in words: by its irqchip, else by what bindings of Linux have in common.

1. An installed irqchip that serves the controller decides.
2. Else Arm's GICs are known by their bindings (arm,gic.yaml, arm,gic-v3.yaml): <type number flags>.
3. Else one cell is a number, and two are a number and a trigger (interrupt-controller/interrupts.txt).
4. Anything else is shown as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from irqframe.dt import Node
from irqframe.flow import Source, SourceKind, Trigger

_GICS: Final = frozenset(
    {
        "arm,arm11mp-gic",
        "arm,arm1176jzf-devchip-gic",
        "arm,cortex-a15-gic",
        "arm,cortex-a5-gic",
        "arm,cortex-a7-gic",
        "arm,cortex-a9-gic",
        "arm,eb11mp-gic",
        "arm,gic-400",
        "arm,gic-v3",
        "arm,pl390",
        "arm,tc11mp-gic",
        "qcom,msm-8660-qgic",
        "qcom,msm-qgic2",
        "qcom,msm8996-gic-v3",
    }
)
_TYPES: Final = ("SPI", "PPI", "ESPI", "EPPI")
_PPI_BASE: Final = 16
_TRIGGER_MASK: Final = 0xF


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a controller, for people.

    Attributes:
        name: "SPI 33", "line 5", "<0x0 0x2be 0x4>".
        trigger: "level high", "edge rising", "none"; "" if it is not known.
        per_cpu: whether every CPU has a line of its own with this number.
        source: what it is to an irqchip; None if that is not known.
    """

    name: str
    trigger: str = ""
    per_cpu: bool = False
    source: Source | None = None


def line_of_source(source: Source) -> Line:
    """The line of an interrupt that an irqchip has translated."""
    name = f"{source.kind.value} {source.number}"
    return Line(name, trigger_words(source.trigger), source.kind is SourceKind.PPI, source)


def line_of(controller: Node, cells: tuple[int, ...]) -> Line:
    """The line that a specifier names, without an irqchip's help."""
    if len(cells) >= 3 and not _GICS.isdisjoint(controller.compatible):
        return _gic(cells)
    if len(cells) == 1:
        return Line(f"line {cells[0]}")
    if len(cells) == 2 and cells[1] in Trigger.__members__.values():
        return Line(f"line {cells[0]}", trigger_words(Trigger(cells[1])))
    return Line(f"<{' '.join(f'{cell:#x}' for cell in cells)}>")


def _gic(cells: tuple[int, ...]) -> Line:
    kind, number, flags = cells[0], cells[1], cells[2] & _TRIGGER_MASK
    trigger = Trigger(flags) if flags in Trigger.__members__.values() else None
    words = f"flags {flags:#x}" if trigger is None else trigger_words(trigger)
    if kind >= len(_TYPES):
        return Line(f"<{' '.join(f'{cell:#x}' for cell in cells)}>")
    if kind == 1:
        number += _PPI_BASE
    source = None
    if trigger is not None and kind < len(SourceKind):
        source = Source(SourceKind(_TYPES[kind]), number, trigger)
    return Line(f"{_TYPES[kind]} {number}", words, kind in (1, 3), source)


def trigger_words(trigger: Trigger) -> str:
    """A trigger as reports call it: "level high"."""
    return trigger.name.lower().replace("_", " ")
