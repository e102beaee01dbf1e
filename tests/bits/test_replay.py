"""Replay: what each operation does and answers, and what ends one."""

from __future__ import annotations

import mmap
import struct
import sys
import threading
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from irqframe.bits import ACTIVE, MASKED, PENDING, RECORD, BadRecordError, Op, Refusal


def packed(*records: tuple[int, int, int, int]) -> bytes:
    return b"".join(RECORD.pack(*record) for record in records)


#: One row for each operation: the record, its result, and the byte of INTID 3 afterwards.
OPERATIONS = (
    ((Op.PEND, 0, 0, 3), 1, PENDING | MASKED),
    ((Op.PEND, 0, 0, 3), 0, PENDING | MASKED),
    ((Op.FIRST, 0, 0, 0), -1, PENDING | MASKED),
    ((Op.UNMASK, 0, 0, 3), PENDING | MASKED, PENDING),
    ((Op.FIRST, 0, 0, 999), 3, PENDING),
    ((Op.SET_PRIORITY, 9, 0, 3), 0, PENDING),
    ((Op.ACKNOWLEDGE, 0, 0, 999), 3, MASKED),
    ((Op.ACKNOWLEDGE, 0, 0, 0), -1, MASKED),
    ((Op.UNMASK, 0, 0, 3), MASKED, 0),
    ((Op.MASK, 0, 0, 3), 0, MASKED),
    ((Op.SET, ACTIVE | PENDING, 0, 3), MASKED, MASKED | ACTIVE | PENDING),
    ((Op.CLEAR, MASKED, 0, 3), MASKED | ACTIVE | PENDING, ACTIVE | PENDING),
    ((Op.CLEAR, 255, 0, 3), ACTIVE | PENDING, 0),
    ((Op.SET, PENDING, 0, 3), 0, PENDING),
    ((Op.TEST, MASKED | ACTIVE, 0, 3), 0, PENDING),
    ((Op.TEST, PENDING, 0, 3), 1, PENDING),
)


@pytest.mark.parametrize("as_buffer", [True, False])
def test_operations(make: Any, as_buffer: bool) -> None:
    target = make.Priority(8)
    out = array("i", [-9])
    for record, result, byte in OPERATIONS:
        assert make.replay([target], packed(record) if as_buffer else [record], out) == 1
        assert (out[0], target.state[3]) == (result, byte), record
    assert target.priority[3] == 9
    assert (target.raised, target.coalesced, target.delivered) == (2, 1, 1)
    assert {record[0] for record, _, _ in OPERATIONS} == set(Op)


def test_nothing_to_do(make: Any) -> None:
    assert make.replay([], b"") == make.replay([], []) == make.replay([], b"", bytearray()) == 0


def test_every_kind_of_buffer(make: Any) -> None:
    records = packed((Op.PEND, 0, 0, 1), (Op.PEND, 0, 1, 2))
    mapped = mmap.mmap(-1, 16)
    mapped[:] = records
    words = array("I")
    words.frombytes(records)
    odd = memoryview(b"x" + records)[1:]  # not aligned
    for buffer in (records, bytearray(records), mapped, words, odd, memoryview(records).cast("I", (2, 2))):
        targets = [make.LowestFirst(8), make.Fifo(8)]
        out = bytearray(1 + 8)
        assert make.replay(targets, buffer, memoryview(out)[1:]) == 2
        assert struct.unpack("=ii", out[1:]) == (1, 1)
        assert [target.state[1] for target in targets] == [3, 2]
    mapped.close()


BAD = (
    ((9, 0, 0, 0), Refusal.NO_OPERATION),
    ((255, 0, 9, 99), Refusal.NO_OPERATION),
    ((Op.PEND, 0, 2, 0), Refusal.NO_VCPU),
    ((Op.ACKNOWLEDGE, 0, 0xFFFF, 0), Refusal.NO_VCPU),
    ((Op.PEND, 0, 0, 8), Refusal.NO_INTID),
    ((Op.UNMASK, 0, 0, 0xFFFF_FFFF), Refusal.NO_INTID),
    ((Op.MASK, 0, 0, 8), Refusal.NO_INTID),
    ((Op.SET, 32, 0, 8), Refusal.NO_INTID),
    ((Op.CLEAR, 1, 0, 8), Refusal.NO_INTID),
    ((Op.TEST, 1, 0, 8), Refusal.NO_INTID),
    ((Op.SET_PRIORITY, 1, 0, 8), Refusal.NO_INTID),
    ((Op.SET, 32, 0, 3), Refusal.NO_BITS),
    ((Op.SET_PRIORITY, 1, 0, 3), Refusal.NO_PRIORITIES),
)


@pytest.mark.parametrize("as_buffer", [True, False])
@pytest.mark.parametrize(("record", "refusal"), BAD)
def test_first_bad_record_ends_it(make: Any, record: Any, refusal: Refusal, as_buffer: bool) -> None:
    targets = [make.LowestFirst(8), make.LowestFirst(8)]
    good = (Op.PEND, 0, 1, 5)
    records = [good, good, record, (Op.PEND, 0, 1, 6)]
    out = array("i", [-9] * 4)
    with pytest.raises(BadRecordError, match="record 2: ") as caught:
        make.replay(targets, packed(*records) if as_buffer else records, out)
    assert (caught.value.index, caught.value.refusal) == (2, refusal)
    assert out.tolist() == [1, 0, -9, -9]
    assert targets[0].save() == make.LowestFirst(8).save()
    assert targets[1].raised == 2
    assert targets[1].state[6] == MASKED


@pytest.mark.parametrize(
    "item", [None, 5, "abcd", (), (0, 0, 0), (0, 0, 0, 0, 0), (0, 0, 0, 1.0), (0, 0, 0, -1), (256, 0, 0, 0)]
)
def test_what_is_no_record(make: Any, item: Any) -> None:
    target = make.LowestFirst(8)
    with pytest.raises(BadRecordError) as caught:
        make.replay([target], [(Op.PEND, 0, 0, 1), item])
    assert (caught.value.index, caught.value.refusal) == (1, Refusal.NO_RECORD)
    assert target.raised == 1


def test_no_room_for_results(make: Any) -> None:
    for records in ([(Op.PEND, 0, 0, 1)] * 3, packed(*[(Op.PEND, 0, 0, 1)] * 3)):
        target = make.LowestFirst(8)
        with pytest.raises(BadRecordError) as caught:
            make.replay([target], records, bytearray(11))
        assert (caught.value.index, caught.value.refusal, target.raised) == (2, Refusal.NO_ROOM, 2)


@pytest.mark.parametrize(
    ("records", "out", "error"),
    [
        (bytes(7), None, ValueError),
        (memoryview(bytes(32))[::2], None, BufferError),
        (bytes(8), bytes(4), BufferError),
        (bytes(8), memoryview(bytearray(16))[::2], BufferError),
        (bytes(8), [0], TypeError),
        (5, None, TypeError),
    ],
)
def test_what_is_no_buffer_changes_nothing(make: Any, records: Any, out: Any, error: type) -> None:
    target = make.LowestFirst(8)
    with pytest.raises(error):
        make.replay([target], records, out)
    assert target.raised == 0


def test_iterables_that_raise(make: Any) -> None:
    def records() -> Iterator[tuple[int, int, int, int]]:
        yield Op.PEND, 0, 0, 1
        raise OSError("the file ends")

    target = make.LowestFirst(8)
    with pytest.raises(OSError, match="the file ends"):
        make.replay([target], records())
    assert target.raised == 1


def test_iterables_that_call_back(make: Any) -> None:
    """They use the targets, replay themselves, and make them anew, smaller."""
    target = make.Fifo(200, 0)
    targets = [target]

    def records() -> Iterator[tuple[int, int, int, int]]:
        yield Op.PEND, 0, 0, 150
        assert target.acknowledge() == 150
        assert make.replay([target], packed((Op.PEND, 0, 0, 199))) == 1
        targets.clear()
        yield Op.ACKNOWLEDGE, 0, 0, 0
        target.__init__(4, 0)
        yield Op.PEND, 0, 0, 3
        yield Op.PEND, 0, 0, 150

    out = array("i", [0] * 4)
    with pytest.raises(BadRecordError) as caught:
        make.replay(targets, records(), out)
    assert (caught.value.index, caught.value.refusal) == (3, Refusal.NO_INTID)
    assert out.tolist() == [1, 199, 1, 0]


def test_buffers_are_held(make: Any) -> None:
    """Nobody resizes what is being read or written."""
    out = bytearray(8)

    def records() -> Iterator[tuple[int, int, int, int]]:
        yield Op.PEND, 0, 0, 1
        with pytest.raises(BufferError):
            out.clear()
        yield Op.PEND, 0, 0, 1

    assert make.replay([make.LowestFirst(8)], records(), out) == 2
    out.clear()


def test_results_over_the_records(make: Any) -> None:
    """One buffer for both: a record is read before its result is written."""
    target = make.LowestFirst(8, 0)
    both = bytearray(packed(*[(Op.PEND, 0, 0, intid) for intid in range(8)]))
    assert make.replay([target], both, both) == 8
    assert target.deliverable == 8
    assert struct.unpack("=8i", both[:32]) == (1,) * 8


def test_a_target_that_is_replayed_is_not_for_others(make: Any) -> None:
    """Compiled, without the GIL: another thread is refused, and nothing of what it asks happens."""
    target = make.LowestFirst(64, 0)
    target.pend(9)
    records = packed(*[(Op.TEST, 1, 0, 9)] * 1000) * 5000
    refused: list[BaseException] = []
    seen: list[int] = []
    done = threading.Event()

    def intrude() -> None:
        calls = (lambda: target.pend(5), target.acknowledge, target.first, target.reset, lambda: target.state[5])
        while not done.is_set():
            for call in (*calls, lambda: make.replay([target, target], [(Op.TEST, 1, 1, 9)])):
                try:
                    call()
                except RuntimeError as error:
                    refused.append(error)
            seen.append(target.deliverable)

    if "compiled" not in make.__name__:
        pytest.skip("the make in Python holds the GIL between two records only")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=intrude)
    thread.start()
    try:
        for _ in range(200):
            if refused:
                break
            make.replay([target], records)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)
    assert refused
    assert target.pend(6) in (True, False)


def test_two_replays_of_one_target(make: Any) -> None:
    """Compiled, without the GIL: whoever comes second is refused, and has changed nothing."""
    if "compiled" not in make.__name__:
        pytest.skip("the make in Python holds the GIL between two records only")
    other, target = make.LowestFirst(64, 0), make.LowestFirst(64, 0)
    records = packed(*[(Op.TEST, 1, 0, 9)] * 1000) * 5000
    refused: list[BaseException] = []
    done = threading.Event()

    def intrude() -> None:
        while not done.wait(1e-4):
            try:
                make.replay([other, target], packed((Op.PEND, 0, 0, 1)))
            except RuntimeError as error:
                refused.append(error)
                return

    thread = threading.Thread(target=intrude)
    thread.start()
    for _ in range(200):
        if refused:
            break
        with suppress(RuntimeError):  # it was the other's turn
            make.replay([target], records)
    done.set()
    thread.join()
    assert refused
    assert make.replay([other, target], packed((Op.PEND, 0, 1, 2))) == 1


def test_threads_on_targets_of_their_own(make: Any) -> None:
    records = packed(*[(op, 0, 0, intid) for intid in range(64) for op in (Op.PEND, Op.ACKNOWLEDGE, Op.UNMASK)]) * 50
    targets = [make.Priority(64, 0) for _ in range(4)]
    threads = [threading.Thread(target=make.replay, args=([target], records)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(target.raised, target.delivered, target.deliverable) for target in targets} == {(3200, 3200, 0)}
