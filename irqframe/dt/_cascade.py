"""Cascades: how what an interrupt controller takes goes on to another one, until one signals CPUs.

1. A controller with `interrupts` of its own raises those for what it takes: a gpio controller, a multiplexer, an MSI
   controller. The tree does not say which of them stands for which of its lines.
2. An MSI controller with `msi-ranges` raises those.
3. A controller without either that stands in a device with interrupts raises those: a bank of a pin controller.
4. A controller without these that has an MSI controller sends messages.
5. A controller without these that names an `interrupt-parent` of its own, or stands below another controller, hands
   its lines to that one; how they are numbered there only its binding says (Linux calls this a hierarchy).
6. Of any other controller the tree does not say it: its driver has it from properties of its own, or nothing is wired.
   What it sends is taken to go to the interrupt parent that it inherits.
7. A controller that is its own interrupt parent, or has none, is a root: it signals CPUs. So is one that inherits a
   controller which sends to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from irqframe.dt._interrupts import MAX_LEVELS, InterruptRef
from irqframe.dt._msi import MsiRef
from irqframe.dt._msi_ranges import MsiRange
from irqframe.dt._names import FINDINGS_MAX
from irqframe.dt._providers import Providers
from irqframe.dt._report import Report
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, Tree
from irqframe.errors import Finding, Span


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a controller sends what it takes.

    Attributes:
        node: the controller, of interrupts or of MSIs.
        property: what says so: "interrupts", "interrupts-extended", "msi-ranges", "msi-parent", "msi-map",
            "interrupt-parent"; "" if none does.
        span: place of that property's first cell; of the node if there is none.
        refs: the interrupts that it raises.
        ranges: the interrupts that it raises for messages.
        parents: the controllers that these go to, each once, in order; none for a root.
        stated: whether the tree says it, be it by the node's place; False if the parent is merely inherited.
    """

    node: Node
    property: str
    span: Span
    refs: tuple[InterruptRef, ...]
    ranges: tuple[MsiRange, ...]
    parents: tuple[Node, ...]
    stated: bool = True


def upstreams(
    tree: Tree, refs: Sequence[InterruptRef], ranges: Sequence[MsiRange] = (), messages: Sequence[MsiRef] = ()
) -> tuple[tuple[Upstream, ...], tuple[Finding, ...]]:
    """The upstream of every enabled controller, in tree order.

    Args:
        tree: the tree.
        refs: its interrupts, from `interrupts`.
        ranges: its MSI ranges, from `msi_ranges`.
        messages: its MSI routes, from `msi_routes`.

    Returns:
        One for each controller, and a finding for each circle of controllers (E0415).
    """
    report = Report()
    # Where a parent is missing, the interrupts that need it say so.
    providers = Providers(tree, Report())
    own: dict[Node, list[InterruptRef]] = {}
    for ref in refs:
        if not ref.unit and ref.controller is not ref.node:
            own.setdefault(ref.node, []).append(ref)
    raised: dict[Node, list[MsiRange]] = {}
    for one in ranges:
        raised.setdefault(one.node, []).append(one)
    sent: dict[Node, list[MsiRef]] = {}
    for route in messages:
        if route.controller is not route.node:
            sent.setdefault(route.node, []).append(route)
    ways = tuple(
        _raising(node, own, raised.get(node, [])) or _sending(node, sent.get(node, [])) or _handing_on(providers, node)
        for node in enabled(tree)
        if is_controller(node)
    )
    _circles(report, [one for one in ways if one.stated])
    by_node = {one.node: one for one in ways}
    return tuple(replace(one, parents=()) if _is_root(one, by_node) else one for one in ways), report.findings


def _is_root(upstream: Upstream, by_node: Mapping[Node, Upstream]) -> bool:
    above: Upstream | None = upstream
    for _ in range(0 if upstream.stated else MAX_LEVELS):
        above = by_node.get(above.parents[0]) if above is not None and above.parents else None
        if above is not None and upstream.node in above.parents:
            return True
    return False


def is_controller(node: Node) -> bool:
    """Whether a node takes interrupts or messages."""
    return node.has("interrupt-controller") or node.has("msi-controller")


def _raising(node: Node, own: Mapping[Node, list[InterruptRef]], ranges: Sequence[MsiRange]) -> Upstream | None:
    refs = tuple(own.get(node, ()) if ranges else own.get(_device(node, own), ()))
    if ranges:
        parents = dict.fromkeys(one.controller for one in ranges)
        return Upstream(node, "msi-ranges", ranges[0].span, refs, tuple(ranges), tuple(parents))
    if refs:
        parents = dict.fromkeys(ref.controller for ref in refs)
        return Upstream(node, refs[0].hops[0].property, refs[0].span, refs, (), tuple(parents))
    return None


def _sending(node: Node, routes: Sequence[MsiRef]) -> Upstream | None:
    if not routes:
        return None
    parents = dict.fromkeys(route.controller for route in routes)
    prop = "msi-map" if node.has("msi-map") else "msi-parent"
    return Upstream(node, prop, routes[0].span, (), (), tuple(parents))


def _handing_on(providers: Providers, node: Node) -> Upstream:
    reference = providers.parent(node, node.span)
    named = node.has("interrupt-parent")
    if reference is None or not is_controller(reference.target) or reference.target is node:
        return Upstream(node, "", node.span, (), (), ())
    stated = named or reference.target in _ancestors(node)
    prop = "interrupt-parent" if named else ""
    return Upstream(node, prop, reference.span if stated else node.span, (), (), (reference.target,), stated)


def _device(node: Node, own: Mapping[Node, list[InterruptRef]]) -> Node:
    """Whose interrupts a controller raises: its own, else those of the nearest device around it that has any."""
    if node in own or node.has("interrupt-parent") or node.has("msi-parent"):
        return node
    for above in _ancestors(node):
        if is_controller(above):
            break
        if above in own:
            return above
    return node


def _ancestors(node: Node) -> Iterator[Node]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _circles(report: Report, found: Sequence[Upstream]) -> None:
    """A finding for each circle, up to as many as are listed; each controller is visited once."""
    by_node = {one.node: one for one in found}
    done: set[Node] = set()
    for start in by_node:
        trail: dict[Node, Iterator[Node]] = {}
        node: Node | None = start
        while node is not None:
            if node not in trail and node not in done:
                trail[node] = iter(by_node[node].parents if node in by_node else ())
            at = next(reversed(trail), None)
            if at is None:
                break
            node = next(trail[at], None)
            if node is None:
                done.add(at)
                del trail[at]
                node = next(reversed(trail), None)
            elif node in trail:
                way = list(trail)
                _circle(report, by_node, way[way.index(node) :])
                node = at
                if len(report.findings) >= FINDINGS_MAX:
                    return


def _circle(report: Report, by_node: dict[Node, Upstream], circle: list[Node]) -> None:
    first = min(circle, key=lambda node: by_node[node].span)
    turned = circle[circle.index(first) :] + circle[: circle.index(first)]
    report.add(
        "E0415",
        "interrupt controllers send to each other in a circle",
        first,
        by_node[first].span,
        expected="a way to a controller that signals CPUs",
        found=" -> ".join(node.path for node in [*turned[:8], first]),
        subject=frozenset(map(id, circle)),
    )
