"""Options of the commands that make a VM: quirks, the irqchip's options, and where events are recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from irqframe.errors import IrqframeError

if TYPE_CHECKING:
    from irqframe.observe import Recorder


def vm_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as `quirks` and `options`."""
    for option in (
        click.option("--option", "options", metavar="NAME=VALUE", multiple=True, help="Set an option of the irqchip."),
        click.option(
            "--quirks", metavar="NAMES", default="", help="Quirks to switch on, separated by commas; `as-is` for all."
        ),
    ):
        function = option(function)
    return function


def names(quirks: str) -> list[str]:
    """The quirks of `--quirks`."""
    return [name.strip() for name in quirks.split(",") if name.strip()]


def pairs(options: tuple[str, ...]) -> dict[str, str]:
    """The values of `--option` by name."""
    found = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{option!r} is not NAME=VALUE", param_hint="--option")
        found[name] = value
    return found


def recorder(stack: ExitStack, trace: str | None) -> Recorder:
    """Where events are recorded: a file that is closed with the stack, or standard error for None and "-"."""
    from irqframe.observe import JsonLines

    if trace in (None, "-"):
        return _complaining(JsonLines(sys.stderr).record, "standard error")
    stream = stack.enter_context(click.open_file(str(trace), "w", encoding="utf-8"))
    return _complaining(JsonLines(stream).record, str(trace))


def _complaining(record: Recorder, name: str) -> Recorder:
    """What cannot be written is no fault of the irqchip's code, which may be running when it is."""

    def recorded(ns: int, vcpu: int, kind: str, intid: int, source: str) -> None:
        try:
            record(ns, vcpu, kind, intid, source)
        except OSError as error:
            raise IrqframeError(f"{name}: {error.strerror or error}") from error

    return recorded
