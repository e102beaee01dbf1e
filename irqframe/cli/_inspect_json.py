"""`irqframe inspect --json`: a topology as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irqframe.cli._findings import json_of

if TYPE_CHECKING:
    from irqframe.dt import InterruptRef, MsiRef, Upstream
    from irqframe.errors import Span
    from irqframe.machine import Topology, TopologyController, TopologySource


def as_json(topology: Topology) -> dict[str, Any]:
    """A topology as plain data; `irqchip` is None, and `defaults` is empty, if the tree is no machine of an irqchip."""
    machine = topology.machine
    return {
        "schema": 1,
        "machine": topology.tree.file,
        "irqchip": topology.irqchip or None,
        "cpus": [
            {"node": cpu.node.path, "mpidr": cpu.mpidr, "enable_method": cpu.enable_method} for cpu in topology.cpus
        ],
        "memory": [{"address": region.address, "size": region.size} for region in topology.memory],
        "controllers": [_controller(one) for one in topology.controllers],
        "sources": [_source(topology, one, one.ref) for one in topology.sources if one.ref is not None],
        "msis": _first_messages(topology),
        "defaults": [{"what": one.what, "value": one.value} for one in machine.defaults] if machine else [],
        "unresolved": [
            {"name": one.name, "node": one.node.path, "note": one.note, **_place(one.span)}
            for one in topology.sources
            if one.ref is None
        ],
        "msi_routes": [_route(ref) for ref in topology.messages],
        "msi_ranges": [
            {
                "node": one.node.path,
                "controller": one.controller.path,
                "first": list(one.first),
                "length": one.length,
                **_place(one.span),
            }
            for one in topology.ranges
        ],
        "intx": [
            {
                "node": one.node.path,
                "pin": one.pin,
                "controller": one.controller.path,
                "specifier": list(one.specifier),
                "swizzled": [{"node": node.path, "pin": pin} for node, pin in one.passed],
            }
            for one in topology.intx
        ],
        "findings": [json_of(finding) for finding in topology.findings],
    }


def _place(span: Span) -> dict[str, Any]:
    return {"file": span.file, "line": span.line, "column": span.column}


def _controller(one: TopologyController) -> dict[str, Any]:
    return {
        "node": one.node.path,
        "compatible": list(one.node.compatible),
        "irqchip": one.irqchip or None,
        "state": one.state.value,
        "users": one.users,
        "upstream": _upstream(one.upstream) if one.upstream is not None and one.upstream.parents else None,
    }


def _upstream(upstream: Upstream) -> dict[str, Any]:
    return {
        "property": upstream.property,
        "stated": upstream.stated,
        "controllers": [node.path for node in upstream.parents],
        "specifiers": [list(ref.specifier) for ref in upstream.refs],
        **_place(upstream.span),
    }


def _source(topology: Topology, one: TopologySource, ref: InterruptRef) -> dict[str, Any]:
    source = one.line.source if one.line is not None else None
    return {
        "name": one.name,
        "node": one.node.path,
        "kind": source.kind.value if source is not None else None,
        "number": source.number if source is not None else None,
        "trigger": source.trigger.name if source is not None else None,
        "controller": ref.controller.path,
        "specifier": list(ref.specifier),
        "way": [{"node": hop.node.path, "property": hop.property, **_place(hop.span)} for hop in ref.hops],
        "line": one.line.name if one.line is not None else None,
        "cpus": None if one.cpus is None else sorted(one.cpus),
        "state": one.state.value,
        "note": one.note,
        "cascade": [upstream.parents[0].path for upstream in topology.cascade(ref.controller)],
    }


def _first_messages(topology: Topology) -> list[dict[str, Any]]:
    """One for each node that sends messages: its first route."""
    first: dict[str, MsiRef] = {}
    for ref in topology.messages:
        first.setdefault(ref.node.path, ref)
    return [
        {"name": f"{ref.node.name} MSI", "node": path, "controller": ref.controller.path, "devid": ref.msi_base}
        for path, ref in first.items()
    ]


def _route(ref: MsiRef) -> dict[str, Any]:
    return {
        "node": ref.node.path,
        "controller": ref.controller.path,
        "rid_base": ref.rid_base,
        "msi_base": ref.msi_base,
        "length": ref.length,
        "mask": ref.mask,
        "specifier": list(ref.specifier),
        **_place(ref.span),
    }
