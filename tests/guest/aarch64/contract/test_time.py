"""The counter and the timers' registers of Unicorn."""

from __future__ import annotations

import time
from typing import Any

import pytest

COUNTER_PERIOD = 16
"""Nanoseconds: 62.5 MHz."""


def between(cpu: Any, *words: int) -> tuple[int, int]:
    """CLOCK_MONOTONIC in ticks, before and after code that reads a counter."""
    before = time.monotonic_ns() // COUNTER_PERIOD
    cpu.run(0, *words)
    return before, time.monotonic_ns() // COUNTER_PERIOD


def test_the_frequency_is_62_5_mhz(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.mrs(0, *a64.CNTFRQ_EL0), a64.WFI)
    assert cpu.x(0) == 62_500_000


def test_cntpct_is_clock_monotonic_in_ticks(cpu: Any, a64: Any) -> None:
    cpu.uc.cpr_write(*a64.CNTVOFF_EL2, 12345)
    before, after = between(cpu, a64.mrs(0, *a64.CNTPCT_EL0), a64.WFI)
    assert before <= cpu.x(0) <= after


def test_cntvct_is_that_minus_cntvoff_el2(cpu: Any, a64: Any) -> None:
    offset = time.monotonic_ns() // COUNTER_PERIOD - 1000
    cpu.uc.cpr_write(*a64.CNTVOFF_EL2, offset)
    before, after = between(cpu, a64.mrs(0, *a64.CNTVCT_EL0), a64.WFI)
    assert before - offset <= cpu.x(0) <= after - offset


@pytest.mark.parametrize("name", ["CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTP_CTL_EL0"])
def test_a_write_of_a_timer_does_nothing(cpu: Any, a64: Any, name: str) -> None:
    register = getattr(a64, name)
    cpu.run(0, a64.movz(0, 3), a64.msr(register, 0), a64.mrs(1, *register), a64.WFI)
    assert cpu.x(1) == 0


@pytest.mark.parametrize("name", ["CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTP_CTL_EL0"])
def test_a_raw_write_of_a_timer_is_what_reads_see(cpu: Any, a64: Any, name: str) -> None:
    register = getattr(a64, name)
    cpu.uc.cpr_write(*register, 5)
    cpu.run(0, a64.mrs(1, *register), a64.WFI)
    assert cpu.x(1) == 5


def test_tval_reads_as_cval_minus_the_counter(cpu: Any, a64: Any) -> None:
    cpu.uc.cpr_write(*a64.CNTV_CVAL_EL0, time.monotonic_ns() // COUNTER_PERIOD + 1_000_000)
    cpu.run(0, a64.mrs(1, *a64.CNTV_TVAL_EL0), a64.WFI)
    assert 0 < cpu.x(1) <= 1_000_000 or cpu.x(1) >> 31 == 1
