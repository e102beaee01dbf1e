"""`irqframe inspect`: a machine, or any device tree, as irqframe understands it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from irqframe.cli._findings import show_findings
from irqframe.cli._inspect_intx import intx_rows
from irqframe.cli._machines import MACHINE, installed, irqchip_option, tree_of
from irqframe.cli._reading import Reading, reading_options
from irqframe.cli._tables import print_table
from irqframe.cli._ways import place, range_text, sends, way
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from irqframe.dt import MsiRef
    from irqframe.machine import Topology, TopologyController, TopologySource


@click.command()
@MACHINE
@irqchip_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--svg", metavar="FILE", help="Draw the topology as SVG; `-`: to standard output, in place of the text.")
@click.option("--dot", metavar="FILE", help="Write it as a graph for Graphviz; `-`: likewise.")
def inspect(
    machine: str, irqchip: str | None, as_json: bool, svg: str | None, dot: str | None, reading: Reading
) -> int:
    """Show a machine: controllers, CPUs, and every interrupt's way to the controller that signals CPUs.

    Any device tree will do, whether or not an installed irqchip serves its controllers. What the tree does not say, and
    what is taken for it, is listed at the end. What is wrong with it goes to standard error, and 1 is returned.
    """
    from irqframe.cli._dot import dot_of
    from irqframe.cli._picture import picture
    from irqframe.cli._svg import svg_of
    from irqframe.machine import topology

    if [svg, dot, "-" if as_json else None].count("-") > 1:
        raise click.UsageError("only one of --json, --svg and --dot can go to standard output")
    plugins = installed()
    found = topology(tree_of(machine, irqchip, reading), plugins)
    if svg is not None or dot is not None:
        drawn = picture(found)
        for file, draw in ((svg, svg_of), (dot, dot_of)):
            if file is not None:
                _write(file, draw(drawn))
    if as_json:
        from irqframe.cli._inspect_json import as_json as plain

        click.echo(json.dumps(plain(found), indent=2))
    elif "-" not in (svg, dot):
        _print(found)
    if found.findings and not as_json:
        show_findings(found.findings)
    return int(any(finding.is_error for finding in found.findings))


def _write(file: str, text: str) -> None:
    if file == "-":
        click.echo(text, nl=False)
        return
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)


def _print(found: Topology) -> None:
    file = found.tree.file
    click.echo(f"{file}: {counted(len(found.cpus), 'CPU')}, {_irqchip(found)}, {_sources(found)}")
    controllers = [one for one in found.controllers if one.upstream is not None]
    _table(("controller", "compatible", "written at", "sends to"), [_controller(one, file) for one in controllers])
    _table(("CPU", "MPIDR", "enable-method"), [(c.node.name, f"{c.mpidr:#x}", c.enable_method) for c in found.cpus])
    _table(("source", "line", "trigger", "way"), _ways(found))
    _table(("PCI function", "INTA", "INTB", "INTC", "INTD", "through"), intx_rows(found))
    ranges = [(one.node.path, range_text(one), one.controller.path, place(one.span, file)) for one in found.ranges]
    _table(("MSI controller", "raises", "of", "written at"), ranges)
    if found.machine is not None:
        defaults = [(default.what, default.value) for default in found.machine.defaults]
        _table(("not in the tree", "taken instead"), defaults)
    off = len(found.controllers) - len(controllers)
    if off:
        click.echo(f"\n{counted(off, 'controller')} not shown: disabled")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if rows:
        click.echo()
        print_table(header, rows)


def _irqchip(found: Topology) -> str:
    return f"irqchip {found.irqchip}" if found.irqchip else "served by no installed irqchip"


def _sources(found: Topology) -> str:
    """How many interrupts there are: "27 sources, 1 with MSIs"."""
    senders = {ref.node.path for ref in found.messages}
    messages = f", {len(senders)} with MSIs" if senders else ""
    lost = sum(one.ref is None for one in found.sources)
    unresolved = f", {lost} unresolved" if lost else ""
    return f"{counted(len(found.sources) - lost, 'source')}{messages}{unresolved}"


def _controller(one: TopologyController, file: str) -> tuple[str, ...]:
    upstream = one.upstream
    to = "CPUs"
    if upstream is not None and upstream.parents:
        to = f"{', '.join(node.path for node in upstream.parents)}: {sends(upstream, file)}"
    return one.node.path, ", ".join(one.node.compatible) or "-", place(one.node.span, file) or "-", to


def _ways(found: Topology) -> list[tuple[str, ...]]:
    rows = [_row(found, one) for one in found.sources]
    routes = Counter(ref.node.path for ref in found.messages)
    rows += [
        (
            f"{ref.node.name} MSI",
            _message(ref, routes[ref.node.path]),
            "message",
            f"{ref.node.path} -> {ref.controller.path}",
        )
        for ref in found.messages
    ]
    return rows


def _row(found: Topology, one: TopologySource) -> tuple[str, ...]:
    if one.ref is None or one.line is None:
        where = place(one.span, found.tree.file)
        return one.name, "unresolved", "-", f"{one.note}{f' ({where})' if where else ''}"
    line = one.line.name if one.cpus is None else f"{one.line.name} of {_cpus(found, one.cpus)}"
    return one.name, line, one.line.trigger or "-", way(found, one.ref)


def _cpus(found: Topology, indices: frozenset[int]) -> str:
    """CPUs by name, in the order of the tree: "cpu@0, cpu@1", or the first and the last of those that follow it."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    names = [cpu.node.name for cpu in found.cpus]
    listed = [
        f"{names[run[0]]}..{names[run[-1]]}" if len(run) > 2 else ", ".join(names[n] for n in run) for run in runs
    ]
    return ", ".join(listed) or "no CPU"


def _message(ref: MsiRef, routes: int) -> str:
    if routes == 1:
        return f"DeviceID {ref.msi_base:#x}"
    return f"RID {ref.rid_base:#x}..{ref.rid_base + ref.length - 1:#x} as {ref.msi_base:#x}"
