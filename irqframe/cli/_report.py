"""The report of a run: a table in the spirit of /proc/interrupts, traps, and the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from irqframe.bits import MAKE
from irqframe.cli._tables import print_table
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from irqframe.flow import Injected
    from irqframe.guest import Account, Outcome, TrapCounts
    from irqframe.machine import Machine

CPU_COLUMNS: Final = 8
"""Up to so many CPUs get a column each; beyond, one column tells how many took part."""

TRAP_NAMES: Final = 8
"""How many of a kind's functions or registers are named."""


def print_report(machine: Machine, outcome: Outcome, quirks: Sequence[str]) -> None:
    """Print what a run found, to standard output."""
    nodes = ", ".join(f"{node.compatible[0]} at {node.path}" for node in machine.controllers)
    messages = f", {len(machine.msis)} with MSIs" if machine.msis else ""
    click.echo(
        f"{machine.tree.file}: {counted(len(machine.cpus), 'vCPU')}, irqchip {machine.irqchip} ({nodes}), "
        f"{counted(len(machine.sources), 'source')}{messages}"
    )
    if quirks:
        click.echo(f"quirks: {', '.join(quirks)}")
    click.echo()
    cpus = len(machine.cpus)
    per_cpu = tuple(f"cpu{n}" for n in range(cpus)) if cpus <= CPU_COLUMNS else ("cpus",)
    header = ("source", "controller", "route", "raised", "delivered", "coalesced", "dropped", "pending", *per_cpu)
    rows = [_row(account, cpus) for account in outcome.accounts]
    print_table(header, rows, right=tuple(range(3, 6)) + tuple(range(7, len(header))))
    click.echo()
    print_traps("traps", outcome.traps, outcome.handled)
    click.echo(
        f"affinity moves: {outcome.moves}, {outcome.moves_pending} with an interrupt waiting; "
        f"spurious acknowledges: {outcome.spurious}"
    )
    for note in outcome.notes:
        click.echo(f"note: {note}")
    click.echo(f"NOT accounted for: {outcome.fault}" if outcome.fault else _sum(outcome.accounts))


def report_json(
    machine: Machine, outcome: Outcome, seed: int | None, quirks: Sequence[str], seconds: float
) -> dict[str, Any]:
    """What a run found, as plain data; all but the key `timing` is the same for the same seed."""
    return {
        "schema": 1,
        "make": MAKE,
        "machine": machine.tree.file,
        "irqchip": machine.irqchip,
        "quirks": list(quirks),
        "vcpus": [cpu.mpidr for cpu in machine.cpus],
        "seed": seed,
        "events": outcome.events,
        "handled": outcome.handled,
        "moves": outcome.moves,
        "moves_pending": outcome.moves_pending,
        "spurious": outcome.spurious,
        "sources": [
            {
                "name": account.name,
                "controller": account.controller,
                "route": account.route,
                "raised": account.raised,
                "delivered": account.delivered,
                "coalesced": account.coalesced,
                "dropped": {reason.name.lower(): times for reason, times in account.dropped.items()},
                "pending": account.pending,
            }
            for account in outcome.accounts
        ],
        "traps": json_traps(outcome.traps),
        "setup_traps": json_traps(outcome.setup_traps),
        "notes": outcome.notes,
        "accounted": not outcome.fault,
        "fault": outcome.fault,
        "timing": {"seconds": seconds, "events_per_second": outcome.events / seconds},
    }


def _row(account: Account, cpus: int) -> tuple[str, ...]:
    delivered = [str(count) if count else "." for count in account.delivered]
    took = sum(1 for count in account.delivered if count)
    return (
        account.name,
        account.controller,
        account.route,
        str(account.raised),
        str(sum(account.delivered)),
        str(account.coalesced),
        dropped_words(account.dropped),
        str(account.pending) if account.pending else ".",
        *(delivered if cpus <= CPU_COLUMNS else (f"{took} of {cpus}",)),
    )


def dropped_words(dropped: Mapping[Injected, int]) -> str:
    """What was dropped, by reason; "." for nothing."""
    return ", ".join(f"{times} {_words(reason.name)}" for reason, times in dropped.items()) or "."


def _words(reason: str) -> str:
    return reason.removeprefix("DROPPED").strip("_").lower() or "lost"


def print_traps(what: str, traps: TrapCounts, handled: int) -> None:
    """Traps in all and per delivered interrupt, and those of each kind by name."""
    per = f"{traps.total / handled:.2f} per delivered interrupt" if handled else "nothing was delivered"
    click.echo(f"{what}: {traps.total}, {per}")
    kinds = (("hypercalls", traps.hypercalls), ("MMIO", traps.mmio), ("system registers", traps.sysregs))
    for kind, counts in kinds:
        if counts:
            click.echo(f"  {kind}: {_named(counts)}")


def _named(counts: Mapping[str, int]) -> str:
    listed = [f"{name} {times}" for name, times in list(counts.items())[:TRAP_NAMES]]
    rest = sum(list(counts.values())[TRAP_NAMES:])
    return ", ".join([*listed, f"others {rest}"] if rest else listed)


def json_traps(traps: TrapCounts) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "total": traps.total,
        "hypercalls": dict(traps.hypercalls),
        "mmio": dict(traps.mmio),
        "sysregs": dict(traps.sysregs),
    }


def _sum(accounts: Sequence[Account]) -> str:
    raised = sum(account.raised for account in accounts)
    delivered = sum(sum(account.delivered) for account in accounts)
    coalesced = sum(account.coalesced for account in accounts)
    dropped = sum(sum(account.dropped.values()) for account in accounts)
    pending = sum(account.pending for account in accounts)
    return (
        f"every interrupt accounted for: {raised} raised = {delivered} delivered + {coalesced} coalesced + "
        f"{dropped} dropped + {pending} pending"
    )
