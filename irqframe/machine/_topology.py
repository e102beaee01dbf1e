"""A tree's interrupt topology, for people: every controller, source and route, whether or not irqchips serve it.

1. If every controller in use is served by one installed irqchip, the tree is a machine: the irqchip says what its
   specifiers mean, and whatever is wrong with the machine is found. Else only the interrupt tree is looked at: what
   an irqchip serves is no measure for hardware that it is not meant for.
2. An interrupt that does not resolve is a source as well, with its reason.
3. A route ends at the controller that the tree sends it to; where that one sends it, `Upstream` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from irqframe import dt
from irqframe.dt import Cpu, InterruptRef, IntxRoute, MsiRange, MsiRef, Node, Property, Region, Tree, Upstream
from irqframe.errors import Finding, Span
from irqframe.flow import Flow, Plugin, discover
from irqframe.machine._gicv3 import cpus_of
from irqframe.machine._lines import Line, line_of, line_of_source
from irqframe.machine._load import examine_surveyed, own_sources
from irqframe.machine._model import Machine
from irqframe.machine._names import source_names
from irqframe.machine._select import select, serving
from irqframe.machine._survey import Survey, survey
from irqframe.machine._translate import translate

# More controllers in a row than any machine has.
MAX_CASCADE = 16


class State(Enum):
    """What there is to say of a source or a controller at first sight."""

    SHARED = "shared line"
    PER_CPU = "per-CPU line"
    MESSAGE = "messages"
    ERROR = "error"
    UNRESOLVED = "unresolved"
    OK = "in use"
    UNUSED = "unused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class TopologySource:
    """One wired interrupt.

    Attributes:
        name: what reports call it.
        node: who has it.
        ref: how it gets to its controller; None if it does not.
        line: what it is there; None likewise.
        state: SHARED, PER_CPU, ERROR or UNRESOLVED.
        note: why it does not resolve, or what is wrong with it; "" if nothing is.
        span: where it is written.
        cpus: indices of the CPUs that have a per-CPU line, if a partition says it; None: all.
    """

    name: str
    node: Node
    ref: InterruptRef | None
    line: Line | None
    state: State
    note: str
    span: Span
    cpus: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class TopologyController:
    """One controller of interrupts or messages.

    Attributes:
        node: the controller.
        irqchip: the installed irqchip that serves it, "" if none does.
        state: OK, UNUSED, DISABLED or ERROR.
        upstream: where it sends what it takes; None if it is disabled.
        users: how many sources and MSI routes it takes.
    """

    node: Node
    irqchip: str
    state: State
    upstream: Upstream | None
    users: int


@dataclass(frozen=True, slots=True)
class Topology:
    """What `topology` found.

    Attributes:
        tree: as loaded.
        machine: the machine, if the tree is a sound one.
        irqchip: the irqchip that serves every controller in use; "" if there is none.
        cpus, memory: as far as they could be read.
        controllers: every one, disabled ones too, in the order of the tree.
        upstreams: where each enabled controller sends what it takes.
        sources: every wired interrupt of an enabled node, in the order of the tree, unresolved ones last.
        rows: the rows of interrupt maps, those that a source goes through too.
        messages: every MSI route.
        ranges: the interrupts that MSI controllers raise.
        intx: the pins of PCI functions without interrupts of their own.
        findings: what is wrong, in source order.
    """

    tree: Tree
    machine: Machine | None
    irqchip: str
    cpus: tuple[Cpu, ...]
    memory: tuple[Region, ...]
    controllers: tuple[TopologyController, ...]
    upstreams: Mapping[Node, Upstream]
    sources: tuple[TopologySource, ...]
    rows: tuple[InterruptRef, ...]
    messages: tuple[MsiRef, ...]
    ranges: tuple[MsiRange, ...]
    intx: tuple[IntxRoute, ...]
    findings: tuple[Finding, ...]

    def cascade(self, node: Node) -> Iterator[Upstream]:
        """The upstreams from a controller to a root, by the first parent of each; a circle ends it."""
        for _ in range(MAX_CASCADE):
            upstream = self.upstreams.get(node)
            if upstream is None or not upstream.parents:
                return
            yield upstream
            node = upstream.parents[0]


def topology(tree: Tree, plugins: Sequence[Plugin] | None = None) -> Topology:
    """Look at a tree's interrupts.

    Args:
        tree: as read.
        plugins: the irqchips to choose from; None: the installed ones.

    Returns:
        The topology; what is wrong with the tree is in its findings.

    Raises:
        PluginError: if an irqchip breaks the hook spec.
    """
    known = discover() if plugins is None else plugins
    seen = survey(tree)
    chosen, unserved = select(tree, seen.refs, seen.messages, known)
    plugin = None if unserved else chosen
    own = own_sources(seen.refs)
    lines = _lines(own, plugin)
    machine, found = examine_surveyed(seen, known) if plugin is not None else (None, ())
    findings = tuple(sorted(dict.fromkeys((*seen.findings, *found)), key=lambda finding: finding.span))
    sound = machine is not None and not any(finding.is_error for finding in findings)
    sources = (*_resolved(own, lines, findings, seen.cpus), *_unresolved(tree, seen))
    return Topology(
        tree,
        machine if sound else None,
        plugin.name if plugin is not None else "",
        seen.cpus,
        seen.memory,
        tuple(_controllers(tree, seen, own, known)),
        MappingProxyType({one.node: one for one in seen.upstreams}),
        sources,
        tuple(ref for ref in seen.refs if ref.unit),
        seen.messages,
        seen.ranges,
        seen.intx,
        findings,
    )


def _lines(refs: Sequence[InterruptRef], plugin: Plugin | None) -> list[Line]:
    """The line of each interrupt, as the irqchip says; what it refuses, or if there is none, as bindings have it."""
    lines = [line_of(ref.controller, ref.specifier) for ref in refs]
    if plugin is None or plugin.chip is None:
        return lines
    flow = Flow()
    flow.register_chip(plugin.chip(), plugin.name)
    sources, _ = translate(flow, refs)
    return [line if source is None else line_of_source(source) for line, source in zip(lines, sources, strict=True)]


def _resolved(
    refs: Sequence[InterruptRef], lines: Sequence[Line], findings: Sequence[Finding], cpus: Sequence[Cpu]
) -> Iterator[TopologySource]:
    wrong: dict[tuple[str, Span], str] = {}
    for finding in findings:
        if finding.is_error:
            wrong.setdefault((finding.path, finding.span), finding.message)
    for name, ref, line in zip(source_names(refs), refs, lines, strict=True):
        # In a DTB all spans of a file are one, so a finding cannot be told to belong to one interrupt.
        spans = [span for span in (ref.span, *ref.spans) if span.line]
        note = next((wrong[key] for span in spans if (key := (ref.node.path, span)) in wrong), "")
        state = State.ERROR if note else State.PER_CPU if line.per_cpu else State.SHARED
        yield TopologySource(name, ref.node, ref, line, state, note, ref.span, cpus_of(ref, cpus))


def _unresolved(tree: Tree, seen: Survey) -> Iterator[TopologySource]:
    """Nodes that have interrupts of which none, or not all, resolve."""
    if not any(finding.is_error for finding in seen.findings):
        return
    faults: dict[str, str] = {}
    for finding in seen.findings:
        if finding.is_error and finding.code.startswith("E04"):
            faults.setdefault(finding.path, finding.message)
    resolved = {ref.node for ref in seen.refs}
    for node in dt.enabled(tree):
        prop = _listed(node)
        note = faults.get(node.path, "" if node in resolved else "its interrupt controller cannot take it")
        if prop is None or not note:
            continue
        rest = prop.name if node.has("interrupt-map") else "the rest" if node in resolved else ""
        name = f"{node.name} ({rest})" if rest else node.name
        yield TopologySource(name, node, None, None, State.UNRESOLVED, note, prop.span)


def _listed(node: Node) -> Property | None:
    """The property that says what interrupts a node has; of a nexus its map."""
    names = ("interrupt-map", "interrupts-extended", "interrupts")
    return next((node.properties[name] for name in names if node.has(name)), None)


def _controllers(
    tree: Tree, seen: Survey, own: Sequence[InterruptRef], plugins: Sequence[Plugin]
) -> Iterator[TopologyController]:
    users = Counter([ref.controller for ref in own] + [ref.controller for ref in seen.messages])
    busy = {parent for one in seen.upstreams for parent in one.parents}
    wrong = {finding.path for finding in seen.findings if finding.is_error}
    upstreams = {one.node: one for one in seen.upstreams}
    for node in filter(dt.is_controller, tree.walk()):
        plugin = serving(node, plugins)
        upstream = upstreams.get(node)
        if upstream is None:
            state = State.DISABLED
        elif node.path in wrong:
            state = State.ERROR
        else:
            state = State.OK if node in users or node in busy else State.UNUSED
        yield TopologyController(node, plugin.name if plugin is not None else "", state, upstream, users[node])
