"""`irqframe dts`: a machine's tree as DTS."""

from __future__ import annotations

import click

from irqframe.cli._machines import MACHINE, irqchip_option, machine_of


@click.command()
@MACHINE
@irqchip_option
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dts(machine: str, irqchip: str | None, output: str) -> None:
    """Write a machine's tree as DTS, re-targeted if asked.

    The tree is checked first: what is written is a machine that `irqframe run` takes.
    """
    from irqframe import dt

    text = dt.to_dts(machine_of(machine, irqchip).tree)
    with click.open_file(output, "w", encoding="utf-8") as stream:
        stream.write(text)
