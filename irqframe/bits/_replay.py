"""Many operations in one call, on the targets of many vCPUs.

1. Records are a buffer, of any type, or an iterable of (op, value, vcpu, intid); `_records.py` has the table.
2. The first record that is refused ends the replay: what stood before it was done, and its result is in `out`.
3. Buffers are held for as long as the replay lasts, so nobody can resize them meanwhile.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from irqframe.bits._records import RECORD, RESULT, BadRecordError, Op, Refusal
from irqframe.bits._target import MASKED, STATE_BITS

if TYPE_CHECKING:
    from typing_extensions import Buffer

Fields = tuple[int, int, int, int]


def replay(targets: Sequence[Any], records: Buffer | Iterable[Fields], out: Buffer | None = None) -> int:
    """Do what records say, one after the other.

    Args:
        targets: by vCPU.
        records: a C-contiguous buffer of them, or an iterable of tuples.
        out: takes their results, 32 bits each; a writable C-contiguous buffer, None: nobody wants them.

    Returns:
        How many there were.

    Raises:
        BadRecordError: at the first one that cannot be done; those before it were.
        ValueError: if the buffer ends within a record; nothing was done then.
        BufferError: if a buffer is not C-contiguous, or `out` is read-only, likewise.
    """
    done, refusal = run(targets, records, out)
    return checked(done, refusal)


def checked(done: int, refusal: int) -> int:
    """`done`, unless there was a record that was refused."""
    if refusal:
        raise BadRecordError(done, Refusal(refusal))
    return done


def run(targets: Sequence[Any], records: Any, out: Any) -> tuple[int, int]:
    """As `replay`.

    Returns:
        How many records were done, and why the next one was not, 0 if there is none.
    """
    targets = tuple(targets)
    with ExitStack() as held:
        results = None if out is None else _results(held, out)
        try:
            view = _flat(held, records, writable=False)
        except TypeError:
            return _run_items(targets, iter(records), results)
        if len(view) % RECORD.size:
            raise ValueError(f"the records are {len(view)} bytes, not a multiple of {RECORD.size}")
        return _run(targets, RECORD.iter_unpack(view), results)


def _flat(held: ExitStack, buffer: Any, *, writable: bool) -> memoryview:
    view = held.enter_context(memoryview(buffer))
    if not view.c_contiguous:
        raise BufferError("the buffer is not C-contiguous")
    if writable and view.readonly:
        raise BufferError("the buffer is not writable")
    return held.enter_context(view.cast("B") if view.nbytes else memoryview(b""))


def _results(held: ExitStack, out: Any) -> memoryview:
    """The whole numbers that there is room for."""
    view = _flat(held, out, writable=True)
    part = held.enter_context(view[: len(view) // RESULT * RESULT])
    return held.enter_context(part.cast("i")) if part else part


def _run(targets: tuple[Any, ...], records: Iterable[Fields], results: memoryview | None) -> tuple[int, int]:
    room = None if results is None else len(results)
    count = len(targets)
    pend = [target.pend for target in targets]
    acknowledge = [target.acknowledge for target in targets]
    done = -1
    for done, (op, value, vcpu, intid) in enumerate(records):
        if op > _LAST or vcpu >= count or done == room:
            break
        try:
            # The two that are most frequent need no call of ours.
            if op == _PEND:
                result = pend[vcpu](intid)
            elif op == _ACKNOWLEDGE:
                result = acknowledge[vcpu]()
            else:
                result = _OPERATIONS[op](targets[vcpu], value, intid)
        except IndexError:
            if intid < len(targets[vcpu].state):
                raise
            return done, Refusal.NO_INTID
        except _RefusedError as refused:
            return done, refused.refusal
        if results is not None:
            results[done] = result
    else:
        return done + 1, Refusal.NONE
    if op > _LAST:
        return done, Refusal.NO_OPERATION
    return done, Refusal.NO_VCPU if vcpu >= count else Refusal.NO_ROOM


def _run_items(targets: tuple[Any, ...], items: Iterator[Any], results: memoryview | None) -> tuple[int, int]:
    bad = False

    def records() -> Iterator[Fields]:
        nonlocal bad
        for item in items:
            try:
                packed = RECORD.pack(*item)
            except (TypeError, struct.error):
                bad = True
                return
            yield RECORD.unpack(packed)

    done, refusal = _run(targets, records(), results)
    return done, refusal or (Refusal.NO_RECORD if bad else Refusal.NONE)


# The operations


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


def _set(target: Any, bits: int, intid: int) -> int:
    if bits > STATE_BITS:
        target.test(intid, 0)
        raise _RefusedError(Refusal.NO_BITS)
    return int(target.set(intid, bits))


def _set_priority(target: Any, priority: int, intid: int) -> int:
    target.test(intid, 0)
    if not hasattr(target, "set_priority"):
        raise _RefusedError(Refusal.NO_PRIORITIES)
    target.set_priority(intid, priority)
    return 0


_DOES: Final[dict[Op, Callable[[Any, int, int], int]]] = {
    Op.PEND: lambda target, value, intid: target.pend(intid),
    Op.ACKNOWLEDGE: lambda target, value, intid: target.acknowledge(),
    Op.UNMASK: lambda target, value, intid: target.clear(intid, MASKED),
    Op.MASK: lambda target, value, intid: target.set(intid, MASKED),
    Op.SET: _set,
    Op.CLEAR: lambda target, value, intid: target.clear(intid, value),
    Op.TEST: lambda target, value, intid: target.test(intid, value),
    Op.FIRST: lambda target, value, intid: target.first(),
    Op.SET_PRIORITY: _set_priority,
}
_OPERATIONS: Final = tuple(_DOES[op] for op in Op)
_LAST: Final = len(_OPERATIONS) - 1
_PEND: Final = int(Op.PEND)
_ACKNOWLEDGE: Final = int(Op.ACKNOWLEDGE)
