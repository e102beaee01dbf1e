"""The command `irqframe`: its subcommands, imported when they are called, and its exit codes.

0 ok; 1 bad input of any kind; 2 a command line that is malformed; 3 a fault of irqframe itself; 130 Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from irqframe.errors import InputError, IrqframeError

EXIT_OK: Final = 0
EXIT_BAD_INPUT: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERNAL: Final = 3
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "check": "Check device trees against bindings and the rules of their irqchips.",
    "dtb": "Write a machine's tree as a DTB.",
    "dts": "Write a machine's tree as DTS.",
    "inspect": "Show a machine: controllers, CPUs, and every interrupt's way.",
    "plugins": "List the installed irqchips.",
    "run": "Run a scripted guest on a machine and account for every interrupt.",
}


class _EnoughError(Exception):
    """Whoever read standard output has enough of it."""


class _Commands(click.Group):
    """Subcommands by name; a command's module is imported when the command is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        # click would end the process with 1.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _EnoughError from None

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
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None: those of the process.

    Returns:
        The exit code.
    """
    try:
        listed = None if arguments is None else list(arguments)
        result = irqframe.main(args=listed, prog_name="irqframe", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        from irqframe.cli._findings import show_findings

        show_findings(error.findings)
        return EXIT_BAD_INPUT
    except IrqframeError as error:
        click.echo(f"irqframe: error: {error}", err=True)
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
        click.echo(f"irqframe: error: {where}{error.strerror or error}", err=True)
        return EXIT_BAD_INPUT
    # A SystemExit comes from a plugin only: a process that ends by it would say that all went well, or anything else.
    except (Exception, SystemExit):
        traceback.print_exc()
        click.echo("irqframe: this is a fault of irqframe; please report it with what is printed above", err=True)
        return EXIT_INTERNAL
    return result if isinstance(result, int) else EXIT_OK
