"""What models of a GIC usually get wrong: the scenarios that are about a GICv3, or that it has in its own way."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe import Injected
from irqframe.vm import UndefinedInstructionError

ENABLER, PEND, UNPEND, ACTIVATE, UNACTIVATE = 0x0100, 0x0200, 0x0280, 0x0300, 0x0380
SGI = 0x1_0000
WAKER = 0x0014
ANY = 1 << 31


def test_s01_pending_of_a_level_interrupt_is_latch_or_line(board: Any) -> None:
    made = board(2).on()
    for intid in (40, 20):
        made.enable(intid)
        made.line(intid, 1)
        made.set_bit(UNPEND, intid)
        assert made.bit(PEND, intid) and made.irq()
        made.set_bit(PEND, intid)
        made.line(intid, 0)
        assert made.iar() == intid
        assert not made.bit(PEND, intid)
        made.eoi(intid)


def test_s07_the_lowest_priority_is_never_signalled(board: Any) -> None:
    made = board(2).on(pmr=0xFF)
    made.enable(40, priority=0xFF)
    made.line(40, 1)
    assert made.mrs("PMR") == 0xF8 and made.r(0x0428, size=1) == 0xF8
    assert not made.irq() and made.mrs("HPPIR1") == 40
    made.w(0x0428, 0xF0, size=1)
    assert made.irq()


def test_s09_cbpr_gives_group_1_the_binary_point_of_group_0(board: Any) -> None:
    made = board(1).on()
    made.msr("BPR0", 4)
    made.msr("BPR1", 6)
    assert made.mrs("BPR1") == 6
    made.msr("CTLR", 1)
    assert made.mrs("BPR1") == 5
    made.msr("BPR1", 3)
    made.msr("BPR0", 7)
    assert made.mrs("BPR1") == 7
    made.msr("CTLR", 0)
    assert made.mrs("BPR1") == 6


def test_s10_binary_points_have_a_minimum(board: Any) -> None:
    made = board(1)
    for value in range(8):
        made.msr("BPR0", value)
        made.msr("BPR1", value)
        assert (made.mrs("BPR0"), made.mrs("BPR1")) == (max(value, 2), max(value, 3))


def test_s11_running_priority_follows_the_active_priority_registers(board: Any) -> None:
    made = board(1).on()
    assert made.mrs("RPR") == 0xFF
    made.msr("AP0R0", 1 << 10)
    assert made.mrs("RPR") == 0x50
    made.msr("AP1R0", 1 << 2)
    assert made.mrs("RPR") == 0x10
    with pytest.raises(UndefinedInstructionError):
        made.mrs("AP0R1")


def test_s12_the_cpu_interface_masks_the_bits_that_it_lacks(board: Any) -> None:
    """QEMU's distributor keeps eight bits, its CPU interface five."""
    made = board(1, "qemu").on(pmr=0xFF)
    made.enable(40, priority=0x87)
    assert made.r(0x0428, size=1) == 0x87 and made.mrs("PMR") == 0xF8
    other = board(1).on()
    other.enable(40, priority=0x87)
    assert other.r(0x0428, size=1) == 0x80


def test_s17_with_eoimode_the_end_drops_the_priority_only(board: Any) -> None:
    made = board(1).on()
    made.msr("CTLR", 2)
    made.enable(40, priority=0x40)
    made.enable(41, priority=0xC0)
    made.line(40, 1)
    made.line(41, 1)
    assert made.iar() == 40
    made.eoi(40)
    assert made.mrs("RPR") == 0xFF and made.bit(ACTIVATE, 40)
    assert made.iar() == 41
    made.eoi(41)
    made.msr("DIR", 40)
    assert made.iar() == 40 and made.bit(ACTIVATE, 41)
    made.msr("DIR", 41)
    assert not made.bit(ACTIVATE, 41)


def test_s20_the_end_of_the_other_group_does_nothing(board: Any) -> None:
    made = board(1).on()
    made.enable(40, group=0, priority=0x40)
    made.enable(41, group=1, priority=0x80)
    made.line(40, 1)
    assert made.mrs("IAR0") == 40
    made.msr("EOIR1", 40)
    assert made.mrs("RPR") == 0x40 and made.bit(ACTIVATE, 40)
    made.line(40, 0)
    made.msr("EOIR0", 40)
    assert made.mrs("RPR") == 0xFF and not made.bit(ACTIVATE, 40)
    made.line(41, 1)
    assert made.iar() == 41
    made.msr("EOIR0", 41)
    assert made.mrs("RPR") == 0x80 and made.bit(ACTIVATE, 41)


def test_s23_an_sgi_has_no_source_and_a_second_one_merges(board: Any) -> None:
    made = board(4).on()
    made.enable(5, cpu=0)
    for cpu in (3, 1, 1):
        made.send(5, 0b0001, cpu)
    assert made.iar() == 5
    made.send(5, 0b0001, 2)
    assert made.bit(PEND, 5) and made.bit(ACTIVATE, 5)
    made.eoi(5)
    assert made.iar() == 5
    made.eoi(5)
    assert made.iar() == 1023
    assert made.counters()[:3] == (4, 2, 2)


@pytest.mark.parametrize("group", [0, 1])
def test_s23_an_sgi_reaches_only_those_who_have_it_in_that_group(board: Any, group: int) -> None:
    made = board(2).on()
    made.enable(5, cpu=0, group=0)
    made.enable(5, cpu=1, group=1)
    made.send(5, 0b11, group=group)
    assert [made.bit(PEND, 5, cpu) for cpu in (0, 1)] == [group == 0, group == 1]
    assert made.counters(1 - group).dropped == {Injected.DROPPED: 1}


@pytest.mark.parametrize("group", [0, 1])
def test_s23_the_alias_is_for_group_0(board: Any, group: int) -> None:
    made = board(2).on()
    made.enable(5, cpu=1, group=group)
    made.msr("ASGI1R", 5 << 24 | 0b10)
    assert made.bit(PEND, 5, 1) is (group == 0)


def test_s23_pending_bits_of_sgis_are_written(board: Any) -> None:
    made = board(1).on()
    made.enable(5)
    made.set_bit(PEND, 5)
    assert made.irq()
    made.set_bit(UNPEND, 5)
    assert not made.irq() and made.counters().withdrawn == 1


def test_s24_all_but_self_excludes_self(board: Any) -> None:
    made = board(4).on()
    for cpu in range(4):
        made.enable(7, cpu=cpu)
    made.msr("SGI1R", 1 << 40 | 7 << 24 | 0xFFFF, 2)
    assert [made.bit(PEND, 7, cpu) for cpu in range(4)] == [True, True, False, True]


def test_s24_a_target_list_names_cpus_of_a_cluster(board: Any) -> None:
    mpidrs = (0x0, 0x3, 0x0001_0203, 0x12_0001_0200, 0x11)
    made = board(5, mpidrs=mpidrs).on()
    for cpu in range(5):
        made.enable(7, cpu=cpu)

    def reached(value: int) -> list[int]:
        made.msr("SGI1R", 7 << 24 | value)
        found = [cpu for cpu in range(5) if made.bit(PEND, 7, cpu)]
        for cpu in found:
            made.set_bit(UNPEND, 7, cpu)
        return found

    assert reached(0xFFFF) == [0, 1]
    assert reached(0b1000 | 2 << 16 | 1 << 32) == [2]
    assert reached(0xFFFF | 2 << 16 | 1 << 32 | 0x12 << 48) == [3]
    assert reached(0b10 | 1 << 44) == [4]


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_s26_an_affinity_that_nobody_has_keeps_it_pending(board: Any, edge: bool) -> None:
    made = board(2).on()
    made.enable(40, edge=edge, route=0x0000_0500)
    made.line(40, 1)
    assert made.bit(PEND, 40) and not made.irq(0) and not made.irq(1)
    made.w(0x6000 + 8 * 40, 1, size=8)
    assert not made.irq(0) and made.iar(1) == 40


def test_s27_rerouting_moves_what_is_pending(board: Any) -> None:
    made = board(4).on()
    made.enable(40, edge=True, route=0)
    made.line(40, 1)
    made.w(0x6000 + 8 * 40, 3, size=8)
    assert [made.irq(cpu) for cpu in range(4)] == [False, False, False, True]
    assert made.iar(0) == 1023 and made.iar(3) == 40
    assert made.counters(0).raised == 0 and made.counters(3)[:2] == (1, 1)


def test_s28_an_spi_for_any_cpu_goes_to_one_that_participates(board: Any) -> None:
    made = board(4).on()
    made.enable(40, edge=True, route=ANY)
    made.line(40, 1)
    (one,) = (cpu for cpu in range(4) if made.irq(cpu))
    made.msr("IGRPEN1", 0, one)
    (other,) = (cpu for cpu in range(4) if made.irq(cpu))
    assert other != one
    made.rw(other, 0x0000, 1 << 25)
    (third,) = (cpu for cpu in range(4) if made.irq(cpu))
    assert third not in (one, other)
    assert made.iar(third) == 40
    assert [made.iar(cpu) for cpu in range(4)] == [1023] * 4


def test_s28_when_nobody_participates_it_waits(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True, route=ANY)
    for cpu in range(2):
        made.msr("IGRPEN1", 0, cpu)
    made.line(40, 1)
    assert made.bit(PEND, 40)
    made.msr("IGRPEN1", 1, 1)
    assert made.iar(1) == 40


def test_s28_without_1_of_n_the_affinity_counts(board: Any) -> None:
    made = board(2, "qemu").on()
    made.enable(40, route=1 << 31 | 1)
    made.line(40, 1)
    assert [made.irq(cpu) for cpu in range(2)] == [False, True]


def test_s32_the_other_groups_interrupt_on_top_reads_1023(board: Any) -> None:
    made = board(1).on()
    made.enable(40, group=0, priority=0x20)
    made.enable(41, group=1, priority=0x80)
    made.line(40, 1)
    made.line(41, 1)
    assert made.pins() == (False, True)
    assert made.mrs("IAR1") == made.mrs("HPPIR1") == 1023
    assert made.mrs("HPPIR0") == 40 and made.mrs("IAR0") == 40


def test_s34_bytes_and_halves_are_lanes(board: Any) -> None:
    made = board(2).on()
    made.w(0x0428, 0x4030_2010)
    assert [made.r(0x0428 + n, size=1) for n in range(4)] == [0x10, 0x20, 0x30, 0x40]
    made.w(0x042A, 0xB8, size=1)
    assert made.r(0x0428) == 0x40B8_2010
    at = 0x6000 + 8 * 40
    made.w(at + 4, 0x12)
    made.w(at, ANY | 0x0001_0203)
    assert made.r(at, size=8) == 0x12_8001_0203
    assert (made.r(at), made.r(at + 4)) == (0x8001_0203, 0x12)


def test_s36_the_wrong_direction_of_a_system_register_is_undefined(board: Any) -> None:
    made = board(1)
    for name in ("EOIR0", "EOIR1", "DIR", "SGI0R", "SGI1R", "ASGI1R"):
        with pytest.raises(UndefinedInstructionError):
            made.mrs(name)
    for name in ("IAR0", "IAR1", "HPPIR0", "HPPIR1", "RPR"):
        with pytest.raises(UndefinedInstructionError):
            made.msr(name, 0)


def test_s36_read_only_registers_ignore_writes(board: Any) -> None:
    made = board(2, its=True)
    for read, write in ((made.r, made.w), (lambda o: made.rr(1, o), lambda o, v: made.rw(1, o, v))):
        for offset in (0x0004, 0x0008, 0xFFE8):
            before = read(offset)
            write(offset, 0)
            write(offset, 0xFFFF_FFFF)
            assert read(offset) == before
    assert made.r(0xFFE8) >> 4 & 0xF == made.rr(0, 0xFFE8) >> 4 & 0xF == 3
    made.rw(0, SGI + 0x0C00, 0)
    assert made.rr(0, SGI + 0x0C00) == 0xAAAA_AAAA


def test_s37_the_distributor_has_nothing_of_private_interrupts(board: Any) -> None:
    made = board(2).on()
    legacy = [0x0080, 0x0100, 0x0180, 0x0200, 0x0280, 0x0300, 0x0380, *range(0x0400, 0x0420, 4), 0x0C00, 0x0C04]
    legacy += [*range(0x0800, 0x0C00, 4), 0x0F00, *range(0x0F10, 0x0F30, 4), *range(0x6000, 0x6100, 4)]
    private = [made.rr(cpu, SGI + offset) for cpu in (0, 1) for offset in range(0, 0x0D00, 4)]
    for offset in legacy:
        made.w(offset, 0xFFFF_FFFF)
        assert made.r(offset) == 0, hex(offset)
    assert [made.rr(cpu, SGI + offset) for cpu in (0, 1) for offset in range(0, 0x0D00, 4)] == private
    assert not made.irq(0) and not made.irq(1)


@pytest.mark.parametrize("spis", ["32", "256", "988"])
def test_s38_typer_counts_every_intid_and_what_is_beyond_is_raz_wi(board: Any, spis: str) -> None:
    made = board(1, spis=spis)
    words = (int(spis) + 63) // 32
    assert (made.r(0x0004) & 0x1F) + 1 == words
    for n in range(1, 32):
        made.w(0x0080 + 4 * n, 0xFFFF_FFFF)
        there = max(0, min(32, int(spis) + 32 - 32 * n))
        assert made.r(0x0080 + 4 * n) == (1 << there) - 1


def test_s39_every_redistributor_is_reached_from_every_cpu(board: Any) -> None:
    made = board(3).on()
    made.rw(2, SGI + 0x0100, 1 << 20, cpu=0)
    made.rw(2, SGI + 0x0414, 0x80, cpu=1, size=1)
    assert made.rr(2, SGI + 0x0100, cpu=1) == 1 << 20
    assert made.rr(0, SGI + 0x0100) == made.rr(1, SGI + 0x0100) == 0
    made.rw(2, SGI + 0x0080, 1 << 20, cpu=0)
    made.rw(2, SGI + 0x0200, 1 << 20, cpu=0)
    assert made.irq(2) and made.iar(2) == 20


def test_s40_a_redistributor_that_sleeps_holds_its_interrupts(board: Any) -> None:
    made = board(2, waker="held").on(wake=False)
    made.enable(40, edge=True)
    made.line(40, 1)
    assert made.rr(0, WAKER) == 6 and not made.irq() and made.iar() == 1023
    assert made.bit(PEND, 40)
    made.rw(0, WAKER, 0)
    assert made.rr(0, WAKER) == 0 and made.iar() == 40
    made.rw(0, WAKER, 2)
    assert made.rr(0, WAKER) == 6
    made.rw(0, WAKER, 0xFFFF_FFFD)
    assert made.rr(0, WAKER) == 0


def test_s40_a_guest_that_never_wakes_it_is_served_if_waker_is_ignored(board: Any) -> None:
    made = board(2, waker="ignored").on(wake=False)
    made.enable(40, edge=True)
    made.line(40, 1)
    assert made.rr(0, WAKER) == 6 and made.iar() == 40


def test_s41_what_software_polls_is_done(board: Any) -> None:
    made = board(2, its=True).on()
    made.enable(40)
    made.set_bit(0x0180, 40)
    assert not made.r(0x0000) >> 31
    made.rw(0, SGI + 0x0180, 0xFFFF_FFFF)
    assert not made.rr(0, 0x0000) & (1 << 3 | 1 << 31)
    assert made.its_read(0x0000, 4) >> 31
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 1)
    assert made.its_read(0x0000, 4) >> 31


def test_s42_a_message_of_a_device_is_an_lpi(board: Any) -> None:
    made = board(2, its=True).on()
    made.lpis_on({8192: 0x40, 8193: 0x80})
    made.map_event(1, 0, 8192, 1)
    made.map_event(1, 1, 8193, 1)
    assert made.message(1, 1) is Injected.LATCHED
    assert made.message(1, 0) is Injected.LATCHED
    assert made.message(1, 0) is Injected.COALESCED
    assert not made.irq(0) and made.irq(1)
    assert [made.iar(1), made.iar(1)] == [8192, 1023]
    assert made.mrs("RPR", 1) == 0x40
    made.eoi(8192, 1)
    assert made.iar(1) == 8193
    made.eoi(8193, 1)
    assert made.iar(1) == 1023 and made.mrs("RPR", 1) == 0xFF


def test_s42_an_lpi_is_never_active(board: Any) -> None:
    made = board(1, its=True).on()
    made.msr("CTLR", 2)
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 0)
    made.message(1, 0)
    assert made.iar() == 8192
    made.message(1, 0)
    assert not made.irq() and made.mrs("HPPIR1") == 8192
    made.eoi(8192)
    assert made.iar() == 8192
    made.msr("DIR", 8192)
    assert made.mrs("RPR") == 0x40


def test_s42_a_change_of_configuration_holds_after_inv(board: Any) -> None:
    made = board(1, its=True).on()
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 0)
    made.vm.memory.write(0x4010_0000, b"\x40")
    made.command(0x0C | 1 << 32, 0, 0, 0)
    made.message(1, 0)
    assert not made.irq() and made.iar() == 1023
    made.vm.memory.write(0x4010_0000, b"\x81")
    made.command(0x0C | 1 << 32, 0, 0, 0)
    assert made.iar() == 8192 and made.mrs("RPR") == 0x80


def test_s42_lpis_wait_while_group_1_is_off(board: Any) -> None:
    made = board(1, its=True).on()
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 0)
    made.w(0x0000, 1)
    made.message(1, 0)
    assert not made.irq()
    made.w(0x0000, 3)
    assert made.iar() == 8192
