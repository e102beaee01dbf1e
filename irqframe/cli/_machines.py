"""What several commands do first: read a tree, apply overlays, choose the irqchip, re-target if asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from irqframe.cli._reading import Reading, load_tree
from irqframe.cli._words import counted
from irqframe.errors import Finding, InputError

if TYPE_CHECKING:
    from irqframe.dt import Tree
    from irqframe.flow import Plugin
    from irqframe.machine import Machine

MACHINE = click.argument("machine", metavar="MACHINE.dts|dtb")


def irqchip_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that re-targets a machine."""
    return click.option(
        "--irqchip", metavar="NAME", help="Give the machine this irqchip in place of its own (`irqframe plugins`)."
    )(function)


def installed() -> tuple[Plugin, ...]:
    """The installed irqchips; broken ones are told to standard error."""
    from irqframe.flow import discover

    plugins = discover()
    for plugin in plugins:
        if plugin.error:
            of = f" of {plugin.distribution} {plugin.version}" if plugin.distribution else ""
            click.echo(f"irqframe: warning: plugin {plugin.name!r}{of} is not usable: {plugin.error}", err=True)
    return plugins


def tree_of(path: str, irqchip: str | None, reading: Reading) -> Tree:
    """Read a tree and, if `irqchip` is given, re-target the machine that it must be then."""
    return load_tree(path, reading) if irqchip is None else machine_of(path, irqchip, reading).tree


def machine_of(path: str, irqchip: str | None, reading: Reading) -> Machine:
    """Read a machine and, if `irqchip` is another than its own, re-target it."""
    return machine_from(lambda: load_tree(path, reading), irqchip)


def machine_from(read: Callable[[], Tree], irqchip: str | None) -> Machine:
    """As `machine_of`, of the tree that `read` gives."""
    from irqframe.flow import find
    from irqframe.machine import load_machine, retarget

    plugins = installed()
    if irqchip is not None:
        find(irqchip, plugins)
    tree = read()
    try:
        machine = load_machine(tree, plugins)
    except InputError as error:
        if irqchip is None:
            raise
        raise InputError(map(_explained, error.findings)) from error
    if irqchip is None or irqchip == machine.irqchip:
        return machine
    plugin = next(plugin for plugin in plugins if plugin.name == irqchip)
    return load_machine(retarget(machine, plugin), plugins)


def sources_of(machine: Machine) -> str:
    """How many interrupts a machine has: "27 sources, 1 with MSIs"."""
    messages = f", {len(machine.msis)} with MSIs" if machine.msis else ""
    return f"{counted(len(machine.sources), 'source')}{messages}"


def _explained(finding: Finding) -> Finding:
    """Whoever asks for another irqchip does not expect the machine's own to matter."""
    if finding.code != "E0601":
        return finding
    why = "--irqchip reads the machine's own controller first, so an irqchip that serves it must be installed"
    return replace(finding, hint=f"{why}; {finding.hint}" if finding.hint else why)
