"""`irqframe dts`: a machine's tree as DTS."""

from __future__ import annotations

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
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dts(machine: str, irqchip: str | None, output: str, reading: Reading, boot: Boot) -> None:
    """Write a machine's tree as DTS, with overlays applied and re-targeted if asked.

    A machine is checked first: what is written is one that `irqframe run` takes. A tree that no installed irqchip
    serves is written as it was read, and so is an overlay. Nothing is changed but what an option names. With
    --bootable are added, if they lack: memory, an enable-method of each CPU and a psci node, the generic timer, and
    stdout-path in /chosen; a note to standard error says which.
    """
    from irqframe import dt

    text = dt.to_dts(tree_to_write(machine, irqchip, reading, boot))
    with click.open_file(output, "w", encoding="utf-8") as stream:
        stream.write(text)
