"""`irqframe dtb`: a machine's tree as a DTB."""

from __future__ import annotations

import sys

import click

from irqframe.cli._machines import MACHINE, irqchip_option, machine_of


@click.command()
@MACHINE
@irqchip_option
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; `-`: standard output.")
def dtb(machine: str, irqchip: str | None, output: str) -> None:
    """Write a machine's tree as a DTB, re-targeted if asked.

    The tree is checked first: what is written is a machine that `irqframe run` takes.
    """
    from irqframe import dt

    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("a DTB is not text; name a file with -o, or send standard output to one")
    data = dt.to_dtb(machine_of(machine, irqchip).tree)
    with click.open_file(output, "wb") as stream:
        stream.write(data)
