"""The order of delivery, policy by policy."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.bits import PENDING, PRIORITIES, pure


def drain(target: Any) -> list[int]:
    order = []
    while (intid := target.acknowledge()) >= 0:
        order.append(intid)
    return order


def raised(policy: Any, *intids: int, size: int = 64) -> Any:
    target = policy(size, 0)
    for intid in intids:
        target.pend(intid)
    return target


# Lowest first


def test_lowest_first(make: Any) -> None:
    assert drain(raised(make.LowestFirst, 9, 63, 0, 31, 5)) == [0, 5, 9, 31, 63]


def test_mark_follows_a_withdrawn_interrupt(make: Any) -> None:
    """The low-water mark stands at or below the lowest; what was below may be withdrawn."""
    target = raised(make.LowestFirst, 3, 60)
    target.clear(3, PENDING)
    assert target.first() == 60
    target.pend(10)
    assert target.first() == 10
    target.mask(10)
    assert target.acknowledge() == 60
    target.unmask(10)
    assert target.acknowledge() == 10


def test_mark_after_an_acknowledge(make: Any) -> None:
    target = raised(make.LowestFirst, 3, 5)
    assert target.acknowledge() == 3
    target.pend(3)  # masked: it does not move the mark
    target.pend(4)
    assert target.acknowledge() == 4
    target.unmask(3)
    assert drain(target) == [3, 5]


def test_mark_at_the_ends(make: Any) -> None:
    target = raised(make.LowestFirst, 63)
    assert target.acknowledge() == 63
    target.unmask(63)
    target.pend(0)
    target.pend(63)
    assert drain(target) == [0, 63]


# First in, first out


def test_in_the_order_of_arrival(make: Any) -> None:
    target = raised(make.Fifo, 9, 63, 0, 31)
    assert target.order() == [9, 63, 0, 31]
    assert drain(target) == [9, 63, 0, 31]


def test_raised_again_keeps_its_place(make: Any) -> None:
    assert drain(raised(make.Fifo, 9, 5, 9)) == [9, 5]


def test_masked_and_unmasked_goes_to_the_end(make: Any) -> None:
    target = raised(make.Fifo, 9, 5, 7)
    target.mask(9)
    assert target.order() == [5, 7]
    target.unmask(9)
    assert target.order() == [5, 7, 9]


def test_place_is_taken_when_it_becomes_deliverable(make: Any) -> None:
    target = make.Fifo(64)
    for intid in (9, 5):
        target.pend(intid)
    for intid in (5, 9):
        target.unmask(intid)
    assert drain(target) == [5, 9]


def test_withdrawn_and_raised_again_has_a_new_place(make: Any) -> None:
    target = raised(make.Fifo, 9, 5)
    target.clear(9, PENDING)
    assert target.first() == 5
    target.pend(9)
    assert drain(target) == [5, 9]


def test_stale_places_do_not_pile_up() -> None:
    target = raised(pure.Fifo, 0, size=8)
    for _ in range(10_000):
        target.pend(1)
        target.clear(1, PENDING)
    assert len(target._queue) <= 17
    assert target.order() == [0]


# By priority


def test_most_urgent_first_then_lowest(make: Any) -> None:
    target = make.Priority(64, 0)
    for intid, priority in {1: 160, 2: 0, 3: 255, 4: 160, 5: 128}.items():
        target.set_priority(intid, priority)
    for intid in (4, 3, 2, 1, 5):
        target.pend(intid)
    assert target.first_priority() == 0
    assert drain(target) == [2, 5, 1, 4, 3]
    assert target.first_priority() == PRIORITIES


def test_priority_of_a_waiting_interrupt_changes(make: Any) -> None:
    target = make.Priority(64, 0)
    for intid in (1, 2):
        target.set_priority(intid, 100)
        target.pend(intid)
    target.set_priority(2, 50)
    assert (target.first(), target.first_priority()) == (2, 50)
    target.set_priority(2, 200)
    assert (target.first(), target.first_priority()) == (1, 100)
    target.set_priority(2, 100)
    assert drain(target) == [1, 2]


def test_priority_of_an_idle_interrupt_is_for_later(make: Any) -> None:
    target = make.Priority(64, 0)
    target.pend(1)
    target.set_priority(1, 10)
    target.set_priority(2, 5)
    target.pend(2)
    assert drain(target) == [2, 1]


@pytest.mark.parametrize("priority", [-1, 256, 1 << 80])
def test_priority_out_of_range_changes_nothing(make: Any, priority: int) -> None:
    target = make.Priority(8, 0)
    target.pend(3)
    with pytest.raises(ValueError, match=str(priority)):
        target.set_priority(3, priority)
    assert drain(target) == [3]


def test_stale_entries_do_not_pile_up() -> None:
    target = pure.Priority(8, 0)
    target.pend(0)
    for _ in range(10_000):
        target.pend(1)
        target.clear(1, PENDING)
    assert sum(len(heap) for heap in target._heaps.values()) < 100
    assert drain(target) == [0]


def test_reset_forgets_the_priorities(make: Any) -> None:
    target = make.Priority(8, 0)
    target.set_priority(3, 7)
    target.reset()
    assert target.priority == bytes(8)


@pytest.mark.parametrize("wrong", [None, "3", 3.0])
def test_priority_that_is_no_integer_changes_nothing(make: Any, wrong: Any) -> None:
    target = make.Priority(8, 0)
    target.pend(3)
    before = target.save()
    with pytest.raises(TypeError):
        target.set_priority(3, wrong)
    with pytest.raises(TypeError):
        target.set_priority(wrong, 3)
    for outside in (-1, 8, 1 << 80):
        with pytest.raises(IndexError):
            target.set_priority(outside, 3)
    assert target.save() == before
    assert drain(target) == [3]


def test_replace_takes_everything_at_once(make: Any) -> None:
    target = make.Priority(8, 0)
    target.pend(7)
    target.set_priority(7, 9)
    counts = (target.raised, target.coalesced, target.delivered)
    target.replace(bytes([1, 0, 1, 3, 4, 31, 1, 0]), bytes([5, 0, 1, 0, 0, 0, 1, 0]))
    assert target.state == bytes([1, 0, 1, 3, 4, 31, 1, 0])
    assert target.priority == bytes([5, 0, 1, 0, 0, 0, 1, 0])
    assert target.deliverable == 3
    assert (target.raised, target.coalesced, target.delivered) == counts
    assert drain(target) == [2, 6, 0]


@pytest.mark.parametrize(
    ("state", "priority"), [(bytes(7), bytes(8)), (bytes(8), bytes(9)), (bytes([32] * 8), bytes(8)), (b"", b"")]
)
def test_replace_of_what_does_not_fit_changes_nothing(make: Any, state: bytes, priority: bytes) -> None:
    target = make.Priority(8, 0)
    target.pend(7)
    target.set_priority(7, 9)
    before = target.save()
    with pytest.raises(ValueError, match=r"every interrupt|mean nothing"):
        target.replace(state, priority)
    assert target.save() == before
    assert target.first_priority() == 9


def test_beyond_three_levels(make: Any) -> None:
    """More INTIDs than three levels of 64 bits reach."""
    for policy in (make.LowestFirst, make.Fifo, make.Priority):
        target = raised(policy, 262_143, 262_144, 524_288, 600_000, size=600_001)
        assert drain(target) == [262_143, 262_144, 524_288, 600_000]
