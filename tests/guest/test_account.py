"""The account of a source finds what is lost, doubled, dropped without cause, or on the wrong CPU."""

import pytest

from irqframe import GuestError, Injected
from irqframe.guest import Account


@pytest.fixture
def account() -> Account:
    return Account("uart", "/rvid", 2)


def test_every_way_a_raise_can_end_balances(account: Account) -> None:
    account.raise_(Injected.LATCHED, 0)
    account.raise_(Injected.COALESCED, 0)
    account.deliver(0)
    account.raise_(Injected.DROPPED_DISABLED, 1, provoked=True)
    account.raise_(Injected.LATCHED, 1)
    assert (account.raised, account.delivered, account.coalesced) == (4, [1, 0], 1)
    assert (account.dropped, account.pending, account.balance) == ({Injected.DROPPED_DISABLED: 1}, 1, 0)


def test_a_delivery_without_a_raise_is_a_doubled_interrupt(account: Account) -> None:
    account.raise_(Injected.LATCHED, 0)
    account.deliver(0)
    with pytest.raises(GuestError, match="uart was delivered to CPU 0, but nothing was raised: it came twice"):
        account.deliver(0)


def test_a_delivery_on_another_cpu_says_where_it_belongs(account: Account) -> None:
    account.raise_(Injected.LATCHED, 1)
    with pytest.raises(GuestError, match="delivered to CPU 0, but it waits for CPU 1"):
        account.deliver(0)


def test_an_interrupt_that_waits_no_more_for_the_irqchip_was_lost(account: Account) -> None:
    account.raise_(Injected.LATCHED, 0)
    with pytest.raises(GuestError, match="the one before it was lost"):
        account.raise_(Injected.LATCHED, 0)


def test_a_drop_must_be_provoked(account: Account) -> None:
    with pytest.raises(GuestError, match="was dropped: dropped_unrouted"):
        account.raise_(Injected.DROPPED_UNROUTED, 0)


@pytest.mark.parametrize("outcome", [Injected.NOTHING, Injected.POSTED])
def test_a_raise_must_come_to_something(account: Account, outcome: Injected) -> None:
    with pytest.raises(GuestError, match="came to nothing"):
        account.raise_(outcome, 0)


def test_coalescing_needs_one_that_waits(account: Account) -> None:
    with pytest.raises(GuestError, match="coalesced, but none was waiting"):
        account.raise_(Injected.COALESCED, 0)


def test_what_waits_moves_with_the_source(account: Account) -> None:
    account.raise_(Injected.LATCHED, 0)
    account.move(0, 1)
    account.deliver(1)
    assert account.balance == 0
