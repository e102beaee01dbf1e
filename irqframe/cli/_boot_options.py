"""Options of the commands that write a tree: what a boot loader would say in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from irqframe.cli._machines import machine_from
from irqframe.cli._reading import Reading, load_tree
from irqframe.errors import InputError

if TYPE_CHECKING:
    from irqframe.dt import Tree
    from irqframe.machine import Boot, Machine

_SIZE = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([KMGT]?)")
_UNITS = "KMGT"

# No installed irqchip serves the tree's controllers, or more than one does.
_UNSERVED = {"E0601", "E0602", "E0605"}


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Bytes: a number, with K, M, G or T behind it for powers of 1024."""
    if value is None:
        return None
    number = _number(value)
    if not number:
        raise click.BadParameter(f"{value!r} is no size; write a number, or one with K, M, G or T")
    return number


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    address, _, size = value.partition(":")
    start, length = _number(address), _number(size)
    if start is None or not length or start + length > 1 << 64:
        raise click.BadParameter(f"{value!r} is no ADDRESS:SIZE")
    return start, length


def boot_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as one `Boot` called `boot`."""

    @wraps(function)
    def command(
        *args: Any, append: str | None, initrd: tuple[int, int] | None, memory: int | None, bootable: bool, **rest: Any
    ) -> Any:
        from irqframe.machine import Boot

        return function(*args, boot=Boot(append, initrd, memory, bootable), **rest)

    options = (
        click.option("--append", metavar="TEXT", help="Put this command line of the kernel into /chosen."),
        click.option(
            "--initrd", callback=_range, metavar="ADDRESS:SIZE", help="Say in /chosen where the initial RAM disk lies."
        ),
        click.option("--memory", callback=_size, metavar="SIZE", help="Give the machine so much RAM: 512M, 2G."),
        click.option("--bootable", is_flag=True, help="Add what a guest needs and the tree lacks."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def tree_to_write(path: str, irqchip: str | None, reading: Reading, boot: Boot) -> Tree:
    """The tree that a command writes.

    That of a machine is checked first. If nothing but reading is asked for, an overlay is written too, as it is
    compiled, and a tree that no installed irqchip serves, with a note that its interrupts were not checked.
    """
    from irqframe import dt
    from irqframe.machine import Boot

    tree = load_tree(path, reading, overlay_too=True)
    plain = irqchip is None and boot == Boot()
    if plain and dt.is_overlay(tree):
        return tree
    dt.refuse_overlay(tree)
    try:
        machine = machine_from(lambda: tree, irqchip)
    except InputError as error:
        if plain and any(finding.code in _UNSERVED for finding in error.findings):
            click.echo(f"irqframe: note: {tree.file}: served by no installed irqchip, and written unchecked", err=True)
            return tree
        raise
    return written_tree(machine, boot)


def written_tree(machine: Machine, boot: Boot) -> Tree:
    """The tree to write; what is added to it, and what a guest will miss in it, is told to standard error."""
    from irqframe.machine import boot_tree, lacks

    made = boot_tree(machine, boot)
    missing = [what for what in lacks(machine) if boot.complete or boot.memory is None or what != "memory"]
    if missing:
        listed = ", ".join(missing)
        file = machine.tree.file
        text = f"{file}: added {listed}" if boot.complete else f"{file} lacks {listed}; --bootable adds it"
        click.echo(f"irqframe: note: {text}", err=True)
    return made


def _number(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > 20:
        return None
    number = int(found[1], 16 if found[1][:2] in ("0x", "0X") else 10)
    value = number << 10 * (1 + _UNITS.index(found[2])) if found[2] else number
    return value if value < 1 << 64 else None
