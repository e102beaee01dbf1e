"""An operation in words, and a difference as a report."""

from __future__ import annotations

from irqframe_vgic._v2 import _gicc, _gicd

from oracle.operations import GICC, ITS, LINE, MRS, MSR, READ, STORE, UNDEFINED, Op, gicr
from oracle.search import Found
from oracle.sysregs import NAMES, unpack


def told(op: Op, version: int) -> str:
    """An operation in words."""
    if op.kind == LINE:
        return f"line of INTID {op.at}{'' if op.at >= 32 else f' of cpu {op.cpu}'} {'high' if op.value else 'low'}"
    if op.kind == STORE:
        return f"RAM {op.at:#x} = {op.value:#x} ({op.size} bytes)"
    where = _register(op, version)
    width = "" if op.kind in (MRS, MSR) or op.size == 4 else f" ({op.size} bytes)"
    if op.kind in (READ, MRS):
        return f"cpu {op.cpu} reads {where}{width}"
    return f"cpu {op.cpu} writes {op.value:#x} to {where}{width}"


def _register(op: Op, version: int) -> str:
    if op.kind in (MRS, MSR):
        return NAMES.get(op.at, "S{}_{}_C{}_C{}_{}".format(*unpack(op.at)))
    if version == 3:
        return _register_v3(op.at)
    names = _gicc.DECODED.names if op.at >= GICC else _gicd.DECODED.names
    return f"{names.get(op.at % GICC & ~3, '')}[{op.at:#x}]"


def _register_v3(at: int) -> str:
    if at >= gicr(0):
        cpu, offset = divmod(at - gicr(0), gicr(1) - gicr(0))
        return f"GICR of cpu {cpu}[{offset:#x}]"
    return f"GITS[{at - ITS:#x}]" if at >= ITS else f"GICD[{at:#x}]"


def value(read: int | None) -> str:
    """A value as a report shows it."""
    if read is None:
        return "-"
    return "UNDEFINED" if read == UNDEFINED else f"{read:#x}"


def lines(pins: int | None, cpus: int) -> str:
    """The lines of all CPUs as a report shows them."""
    if pins is None:
        return "-"
    return " ".join(("-", "F", "I", "FI")[pins >> 2 * cpu & 3] for cpu in range(cpus))


def report(found: Found, version: int, cpus: int) -> str:
    """A difference: the operations that lead to it, and what both sides say to the last."""
    here, there = found.difference.step.outcome, found.difference.oracle
    return "\n".join(
        (
            f"GICv{version}, {cpus} CPUs: {len(found.ops)} operations",
            *(f"  {number:3}  {told(op, version)}" for number, op in enumerate(found.ops)),
            f"  model: {value(here.value):12} lines {lines(here.pins, cpus)}",
            f"  QEMU:  {value(there.value):12} lines {lines(there.pins, cpus)}",
        )
    )
