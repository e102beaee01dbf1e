"""The report of a comparison: phase by phase, every irqchip under the other, as tables and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import click

from irqframe.bits import MAKE
from irqframe.cli._tables import print_table
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from irqframe.guest import TrapCounts
    from irqframe.guest.compare import Costs, Measured, Model, Phase
    from irqframe.machine import Machine

EXPLANATION: Final = (
    "traps, instructions and costs are those of one interrupt, without the accesses to devices and calls of PSCI;",
    "latency is from raise to handler, median, in ns of virtual time: an instruction takes 1 ns, and a trap no time",
)
"""What the columns mean."""

TRAP_NAMES: Final = 8
"""How many functions and registers are named."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one irqchip took for one kind of interrupt, or for a whole run.

    Attributes:
        phase: the kind of interrupt; "whole run".
        irqchip: which.
        interrupts: how many were taken.
        traps: for all of them.
        instructions: likewise.
        result: the phase; None for a whole run.
    """

    phase: str
    irqchip: str
    interrupts: int
    traps: TrapCounts
    instructions: int
    result: Phase | None = None

    def per_interrupt(self, total: float) -> float | None:
        """A total for one interrupt; None if there was none."""
        return total / self.interrupts if self.interrupts else None


def rows_of(results: Sequence[Measured]) -> list[Row]:
    """Phases of all irqchips, phase by phase; or whole runs, if none of the guests announced phases."""
    names = list(dict.fromkeys(phase.name for measured in results for phase in measured.phases))
    if not names:
        return [Row("whole run", each.irqchip, each.interrupts, each.traps, each.instructions) for each in results]
    return [
        Row(name, measured.irqchip, phase.interrupts, phase.traps, phase.instructions, phase)
        for name in names
        for measured in results
        for phase in measured.phases
        if phase.name == name
    ]


def kinds_of(traps: TrapCounts) -> tuple[int, int, int]:
    """How many hypercalls, MMIO accesses and system register accesses there are."""
    return sum(traps.hypercalls.values()), sum(traps.mmio.values()), sum(traps.sysregs.values())


def figure(value: float | None) -> str:
    """A figure for one interrupt, with as many decimals as it needs, two at most."""
    return "." if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def print_compared(machines: Sequence[Machine], results: Sequence[Measured], costs: Costs) -> None:
    """Print a comparison to standard output."""
    rows = rows_of(results)
    machine = machines[0]
    irqchips = ", ".join(each.irqchip for each in results)
    click.echo(f"{machine.tree.file}: {counted(len(machine.cpus), 'vCPU')}, irqchips {irqchips}")
    click.echo()
    _print_rows(rows, costs)
    click.echo()
    names = [(row.phase, row.irqchip, _named(row)) for row in rows]
    print_table(("phase", "irqchip", "traps for one interrupt, by name"), names)
    click.echo()
    if any(measured.phases for measured in results):
        click.echo(f"traps outside of the phases, in all: {', '.join(map(_outside, results))}")
    _print_models(costs)
    for measured in results:
        for note in _notes(measured):
            click.echo(f"note: {measured.irqchip}: {note}")


def compared_json(
    asked: dict[str, Any], machines: Sequence[Machine], results: Sequence[Measured], costs: Costs
) -> dict[str, Any]:
    """A comparison as plain data; the same each time."""
    return {
        "schema": 1,
        "make": MAKE,
        **asked,
        "vcpus": [cpu.mpidr for cpu in machines[0].cpus],
        "costs": _json_costs(costs),
        "irqchips": [
            {
                "irqchip": measured.irqchip,
                "ended": {"reason": measured.ended.reason.value, "text": measured.ended.text},
                "phases": [_json_phase(phase, costs) for phase in measured.phases],
                "run": {
                    "interrupts": measured.interrupts,
                    "instructions": measured.instructions,
                    "ns": measured.ns,
                    "traps": _json_traps(measured.traps),
                    "costs": _json_bills(measured.traps, costs),
                },
                "notes": _notes(measured),
            }
            for measured in results
        ],
    }


def _print_rows(rows: Sequence[Row], costs: Costs) -> None:
    latencies = any(row.result is not None for row in rows)
    header = ["phase", "irqchip", "interrupts", "traps", "hypercalls", "MMIO", "sysregs", "instructions"]
    header += ["latency", "p90", "max"] if latencies else []
    for model in costs.models:
        header += [*([f"{model.name} traps"] if model.served else []), f"{model.name} {costs.unit}"]
    cells = [_cells(row, costs, latencies) for row in rows]
    print_table(header, cells, right=range(2, len(header)))


def _cells(row: Row, costs: Costs, latencies: bool) -> list[str]:
    per = row.per_interrupt
    cells = [row.phase, row.irqchip, str(row.interrupts)]
    cells += [figure(per(each)) for each in (row.traps.total, *kinds_of(row.traps))]
    cells.append(f"{per(row.instructions) or 0:.0f}" if row.interrupts else ".")
    if latencies:
        found = row.result.latency if row.result is not None else None
        cells += [str(each) for each in found[1:]] if found is not None else [".", ".", "."]
    for model in costs.models:
        bill = model.bill(row.traps)
        cells += [*([figure(per(bill.traps))] if model.served else []), figure(per(bill.cost))]
    return cells


def _named(row: Row) -> str:
    """The traps that one interrupt takes most of, and all others in one figure."""
    counts = {**row.traps.hypercalls, **row.traps.mmio, **row.traps.sysregs}
    most = sorted(counts.items(), key=lambda item: -item[1])[:TRAP_NAMES]
    figures = [(name, figure(row.per_interrupt(times))) for name, times in most]
    listed = [f"{name} {text}" for name, text in figures if text != "0"]
    rest = sum(counts.values()) - sum(times for _, times in most[: len(listed)])
    return ", ".join([*listed, *([f"others {figure(row.per_interrupt(rest))}"] if rest else [])]) or "."


def _outside(measured: Measured) -> str:
    return f"{measured.irqchip} {measured.traps.total - sum(phase.traps.total for phase in measured.phases)}"


def _print_models(costs: Costs) -> None:
    for line in EXPLANATION:
        click.echo(line)
    for model in costs.models:
        prices = ", ".join(f"{kind} {cost.value:g}" for kind, cost in model.kinds.items())
        click.echo(f"model {model.name!r} of {costs.file}, in {costs.unit}: {prices}")
        for line in wrap(model.about, 116):
            click.echo(f"    {line}")


def _notes(measured: Measured) -> list[str]:
    notes = []
    if not measured.passed:
        text = f": {measured.ended.text}" if measured.ended.text else ""
        notes.append(f"the run ended by {measured.ended.reason.value}{text}")
    if not measured.interrupts:
        notes.append("not one interrupt was taken; a guest needs a driver for this irqchip")
    for phase in measured.phases:
        if not phase.interrupts:
            notes.append(f"no handler ran in the phase {phase.name}; a guest tells of each by the test device")
    return notes


def _json_phase(phase: Phase, costs: Costs) -> dict[str, Any]:
    latency = phase.latency
    return {
        "phase": phase.name,
        "interrupts": phase.interrupts,
        "instructions": phase.instructions,
        "ns": phase.ns,
        "traps": _json_traps(phase.traps),
        "latency_ns": None if latency is None else dict(zip(latency._fields, latency, strict=True)),
        "costs": _json_bills(phase.traps, costs),
    }


def _json_traps(traps: TrapCounts) -> dict[str, Any]:
    return {
        "total": traps.total,
        "hypercalls": dict(traps.hypercalls),
        "mmio": dict(traps.mmio),
        "sysregs": dict(traps.sysregs),
    }


def _json_bills(traps: TrapCounts, costs: Costs) -> dict[str, Any]:
    return {model.name: model.bill(traps)._asdict() for model in costs.models}


def _json_costs(costs: Costs) -> dict[str, Any]:
    return {"file": costs.file, "unit": costs.unit, "models": [_json_model(model) for model in costs.models]}


def _json_model(model: Model) -> dict[str, Any]:
    tables = {"kinds": model.kinds, "names": model.names, "served": model.served}
    listed = {key: {name: cost._asdict() for name, cost in table.items()} for key, table in tables.items()}
    return {"name": model.name, "about": model.about, **listed}
