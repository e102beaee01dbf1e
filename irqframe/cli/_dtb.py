"""`irqframe dtb`: a machine's tree as a DTB."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from irqframe.cli._boot_options import boot_options, tree_to_write
from irqframe.cli._machines import MACHINE, irqchip_option
from irqframe.cli._reading import Reading, reading_options

if TYPE_CHECKING:
    from irqframe.machine import Boot


@click.command()
@MACHINE
@irqchip_option
@reading_options
@boot_options
@click.option("-@", "--symbols", is_flag=True, help="Name the labels of a DTS in __symbols__, as dtc -@ does.")
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dtb(machine: str, irqchip: str | None, symbols: bool, output: str, reading: Reading, boot: Boot) -> None:
    """Write a machine's tree as a DTB, with overlays applied and re-targeted if asked.

    A machine is checked first: what is written is one that `irqframe run` takes. A tree that no installed irqchip
    serves is written as it was read, and so is an overlay. Nothing is changed but what an option names. With
    --bootable are added, if they lack: memory, an enable-method of each CPU and a psci node, the generic timer, and
    stdout-path in /chosen; a note to standard error says which.
    """
    from irqframe import dt

    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("a DTB is not text; name a file with -o, or send standard output to one")
    data = dt.to_dtb(tree_to_write(machine, irqchip, replace(reading, symbols=symbols), boot))
    with click.open_file(output, "wb") as stream:
        stream.write(data)
