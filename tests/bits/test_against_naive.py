"""Each policy against a model that is too slow to be wrong: integers as sets of bits, and sorting."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from irqframe.bits import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED

SIZE = 70
BITS = (PENDING, MASKED, ACTIVE, UNTARGETED, GROUP_OFF)


class Naive:
    """One integer per state bit; the order of delivery is made anew each time it is asked for."""

    def __init__(self, size: int, initial: int) -> None:
        self.size = size
        self.planes = {bit: (1 << size) - 1 if initial & bit else 0 for bit in BITS}
        self.since: list[int] = []
        self.priority = [0] * size
        self.raised = self.coalesced = self.delivered = 0

    def byte(self, intid: int) -> int:
        return sum(bit for bit in BITS if self.planes[bit] >> intid & 1)

    def deliverable(self) -> list[int]:
        blocked = self.planes[MASKED] | self.planes[ACTIVE] | self.planes[UNTARGETED] | self.planes[GROUP_OFF]
        ready = self.planes[PENDING] & ~blocked
        return [intid for intid in range(self.size) if ready >> intid & 1]

    def change(self, intid: int, bits: int, value: bool) -> None:
        for bit in BITS:
            if bits & bit:
                self.planes[bit] = self.planes[bit] | 1 << intid if value else self.planes[bit] & ~(1 << intid)
        ready = self.deliverable()
        self.since = [one for one in self.since if one in ready]
        self.since += [one for one in ready if one not in self.since]

    def pend(self, intid: int) -> bool:
        was = bool(self.byte(intid) & PENDING)
        self.raised += 1
        self.coalesced += was
        self.change(intid, PENDING, True)
        return not was

    def acknowledge(self, order: list[int]) -> int:
        if not order:
            return -1
        intid = order[0]
        self.delivered += 1
        self.change(intid, PENDING | ACTIVE | UNTARGETED | GROUP_OFF, False)
        self.change(intid, MASKED, True)
        return intid

    def order(self, kind: str) -> list[int]:
        if kind == "LowestFirst":
            return self.deliverable()
        if kind == "Fifo":
            return list(self.since)
        return sorted(self.deliverable(), key=lambda intid: (self.priority[intid], intid))


class Against(RuleBasedStateMachine):
    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy
        self.kind = policy.__name__
        self.target = policy(SIZE)
        self.naive = Naive(SIZE, MASKED)

    #: Few enough that operations meet, with both ends of the range.
    intids = st.sampled_from([0, 1, 2, 31, 32, 63, 64, SIZE - 1])
    bits = st.integers(0, 31)

    @rule(intid=intids)
    def pend(self, intid: int) -> None:
        assert self.target.pend(intid) == self.naive.pend(intid)

    @rule(intid=intids)
    def mask(self, intid: int) -> None:
        self.target.mask(intid)
        self.naive.change(intid, MASKED, True)

    @rule(intid=intids)
    def unmask(self, intid: int) -> None:
        self.target.unmask(intid)
        self.naive.change(intid, MASKED, False)

    @rule(intid=intids, bits=bits)
    def set(self, intid: int, bits: int) -> None:
        before = self.naive.byte(intid)
        assert self.target.set(intid, bits) == before
        self.naive.change(intid, bits, True)

    @rule(intid=intids, bits=bits)
    def clear(self, intid: int, bits: int) -> None:
        before = self.naive.byte(intid)
        assert self.target.clear(intid, bits) == before
        self.naive.change(intid, bits, False)

    @rule()
    def acknowledge(self) -> None:
        order = self.naive.order(self.kind)
        assert self.target.acknowledge() == self.naive.acknowledge(order)

    @rule()
    def reset(self) -> None:
        self.target.reset()
        self.naive = Naive(SIZE, MASKED)

    @rule()
    def save_and_restore(self) -> None:
        saved = self.target.save()
        self.target = self.policy(SIZE)
        self.target.restore(saved)
        assert self.target.save() == saved

    @rule(intid=intids, priority=st.sampled_from([0, 1, 128, 254, 255]))
    def set_priority(self, intid: int, priority: int) -> None:
        if self.kind == "Priority":
            self.target.set_priority(intid, priority)
            self.naive.priority[intid] = priority

    @invariant()
    def same(self) -> None:
        target, naive = self.target, self.naive
        order = naive.order(self.kind)
        assert list(target.state) == [naive.byte(intid) for intid in range(SIZE)]
        assert target.deliverable == len(order)
        assert target.first() == (order[0] if order else -1)
        assert (target.raised, target.coalesced, target.delivered) == (naive.raised, naive.coalesced, naive.delivered)
        if self.kind == "Fifo":
            assert target.order() == order
        if self.kind == "Priority":
            assert target.first_priority() == (naive.priority[order[0]] if order else 256)


def test_operations_in_any_order(policy: Any) -> None:
    run_state_machine_as_test(
        lambda: Against(policy), settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


@pytest.mark.parametrize("seed", range(3))
def test_long_random_traces(policy: Any, seed: int) -> None:
    chance = random.Random(seed)
    kind = policy.__name__
    target, naive = policy(SIZE), Naive(SIZE, MASKED)
    for _ in range(3000):
        intid = chance.randrange(SIZE)
        match chance.randrange(6):
            case 0 | 1:
                assert target.pend(intid) == naive.pend(intid)
            case 2 | 3:
                target.unmask(intid)
                naive.change(intid, MASKED, False)
            case 4:
                assert target.acknowledge() == naive.acknowledge(naive.order(kind))
            case 5:
                if kind == "Priority":
                    naive.priority[intid] = chance.randrange(256)
                    target.set_priority(intid, naive.priority[intid])
                else:
                    target.clear(intid, PENDING)
                    naive.change(intid, PENDING, False)
        assert target.deliverable == len(naive.deliverable())
        assert target.first() == next(iter(naive.order(kind)), -1)


def test_sixty_five_thousand_interrupts(policy: Any) -> None:
    size = 65_536
    kind = policy.__name__
    target = policy(size, 0)
    chance = random.Random(7)
    intids = chance.sample(range(size), 5000)
    if kind == "Priority":
        for intid in intids:
            target.set_priority(intid, intid % 256)
    for intid in intids:
        target.pend(intid)
    by_priority = sorted(intids, key=lambda one: (one % 256, one))
    orders = {"LowestFirst": sorted(intids), "Fifo": intids, "Priority": by_priority}
    assert [target.acknowledge() for _ in intids] == orders[kind]
    assert target.acknowledge() == -1
    restored = policy(size, 0)
    restored.restore(target.save())
    assert restored.state == target.state
