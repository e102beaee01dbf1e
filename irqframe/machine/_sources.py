"""The rules of single sources: what a line may be used for, seen from what kind of device a source is.

1. An interrupt of the generic timer belongs to one CPU; on a shared line of a machine with several, all but one would
   lose it (E0615). Linux requests it as a per-CPU interrupt and fails.
2. An interrupt pin of a PCI bus belongs to no CPU, so it cannot go to a line that each CPU has for itself (E0616).
3. The generic timer, the performance monitor and the PCI interrupt pins signal by level (Arm ARM, "Generic Timer" and
   "Performance Monitors"; PCI Local Bus 3.0, 2.2.6). An edge described for one works until the first interrupt that
   arrives while the line is high (W0627). Linux warns of it at the timer.
4. A GIC specifier without a trigger leaves the line as firmware set it up; Linux warns (W0628).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from irqframe.dt import InterruptRef, Node, bounded
from irqframe.errors import Finding
from irqframe.flow import Source, SourceKind, Trigger
from irqframe.machine._lines import trigger_words

_TIMERS = ("arm,armv8-timer", "arm,armv7-timer")
_EDGES = (Trigger.EDGE_RISING, Trigger.EDGE_FALLING, Trigger.EDGE_BOTH)


def check_sources(refs: Sequence[InterruptRef], sources: Sequence[Source | None], cpus: int) -> list[Finding]:
    """What is wrong with single sources.

    Args:
        refs: the interrupts.
        sources: what the irqchip says of each; None for one that it refuses.
        cpus: how many CPUs the machine has.
    """
    found: dict[tuple[str, str], list[Finding]] = {}
    for ref, source in zip(refs, sources, strict=True):
        for finding in () if source is None else (*_kind(ref, source, cpus), *_trigger(ref, source)):
            found.setdefault((finding.code, finding.path), []).append(finding)
    return bounded(_first(alike) for alike in found.values())


def _first(alike: Sequence[Finding]) -> Finding:
    """One finding for what the interrupts of a node have in common: they were written together."""
    if len(alike) == 1:
        return alike[0]
    return replace(alike[0], found=f"{len(alike)} such interrupts of {alike[0].path}; this is the first")


def _kind(ref: InterruptRef, source: Source, cpus: int) -> Iterator[Finding]:
    if source.kind is SourceKind.SPI and cpus > 1 and _is_timer(ref.node):
        yield Finding(
            "E0615",
            f"{ref.node.path} interrupts each CPU for itself, and {source.kind.value} {source.number} is one line for "
            f"all {cpus}",
            ref.span,
            ref.node.path,
            expected="a per-CPU interrupt (PPI)",
            related=((ref.controller.span, "the controller"),),
        )
    if source.kind is SourceKind.PPI and _is_pci_pin(ref):
        yield Finding(
            "E0616",
            f"an interrupt pin below {ref.hops[-1].node.path} goes to PPI {source.number}, a line of each CPU's own",
            ref.spans[0] if ref.spans else ref.span,
            ref.node.path,
            expected="a shared line (SPI)",
            related=((ref.controller.span, "the controller"),),
        )


def _trigger(ref: InterruptRef, source: Source) -> Iterator[Finding]:
    place = ref.spans[-1] if ref.spans else ref.span
    if source.trigger in _EDGES and (device := _level_device(ref)):
        yield Finding(
            "W0627",
            f"{device} signals by level, and the specifier says {trigger_words(source.trigger)}",
            place,
            ref.node.path,
            expected="4 (level high) or 8 (level low), as the device is wired",
            hint="an edge is lost if the device asserts again before the handler has looked",
        )
    if source.trigger is Trigger.NONE:
        yield Finding(
            "W0628",
            "the specifier names no trigger, so the line stays as firmware left it",
            place,
            ref.node.path,
            expected="1 (rising edge) or 4 (level high)",
        )


def _level_device(ref: InterruptRef) -> str:
    """What the source is if it is one that always signals by level."""
    if _is_timer(ref.node):
        return "the generic timer"
    if any(text.endswith(("-pmu", "-pmuv3")) for text in ref.node.compatible):
        return "the performance monitor"
    return "a PCI interrupt pin" if _is_pci_pin(ref) else ""


def _is_timer(node: Node) -> bool:
    return not set(_TIMERS).isdisjoint(node.compatible)


def _is_pci_pin(ref: InterruptRef) -> bool:
    """Whether the source is a row of a PCI bus' map, or came through one."""
    return any(hop.row >= 0 and hop.node.strings("device_type") == ("pci",) for hop in ref.hops)
