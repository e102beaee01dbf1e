"""Operations that access a GIC's CPU interface, one by one; `plugins/vgic/tests` hold them against Python."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from irqframe.bits import IDLE, Account, Bank, Preemption, accessing, pure
from irqframe.guest.aarch64._engine import FIQ, IRQ

LOADS, STORES = ("GICC_IAR", "GICC_AIAR"), ("GICC_EOIR", "GICC_AEOIR", "GICC_DIR")
READS = "ICC_IAR0_EL1", "ICC_IAR1_EL1"
WRITES = "ICC_EOIR0_EL1", "ICC_EOIR1_EL1", "ICC_DIR_EL1"
WORD = 4


class Cpu:
    """A CPU with 32 interrupts of its own and 32 shared ones, all enabled, even ones in Group 1; FIQ is Group 0's."""

    def __init__(self) -> None:
        self.banks = {0: Bank(0), 1: Bank(32, shared=True)}
        self.state = Preemption(self.banks, (0,), 64, 5, Account())
        state = self.state
        state.pmr, state.groups, state.passed, state.takes, state.masks = 255, 3, 3, 3, (0xF8, 0xF8)
        state.fiq_group0 = True
        for bank in self.banks.values():
            bank.enabled, bank.group, bank.edge = bank.valid, 0x5555_5555, bank.valid
            for n in range(32):
                self.show(bank, n)

    def show(self, bank: Bank, n: int, reach: int = 2) -> None:
        self.state.place(bank, n, reach)
        self.state.update()

    def pend(self, intid: int, reach: int = 2) -> None:
        bank = self.banks[intid >> 5]
        bank.pend(1 << (intid & 31), self.state.account)
        self.show(bank, intid & 31, reach)

    def call(self, register: str, *words: int) -> Any:
        """The word that comes out, None if Python has to do it."""
        operation = accessing(register, self.state)
        assert operation is not None
        out = operation.call(*words)
        assert operation.done == (out is not None)
        assert operation.lines() == (IRQ if self.state.irq else 0) | (FIQ if self.state.fiq else 0)
        assert operation.counts() == {}
        return out if out is None else out[0]

    def seen(self) -> tuple[Any, ...]:
        state, account = self.state, self.state.account
        banks = [(bank.latch, bank.line, bank.active, bank.owed) for bank in self.banks.values()]
        counts = account.raised, account.delivered, account.withdrawn, account.resampled
        return state.best, state.irq, state.fiq, state.running, state.active, state.acknowledged, banks, counts


@pytest.fixture
def cpu() -> Cpu:
    return Cpu()


@pytest.mark.parametrize("register", LOADS + STORES + READS + WRITES)
def test_nothing_is_signalled(cpu: Cpu, register: str) -> None:
    before = cpu.seen()
    words = (WORD, 5) if register in LOADS + STORES else (5,)
    assert cpu.call(register, *words) == (1023 if register in LOADS + READS else 0)
    assert cpu.seen() == before


@pytest.mark.parametrize(
    ("acknowledge", "end", "intid"),
    [
        ("GICC_IAR", "GICC_EOIR", 3),
        ("GICC_IAR", "GICC_EOIR", 4),
        ("GICC_AIAR", "GICC_AEOIR", 4),
        ("ICC_IAR0_EL1", "ICC_EOIR0_EL1", 35),
        ("ICC_IAR1_EL1", "ICC_EOIR1_EL1", 36),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_a_life(cpu: Cpu, acknowledge: str, end: str, intid: int, split: bool) -> None:
    cpu.state.split = split
    cpu.pend(intid)
    bank, bit = cpu.banks[intid >> 5], 1 << (intid & 31)
    size = (WORD,) if "GICC" in acknowledge else ()
    assert (cpu.state.irq, cpu.state.fiq) == (not intid & 1, bool(intid & 1))
    assert cpu.call(acknowledge, *size) == intid
    assert (bank.active, cpu.state.running, cpu.state.acknowledged) == (bit, 0, {intid: 1})
    assert cpu.call(end, *size, intid) == 0
    assert (bank.active, cpu.state.running) == (bit if split else 0, IDLE)
    assert cpu.call("GICC_DIR" if size else "ICC_DIR_EL1", *size, intid) == 0
    assert bank.active == 0
    assert not (cpu.state.irq or cpu.state.fiq)


def test_a_group_that_is_not_taken(cpu: Cpu) -> None:
    cpu.pend(3)
    cpu.state.takes = 2
    assert cpu.call("GICC_IAR", WORD) == 1022
    assert cpu.call("GICC_AIAR", WORD) == cpu.call("ICC_IAR1_EL1") == 1023
    assert cpu.call("ICC_IAR0_EL1") == 3
    assert cpu.call("ICC_EOIR1_EL1", 3) == cpu.call("GICC_AEOIR", WORD, 3) == 0
    assert cpu.banks[0].active == 1 << 3


def test_the_sender_of_an_interrupt(cpu: Cpu) -> None:
    cpu.state.sources = bytearray(16)
    cpu.state.sources[2] = 0b10100
    cpu.pend(2)
    assert cpu.call("GICC_IAR", WORD) == 2 | 2 << 10
    assert cpu.call("GICC_EOIR", WORD, 2 | 2 << 10) == 0
    assert cpu.call("GICC_IAR", WORD) == 2 | 4 << 10


@pytest.mark.parametrize("size", [0, 1, 2, 8, WORD | 1 << 32])
def test_another_width_is_left(cpu: Cpu, size: int) -> None:
    cpu.pend(4)
    before = cpu.seen()
    assert all(cpu.call(register, size, 4) is None for register in LOADS + STORES)
    assert cpu.seen() == before


def test_what_others_can_take_is_left(cpu: Cpu) -> None:
    cpu.pend(36, reach=1)
    before = cpu.seen()
    assert cpu.call("GICC_IAR", WORD) is cpu.call("ICC_IAR1_EL1") is None
    assert cpu.seen() == before
    cpu.show(cpu.banks[1], 4)
    assert cpu.call("GICC_IAR", WORD) == 36
    cpu.show(cpu.banks[1], 4, reach=1)
    before = cpu.seen()
    assert cpu.call("GICC_EOIR", WORD, 36) is cpu.call("ICC_EOIR1_EL1", 36) is None
    assert cpu.seen() == before


def test_the_end_of_a_level_is_left(cpu: Cpu) -> None:
    """Its device may listen."""
    cpu.banks[1].edge = 0
    cpu.banks[1].set_line(1 << 4, 1, cpu.state.account, False)
    cpu.show(cpu.banks[1], 4)
    assert cpu.call("GICC_IAR", WORD) == 36
    assert cpu.call("GICC_EOIR", WORD, 36) is cpu.call("ICC_EOIR1_EL1", 36) is None


def test_an_interrupt_in_no_bank_is_left(cpu: Cpu) -> None:
    cpu.state.offer(0, 8192)
    cpu.state.update()
    assert cpu.call("ICC_IAR1_EL1") is cpu.call("ICC_EOIR1_EL1", 8192) is cpu.call("ICC_DIR_EL1", 8192) is None
    assert cpu.call("ICC_IAR0_EL1") == 1023


def test_everything_is_left_while_a_watched_line_is_high(cpu: Cpu) -> None:
    cpu.banks[0].watched = 1 << 20
    cpu.pend(4)
    cpu.banks[0].set_line(1 << 20, 1, cpu.state.account, False)
    before = cpu.seen()
    assert all(cpu.call(register, WORD, 4) is None for register in LOADS + STORES + READS + WRITES)
    assert cpu.seen() == before
    cpu.banks[0].set_line(1 << 20, 0, cpu.state.account, False)
    assert cpu.call("GICC_IAR", WORD) == 4


def test_what_there_is_no_operation_for(cpu: Cpu) -> None:
    names = "", "GICC_HPPIR", "GICC_IA", "GICC_IARR", "ICC_IAR2_EL1", "ICC_SGI1R_EL1", "GICC_IAR\0", "\u00e4"
    assert [accessing(name, cpu.state) for name in names] == [None] * len(names)
    reference = pure.Preemption({}, (), 32, 5, pure.Account())
    assert accessing("GICC_IAR", reference) is None


def test_wrong_arguments(cpu: Cpu) -> None:
    from irqframe import _native

    wrong: list[Callable[[], object]] = [
        lambda: _native.accessing("GICC_IAR"),  # type: ignore[call-arg]
        lambda: _native.accessing("GICC_IAR", None),
        lambda: _native.accessing("GICC_IAR", Preemption),
        lambda: _native.accessing("GICC_IAR", pure.Preemption({}, (), 32, 5, pure.Account())),
        lambda: _native.accessing(b"GICC_IAR", cpu.state),  # type: ignore[arg-type]
        lambda: _native.accessing(None, cpu.state),  # type: ignore[arg-type]
    ]
    for number, each in enumerate(wrong):
        with pytest.raises(TypeError):
            each()
            pytest.fail(str(number))


@pytest.mark.parametrize("register", LOADS + STORES + READS + WRITES)
def test_a_cpu_that_was_not_initialised(register: str) -> None:
    operation = accessing(register, Preemption.__new__(Preemption))
    assert operation is not None
    for word in (0, WORD, (1 << 64) - 1):
        assert operation.call(word, word) in (None, (0, 0, 0, 0), (1023, 0, 0, 0))
    assert operation.lines() == 0


def test_an_operation_keeps_its_cpu_and_is_let_go_with_it() -> None:
    class Kept(Preemption):
        __slots__ = ("__weakref__", "more")

    kept = Kept({0: Bank(0)}, (0,), 32, 5, Account())
    alive = weakref.ref(kept)
    operation = accessing("GICC_IAR", kept)
    del kept
    gc.collect()
    assert operation is not None and alive() is not None and operation.call(WORD) == (1023, 0, 0, 0)
    alive().more = [operation]
    del operation
    gc.collect()
    assert alive() is None
