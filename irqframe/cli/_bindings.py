"""`irqframe bindings`: the binding documents of what is installed, and of what is being written."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "check": "Check binding documents and their examples.",
    "export": "Write the documents of what is installed into a folder.",
    "list": "List the documents of what is installed.",
    "new": "Begin the document of an interrupt controller.",
}


class _Bindings(click.Group):
    """Subcommands by name; a command's module is imported when the command is asked for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from irqframe.cli._main import noting

        name, command, rest = super().resolve_command(ctx, args)
        return name, command and noting(command, ctx.obj), rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"irqframe.cli._bindings_{cmd_name}"), f"{cmd_name}_bindings")
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_Bindings, invoke_without_command=True)
def bindings() -> None:
    """Binding documents: YAML in the dialect of dt-schema, as Linux has them.

    Without a command: `export` into the folder `bindings`.
    """
    if click.get_current_context().invoked_subcommand is None:
        from irqframe.cli._bindings_export import export_to

        export_to("bindings")
