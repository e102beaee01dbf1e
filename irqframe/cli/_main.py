"""The command `irqframe`: its subcommands, imported when they are called, and its exit codes.

0 ok; 1 bad input of any kind; 2 a command line that is malformed; 3 a fault of irqframe itself; 130 Ctrl-C. `boot`: 4
the guest died; 5 the time is over, or the text of --until did not come.

A command that was called with `--json` and ends with 1 before it has a result prints `{"schema": 1, "error": MESSAGE,
"findings": [...]}`; the text goes to standard error all the same.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click

from irqframe.errors import InputError, IrqframeError

COLLECT_AFTER: Final = 100_000
"""How many objects are made before the garbage collector runs."""

EXIT_OK: Final = 0
EXIT_BAD_INPUT: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERNAL: Final = 3
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "bindings": "Write, list, begin and check binding documents.",
    "boot": "Boot real AArch64 code on a machine, with its console.",
    "check": "Check device trees against bindings and the rules of their irqchips.",
    "compare": "Run one guest on several irqchips and compare what its interrupts take.",
    "dtb": "Write a machine's tree as a DTB.",
    "dts": "Write a machine's tree as DTS.",
    "inspect": "Show a machine: controllers, CPUs, and every interrupt's way.",
    "plugins": "List the installed irqchips.",
    "run": "Run a scripted guest on a machine and account for every interrupt.",
}


class _EnoughError(Exception):
    """Whoever read standard output has enough of it."""


@dataclass(slots=True)
class _Asked:
    """What a command was asked for that its errors must respect."""

    json: bool = False


class _Commands(click.Group):
    """Subcommands by name; a command's module is imported when the command is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        # click would end the process with 1.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _EnoughError from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and noting(command, ctx.obj), rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"irqframe.cli._{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def noting(command: click.Command, asked: _Asked) -> click.Command:
    """A command that notes whether it was called with `--json`; its context is gone when its error arrives."""
    copied, callback = copy.copy(command), command.callback

    def noted(**given: Any) -> Any:
        asked.json = bool(given.get("as_json"))
        return callback(**given) if callback is not None else None

    copied.callback = noted
    return copied


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="irqframe", message="%(prog)s %(version)s")
def irqframe() -> None:
    """A workbench for virtual interrupt controllers.

    A machine is described in device tree; an irqchip plugin becomes its interrupt controller.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    Args:
        arguments: without the program's name; None: those of the process.
    """
    # Most of what a command makes stays until its end; the collector need not look at it every 700 objects.
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    _open_streams()
    code = run(arguments)
    # Nor at the end, when all of it goes anyway.
    gc.freeze()
    sys.exit(code)


def _open_streams() -> None:
    """Standard streams that the process was started without are empty ones: nobody asks whether they are there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None: those of the process.

    Returns:
        The exit code.
    """
    asked = _Asked()
    try:
        listed = None if arguments is None else list(arguments)
        result = irqframe.main(args=listed, prog_name="irqframe", standalone_mode=False, obj=asked)
        sys.stdout.flush()
    except IrqframeError as error:
        _show(error, asked)
        return EXIT_BAD_INPUT
    except click.UsageError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("irqframe: interrupted", err=True)
        return EXIT_INTERRUPTED
    except (BrokenPipeError, _EnoughError):
        # What is left in the buffer must not complain at exit.
        sys.stdout = None
        return EXIT_OK
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _show(IrqframeError(f"{where}{error.strerror or error}"), asked)
        return EXIT_BAD_INPUT
    # A SystemExit comes from a plugin only: a process that ends by it would say that all went well, or anything else.
    except (Exception, SystemExit):
        traceback.print_exc()
        click.echo("irqframe: this is a fault of irqframe; please report it with what is printed above", err=True)
        return EXIT_INTERNAL
    return result if isinstance(result, int) else EXIT_OK


def _show(error: IrqframeError, asked: _Asked) -> None:
    """Say what ended a command: as text to standard error and, after `--json`, as JSON to standard output."""
    from irqframe.cli._findings import json_of, show_findings

    findings = error.findings if isinstance(error, InputError) else ()
    if findings:
        show_findings(findings)
    else:
        click.echo(f"irqframe: error: {error}", err=True)
    if not asked.json:
        return
    report = {"schema": 1, "error": str(error), "findings": [json_of(finding) for finding in findings]}
    try:
        click.echo(json.dumps(report, indent=2))
    except OSError:
        # Nobody reads it, or it cannot be written: the text was said. What is left must not complain at exit.
        sys.stdout = None
