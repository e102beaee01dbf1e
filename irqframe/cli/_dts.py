"""`irqframe dts`: a machine's tree as DTS."""

from __future__ import annotations

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
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dts(machine: str, irqchip: str | None, output: str, reading: Reading, boot: Boot) -> None:
    """Write a machine's tree as DTS, with overlays applied and re-targeted if asked.

    The tree is checked first: what is written is a machine that `irqframe run` takes. Nothing of it is changed but what
    an option names. With --bootable are added, if they lack: memory, an enable-method of each CPU and a psci node, the
    generic timer, and stdout-path in /chosen; a note to standard error says which.
    """
    from irqframe import dt

    text = dt.to_dts(written_tree(machine_of(machine, irqchip, reading), boot))
    with click.open_file(output, "w", encoding="utf-8") as stream:
        stream.write(text)
