"""What every policy has in common."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.bits import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED, Target

BLOCKS = (MASKED, ACTIVE, UNTARGETED, GROUP_OFF)


def test_at_first_all_is_masked_and_nothing_deliverable(policy: Any) -> None:
    target = policy(64)
    assert target.state == bytes([MASKED]) * 64
    assert (target.deliverable, target.raised, target.coalesced, target.delivered) == (0, 0, 0, 0)
    assert target.first() == -1
    assert target.acknowledge() == -1
    assert target.delivered == 0


def test_bits_are_distinct() -> None:
    assert sorted((PENDING, *BLOCKS)) == [1, 2, 4, 8, 16]


def test_base_is_abstract() -> None:
    with pytest.raises(TypeError):
        Target(4)


def test_life_of_one_interrupt(policy: Any) -> None:
    target = policy(64)
    assert target.pend(5)
    assert target.first() == -1
    target.unmask(5)
    assert target.deliverable == 1
    assert target.first() == 5
    assert target.acknowledge() == 5
    assert target.state[5] == MASKED  # the one-shot rule: not pending, and masked
    assert target.deliverable == 0
    assert target.pend(5)  # latched between acknowledge and unmask
    assert target.first() == -1
    target.unmask(5)
    assert target.acknowledge() == 5
    assert (target.raised, target.coalesced, target.delivered) == (2, 0, 2)


def test_two_raises_coalesce(policy: Any) -> None:
    target = policy(8, 0)
    assert target.pend(3)
    assert not target.pend(3)
    assert (target.raised, target.coalesced, target.deliverable) == (2, 1, 1)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_reason_not_to_deliver(policy: Any, block: int) -> None:
    target = policy(8, 0)
    target.pend(3)
    assert target.set(3, block) == PENDING
    assert target.deliverable == 0
    assert target.first() == -1
    assert target.clear(3, block) == PENDING | block
    assert target.first() == 3


def test_deliverable_only_when_no_reason_is_left(policy: Any) -> None:
    target = policy(8, 0)
    target.set(3, PENDING | MASKED | ACTIVE)
    target.clear(3, MASKED)
    assert target.first() == -1
    target.clear(3, ACTIVE)
    assert target.first() == 3


def test_several_bits_at_once(policy: Any) -> None:
    target = policy(8)
    target.set(3, PENDING)
    assert target.clear(3, PENDING | MASKED) == PENDING | MASKED
    assert target.deliverable == 0
    assert target.state[3] == 0


def test_set_and_clear_again_change_nothing(policy: Any) -> None:
    target = policy(8, 0)
    target.set(3, PENDING)
    assert target.set(3, PENDING) == PENDING
    assert target.deliverable == 1
    target.clear(3, PENDING)
    assert target.clear(3, PENDING) == 0
    assert target.deliverable == 0


def test_set_and_clear_count_nothing(policy: Any) -> None:
    target = policy(8, 0)
    target.set(3, PENDING)
    target.set(3, PENDING)
    target.clear(3, PENDING)
    assert (target.raised, target.coalesced, target.delivered) == (0, 0, 0)


def test_any_of_the_bits(policy: Any) -> None:
    target = policy(8)
    assert target.test(3, MASKED | PENDING)
    assert not target.test(3, ACTIVE | PENDING)


@pytest.mark.parametrize("intid", [8, 1000])
def test_intid_that_is_not_there_changes_nothing(policy: Any, intid: int) -> None:
    target = policy(8)
    before = target.save()
    for call in (target.pend, target.mask, target.unmask):
        with pytest.raises(IndexError):
            call(intid)
    with pytest.raises(IndexError):
        target.set(intid, PENDING)
    with pytest.raises(IndexError):
        target.clear(intid, PENDING)
    assert target.save() == before


@pytest.mark.parametrize("initial", [PENDING, 32, 256, -1])
def test_initial_that_is_deliverable_or_no_state(policy: Any, initial: int) -> None:
    with pytest.raises(ValueError, match="initial"):
        policy(8, initial)


@pytest.mark.parametrize("initial", [0, MASKED, MASKED | UNTARGETED, PENDING | MASKED])
def test_reset_brings_back_the_initial_state(policy: Any, initial: int) -> None:
    target = policy(8, initial)
    fresh = target.save()
    for intid in range(8):
        target.clear(intid, MASKED | UNTARGETED)
        target.pend(intid)
    target.acknowledge()
    target.reset()
    assert target.save() == fresh
    assert target.first() == -1
    target.clear(2, MASKED | UNTARGETED)
    target.set(2, PENDING)
    assert target.first() == 2


def test_no_interrupts_at_all(policy: Any) -> None:
    target = policy(0)
    assert target.first() == target.acknowledge() == -1
    target.restore(target.save())
