"""The real-time clock, driven as Linux's rtc-pl031 drives it."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.guest.devices import EPOCH, Line, Pl031, Wire

BASE = 0x0901_0000
LINE = 2
DR, MR, LR, CR, IMSC, RIS, MIS, ICR = (BASE + 4 * n for n in range(8))
SECOND = 1_000_000_000


@pytest.fixture
def rtc(cpu: Any) -> Pl031:
    return Pl031(cpu.vm, BASE, Line("rtc", Wire(cpu.vm, LINE)))


def test_the_time_is_the_epoch_and_the_clock(cpu: Any, rtc: Pl031) -> None:
    assert cpu.read(DR) == EPOCH
    cpu.advance(SECOND - 1)
    assert cpu.read(DR) == EPOCH
    cpu.advance(1)
    assert cpu.read(DR) == EPOCH + 1


def test_the_epoch_can_be_given(cpu: Any) -> None:
    Pl031(cpu.vm, BASE, Line("rtc", None), (1 << 32) + 5)
    assert cpu.read(DR) == 5


def test_setting_the_time(cpu: Any, rtc: Pl031) -> None:
    cpu.advance(SECOND // 2)
    cpu.write(LR, 1000)
    assert cpu.read(LR) == 1000
    assert cpu.read(DR) == 1000
    cpu.advance(SECOND // 2)
    assert cpu.read(DR) == 1001
    cpu.write(LR, 0xFFFFFFFF)
    cpu.advance(SECOND)
    assert cpu.read(DR) == 0


def test_an_alarm(cpu: Any, rtc: Pl031) -> None:
    cpu.advance(SECOND // 4)
    cpu.write(MR, EPOCH + 3)
    assert cpu.read(MR) == EPOCH + 3
    assert rtc.deadline() is None
    cpu.write(ICR, 1)
    cpu.write(IMSC, 1)
    assert rtc.deadline() == 3 * SECOND
    cpu.advance(3 * SECOND - SECOND // 4 - 1)
    rtc.update()
    assert (cpu.read(RIS), cpu.pending(LINE)) == (0, False)
    cpu.advance(1)
    rtc.update()
    assert cpu.pending(LINE)
    assert (cpu.read(RIS), cpu.read(MIS)) == (1, 1)
    assert rtc.deadline() is None
    cpu.write(ICR, 1)
    assert (cpu.read(RIS), cpu.read(MIS)) == (0, 0)
    assert not cpu.pending(LINE)
    cpu.advance(100 * SECOND)
    assert cpu.read(RIS) == 0
    assert rtc.lines[0].raised == 1


def test_an_alarm_that_is_masked_pends(cpu: Any, rtc: Pl031) -> None:
    cpu.write(MR, EPOCH + 1)
    cpu.advance(SECOND)
    assert (cpu.read(RIS), cpu.read(MIS)) == (1, 0)
    assert not cpu.pending(LINE)
    cpu.write(IMSC, 0xFFFFFFFF)
    assert cpu.read(IMSC) == 1
    assert cpu.pending(LINE)
    cpu.write(IMSC, 0)
    assert not cpu.pending(LINE)


def test_an_alarm_now_is_at_once(cpu: Any, rtc: Pl031) -> None:
    cpu.write(IMSC, 1)
    cpu.write(MR, EPOCH)
    assert cpu.pending(LINE)


def test_setting_the_time_moves_the_alarm(cpu: Any, rtc: Pl031) -> None:
    cpu.write(IMSC, 1)
    cpu.write(MR, EPOCH + 100)
    cpu.write(LR, EPOCH + 90)
    assert rtc.deadline() == 10 * SECOND
    cpu.write(LR, EPOCH + 100)
    assert cpu.pending(LINE)


def test_an_alarm_that_has_come_is_not_lost_by_the_next(cpu: Any, rtc: Pl031) -> None:
    cpu.write(MR, EPOCH + 1)
    cpu.advance(2 * SECOND)
    cpu.write(MR, EPOCH + 50)
    assert cpu.read(RIS) == 1
    cpu.write(ICR, 0)
    assert cpu.read(RIS) == 1


def test_it_runs_and_cannot_be_stopped(cpu: Any, rtc: Pl031) -> None:
    assert cpu.read(CR) == 1
    cpu.write(CR, 0)
    assert cpu.read(CR) == 1


def test_the_identification_is_what_linux_matches(cpu: Any, rtc: Pl031) -> None:
    """pl031_ids of rtc-pl031.c: 0x00041031 under mask 0x000fffff."""
    word = lambda offset: sum(cpu.read(BASE + offset + 4 * n) << 8 * n for n in range(4))  # noqa: E731
    assert word(0xFE0) & 0x000FFFFF == 0x00041031
    assert word(0xFF0) == 0xB105F00D
