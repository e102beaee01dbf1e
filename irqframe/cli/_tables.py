"""Tables: drawn by rich on a terminal, as plain aligned columns elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

Rows = Sequence[Sequence[str]]


def print_table(header: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> None:
    """Print a table to standard output.

    Args:
        header: one text per column.
        rows: as many per row.
        right: the columns that are aligned at their right, from 0.
    """
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        _rich_table(header, rows, right)
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


def _rich_table(header: Sequence[str], rows: Rows, right: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, title in enumerate(header):
        number = column in right
        table.add_column(title, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
