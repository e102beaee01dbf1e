"""`irqframe compare`: one guest on several irqchips, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irqframe.cli._compare_report import compared_json, print_compared
from irqframe.cli._machines import MACHINE, installed
from irqframe.cli._reading import Reading, load_tree, reading_options
from irqframe.cli._seconds import Seconds
from irqframe.errors import IrqframeError

if TYPE_CHECKING:
    from irqframe.flow import Plugin
    from irqframe.guest.compare import Costs, Measured, Program
    from irqframe.machine import Machine


@click.command()
@MACHINE
@click.option("--irqchip", "irqchips", metavar="NAMES", required=True, help="The irqchips, separated by commas.")
@reading_options
@click.option("--kernel", metavar="FILE", help="Run this program, of a kind that boot takes, in place of the workload.")
@click.option("--initrd", metavar="FILE", help="The kernel's initial RAM disk.")
@click.option("--append", metavar="TEXT", help="The command line; for the workload, in place of what --count says.")
@click.option("--smp", metavar="N", type=click.IntRange(1), help="Give the machine so many CPUs.")
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="How many interrupts of each kind the workload takes.",
)
@click.option(
    "--limit",
    metavar="SECONDS",
    type=Seconds(1_000_000),
    default=60,
    show_default=True,
    help="End a run after so many seconds of virtual time.",
)
@click.option("--costs", metavar="FILE", help="What traps cost, as TOML; in place of the figures that are shipped.")
@click.option("--svg", metavar="FILE", help="Draw it as SVG; `-`: to standard output, in place of the text.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    machine: str,
    irqchips: str,
    kernel: str | None,
    initrd: str | None,
    append: str | None,
    smp: int | None,
    count: int,
    limit: float,
    costs: str | None,
    svg: str | None,
    as_json: bool,
    reading: Reading,
) -> int:
    """Run one guest on several irqchips and compare what its interrupts take.

    The machine is re-targeted to each irqchip. Its guest is a bare-metal program with drivers for rVIC, GICv2 and
    GICv3, which takes interrupts of each kind, one at a time and on 8 CPUs at most, from a test device that is added if
    the machine has none; or the program of --kernel, which must have a driver for each irqchip, and is compared over
    its whole run. Time is virtual, counted in instructions, so that each run prints the same.

    Reported are traps to the irqchip, by kind and by name, without those to devices and to PSCI; instructions; the time
    from raise to handler; and what the traps would cost on a host, by the models of a file of costs.

    Exits with 1 if the workload fails on an irqchip.
    """
    if svg == "-" and as_json:
        raise click.UsageError("only one of --json and --svg can go to standard output")
    names = _names(irqchips)
    program = _program(kernel, initrd, append, limit)
    priced = _costs(costs)
    machines = _machines(machine, names, reading, smp, add=kernel is None)
    results = [_measure(each, program, count) for each in machines]
    if svg is not None:
        _draw(svg, results, priced)
    if as_json:
        asked = {"machine": machine, "kernel": kernel, "count": None if kernel else count}
        click.echo(json.dumps(compared_json(asked, machines, results, priced), indent=2))
    elif svg != "-":
        print_compared(machines, results, priced)
    return 0


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.BadParameter(f"{text!r} names no irqchip", param_hint="--irqchip")
    return names


def _costs(file: str | None) -> Costs:
    from irqframe.guest.compare import read_costs, shipped_costs

    return shipped_costs() if file is None else read_costs(Path(file))


def _machines(path: str, names: list[str], reading: Reading, smp: int | None, *, add: bool) -> list[Machine]:
    """The machine with each of the irqchips, and with a test device if one is to be added."""
    from irqframe.flow import find
    from irqframe.machine import load_machine, with_cpus, with_test_device

    plugins = installed()
    for name in names:
        find(name, plugins)
    tree = load_tree(path, reading)
    machine = load_machine(tree if smp is None else with_cpus(tree, smp), plugins)
    if add:
        machine = load_machine(with_test_device(machine), plugins)
    return [_retargeted(machine, name, plugins) for name in names]


def _retargeted(machine: Machine, name: str, plugins: tuple[Plugin, ...]) -> Machine:
    from irqframe.machine import load_machine, retarget

    if name == machine.irqchip:
        return machine
    plugin = next(plugin for plugin in plugins if plugin.name == name)
    return load_machine(retarget(machine, plugin), plugins)


def _program(kernel: str | None, initrd: str | None, append: str | None, limit: float) -> Program:
    from irqframe.guest.compare import Program

    if kernel is None and initrd is not None:
        raise click.UsageError("--initrd is for --kernel")
    file = Path(kernel) if kernel is not None else None
    return Program(file, Path(initrd) if initrd is not None else None, append, limit)


def _measure(machine: Machine, program: Program, count: int) -> Measured:
    from irqframe.flow import blaming
    from irqframe.guest.compare import measure

    with blaming(machine.chip, machine.irqchip):
        measured = measure(machine, program, count)
    if program.kernel is None and not measured.passed:
        said = measured.console.strip().splitlines()
        why = measured.ended.text or measured.ended.reason.value
        raise IrqframeError(f"{machine.irqchip}: the workload failed, {why}: {said[-1] if said else 'it said nothing'}")
    return measured


def _draw(file: str, results: list[Measured], costs: Costs) -> None:
    from irqframe.cli._compare_svg import compared_svg

    with click.open_file(file, "w", encoding="utf-8") as stream:
        stream.write(compared_svg(results, costs))
