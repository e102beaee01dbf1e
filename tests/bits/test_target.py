"""What every policy has in common."""

from __future__ import annotations

import gc
import weakref
from operator import index
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


@pytest.mark.parametrize("intid", [-1, -8, 8, 1000, 1 << 40, 1 << 80, -(1 << 80)])
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
    with pytest.raises(IndexError):
        target.test(intid, PENDING)
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


@pytest.mark.parametrize("wrong", [None, "3", b"3", 3.0, [3], slice(0, 3), 3j])
def test_what_is_no_integer_changes_nothing(policy: Any, wrong: Any) -> None:
    target = policy(8)
    target.pend(3)
    before = target.save()
    for call in (target.pend, target.mask, target.unmask):
        with pytest.raises(TypeError):
            call(wrong)
    for call in (target.set, target.clear, target.test):
        with pytest.raises(TypeError):
            call(wrong, PENDING)
        with pytest.raises(TypeError):
            call(3, wrong)
    assert target.save() == before


@pytest.mark.parametrize("bits", [32, 33, 255, 256, 1 << 80, -1, -(1 << 80)])
def test_bits_that_mean_nothing_are_not_set(policy: Any, bits: int) -> None:
    target = policy(8)
    before = target.save()
    with pytest.raises(ValueError, match=r"bits|byte"):
        target.set(3, bits)
    assert target.save() == before
    assert target.test(3, bits) is bool(bits & MASKED)
    assert target.clear(3, bits) == MASKED
    assert target.state[3] == MASKED & ~bits


@pytest.mark.parametrize("size", [-1, (1 << 24) + 1, 1 << 80])
def test_size_out_of_range(policy: Any, size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        policy(size)


@pytest.mark.parametrize("size", [None, "8", 8.0])
def test_size_that_is_no_integer(policy: Any, size: Any) -> None:
    with pytest.raises(TypeError):
        policy(size)


def test_number_of_arguments(policy: Any) -> None:
    target = policy(8)
    for name, count in {"pend": 1, "mask": 1, "unmask": 1, "set": 2, "clear": 2, "test": 2}.items():
        for wrong in {0, 1, 2, 3} - {count}:
            with pytest.raises(TypeError):
                getattr(target, name)(*[1] * wrong)
    for name in ("first", "acknowledge", "reset", "save"):
        with pytest.raises(TypeError):
            getattr(target, name)(1)


class Number:
    """An integer of another type."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __lt__(self, other: int) -> bool:
        return self.value < other

    def __ge__(self, other: int) -> bool:
        return self.value >= other

    def __ror__(self, other: int) -> int:
        return other | self.value


def test_integers_of_other_types(policy: Any) -> None:
    target = policy(8)
    assert target.set(True, Number(PENDING)) == MASKED
    target.unmask(Number(1))
    assert index(target.first()) == 1
    with pytest.raises(IndexError):
        target.mask(Number(-1))


def test_state_reads_like_bytes(policy: Any) -> None:
    target = policy(70, 0)
    target.set(3, PENDING | ACTIVE)
    target.set(69, GROUP_OFF)
    target.set(64, UNTARGETED)
    state = target.state
    expected = bytearray(70)
    expected[3], expected[64], expected[69] = PENDING | ACTIVE, UNTARGETED, GROUP_OFF
    assert len(state) == 70
    assert (state[3], state[-1], state[-70]) == (5, 16, 0)
    assert state == expected == state
    assert state != bytes(70)
    assert bytes(state) == bytes(memoryview(state)) == expected
    assert list(state) == list(expected)
    for part in (slice(None), slice(1, 66), slice(8, 16), slice(66, 2), slice(-5, None), slice(None, None, -3)):
        assert state[part] == expected[part]
        assert type(state[part]) is bytearray
    assert (state.find(16), state.find(5, 4), state.count(0)) == (69, -1, 67)
    assert state.hex() == expected.hex()
    assert state.translate(bytes(range(255, -1, -1))) == expected.translate(bytes(range(255, -1, -1)))
    assert 16 in state
    assert 17 not in state
    assert repr(state) == repr(expected)
    for outside in (70, -71, 1 << 80):
        with pytest.raises(IndexError):
            state[outside]
    with pytest.raises(TypeError):
        state["3"]
    with pytest.raises(AttributeError):
        state.nothing  # noqa: B018
    with pytest.raises(TypeError):
        hash(state)
    target.clear(3, ACTIVE)
    assert state[3] == PENDING  # it is the state as it is now


def test_every_target_is_a_target(policy: Any) -> None:
    assert issubclass(policy, Target)
    assert isinstance(policy(1), Target)


def test_counters_are_the_callers_to_correct(policy: Any) -> None:
    target = policy(8)
    target.raised += 2
    target.coalesced += 1
    target.delivered = 7
    saved = target.save()
    assert (saved["raised"], saved["coalesced"], saved["delivered"]) == (2, 1, 7)


def test_subclass_with_attributes(policy: Any) -> None:
    """As plugins have them; garbage collection finds what refers to itself."""

    class Kind(policy):  # type: ignore[misc]
        __slots__ = ("more",)

        def __init__(self) -> None:
            super().__init__(8)
            self.more = self.state

    target = Kind()
    target.pend(1)
    assert target.more[1] == PENDING | MASKED
    noted = weakref.WeakSet()

    class Noted:
        pass

    thing = Noted()
    noted.add(thing)
    target.more = [target, target.state, thing]
    del target, thing
    gc.collect()
    assert not noted


def test_made_anew(policy: Any) -> None:
    """`__init__` again is a new target, of another size."""
    target = policy(100, 0)
    state = target.state
    target.pend(99)
    target.__init__(8, ACTIVE)
    assert target.save() == policy(8, ACTIVE).save()
    assert target.first() == -1
    with pytest.raises(ValueError, match="initial"):
        target.__init__(100, PENDING)
    assert target.save() == policy(8, ACTIVE).save()
    assert len(state) in (8, 100)
