"""`irqframe inspect`: a machine as irqframe understands it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from irqframe.cli._machines import MACHINE, irqchip_option, machine_of, sources_of
from irqframe.cli._tables import print_table
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from irqframe.dt import Hop
    from irqframe.errors import Span
    from irqframe.machine import Machine


@click.command()
@MACHINE
@irqchip_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(machine: str, irqchip: str | None, as_json: bool) -> None:
    """Show a machine: controllers, CPUs, and every interrupt's way to its controller.

    What the tree does not say, and what is taken for it, is listed at the end.
    """
    found = machine_of(machine, irqchip)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
        return
    click.echo(f"{found.tree.file}: {counted(len(found.cpus), 'CPU')}, irqchip {found.irqchip}, {sources_of(found)}")
    click.echo()
    print_table(
        ("controller", "compatible", "written at"),
        [
            (node.path, ", ".join(node.compatible), _place(node.span, found.tree.file) or "-")
            for node in found.controllers
        ],
    )
    click.echo()
    print_table(
        ("CPU", "MPIDR", "enable-method"), [(c.node.name, f"{c.mpidr:#x}", c.enable_method) for c in found.cpus]
    )
    click.echo()
    print_table(("source", "line", "trigger", "way"), _ways(found))
    click.echo()
    print_table(("not in the tree", "taken instead"), [(default.what, default.value) for default in found.defaults])


def _ways(machine: Machine) -> list[tuple[str, str, str, str]]:
    rows = [
        (
            one.name,
            f"{one.source.kind.value} {one.source.number}",
            one.source.trigger.name.lower().replace("_", " "),
            " -> ".join([*(_hop(hop, machine.tree.file) for hop in one.ref.hops), one.ref.controller.path]),
        )
        for one in machine.sources
    ]
    rows += [
        (one.name, f"DeviceID {one.devid:#x}", "message", f"{one.ref.node.path} -> {one.ref.controller.path}")
        for one in machine.msis
    ]
    return rows


def _hop(hop: Hop, file: str) -> str:
    where = _place(hop.span, file)
    return f"{hop.property} ({where})" if where else hop.property


def _place(span: Span, file: str) -> str:
    """`:line` in the file that the heading names, `name:line` in one that it includes, "" where there are no lines."""
    if not span.line:
        return ""
    folder = os.path.join(os.path.dirname(file), "")
    name = "" if span.file == file else span.file.removeprefix(folder)
    return f"{name}:{span.line}"


def _as_json(machine: Machine) -> dict[str, Any]:
    return {
        "schema": 1,
        "machine": machine.tree.file,
        "irqchip": machine.irqchip,
        "cpus": [
            {"node": cpu.node.path, "mpidr": cpu.mpidr, "enable_method": cpu.enable_method} for cpu in machine.cpus
        ],
        "memory": [{"address": region.address, "size": region.size} for region in machine.memory],
        "controllers": [{"node": node.path, "compatible": list(node.compatible)} for node in machine.controllers],
        "sources": [
            {
                "name": one.name,
                "node": one.ref.node.path,
                "kind": one.source.kind.value,
                "number": one.source.number,
                "trigger": one.source.trigger.name,
                "controller": one.ref.controller.path,
                "specifier": list(one.ref.specifier),
                "way": [
                    {
                        "node": hop.node.path,
                        "property": hop.property,
                        "file": hop.span.file,
                        "line": hop.span.line,
                        "column": hop.span.column,
                    }
                    for hop in one.ref.hops
                ],
            }
            for one in machine.sources
        ],
        "msis": [
            {
                "name": one.name,
                "node": one.ref.node.path,
                "controller": one.ref.controller.path,
                "devid": one.devid,
            }
            for one in machine.msis
        ],
        "defaults": [{"what": default.what, "value": default.value} for default in machine.defaults],
    }
