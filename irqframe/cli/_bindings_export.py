"""`irqframe bindings export`: the documents, as files."""

from __future__ import annotations

import os

import click

from irqframe.cli._machines import installed
from irqframe.cli._words import counted


@click.command()
@click.argument("folder", metavar="[DIR]", default="bindings")
def export_bindings(folder: str) -> None:
    """Write the binding documents of the machine and of all installed irqchips into a folder.

    They are laid out as in Linux's Documentation/devicetree/bindings, by their `$id`. For a `compatible` of an irqchip
    that brings no document one is made from what the irqchip says of itself. Files of the same name are written anew.
    """
    export_to(folder)


def export_to(folder: str) -> None:
    """Write them, and say what was written.

    Raises:
        OSError: a file cannot be written.
    """
    from irqframe.machine import installed_bindings

    documents = installed_bindings(installed())
    for document in documents:
        path = os.path.join(folder, *document.path.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(document.text)
        made = f"  (made from what the irqchip {document.origin} says of itself)" if document.made else ""
        click.echo(f"{path}{made}")
    click.echo(f"{counted(len(documents), 'document')} in {folder}", err=True)
