"""A bank that several threads change, each the bits of interrupts that are its own: no change is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from irqframe.bits import BITMAPS, LATCHED

unbuilt = pytest.mark.skipif(find_spec("irqframe._native") is None, reason="the C extension is not built")
MAKES = [
    pytest.param("irqframe.bits.pure", id="python"),
    pytest.param("irqframe._native", id="compiled", marks=unbuilt),
]
THREADS = 6
TURNS = 10_000

Work = Callable[[Any, int, Any], None]


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=MAKES)
def core(request: pytest.FixtureRequest) -> Any:
    """A module with `Bank` and `Account`."""
    return import_module(request.param)


def together(core: Any, work: Work) -> tuple[Any, list[Any]]:
    """Have each thread work on an interrupt of its own; the bank, and the accounts."""
    bank = core.Bank(32, shared=True)
    accounts = [core.Account() for _ in range(THREADS)]
    failures: list[BaseException] = []

    def run(n: int) -> None:
        try:
            for _ in range(TURNS):
                work(bank, 1 << n, accounts[n])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return bank, accounts


@pytest.mark.parametrize("name", BITMAPS)
def test_what_one_sets_and_clears_is_its_own(core: Any, name: str) -> None:
    def work(bank: Any, bit: int, account: Any) -> None:
        bank.set(name, bit)
        assert getattr(bank, name) & bit, "what was set is clear"
        bank.clear(name, bit)
        assert not getattr(bank, name) & bit, "what was cleared is set"

    bank, _ = together(core, work)
    assert getattr(bank, name) == 0


def test_each_interrupt_has_a_life_of_its_own(core: Any) -> None:
    def work(bank: Any, bit: int, account: Any) -> None:
        assert bank.set_line(bit, 1, account, False) == LATCHED
        bank.deliver(bit)
        assert bank.active & bit and not bank.owed & bit
        bank.set_line(bit, 0, account, False)
        assert bank.pend(bit, account) == LATCHED
        bank.clear("latch", bit)
        bank.settle(bit, account)
        bank.clear("active", bit)
        assert not bank.active & bit and not bank.owed & bit

    bank, accounts = together(core, work)
    assert [getattr(bank, name) for name in BITMAPS] == [0] * len(BITMAPS)
    for account in accounts:
        counted = account.raised, account.withdrawn, account.coalesced, account.resampled
        assert counted == (2 * TURNS, TURNS, 0, 0)


@pytest.mark.parametrize("change", ["set", "clear"])
def test_there_is_no_other_bitmap(core: Any, change: str) -> None:
    with pytest.raises(AttributeError, match="bitmap 'priority'"):
        getattr(core.Bank(32), change)("priority", 1)
