"""Both makes, side by side: the same results, the same exceptions, and the same saved state after every step."""

from __future__ import annotations

import random
from array import array
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from irqframe.bits import MASKED, PENDING, RECORD, UNTARGETED, BadRecordError, Op, pure

pytest.importorskip("irqframe._native", reason="the C extension is not built")
from irqframe.bits import _compiled

SIZE = 70
KINDS = ("LowestFirst", "Fifo", "Priority")

#: Both ends, what is just outside, what is far outside, and what is no number.
INTIDS = st.sampled_from([0, 1, 2, 31, 63, 64, SIZE - 1]) | st.sampled_from(
    [-1, -SIZE, SIZE, 1 << 31, 1 << 63, 1 << 80, -(1 << 80), 1.0, 1.5, None, "1", b"1", (), slice(0, 1)]
)
BITS = st.integers(0, 31) | st.sampled_from([32, 255, 256, -1, -32, 1 << 80, -(1 << 80), False, 1.0, None, "1", {}])
PRIORITIES = st.sampled_from([0, 1, 128, 255]) | st.sampled_from([-1, 256, 1 << 80, 1.0, 300.5, None, "7", True])


def outcome(call: Any) -> Any:
    """What a call returns, with its type, or the class of what it raises."""
    try:
        result = call()
    except Exception as error:
        return type(error)
    return type(result), result


class SideBySide(RuleBasedStateMachine):
    """Every operation on both."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.initial = MASKED
        self.pair = self.made()

    def made(self) -> tuple[Any, Any]:
        return (getattr(pure, self.kind)(SIZE, self.initial), getattr(_compiled, self.kind)(SIZE, self.initial))

    def both(self, name: str, *arguments: Any) -> None:
        one, other = (outcome(lambda target=target: getattr(target, name)(*arguments)) for target in self.pair)
        assert one == other, (name, arguments)

    @rule(intid=INTIDS)
    def pend(self, intid: Any) -> None:
        self.both("pend", intid)

    @rule(intid=INTIDS)
    def mask(self, intid: Any) -> None:
        self.both("mask", intid)

    @rule(intid=INTIDS)
    def unmask(self, intid: Any) -> None:
        self.both("unmask", intid)

    @rule(intid=INTIDS, bits=BITS)
    def set(self, intid: Any, bits: Any) -> None:
        self.both("set", intid, bits)

    @rule(intid=INTIDS, bits=BITS)
    def clear(self, intid: Any, bits: Any) -> None:
        self.both("clear", intid, bits)

    @rule(intid=INTIDS, bits=BITS)
    def test(self, intid: Any, bits: Any) -> None:
        self.both("test", intid, bits)

    @rule()
    def acknowledge(self) -> None:
        self.both("acknowledge")

    @rule(intid=INTIDS, priority=PRIORITIES)
    def set_priority(self, intid: Any, priority: Any) -> None:
        self.both("set_priority", intid, priority)

    @rule()
    def reset(self) -> None:
        self.both("reset")

    @rule(state=st.binary(min_size=SIZE, max_size=SIZE).map(lambda raw: bytes(byte & 31 for byte in raw)))
    def replace(self, state: bytes) -> None:
        self.both("replace", state, bytes(byte * 8 for byte in state))

    @rule(initial=st.integers(-1, 33))
    def make_anew(self, initial: int) -> None:
        self.both("__init__", SIZE, initial)

    @rule()
    def cross(self) -> None:
        """What one saved the other restores."""
        one, other = self.made()
        one.restore(self.pair[1].save())
        other.restore(self.pair[0].save())
        self.pair = one, other

    @rule(damage=st.sampled_from(["state", "raised", "order", "priority"]), value=st.none() | st.text(max_size=3))
    def restore_rubbish(self, damage: str, value: Any) -> None:
        self.both("restore", {**self.pair[0].save(), damage: value})

    @invariant()
    def same(self) -> None:
        one, other = self.pair
        assert one.save() == other.save()
        assert one.state == other.state
        assert one.deliverable == other.deliverable
        assert one.first() == other.first()
        if self.kind == "Priority":
            assert one.first_priority() == other.first_priority()


@pytest.mark.parametrize("kind", KINDS)
def test_side_by_side(kind: str) -> None:
    run_state_machine_as_test(
        lambda: SideBySide(kind), settings=settings(max_examples=120, stateful_step_count=50, deadline=None)
    )


def random_records(chance: random.Random, targets: int, size: int, count: int) -> bytes:
    """Few INTIDs, so that operations meet, and now and then one that is everything but right."""
    few = chance.sample(range(size), min(size, 40))
    ops = [Op.PEND] * 4 + [Op.ACKNOWLEDGE] * 3 + [Op.UNMASK] * 3 + list(Op)
    records = bytearray()
    for _ in range(count):
        op = chance.choice(ops)
        value = chance.randrange(256 if op is Op.SET_PRIORITY else 32)
        records += RECORD.pack(op, value, chance.randrange(targets), chance.choice(few))
        if op is Op.SET and chance.random() < 0.7:
            records[-7] = PENDING
    return bytes(records)


def replayed(make: Any, kinds: tuple[str, ...], size: int, records: Any) -> Any:
    """Results, how it ended, and every state."""
    targets = [getattr(make, kind)(size) for kind in kinds]
    out = array("i", [-7]) * (len(records) // RECORD.size)
    try:
        done: Any = make.replay(targets, records, out)
    except BadRecordError as error:
        done = (error.index, error.refusal, str(error))
    return out.tolist(), done, [target.save() for target in targets]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [1, 64, 65, 2048, 5000])
def test_traces_in_bulk(seed: int, size: int) -> None:
    chance = random.Random(seed * 7919 + size)
    kinds = ("Priority",) * 3 if seed % 2 else KINDS
    records = random_records(chance, 3, size, 4000)
    assert replayed(pure, kinds, size, records) == replayed(_compiled, kinds, size, records)


def test_long_trace() -> None:
    records = random_records(random.Random(1), 3, 300, 100_000)
    kinds = ("Priority",) * 3
    one, other = replayed(pure, kinds, 300, records), replayed(_compiled, kinds, 300, records)
    assert one == other
    assert one[1] == 100_000


@pytest.mark.parametrize("seed", range(200))
def test_rubbish_records(seed: int) -> None:
    """A good beginning, then random bytes."""
    chance = random.Random(seed)
    records = random_records(chance, 3, 70, 20) + chance.randbytes(8 * 20)
    assert replayed(pure, KINDS, 70, records) == replayed(_compiled, KINDS, 70, records)


def test_makes_can_be_mixed() -> None:
    """Targets that are not all compiled are replayed by the make in Python."""

    class Counting(_compiled.LowestFirst):  # type: ignore[misc]
        def pend(self, intid: int, /) -> bool:
            seen.append(intid)
            return bool(super().pend(intid))

    seen: list[int] = []
    targets = [pure.LowestFirst(8), _compiled.LowestFirst(8), Counting(8)]
    records = [(Op.PEND, 0, vcpu, vcpu + 1) for vcpu in range(3)]
    assert _compiled.replay(targets, records) == 3
    assert [target.state.find(PENDING | MASKED) for target in targets] == [1, 2, 3]
    assert seen == [3]


def test_memory_of_idle_targets() -> None:
    """512 vCPUs with 2,048 INTIDs: what is told is what is there."""
    size = 2048
    plane = size // 8
    compiled = _compiled.LowestFirst(size)
    assert compiled.__sizeof__() <= 3 * (3 * plane)
    one = pure.LowestFirst(size)
    held = [one, one.state, *(getattr(one, name) for name in ("_low", "deliverable", "raised"))]
    assert sum(part.__sizeof__() for part in held) <= 1.5 * size
    compiled.set(5, UNTARGETED)
    assert compiled.__sizeof__() == _compiled.LowestFirst(size).__sizeof__() + 3 * plane


@pytest.mark.parametrize("order", [[], [1], [1, 1], [1, 3, 3], [1, 2], [3, 4], [3, 9], [3, -1], ["1", 3], (1, 3), None])
def test_order_that_is_not_that_of_the_state(order: Any) -> None:
    """What was read from a file was checked before; this is what the extension itself takes."""
    target = _compiled.Fifo(5, 0)
    target.pend(4)
    before = target.save()
    with pytest.raises(ValueError, match="an order"):
        target._load(bytes([0, 1, 0, 1, 2]), order)
    assert target.save() == before
    target._load(bytes([0, 1, 0, 1, 2]), [3, 1])
    assert target.order() == [3, 1]
