"""A guest that calls the rVIC with arguments that make sense, and with others: operations do what Python does."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.guest.aarch64 import Reason

RVIC, RVID = 0xC500_0200, 0xC500_0100
ENABLE, CLEAR_MASKED, SIGNAL, ACKNOWLEDGE = 2, 5, 7, 9
LOOK = 0x8600_0001


def argument(w: Any) -> int:
    chance, cpus = w.chance, w.cpus
    return chance.choice(
        (
            lambda: chance.randrange(cpus),
            lambda: chance.randrange(cpus),
            lambda: chance.randrange(cpus),
            lambda: chance.randrange(8),
            lambda: chance.randrange(64),
            lambda: chance.choice((511, 512, 513, 1 << 31, 1 << 32, (1 << 64) - 1, 1 << 63, 0x80000000)),
            lambda: chance.randrange(1 << 40) & ~0xFF | chance.randrange(cpus),
            lambda: chance.randrange(1 << 64),
        )
    )()


def function(w: Any) -> int:
    chance = w.chance
    return chance.choice(
        (
            lambda: RVIC + ACKNOWLEDGE,
            lambda: RVIC + SIGNAL,
            lambda: RVIC + CLEAR_MASKED,
            lambda: RVIC + CLEAR_MASKED | chance.randrange(1 << 32) << 32,
            lambda: RVIC + chance.randrange(13),
            lambda: RVIC + ENABLE,
            lambda: RVID + chance.randrange(5),
            lambda: LOOK,
            lambda: chance.randrange(1 << 64) & ~(0xFF00_0000),
        )
    )()


def act(w: Any) -> None:
    a64, chance = w.a64, w.chance
    kind = chance.randrange(40)
    if kind < 34:
        intid = chance.randrange(8) if kind & 1 else argument(w)
        w.call(function(w), argument(w), intid, argument(w))
    elif kind < 36:
        w.words.append(a64.daifclr(2))
    elif kind < 37:
        w.words.append(a64.daifset(2))
    elif kind < 38:
        w.words.append(a64.mrs(5, *a64.ISR_EL1))
    else:
        w.timer(chance.randrange(200), chance.randrange(4))


def begin(w: Any) -> None:
    w.call(RVIC + ENABLE)
    for intid in (0, 1, 2, 27):
        w.call(RVIC + CLEAR_MASKED, w.cpu, intid)


def handle(w: Any) -> None:
    """The next interrupt is acknowledged."""
    w.call(RVIC + ACKNOWLEDGE)


@pytest.mark.parametrize("quirk", ["", "K2", "K9", "K11", "K12", "K14"])
@pytest.mark.parametrize("seed", range(4))
def test_a_hostile_guest_leaves_the_same_behind(hostile: Any, seed: int, quirk: str) -> None:
    one = hostile((begin, act, handle), seed, "rvic", quirks=[quirk] if quirk else ())
    assert one.ended.reason is Reason.OFF, one.ended
    assert all(cpu[0] > 4 * hostile.calls for cpu in one.cpus)
    assert len(one.looks) > 100
    assert (one.native > 500) is (quirk not in ("K2", "K9", "K14"))
