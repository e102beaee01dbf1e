"""`irqframe plugins`: which irqchips are installed, and which of them are broken."""

from __future__ import annotations

import json
from typing import Final

import click

from irqframe.cli._tables import print_table

_MAKES: Final = {
    "compiled": "compiled; IRQFRAME_PURE=1 takes the one in Python",
    "python": "Python; the compiled part is not built, or IRQFRAME_PURE refuses it",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(as_json: bool) -> int:
    """List the installed irqchips, and say which make of the state of interrupts runs.

    The environment variable IRQFRAME_LOAD_PLUGINS limits them: empty for none, or names separated by commas. Exits with
    1 if one is broken.
    """
    from irqframe.bits import MAKE
    from irqframe.flow import discover

    found = discover()
    broken = any(plugin.error for plugin in found)
    if as_json:
        listed = [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "value": plugin.value,
                "compatible": list(plugin.chip.compatible) if plugin.chip else [],
                "bindings": list(plugin.chip.bindings) if plugin.chip else [],
                "quirks": dict(plugin.chip.quirks) if plugin.chip else {},
                "options": {name: list(values) for name, values in plugin.chip.options.items()} if plugin.chip else {},
                "hooks": list(plugin.hooks),
                "error": plugin.error,
            }
            for plugin in found
        ]
        click.echo(json.dumps({"schema": 1, "make": MAKE, "plugins": listed}, indent=2))
        return int(broken)
    rows = [
        (
            plugin.name,
            f"{plugin.distribution} {plugin.version}".strip() or "-",
            ", ".join(plugin.chip.compatible) if plugin.chip else "",
            f"broken: {plugin.error}" if plugin.error else f"{len(plugin.hooks)} hooks",
        )
        for plugin in found
    ]
    if rows:
        print_table(("irqchip", "distribution", "compatible", "state"), rows)
        click.echo(f"make: {_MAKES[MAKE]}")
    else:
        click.echo("no irqchip is installed", err=True)
    return int(broken)
