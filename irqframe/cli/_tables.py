"""Tables: drawn by rich on a terminal that is wide enough, as plain aligned columns elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

Rows = Sequence[Sequence[str]]


def print_table(header: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> None:
    """Print a table to standard output; no cell is ever folded or cut.

    Args:
        header: one text per column.
        rows: as many per row.
        right: the columns that are aligned at their right, from 0.
    """
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        _on_terminal(header, rows, right)
    else:
        click.echo(plain_table(header, rows, right))


def plain_table(header: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> str:
    """The table as text: columns two blanks apart, no lines, no blanks at the end."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            text.rjust(widths[column]) if column in right else text.ljust(widths[column])
            for column, text in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _on_terminal(header: Sequence[str], rows: Rows, right: Sequence[int]) -> None:
    """A table that is wider than the terminal keeps its lines whole: the terminal wraps or scrolls them."""
    from rich.console import Console
    from rich.measure import Measurement

    table = _rich_table(header, rows, right)
    console = Console(highlight=False)
    if Measurement.get(console, console.options.update(max_width=sys.maxsize), table).maximum <= console.width:
        console.print(table)
        return
    head, *lines = plain_table(header, rows, right).split("\n")
    click.echo("\n".join([click.style(head, bold=True), *lines]))


def _rich_table(header: Sequence[str], rows: Rows, right: Sequence[int]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, title in enumerate(header):
        table.add_column(title, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
