"""What the compiled engine does with operations that are bound to its exits; and the operations themselves."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from irqframe.guest.aarch64 import Make, available_make
from irqframe.guest.aarch64._bound import (
    HYPERCALL,
    MMIO_READ,
    MMIO_WRITE,
    SYSREG_READ,
    SYSREG_WRITE,
    UNSETTLED,
)
from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import IRQ, Stop

pytestmark = pytest.mark.skipif(
    available_make() is not Make.COMPILED, reason="the engine in C is not built, or not wanted"
)

MASK64 = (1 << 64) - 1
DEVICE = 0x0900_0000
FUNCTION = 0xC500_0209
DISABLED, NOTHING = (0x77, 1, 2, 3), (4,)


@pytest.fixture
def native() -> Any:
    return pytest.importorskip("irqframe._native")


@pytest.fixture(params=["LowestFirst", "Fifo", "Priority"])
def target(request: pytest.FixtureRequest, native: Any) -> Any:
    """64 INTIDs, none masked, enabled."""
    made = getattr(native, request.param)(64, 0)
    made.enabled = True
    return made


class Told:
    """What Python was told, in order, and where: the length of the guest's log then."""

    def __init__(self, guest: Any) -> None:
        self.guest = guest
        self.told: list[tuple[int, int, list[tuple[int, int]]]] = []

    def __call__(self, lines: int, served: list[tuple[int, int]]) -> None:
        self.told.append((len(self.guest.log), lines, served))


@pytest.fixture
def guest(guest_of: Any) -> Any:
    from irqframe.guest.aarch64._compiled import CompiledEngine

    return guest_of(CompiledEngine)


def call(a64: Any, function: int = FUNCTION) -> tuple[int, ...]:
    return a64.movz(0, function & 0xFFFF), a64.movk(0, function >> 16, 16), a64.hvc()


def go(guest: Any, *words: int, at: int) -> Stop:
    """Run other code than before, at another place: what was translated stays."""
    guest.start(*words, at=at)
    stop: Stop = guest.engine.run(10_000)
    return stop


# The engine


def test_a_hypercall_never_enters_python(guest: Any, a64: Any, native: Any, target: Any) -> None:
    told = Told(guest)
    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), told)
    target.pend(5)
    target.pend(9)
    again = a64.mov(4, 1), *call(a64), a64.mov(5, 1), *call(a64), a64.mov(6, 0), a64.WFI
    assert guest.run(*call(a64), *again) is Stop.WFI
    assert guest.log == []
    assert [guest.x(number) for number in (4, 5, 6)] == [5, 9, 4]
    assert [guest.x(number) for number in range(4)] == [4, 0, 0, 0]
    assert told.told == [(0, 0, [(0, 3)])]
    assert [(kind, key) for kind, _, key in guest.engine.recent()] == [("hvc", FUNCTION)] * 3


def test_bits_above_the_function_id_are_no_matter(guest: Any, a64: Any, native: Any, target: Any) -> None:
    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), Told(guest))
    guest.run(a64.movz(0, 0x0209), a64.movk(0, 0xC500, 16), a64.movk(0, 0xBAD, 48), a64.hvc(), a64.WFI)
    assert (guest.log, guest.x(0)) == ([], 4)


def test_the_line_is_taken_as_it_is_afterwards(guest: Any, a64: Any, native: Any, target: Any) -> None:
    told = Told(guest)
    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), told)
    target.pend(5)
    target.pend(6)
    guest.run(*call(a64), a64.mrs(4, *a64.ISR_EL1), *call(a64), a64.mrs(5, *a64.ISR_EL1), a64.WFI)
    assert (guest.x(4), guest.x(5)) == (1 << 7, 0)
    target.pend(7)
    target.pend(8)
    guest.put(0x2280, a64.movz(8, 0x77), a64.WFI)  # IRQ, from EL1h
    go(guest, a64.daifclr(2), *call(a64), a64.NOP, a64.movz(8, 0x66), a64.WFI, at=0x400)
    assert guest.x(8) == 0x77
    assert told.told[-1] == (0, IRQ, [(0, 1)])


def test_python_is_told_before_it_serves_an_exit(guest: Any, a64: Any, native: Any, target: Any) -> None:
    told = Told(guest)
    other = native.acknowledging(target, (1,), (2,))
    rows = (HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)), (HYPERCALL, FUNCTION + 1, other)
    guest.engine.bind(rows, told)
    guest.run(*call(a64), *call(a64), *call(a64, 1), *call(a64, FUNCTION + 1), *call(a64, 2), *call(a64, 3), a64.WFI)
    assert [entry[:2] for entry in guest.log] == [("hvc", 1), ("hvc", 2), ("hvc", 3)]
    assert told.told == [(0, 0, [(0, 2)]), (1, 0, [(1, 1)])]


def test_what_an_operation_refuses_is_pythons(guest: Any, a64: Any, native: Any, target: Any) -> None:
    directory = native.Directory({3: target})
    told = Told(guest)
    guest.engine.bind(((HYPERCALL, FUNCTION, native.pending(target, directory, DISABLED)),), told)
    guest.run(
        a64.movz(1, 3), a64.movz(2, 64), *call(a64), a64.mov(4, 0),
        a64.movz(1, 3), a64.movz(2, 63), *call(a64), a64.mov(5, 0), a64.WFI,
    )  # fmt: skip
    assert guest.log == [("hvc", FUNCTION, 3, 64, 0)]
    assert (guest.x(4), guest.x(5), target.raised) == (0xA0, 0, 1)
    assert told.told == [(1, IRQ, [(0, 1)])]


def test_every_kind_of_exit(guest: Any, a64: Any, native: Any, target: Any) -> None:
    """What goes in: size and value for a device, the value for a register."""
    target.enabled = False
    read = native.acknowledging(target, DISABLED, NOTHING)
    enabled = native.LowestFirst(64, 0)
    enabled.enabled = True
    by_size = native.pending(enabled, native.Directory({1: native.Fifo(1), 2: native.Fifo(1), 4: enabled}), (9,))
    by_value = native.pending(enabled, native.Directory({0x1234_5678_9ABC: enabled}), (9,))
    iar, pmr, eoir = (pack(*register) for register in (a64.ICC_IAR1_EL1, a64.ICC_PMR_EL1, a64.ICC_EOIR1_EL1))
    told = Told(guest)
    rows = (
        (MMIO_READ, DEVICE + 0xC, read),
        (SYSREG_READ, iar, read),
        (MMIO_WRITE, DEVICE + 0x10, by_size),
        (SYSREG_WRITE, eoir, by_value),
    )
    guest.engine.bind(rows, told)
    value = a64.movz(7, 0x9ABC), a64.movk(7, 0x5678, 16), a64.movk(7, 0x1234, 32)
    guest.run(
        a64.movz(1, 0x900, 16),
        a64.ldr_w(4, 1, 0xC), a64.mrs(5, *a64.ICC_IAR1_EL1),
        a64.movz(6, 33), a64.movk(6, 5, 32), a64.str_w(6, 1, 0x10),
        *value, a64.msr(a64.ICC_EOIR1_EL1, 7),
        a64.ldr_w(8, 1, 0x10), a64.str_w(6, 1, 0xC), a64.mrs(9, *a64.ICC_PMR_EL1), a64.WFI,
    )  # fmt: skip
    assert (guest.x(4), guest.x(5)) == (0x77, 0x77)
    assert [intid for intid in range(64) if enabled.state[intid]] == [0, 33]
    # A load is not a store, and neither is served for the other.
    assert guest.log[:3] == [("read", DEVICE + 0x10, 4), ("write", DEVICE + 0xC, 4, 33), ("mrs", pmr)]
    assert sorted(told.told[0][2]) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    kinds = [kind for kind, _, _ in guest.engine.recent()[:7]]
    assert kinds == ["read", "mrs", "write", "msr", "read", "write", "mrs"]


def test_a_stop_that_is_asked_for_makes_the_next_exit_pythons(guest: Any, a64: Any, native: Any, target: Any) -> None:
    """In the middle of a block, where the stop cannot come yet."""
    target.enabled = False
    guest.engine.bind(((MMIO_READ, DEVICE, native.acknowledging(target, DISABLED, NOTHING)),), Told(guest))
    guest.on_exit = lambda entry: guest.engine.attend() if entry[1] == DEVICE + 4 else None
    stop = guest.run(
        a64.movz(1, 0x900, 16), a64.ldr_w(4, 1), a64.ldr_w(5, 1, 4), a64.ldr_w(6, 1), a64.b(4), a64.ldr_w(7, 1), a64.WFI
    )
    assert stop is Stop.ATTENTION
    assert guest.log == [("read", DEVICE + 4, 4), ("read", DEVICE, 4)]
    assert guest.engine.run(100) is Stop.WFI
    assert (guest.x(6), guest.x(7)) == (0x5A, 0x77)


def test_an_unsettled_vcpu_makes_the_next_exit_pythons(guest: Any, a64: Any, native: Any, target: Any) -> None:
    target.enabled = False
    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), Told(guest))

    def settle(entry: tuple[Any, ...]) -> None:
        guest.lines = UNSETTLED if entry[1] == 1 else 0

    guest.on_exit = settle
    guest.run(*call(a64), *call(a64, 1), *call(a64), *call(a64), a64.mrs(4, *a64.ISR_EL1), a64.WFI)
    assert [entry[1] for entry in guest.log] == [1, FUNCTION]
    assert guest.x(4) == 0
    # It is asked when a run begins, too.
    guest.log.clear()
    guest.lines = UNSETTLED
    guest.on_exit = lambda _: setattr(guest, "lines", 0)
    go(guest, *call(a64), *call(a64), a64.WFI, at=0x400)
    assert [entry[1] for entry in guest.log] == [FUNCTION]


@pytest.mark.parametrize("after", [True, False])
def test_what_telling_raises_ends_the_run(guest: Any, a64: Any, native: Any, target: Any, after: bool) -> None:
    def tell(lines: int, served: list[tuple[int, int]]) -> None:
        raise ZeroDivisionError

    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), tell)
    guest.start(*call(a64), *(call(a64, 1) if after else ()), a64.NOP, a64.WFI)
    with pytest.raises(ZeroDivisionError):
        guest.engine.run(100)
    assert guest.log == []
    assert guest.engine.run(100) is Stop.WFI


def test_an_exit_that_raises_is_not_hidden_by_telling(guest: Any, a64: Any, native: Any, target: Any) -> None:
    told = Told(guest)
    guest.engine.bind(((HYPERCALL, FUNCTION, native.acknowledging(target, DISABLED, NOTHING)),), told)

    def fail(entry: tuple[Any, ...]) -> None:
        raise ZeroDivisionError

    guest.on_exit = fail
    guest.start(a64.movz(10, 0x900, 16), *call(a64), a64.ldr_w(4, 10), *call(a64), a64.WFI)
    with pytest.raises(ZeroDivisionError):
        guest.engine.run(100)
    assert told.told == [(0, 0, [(0, 1)])]


def test_rows_that_cannot_be_bound(guest: Any, a64: Any, native: Any, target: Any) -> None:
    operation = native.acknowledging(target, DISABLED, NOTHING)
    row = (HYPERCALL, FUNCTION, operation)
    wrong: list[tuple[Any, type[Exception]]] = [
        ([row], TypeError),
        ((row[:2],), TypeError),
        ((None,), TypeError),
        (((HYPERCALL, FUNCTION, target),), TypeError),
        (((HYPERCALL, FUNCTION, None),), TypeError),
        (((5, 0, operation),), ValueError),
        (((-1, 0, operation),), ValueError),
        ((row, row), ValueError),
        (((1 << 40, 0, operation),), OverflowError),
        (tuple((HYPERCALL, key, operation) for key in range((1 << 16) + 1)), ValueError),
    ]
    for rows, error in wrong:
        with pytest.raises(error):
            guest.engine.bind(rows, Told(guest))
    guest.run(*call(a64), a64.WFI)
    assert len(guest.log) == 1
    guest.engine.bind(tuple((HYPERCALL, FUNCTION - 500 + key, operation) for key in range(1000)), Told(guest))
    go(guest, *call(a64), *call(a64, FUNCTION - 500), *call(a64, FUNCTION + 500), a64.WFI, at=0x400)
    assert [entry[1] for entry in guest.log[1:]] == [FUNCTION + 500]
    with pytest.raises(RuntimeError):
        guest.engine.bind((), Told(guest))


def test_what_is_bound_is_let_go_with_the_engine(guest_of: Any, native: Any) -> None:
    from irqframe.guest.aarch64._compiled import CompiledEngine

    class Tell(Told):
        pass

    class Kind(native.LowestFirst):  # type: ignore[misc]
        __slots__ = ("__weakref__", "more")

    guest = guest_of(CompiledEngine)
    kind = Kind(8)
    kind.more = operation = native.acknowledging(kind, DISABLED, NOTHING)
    tell = Tell(guest)
    guest.engine.bind(((HYPERCALL, 1, operation),), tell)
    left = weakref.ref(tell), weakref.ref(kind)
    del guest, kind, tell, operation
    gc.collect()
    assert [each() for each in left] == [None, None]


# The operations


def test_acknowledging(native: Any, target: Any) -> None:
    operation = native.acknowledging(target, DISABLED, NOTHING)
    assert (operation.call(), operation.lines()) == ((4, 0, 0, 0), 0)
    for intid in (5, 6, 5):
        target.pend(intid)
    target.enabled = False
    assert (operation.call(), operation.lines()) == (DISABLED, 0)
    target.enabled = True
    assert (operation.call(), operation.lines()) == ((0, 5, 0, 0), IRQ)
    assert (operation.call(), operation.lines()) == ((0, 6, 0, 0), 0)
    target.unmask(5)
    target.pend(5)
    operation.call()
    assert operation.counts() == {5: 2, 6: 1}
    assert (operation.done, target.delivered) == (5, 3)
    target.reset()
    assert operation.counts() == {5: 2, 6: 1}
    assert target.enabled


def test_pending_and_unmasking(native: Any, target: Any) -> None:
    other, disabled = native.Fifo(8, 0), native.Priority(8, 0)
    other.enabled = True
    named = native.Directory({0: target, 1 << 40: other, MASK64: disabled})
    pend, unmask = native.pending(target, named, DISABLED), native.unmasking(target, named)
    assert (pend.call(0, 63), pend.lines(), target.first()) == ((0, 0, 0, 0), IRQ, 63)
    assert pend.call(0, 63) == (0, 0, 0, 0)
    assert (target.raised, target.coalesced) == (2, 1)
    assert pend.call(MASK64, 1) == DISABLED
    assert unmask.call(MASK64, 1) == (0, 0, 0, 0)
    for operation in (pend, unmask):
        for x1, x2 in ((0, 64), (0, MASK64), (1, 0), (1 << 40, 8), (MASK64, 8), (2, 3)):
            before = [each.raised for each in (target, other, disabled)]
            assert operation.call(x1, x2) is None
            assert [each.raised for each in (target, other, disabled)] == before
    # The other's line would rise: it has to be kicked. Once it is up, it stays.
    assert pend.call(1 << 40, 3) is None
    other.mask(3)
    assert pend.call(1 << 40, 3) == (0, 0, 0, 0)
    assert unmask.call(1 << 40, 3) is None
    assert other.deliverable == 0
    other.unmask(3)
    assert pend.call(1 << 40, 4) == unmask.call(1 << 40, 3) == (0, 0, 0, 0)
    assert (other.deliverable, other.raised) == (2, 2)
    assert pend.lines() == IRQ  # the caller's own
    # Nobody sees the line of one that is not enabled.
    disabled.set(2, 3)
    assert unmask.call(MASK64, 2) == (0, 0, 0, 0)
    assert disabled.deliverable == 1


def test_a_target_that_is_made_anew(native: Any, target: Any) -> None:
    """Its size is looked at each time."""
    operation = native.acknowledging(target, DISABLED, NOTHING)
    pend = native.pending(target, native.Directory({0: target}), DISABLED)
    pend.call(0, 60)
    assert operation.call() == (0, 60, 0, 0)
    target.__init__(1000, 0)
    assert not target.enabled
    target.enabled = True
    assert pend.call(0, 999) == (0, 0, 0, 0)
    assert operation.call() is None  # no room to count it
    assert target.first() == 999
    target.__init__(8, 0)
    target.enabled = True
    assert pend.call(0, 60) is None
    assert pend.call(0, 7) == (0, 0, 0, 0)
    assert operation.call() == (0, 7, 0, 0)


def make_wrong(native: Any, target: Any) -> list[Callable[[], object]]:
    named = native.Directory({0: target})
    return [
        native.Operation,
        native.Directory,
        lambda: native.Directory([]),
        lambda: native.Directory({0: None}),
        lambda: native.Directory({"0": target}),
        lambda: native.acknowledging(target),
        lambda: native.acknowledging(None, (), ()),
        lambda: native.acknowledging(target, [], ()),
        lambda: native.acknowledging(target, (), (1, 2, 3, 4, 5)),
        lambda: native.acknowledging(target, ("0",), ()),
        lambda: native.pending(target, target, ()),
        lambda: native.pending(named, named, ()),
        lambda: native.unmasking(target, {0: target}),
        lambda: native.unmasking(None, named),
        lambda: native.acknowledging(target, (), ()).call("0"),
        lambda: native.acknowledging(target, (), ()).call(1, 2, 3, 4, 5),
    ]


def test_wrong_arguments(native: Any, target: Any) -> None:
    for number, wrong in enumerate(make_wrong(native, target)):
        with pytest.raises(TypeError):
            wrong()
            pytest.fail(str(number))
    for number in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            native.Directory({number: target})
        with pytest.raises(OverflowError):
            native.acknowledging(target, (number,), ())
    with pytest.raises(AttributeError):
        native.acknowledging(target, (), ()).done = 1
