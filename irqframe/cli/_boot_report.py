"""What `irqframe boot` prints when the guest has ended: interrupts and traps, and where one stood that got nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from irqframe.bits import MAKE
from irqframe.cli._machines import sources_of
from irqframe.cli._report import CPU_COLUMNS, dropped_words, json_traps, print_traps
from irqframe.cli._tables import print_table
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from irqframe.flow import Counters
    from irqframe.guest import DeadCpu, InterruptRow, TrapCounts
    from irqframe.machine import Machine

PER_LINE: Final = 4
"""Registers in a line of the report."""


def print_interrupts(machine: Machine, rows: Sequence[InterruptRow], quirks: Sequence[str]) -> None:
    """The table, to standard output; sources that took no part are only counted."""
    nodes = ", ".join(f"{node.compatible[0]} at {node.path}" for node in machine.controllers)
    click.echo(
        f"{machine.tree.file}: {counted(len(machine.cpus), 'vCPU')}, irqchip {machine.irqchip} ({nodes}), "
        f"{sources_of(machine)}"
    )
    if quirks:
        click.echo(f"quirks: {', '.join(quirks)}")
    click.echo()
    cpus = len(machine.cpus)
    per_cpu = tuple(f"cpu{n}" for n in range(cpus)) if cpus <= CPU_COLUMNS else ("cpus",)
    header = ("source", "controller", "raised", "delivered", "coalesced", "dropped", "pending", *per_cpu)
    shown = [row for row in rows if _took_part(row)]
    print_table(header, [_row(row, cpus) for row in shown], right=(2, 3, 4, *range(6, len(header))))
    if len(shown) < len(rows):
        click.echo(f"{counted(len(rows) - len(shown), 'source')} took no part")
    click.echo()


def print_counts(traps: TrapCounts, rows: Sequence[InterruptRow], counters: Sequence[Counters]) -> None:
    """The traps, and what every irqchip state counted, added up."""
    print_traps("traps", traps, sum(sum(row.delivered) for row in rows))
    if counters:
        click.echo(_sum(counters))


def print_remains(reason: str, cpus: Iterable[DeadCpu]) -> None:
    """Where the guest stood, that died or whose time was over."""
    click.echo(f"\n{reason}")
    for cpu in cpus:
        for line in _remains(cpu):
            click.echo(line)


def boot_json(
    machine: Machine,
    quirks: Sequence[str],
    rows: Sequence[InterruptRow],
    traps: TrapCounts,
    ended: Mapping[str, Any],
    remains: Sequence[DeadCpu],
    timing: Mapping[str, float],
) -> dict[str, Any]:
    """The same as plain data; all but the key `timing` is the same for the same seed in virtual time."""
    return {
        "schema": 1,
        "make": MAKE,
        "machine": machine.tree.file,
        "irqchip": machine.irqchip,
        "quirks": list(quirks),
        "vcpus": [cpu.mpidr for cpu in machine.cpus],
        "ended": dict(ended),
        "sources": [
            {
                "name": row.name,
                "controller": row.controller,
                "raised": row.raised,
                "delivered": row.delivered,
                "coalesced": row.coalesced,
                "dropped": None if row.dropped is None else {r.name.lower(): n for r, n in row.dropped.items()},
                "pending": row.pending,
            }
            for row in rows
        ],
        "traps": json_traps(traps),
        "cpus": [_json_cpu(cpu) for cpu in remains],
        "timing": dict(timing),
    }


def _took_part(row: InterruptRow) -> bool:
    return bool(sum(row.delivered) or row.raised or row.pending)


def _row(row: InterruptRow, cpus: int) -> tuple[str, ...]:
    took = sum(1 for count in row.delivered if count)
    return (
        row.name,
        row.controller or ".",
        _known(row.raised),
        str(sum(row.delivered)),
        _known(row.coalesced),
        dropped_words(row.dropped or {}),
        str(row.pending) if row.pending else ".",
        *([str(count) if count else "." for count in row.delivered] if cpus <= CPU_COLUMNS else [f"{took} of {cpus}"]),
    )


def _known(number: int | None) -> str:
    return "." if number is None else str(number)


def _sum(counters: Sequence[Counters]) -> str:
    raised, delivered, coalesced, dropped, withdrawn, again = (
        sum(each)
        for each in zip(
            *(
                (c.raised, c.delivered, c.coalesced, sum(c.dropped.values()), c.withdrawn, c.resampled)
                for c in counters
            ),
            strict=True,
        )
    )
    pending = raised + again - delivered - coalesced - dropped - withdrawn
    return (
        f"by the irqchip's account, since its last reset: {raised} raised + {again} raised again by their level = "
        f"{delivered} delivered + {coalesced} coalesced + {dropped} dropped + {withdrawn} withdrawn + {pending} pending"
    )


def _remains(cpu: DeadCpu) -> list[str]:
    lines = "".join(f", {name} asserted" for name, holds in (("IRQ", cpu.irq), ("FIQ", cpu.fiq)) if holds)
    found = [f"CPU {cpu.index} (MPIDR {cpu.mpidr:#x}) {'is off' if cpu.state == 'off' else cpu.state}{lines}"]
    if cpu.registers:
        width = max(map(len, cpu.registers))
        cells = [f"{name:>{width}} {value:016x}" for name, value in cpu.registers.items()]
        found += ["  " + "  ".join(cells[at : at + PER_LINE]) for at in range(0, len(cells), PER_LINE)]
    if cpu.recent:
        found.append("  last exits and exceptions, the latest at the end:")
        found += [f"    {what} {name or hex(which)} at {pc:#x}" for what, pc, which, name in cpu.recent]
    if cpu.left:
        found.append("  interrupts that wait or are active:")
        found += [f"    {left.intid}: {left.name}: {left.state}" for left in cpu.left]
    return found


def _json_cpu(cpu: DeadCpu) -> dict[str, Any]:
    return {
        "vcpu": cpu.index,
        "mpidr": cpu.mpidr,
        "state": cpu.state,
        "irq": cpu.irq,
        "fiq": cpu.fiq,
        "registers": dict(cpu.registers),
        "recent": [{"what": what, "pc": pc, "which": which, "name": name} for what, pc, which, name in cpu.recent],
        "interrupts": [{"intid": one.intid, "name": one.name, "state": one.state} for one in cpu.left],
    }
