"""Differential: recorded runs of QEMU's GICv2, every value read and every level of IRQ and FIQ (data/README.md)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"


def traces(cpus: int) -> list[dict[str, Any]]:
    with gzip.open(DATA / f"qemu-gicv2-smp{cpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def step(made: Any, op: list[Any]) -> int | None:
    """Do one operation; what a read gave. The CPU interface's offsets from the distributor are QEMU's, and ours."""
    if op[0] == "irq":
        made.line(op[1], op[2], op[3])
        return None
    if op[0] == "w":
        made.w(op[1], op[2], op[4], size=op[3])
        return None
    value: int = made.r(op[1], op[3], size=op[2])
    return value


@pytest.mark.parametrize("cpus", [1, 4, 8])
def test_every_value_and_every_pin_is_that_of_qemu(board: Any, cpus: int) -> None:
    recorded = traces(cpus)
    assert len(recorded) == 10
    for trace in recorded:
        made = board(cpus, "qemu")
        for at, (op, (value, pins)) in enumerate(zip(trace["ops"], trace["results"], strict=True)):
            got = step(made, op)
            where = f"seed {trace['seed']}, operation {at}: {op}"
            if value is not None:
                assert got == value, where
            if pins is not None:
                irq, fiq = made.pins(op[-1])
                assert 0x80 * irq + 0x40 * fiq == pins, where
        for cpu in range(cpus):
            assert made.owed(cpu) >= 0
