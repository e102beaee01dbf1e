"""`irqframe bindings list`: which documents there are."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from irqframe.cli._machines import installed
from irqframe.cli._tables import print_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_bindings(as_json: bool) -> None:
    """List the binding documents of the machine and of all installed irqchips."""
    from irqframe.machine import installed_bindings

    documents = installed_bindings(installed())
    if as_json:
        listed = [
            {
                "id": one.id,
                "path": one.path,
                "title": one.title,
                "compatible": list(one.compatibles),
                "origin": one.origin,
                "made": one.made,
            }
            for one in documents
        ]
        click.echo(json.dumps({"schema": 1, "bindings": listed}, indent=2))
        return
    rows = [
        (one.path, _short(one.compatibles), one.title, f"{one.origin}{' (made)' if one.made else ''}")
        for one in documents
    ]
    print_table(("document", "compatible", "title", "from"), rows)


def _short(compatibles: Sequence[str]) -> str:
    """The first two, and how many more there are."""
    more = len(compatibles) - 2
    return ", ".join((*compatibles[:2], *((f"{more} more",) if more > 0 else ()))) or "-"
