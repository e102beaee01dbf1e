"""Whatever a guest does to the frames: no error but those of the bus, and the accounts stay right."""

from __future__ import annotations

import random
from typing import Any

import pytest
from irqframe_vgic._v2 import _gicc, _gicd

from irqframe import VmError

INTERESTING = sorted({o for r in _gicd.REGISTERS for _, o, _ in r.each()} | {0xFFC, 0x1000, 0xFFF8, 0xFFFC})
CPU_INTERESTING = sorted({o for r in _gicc.REGISTERS for _, o, _ in r.each()})


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("cpus", [1, 3, 8])
def test_no_access_raises(board: Any, cpus: int, implementation: str) -> None:
    chance = random.Random(cpus)
    made = board(cpus, implementation).on(ctlr=7, distributor=3)
    for _ in range(6000):
        cpu = chance.randrange(cpus)
        size = chance.choice((1, 1, 2, 4, 4, 4, 4, 8))
        if chance.random() < 0.5:
            offset = chance.choice(INTERESTING) + chance.choice((0, 0, 0, 1, 2, 3))
        else:
            offset = 0x10000 + chance.choice(CPU_INTERESTING) + chance.choice((0, 0, 0, 1, 2, 3))
        if chance.random() < 0.1:
            offset = 0x20000 + chance.choice((0x008, 0x040, 0xFCC, chance.randrange(0x1000)))
        if offset + size > 0x20000 and offset < 0x20000:
            continue
        value = chance.choice(
            (0, 0xFFFF_FFFF, 1 << chance.randrange(32), chance.getrandbits(64), chance.randrange(1024))
        )
        try:
            if chance.random() < 0.6:
                made.w(offset, value, cpu, size=size)
            else:
                assert 0 <= made.r(offset, cpu, size=size) < 1 << 8 * size
        except VmError as error:
            assert "nothing serves" in str(error), "only the bus refuses, what leaves a frame"
        if chance.random() < 0.2:
            made.line(chance.randrange(16, 288), chance.randrange(2), cpu)
    for index in range(cpus):
        assert made.owed(index) == made.waiting(index)


def test_frames_bigger_than_their_registers_read_as_zero(board: Any) -> None:
    made = board()
    for offset in range(0x1000, 0x10000, 0x404):
        assert made.r(offset & ~3) == 0
    for offset in range(0x11004, 0x20000, 0x404):
        assert made.r(offset & ~3) == 0
