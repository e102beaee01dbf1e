"""`irqframe dtb`: a machine's tree as a DTB."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from irqframe.cli._boot import boot_options, written_tree
from irqframe.cli._machines import MACHINE, irqchip_option, machine_of

if TYPE_CHECKING:
    from irqframe.machine import Boot


@click.command()
@MACHINE
@irqchip_option
@boot_options
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dtb(machine: str, irqchip: str | None, output: str, boot: Boot) -> None:
    """Write a machine's tree as a DTB, re-targeted if asked.

    The tree is checked first: what is written is a machine that `irqframe run` takes. Nothing of it is changed but what
    an option names. With --bootable are added, if they lack: memory, an enable-method of each CPU and a psci node, the
    generic timer, and stdout-path in /chosen; a note to standard error says which.
    """
    from irqframe import dt

    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("a DTB is not text; name a file with -o, or send standard output to one")
    data = dt.to_dtb(written_tree(machine_of(machine, irqchip), boot))
    with click.open_file(output, "wb") as stream:
        stream.write(data)
