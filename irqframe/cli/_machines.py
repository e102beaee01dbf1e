"""What several commands do first: read a tree, choose the irqchip, re-target if asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

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


def load_tree(path: str) -> Tree:
    """Read a DTS or a DTB; `-` is standard input."""
    from irqframe.dt import load

    return load(path)


def machine_of(path: str, irqchip: str | None) -> Machine:
    """Read a machine and, if `irqchip` is another than its own, re-target it."""
    from irqframe.flow import find
    from irqframe.machine import load_machine, retarget

    plugins = installed()
    if irqchip is not None:
        find(irqchip, plugins)
    machine = load_machine(load_tree(path), plugins)
    if irqchip is None or irqchip == machine.irqchip:
        return machine
    plugin = next(plugin for plugin in plugins if plugin.name == irqchip)
    return load_machine(retarget(machine, plugin), plugins)
