"""What is done to all LPIs of a redistributor at once: MOVALL and INVALL, what they do and what they cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected

LPIS = 0xE000


@pytest.fixture
def full(bench: Any) -> Any:
    """A bench whose LPIs are all pending on CPU 0, and every third one on CPU 1 too."""
    made = bench().on(lpis=False)
    made.poke(made.PROP, b"\xa1" * LPIS)
    made.poke(made.PEND + 1024, b"\xff" * (LPIS // 8))
    made.poke(made.PEND + 0x1_0000 + 1024, b"\x49\x92\x24" * (LPIS // 24) + b"\x49\x92")
    for index, cpu in enumerate(made.cpus):
        made.enable_lpis(cpu, made.PEND + index * 0x1_0000, bits=16)
    assert made.cpus[0].lpis.owed == LPIS
    return made


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of five."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def test_movall_costs_the_same_however_many_are_pending(full: Any) -> None:
    twenty = [full.movall(0, 1), full.movall(1, 0)] * 10
    full.do(full.movall(1, 0))
    assert best(lambda: full.do(*twenty)) < 20 * 0.005, "one after the other, LPIs took 0.3 s"
    assert full.cpus[0].lpis.owed == LPIS and full.cpus[1].lpis.owed == 0 and full.balanced()


def test_invall_costs_what_has_changed(full: Any) -> None:
    twenty = [full.invall(0)] * 20
    assert best(lambda: full.do(*twenty)) < 20 * 0.0004, "all compared anew, one took 0.8 ms"
    full.configure(8192 + 40_000, 0x11)
    full.do(full.invall(0))
    assert full.cpus[0].lpis.first() == 8192 + 40_000


def test_a_table_that_is_another_one_is_taken_over_at_once(full: Any) -> None:
    chance = random.Random(6)
    lpis = full.cpus[0].lpis
    for part in (full.cpus[0], full.cpus[1]):
        table = chance.randbytes(LPIS)
        full.poke(full.PROP, table)
        part.lpis.invalidate_all()
        expected = {8192 + index: byte & 0xFD for index, byte in enumerate(table)}
        assert all(expected[intid] == byte for intid, byte in part.lpis.pending())
        for priority, intid in sorted((byte & 0xFC, intid) for intid, byte in part.lpis.pending() if byte & 1):
            assert (part.lpis.first_priority(), part.lpis.first()) == (priority, intid)
            part.lpis.deliver(intid)
        assert part.lpis.first() == -1
    full.do(full.movall(1, 0))
    tables = [chance.randbytes(LPIS), chance.randbytes(LPIS)] * 3

    def change() -> None:
        full.poke(full.PROP, tables.pop())
        lpis.invalidate_all()

    assert best(change) < 0.12, "one after the other, LPIs took 0.3 s"


def test_what_is_pending_at_both_coalesces(full: Any) -> None:
    both = full.cpus[1].lpis.owed
    full.do(full.movall(0, 1))
    assert full.cpus[1].lpis.owed == LPIS and full.counters(1).coalesced == both and full.balanced()
    full.cpus[0].lpis.pend(8192)
    full.do(full.movall(0, 1))
    assert full.counters(1).coalesced == both + 1 and full.balanced()


def test_what_the_target_has_no_room_for_is_lost(full: Any) -> None:
    full.cpus[1].lpis.write_enable(False)
    full.enable_lpis(full.cpus[1], 1 << 62, bits=14)
    full.do(full.movall(0, 1))
    assert [intid for intid, _ in full.cpus[1].lpis.pending()] == list(range(8192, 16384))
    assert full.counters(1).dropped == {Injected.DROPPED: LPIS - 8192} and full.balanced()


def test_what_goes_to_where_lpis_are_off_is_lost(full: Any) -> None:
    full.cpus[1].lpis.write_enable(False)
    full.do(full.movall(0, 1))
    assert full.cpus[1].lpis.owed == full.cpus[0].lpis.owed == 0
    assert full.counters(1).dropped == {Injected.DROPPED_DISABLED: LPIS} and full.balanced()


def test_the_configuration_is_that_of_the_time_of_the_move(bench: Any) -> None:
    """An INV reached the new target before what is pending did: the changed byte counts, all the same."""
    made = bench().on()
    made.configure(8200, 0xA0)
    made.device(3, (0, 8200, 0))
    made.do(made.of_event("INT", 3, 0))
    made.configure(8200, 0xA1)
    made.do(made.mapc(0, 1), made.of_event("INV", 3, 0), made.sync(1), made.movall(0, 1), made.sync(1))
    assert made.taken(0) == [] and made.taken(1) == [8200]


def test_the_account_goes_along(bench: Any) -> None:
    """What was resampled goes as such, and no count falls below nothing."""
    made = bench().on()
    first, second = (cpu.lpis for cpu in made.cpus)
    first.pend(8200)
    first.write_enable(False)
    first.write_enable(True)
    first.pend(8201)
    first.move_all(made.cpus[1])
    assert (made.counters(0).raised, made.counters(0).resampled) == (0, 1)
    assert (made.counters(1).raised, made.counters(1).resampled) == (2, 0)
    second.move_all(made.cpus[0])
    assert made.balanced()


def test_random_histories_are_those_of_a_naive_model(bench: Any) -> None:
    made = bench().on()
    chance = random.Random(11)
    table = dict.fromkeys(range(8192, 8224), 0xA1)
    pending: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for _ in range(6000):
        cpu = chance.randrange(2)
        lpis, there = made.cpus[cpu].lpis, made.cpus[1 - cpu]
        intid = chance.randrange(8192, 8224)
        step = chance.randrange(7)
        if step < 3:
            lpis.pend(intid)
            pending[cpu].setdefault(intid, table[intid])
        elif step == 3:
            table[intid] = chance.getrandbits(8)
            made.configure(intid, table[intid])
            for index, one in enumerate(made.cpus):
                one.lpis.invalidate(intid)
                if intid in pending[index]:
                    pending[index][intid] = table[intid]
        elif step == 4:
            lpis.clear(intid)
            pending[cpu].pop(intid, None)
        elif step == 5 and chance.random() < 0.4:
            lpis.move_all(there)
            for number in pending[cpu]:
                pending[1 - cpu][number] = table[number]
            pending[cpu].clear()
        elif step == 6:
            lpis.move(intid, there)
            if intid in pending[cpu]:
                del pending[cpu][intid]
                pending[1 - cpu].setdefault(intid, table[intid])
        for index, one in enumerate(made.cpus):
            expected = [(number, byte & 0xFD) for number, byte in sorted(pending[index].items())]
            assert one.lpis.pending() == expected and one.lpis.owed == len(expected)
            assert one.lpis.first_priority() == min((b & 0xFC for _, b in expected if b & 1), default=256)
    assert made.balanced()
