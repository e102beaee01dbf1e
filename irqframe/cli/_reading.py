"""How commands read a device tree: include folders and macros for its source, overlays on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from irqframe.errors import Finding, InputError

if TYPE_CHECKING:
    from irqframe.dt import Tree


@dataclass(frozen=True, slots=True)
class Reading:
    """What the options of a command say of reading.

    Attributes:
        include_dirs: where included files are looked for.
        defines: macros, `NAME` or `NAME=VALUE`.
        overlays: files to apply, in order.
        symbols: whether a DTS shall name its labels, as by dtc -@.
    """

    include_dirs: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    symbols: bool = False


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as one `Reading` called `reading`."""

    @wraps(function)
    def command(
        *args: Any, include_dirs: tuple[str, ...], defines: tuple[str, ...], overlays: tuple[str, ...], **rest: Any
    ) -> Any:
        return function(*args, reading=Reading(include_dirs, defines, overlays), **rest)

    options = (
        click.option(
            "-I", "include_dirs", metavar="DIR", multiple=True, help="Look for files that a DTS includes here too."
        ),
        click.option(
            "-D", "defines", metavar="NAME[=VALUE]", multiple=True, help="Define a macro for the preprocessor of DTS."
        ),
        click.option(
            "--overlay",
            "overlays",
            metavar="FILE",
            multiple=True,
            help="Apply this overlay, DTS or DTB, to the machine first; may be repeated, in order.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def load_tree(path: str, reading: Reading, *, overlay_too: bool = False) -> Tree:
    """Read a DTS or a DTB, `-` being standard input, and apply the overlays.

    Args:
        path: the file.
        reading: how.
        overlay_too: whether it may be an overlay itself.
    """
    from irqframe import dt

    trees: list[Tree] = []
    findings: list[Finding] = []
    for name in (path, *reading.overlays):
        try:
            trees.append(
                dt.load(name, include_dirs=reading.include_dirs, defines=reading.defines, symbols=reading.symbols)
            )
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    tree, *changes = trees
    if changes or not overlay_too:
        dt.refuse_overlay(tree)
    for change in changes:
        tree = dt.apply_overlay(tree, change)
    return tree
