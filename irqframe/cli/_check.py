"""`irqframe check`: everything that is wrong with a device tree, at its place."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from irqframe.cli._findings import json_of, show_findings, summary
from irqframe.cli._machines import installed, sources_of
from irqframe.cli._reading import Reading, load_tree, reading_options
from irqframe.cli._words import counted
from irqframe.errors import Finding, InputError

if TYPE_CHECKING:
    from irqframe.dt import BindingFolders
    from irqframe.machine import Machine


@click.command()
@click.argument("machines", metavar="MACHINE.dts|dtb...", nargs=-1, required=True)
@reading_options
@click.option(
    "--bindings",
    "folders",
    metavar="DIR",
    multiple=True,
    help="Check with the dt-schema documents of this folder too, and with them first. Can be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(machines: tuple[str, ...], folders: tuple[str, ...], as_json: bool, reading: Reading) -> int:
    """Check device trees against bindings and the rules of their irqchips.

    Every fault of every file is reported, each at file:line:column. Exits with 1 if there is an error.

    A folder of bindings is laid out as Linux's Documentation/devicetree/bindings. What its documents mean is kept in
    the user's cache folder; IRQFRAME_CACHE_DIR names another one.
    """
    from irqframe.machine import examine

    plugins = installed()
    bindings = _bindings(folders)
    findings: list[Finding] = []
    files: list[dict[str, Any]] = []
    good = []
    for path in machines:
        try:
            machine, found = examine(load_tree(path, reading), plugins, bindings)
        except InputError as error:
            machine, found = None, error.findings
        findings += InputError(found).findings if found else ()
        ok = machine is not None and not any(finding.is_error for finding in found)
        files.append(_json_of_file(path, ok, machine))
        if machine is not None and ok:
            good.append(f"{machine.tree.file}: {_sizes(machine)}: ok")
    # What is wrong with a binding is found with each machine.
    findings = list(dict.fromkeys(findings))
    failed = any(finding.is_error for finding in findings)
    if as_json:
        report = {
            "schema": 1,
            "summary": summary(findings),
            "files": files,
            "findings": [json_of(finding) for finding in findings],
        }
        click.echo(json.dumps(report, indent=2))
        return int(failed)
    for line in good:
        click.echo(line)
    if findings:
        show_findings(findings)
    return int(failed)


def _bindings(folders: tuple[str, ...]) -> BindingFolders | None:
    """The documents of folders; on a terminal, it is told how far the reading is."""
    from irqframe.dt import read_binding_folders

    if not folders:
        return None
    if not sys.stderr.isatty():
        return read_binding_folders(folders)
    try:
        return read_binding_folders(folders, _tell)
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _tell(done: int, total: int) -> None:
    if done % 50 == 0:
        click.echo(f"\rreading bindings: {done} of {total}", nl=False, err=True)


def _sizes(machine: Machine) -> str:
    return f"{counted(len(machine.cpus), 'CPU')}, {machine.irqchip}, {sources_of(machine)}"


def _json_of_file(path: str, ok: bool, machine: Machine | None) -> dict[str, Any]:
    """One file as plain data; of a machine that could not be made nothing is known but that it is wrong."""
    return {
        "file": "<stdin>" if path == "-" else path,
        "ok": ok,
        "irqchip": machine.irqchip if machine else None,
        "cpus": len(machine.cpus) if machine else None,
        "sources": len(machine.sources) if machine else None,
        "msis": len(machine.msis) if machine else None,
    }
