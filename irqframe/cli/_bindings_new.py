"""`irqframe bindings new`: a document to begin with."""

from __future__ import annotations

import os
import re

import click

from irqframe.errors import IrqframeError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*,[a-z0-9][a-z0-9.+_-]*")


@click.command()
@click.argument("name", metavar="VENDOR,CHIP")
@click.option("-o", "--output", metavar="FILE", help="File to write; `-`: standard output. Default: VENDOR,CHIP.yaml.")
def new_bindings(name: str, output: str | None) -> None:
    """Begin the binding document of an interrupt controller.

    What is written is valid as it is: change what your controller has differently. A file that is there stays as it
    is.
    """
    from irqframe.machine import scaffold

    if not _NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no `compatible` string; write VENDOR,CHIP in small letters")
    text = scaffold(name)
    path = output or f"{name}.yaml"
    if path == "-":
        click.echo(text, nl=False)
        return
    if os.path.isdir(path):
        path = os.path.join(path, f"{name}.yaml")
    try:
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise IrqframeError(f"{path} is there already, and is not overwritten") from None
    click.echo(path)
