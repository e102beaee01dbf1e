"""Saved states come from files: every value is checked, and a refused one changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


def busy(policy: Any) -> Any:
    """A target with interrupts in every state, and an order of delivery."""
    target = policy(16, 0)
    for intid in (9, 3, 12, 5):
        target.pend(intid)
    target.pend(3)
    target.mask(12)
    if policy.__name__ == "Priority":
        target.set_priority(5, 7)
    target.acknowledge()
    return target


def test_round_trip_through_json(policy: Any) -> None:
    target = busy(policy)
    other = policy(16)
    other.restore(json.loads(json.dumps(target.save())))
    assert other.save() == target.save()
    assert [other.acknowledge() for _ in range(3)] == [target.acknowledge() for _ in range(3)]


def damaged(policy: Any) -> Iterator[Any]:
    good = busy(policy).save()
    for key in good:
        for value in (None, -1, 1.5, True, "x", "zz", [99], {}):
            yield {**good, key: value}
        yield {name: value for name, value in good.items() if name != key}
    yield {**good, "state": "20" + good["state"][2:]}  # a bit that means nothing
    yield {**good, "state": good["state"][2:]}
    yield {**good, "state": good["state"] + "00"}
    yield from ([], None, "state", 7)
    if policy.__name__ == "Priority":
        yield {**good, "priority": "ff" * 16, "state": "no state"}
    if policy.__name__ == "Fifo":
        order = good["order"]
        yield {**good, "order": [*order, order[0]]}
        yield {**good, "order": order[1:]}
        yield {**good, "order": [*order[1:], 15]}
        yield {**good, "order": [*order[1:], -1]}
        yield {**good, "order": [*order[1:], 1 << 80]}
        yield {**good, "order": [*order[1:], float(order[0])]}


def test_damaged_states_change_nothing(policy: Any) -> None:
    for number, state in enumerate(damaged(policy)):
        target = busy(policy)
        before = target.save()
        with pytest.raises(ValueError, match=r"'.*'|saved"):
            target.restore(state)
        assert target.save() == before, number
        assert target.first() == busy(policy).first()


def test_state_of_another_size(policy: Any) -> None:
    with pytest.raises(ValueError, match="priority" if policy.__name__ == "Priority" else "state"):
        policy(17).restore(busy(policy).save())


def test_bytes_are_taken_as_they_are(policy: Any) -> None:
    """Any state byte of known bits is a possible state; what is deliverable is found anew."""

    @given(st.binary(min_size=16, max_size=16).map(lambda raw: bytes(byte & 31 for byte in raw)))
    def restores(state: Any) -> None:
        ready = [intid for intid, byte in enumerate(state) if byte == 1]
        saved = policy(16).save() | {"state": state.hex()}
        if policy.__name__ == "Fifo":
            saved["order"] = ready[::-1]
        target = policy(16)
        target.restore(saved)
        assert target.state == state
        assert target.deliverable == len(ready)
        expected = ready[::-1] if policy.__name__ == "Fifo" else ready
        assert [target.acknowledge() for _ in ready] == expected

    restores()


def test_rubbish_is_refused(policy: Any) -> None:
    rubbish = st.dictionaries(
        st.sampled_from(["state", "raised", "coalesced", "delivered", "order", "priority"]),
        st.none() | st.integers() | st.text(max_size=40) | st.lists(st.integers(), max_size=4),
    )

    @given(rubbish)
    def refuses(saved: Any) -> None:
        target = busy(policy)
        before = target.save()
        with pytest.raises(ValueError, match=r"'.*'|saved"):
            target.restore(saved)
        assert target.save() == before

    refuses()
