"""What is compiled of a GIC's CPU refuses what it cannot take, whatever it is, and keeps what it holds in place."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

native: Any = pytest.importorskip("irqframe._native")

REFUSALS = (TypeError, ValueError, OverflowError, AttributeError, ArithmeticError, RuntimeError, RuntimeWarning)


class Evil:
    """A number that is none."""

    def __index__(self) -> int:
        raise ZeroDivisionError

    def __bool__(self) -> bool:
        raise ZeroDivisionError


def made() -> tuple[dict[int, Any], Any]:
    """Three banks with everything enabled, and the CPU that is signalled INTID 32."""
    banks = {number: native.Bank(32 * number, shared=number > 0) for number in (0, 1, 3)}
    cpu = native.Preemption(banks, (0,), 128, 5, native.Account())
    cpu.pmr, cpu.groups, cpu.passed, cpu.takes, cpu.masks = 255, 3, 3, 3, (0xF8, 0xF0)
    cpu.sources = bytearray(16)
    for bank in banks.values():
        bank.enabled = bank.valid
        for n in range(32):
            cpu.place(bank, n, 2)
    banks[1].pend(1, cpu.account)
    cpu.place(banks[1], 0, 2)
    cpu.update()
    return banks, cpu


MAKERS = {
    "preemption": lambda: made()[1],
    "empty preemption": lambda: native.Preemption.__new__(native.Preemption),
    "bank": lambda: made()[0][1],
    "empty bank": lambda: native.Bank.__new__(native.Bank),
    "account": lambda: native.Account(),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_any_arguments_are_taken_or_refused(kind: str) -> None:
    random = Random(kind)
    values = [None, -1, 0, 1, 31, 32, 255, 256, 1 << 31, 1 << 32, 1 << 64, -(1 << 70), 1.5, "latch", b"y", [], (1, 2)]
    values += [[1 << 200, -1], Evil(), bytearray(3), bytearray(64), {}, native.Account(), native.Bank(0), native.Bank]
    make = MAKERS[kind]
    for name in [name for name in dir(make()) if not name.startswith("__")]:
        one = make()
        method = callable(getattr(type(one), name))
        for turn in range(200):
            try:
                if method:
                    getattr(one, name)(*random.choices(values, k=turn % 6))
                else:
                    setattr(one, name, random.choice(values))
            except REFUSALS:
                continue
        if not method:
            with pytest.raises((TypeError, AttributeError)):
                delattr(one, name)
        for again in ("update", "first", "acknowledged", "pending", "priority"):
            found = getattr(one, again, None)
            if callable(found):
                found()


def test_what_it_looks_at_keeps_its_size() -> None:
    banks, cpu = made()
    for held in (banks[1].priority, cpu.sources):
        with pytest.raises(BufferError):
            held.append(1)
    sources = cpu.sources
    cpu.sources = None
    sources.append(1)


def test_a_bank_is_of_this_cpu() -> None:
    _, cpu = made()
    for bank in (native.Bank(32, shared=True), native.Bank(64), native.Bank(1 << 20), native.Bank.__new__(native.Bank)):
        with pytest.raises((ValueError, RuntimeError)):
            cpu.place(bank, 0, 2)


def test_who_hears_of_the_lines_may_raise_and_may_come_back() -> None:
    class Raises(native.Preemption):  # type: ignore[misc]
        def drive(self, irq: bool, fiq: bool, rises: bool) -> None:
            raise KeyError

    class Returns(native.Preemption):  # type: ignore[misc]
        def drive(self, irq: bool, fiq: bool, rises: bool) -> None:
            self.account = native.Account()
            self.take(3)

    for make in (Raises, Returns):
        bank = native.Bank(0)
        cpu = make({0: bank}, (0,), 32, 5, native.Account())
        cpu.pmr, cpu.groups, cpu.passed, cpu.takes, bank.enabled = 255, 3, 3, 3, 1
        bank.pend(1, cpu.account)
        cpu.place(bank, 0, 2)
        if make is Raises:
            with pytest.raises(KeyError):
                cpu.update()
            assert cpu.irq and cpu.best == 0
        else:
            cpu.update()
            assert not cpu.irq and cpu.acknowledged == {0: 1}
