"""What a tree says by itself, whichever irqchip it has: the interrupt tree, and the nodes that make a machine."""

from __future__ import annotations

from dataclasses import dataclass

from irqframe import dt
from irqframe.dt import Cpu, InterruptRef, IntxRoute, MsiRange, MsiRef, Region, Tree, Upstream
from irqframe.errors import Finding


@dataclass(frozen=True, slots=True)
class Survey:
    """What `survey` found.

    Attributes:
        tree: as read.
        refs: every interrupt that resolves.
        messages: every MSI route.
        ranges: the interrupts that MSI controllers raise.
        upstreams: where each enabled controller sends what it takes.
        intx: the pins of PCI functions without interrupts of their own.
        cpus, memory: as far as they could be read.
        findings: what is wrong, each once.
    """

    tree: Tree
    refs: tuple[InterruptRef, ...]
    messages: tuple[MsiRef, ...]
    ranges: tuple[MsiRange, ...]
    upstreams: tuple[Upstream, ...]
    intx: tuple[IntxRoute, ...]
    cpus: tuple[Cpu, ...]
    memory: tuple[Region, ...]
    findings: tuple[Finding, ...]


def survey(tree: Tree) -> Survey:
    """Look at a tree without any irqchip."""
    refs, findings = dt.interrupts(tree)
    messages, of_messages = dt.msi_routes(tree)
    ranges, of_ranges = dt.msi_ranges(tree)
    ways, of_ways = dt.upstreams(tree, refs, ranges, messages)
    intx, of_intx = dt.intx_routes(tree)
    cpus, of_cpus = dt.cpus(tree)
    memory, of_memory = dt.memory(tree)
    found = dict.fromkeys((*findings, *of_messages, *of_ranges, *of_ways, *of_intx, *of_cpus, *of_memory))
    return Survey(tree, refs, messages, ranges, ways, intx, cpus, memory, tuple(found))
