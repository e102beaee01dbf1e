"""The makes of the engine against each other: in virtual time random code does the same, event by event."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import FIQ, IRQ, Engine

LENGTH = 120
RUNS = 40


@pytest.fixture
def makes() -> list[Callable[..., Engine]]:
    """All of them."""
    pytest.importorskip("unicorn", reason="unicorn is not installed")
    pytest.importorskip("irqframe._native", reason="the C extension is not built")
    from irqframe.guest.aarch64._compiled import CompiledEngine
    from irqframe.guest.aarch64._hooks import HookedEngine

    return [HookedEngine, CompiledEngine]


def program(a64: Any, chance: random.Random) -> list[int]:
    """Straight code that traps in every way; x1 is a device, x2 is nowhere, x3 is RAM."""
    kinds = [
        lambda: a64.movz(chance.randrange(4, 8), chance.randrange(1 << 16)),
        lambda: a64.add(5, 6, chance.randrange(1 << 12)),
        lambda: a64.b(4),
        lambda: a64.b(8),
        lambda: a64.cbnz(4, 8),
        a64.svc,
        a64.hvc,
        a64.smc,
        a64.brk,
        lambda: a64.UDF,
        lambda: a64.ISB,
        lambda: a64.daifclr(chance.randrange(16)),
        lambda: a64.daifset(chance.randrange(16)),
        lambda: a64.ldr_w(5, 1, 4 * chance.randrange(4)),
        lambda: a64.ldr(5, 1, 8),
        lambda: a64.str_w(6, 1, 8),
        lambda: a64.ldr(5, 2),
        lambda: a64.str(5, 2),
        lambda: a64.ldr(6, 3),
        lambda: a64.str(7, 3),
        lambda: a64.mrs(6, *a64.CNTVCT_EL0),
        lambda: a64.mrs(6, *a64.CNTPCT_EL0),
        lambda: a64.mrs(6, *a64.ISR_EL1),
        lambda: a64.mrs(6, *a64.CNTV_CTL_EL0),
        lambda: a64.msr(a64.CNTV_CVAL_EL0, 6),
        lambda: a64.mrs(6, *a64.ICC_PMR_EL1),
        lambda: a64.msr(a64.ICC_PMR_EL1, 6),
        lambda: a64.mrs(6, *a64.ICC_IAR1_EL1),
        lambda: a64.msr(a64.ICC_SGI1R_EL1, 6),
        lambda: a64.msr(a64.TPIDR_EL0, 6),
        lambda: a64.WFI,
        lambda: a64.WFE,
        lambda: a64.spsel(chance.randrange(2)),
    ]
    return [chance.choice(kinds)() for _ in range(LENGTH)]


def events(guest: Any, a64: Any, seed: int) -> tuple[Any, ...]:
    """All that can be seen of some runs of a program."""
    chance = random.Random(seed)
    lines = random.Random(seed + 1)

    def after(_: object) -> None:
        guest.lines = lines.choice((0, 0, 0, IRQ, FIQ, IRQ | FIQ))
        if not lines.randrange(20):
            guest.engine.attend()

    guest.on_exit = after
    guest.registers = {pack(*a64.ICC_PMR_EL1): 1, pack(*a64.CNTV_CTL_EL0): 2, pack(*a64.CNTV_CVAL_EL0): 3}
    skip = a64.mrs(20, *a64.ELR_EL1), a64.add(20, 20, 4), a64.msr(a64.ELR_EL1, 20), a64.ERET
    for base in range(0x2000, 0x2800, 0x200):
        guest.put(base, *skip)
        guest.put(base + 0x80, a64.hvc(), a64.NOP, a64.NOP, a64.ERET)
        guest.put(base + 0x100, a64.hvc(), a64.NOP, a64.NOP, a64.ERET)
    setup = a64.movz(1, 0x900, 16), a64.movz(2, 0x1000), a64.movz(3, 0x4001, 16)
    code = *setup, *program(a64, chance), a64.b(-4 * LENGTH)
    guest.start(*code, x0=seed)
    seen = []
    for _ in range(RUNS):
        guest.engine.counter_base = chance.randrange(1 << 20)
        stop = int(guest.engine.run(chance.choice((1, 5, 50, 500))))
        seen.append((stop, guest.engine.executed, guest.engine.lines, guest.engine.fault))
    return seen, guest.log, guest.engine.registers(), guest.engine.recent(), bytes(guest.ram)


@pytest.mark.parametrize("seed", range(60))
def test_the_makes_do_the_same(makes: list[Any], guest_of: Any, a64: Any, seed: int) -> None:
    first, *others = [events(guest_of(make), a64, seed) for make in makes]
    for other in others:
        for one, two in zip(first, other, strict=True):
            assert one == two
