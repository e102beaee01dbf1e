"""`irqframe dtb`: a machine's tree as a DTB."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from irqframe.cli._boot import boot_options, written_tree
from irqframe.cli._machines import MACHINE, irqchip_option, machine_of
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

    The tree is checked first: what is written is a machine that `irqframe run` takes. Nothing of it is changed but what
    an option names. With --bootable are added, if they lack: memory, an enable-method of each CPU and a psci node, the
    generic timer, and stdout-path in /chosen; a note to standard error says which.
    """
    from irqframe import dt

    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("a DTB is not text; name a file with -o, or send standard output to one")
    data = dt.to_dtb(written_tree(machine_of(machine, irqchip, replace(reading, symbols=symbols)), boot))
    with click.open_file(output, "wb") as stream:
        stream.write(data)
