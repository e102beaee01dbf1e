"""Saved states come from files: every value is checked, and a refused one changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.bits import Fifo, LowestFirst, Priority

KINDS = (LowestFirst, Fifo, Priority)


def busy(kind: Any) -> Any:
    """A target with interrupts in every state, and an order of delivery."""
    target = kind(16, 0)
    for intid in (9, 3, 12, 5):
        target.pend(intid)
    target.pend(3)
    target.mask(12)
    if kind is Priority:
        target.set_priority(5, 7)
    target.acknowledge()
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_through_json(kind: Any) -> None:
    target = busy(kind)
    other = kind(16)
    other.restore(json.loads(json.dumps(target.save())))
    assert other.save() == target.save()
    assert [other.acknowledge() for _ in range(3)] == [target.acknowledge() for _ in range(3)]


def damaged(kind: Any) -> Iterator[Any]:
    good = busy(kind).save()
    for key in good:
        for value in (None, -1, 1.5, True, "x", "zz", [99], {}):
            yield {**good, key: value}
        yield {name: value for name, value in good.items() if name != key}
    yield {**good, "state": "20" + good["state"][2:]}  # a bit that means nothing
    yield {**good, "state": good["state"][2:]}
    yield {**good, "state": good["state"] + "00"}
    yield from ([], None, "state", 7)
    if kind is Priority:
        yield {**good, "priority": "ff" * 16, "state": "no state"}
    if kind is Fifo:
        order = good["order"]
        yield {**good, "order": [*order, order[0]]}
        yield {**good, "order": order[1:]}
        yield {**good, "order": [*order[1:], 15]}
        yield {**good, "order": [*order[1:], -1]}
        yield {**good, "order": [*order[1:], 1 << 80]}
        yield {**good, "order": [*order[1:], float(order[0])]}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_states_change_nothing(kind: Any) -> None:
    for number, state in enumerate(damaged(kind)):
        target = busy(kind)
        before = target.save()
        with pytest.raises(ValueError, match=r"'.*'|saved"):
            target.restore(state)
        assert target.save() == before, number
        assert target.first() == busy(kind).first()


@pytest.mark.parametrize("kind", KINDS)
def test_state_of_another_size(kind: Any) -> None:
    with pytest.raises(ValueError, match="priority" if kind is Priority else "state"):
        kind(17).restore(busy(kind).save())


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_taken_as_they_are(kind: Any) -> None:
    """Any state byte of known bits is a possible state; what is deliverable is found anew."""

    @given(st.binary(min_size=16, max_size=16).map(lambda raw: bytes(byte & 31 for byte in raw)))
    def restores(state: Any) -> None:
        ready = [intid for intid, byte in enumerate(state) if byte == 1]
        saved = kind(16).save() | {"state": state.hex()}
        if kind is Fifo:
            saved["order"] = ready[::-1]
        target = kind(16)
        target.restore(saved)
        assert target.state == state
        assert target.deliverable == len(ready)
        expected = ready[::-1] if kind is Fifo else ready
        assert [target.acknowledge() for _ in ready] == expected

    restores()


@pytest.mark.parametrize("kind", KINDS)
def test_rubbish_is_refused(kind: Any) -> None:
    rubbish = st.dictionaries(
        st.sampled_from(["state", "raised", "coalesced", "delivered", "order", "priority"]),
        st.none() | st.integers() | st.text(max_size=40) | st.lists(st.integers(), max_size=4),
    )

    @given(rubbish)
    def refuses(saved: Any) -> None:
        target = busy(kind)
        before = target.save()
        with pytest.raises(ValueError, match=r"'.*'|saved"):
            target.restore(saved)
        assert target.save() == before

    refuses()
