"""Options of the commands that write a tree: what a boot loader would say in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from irqframe.dt import Tree
    from irqframe.machine import Boot, Machine

_SIZE = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([KMGT]?)")
_UNITS = "KMGT"


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


def written_tree(machine: Machine, boot: Boot) -> Tree:
    """The tree to write; what is added to it, and what a guest will miss in it, is told to standard error."""
    from irqframe.machine import boot_tree, lacks

    missing = [what for what in lacks(machine) if boot.complete or boot.memory is None or what != "memory"]
    if missing:
        listed = ", ".join(missing)
        file = machine.tree.file
        text = f"{file}: added {listed}" if boot.complete else f"{file} lacks {listed}; --bootable adds it"
        click.echo(f"irqframe: note: {text}", err=True)
    return boot_tree(machine, boot)


def _number(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > 20:
        return None
    number = int(found[1], 16 if found[1][:2] in ("0x", "0X") else 10)
    value = number << 10 * (1 + _UNITS.index(found[2])) if found[2] else number
    return value if value < 1 << 64 else None
