"""What models of a GIC usually get wrong, one scenario each.

S12, S34 to S36, S38 and S39 are in test_registers.py. S20, S23, S28, S32, S37 and S40 to S42 are about GICv3: they are
in v3/test_scenarios.py, with those of the others that a GICv3 does in its own way. S43 is about two security states,
which the models do not have.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from irqframe import Injected

ENABLER, DISABLER, PEND, UNPEND, ACTIVATE, UNACTIVATE = 0x100, 0x180, 0x200, 0x280, 0x300, 0x380
GROUP = 0x080
PMR, BPR, RPR, HPPIR, ABPR, AIAR, AEOIR, AHPPIR, APR, NSAPR = 0x04, 0x08, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0xD0, 0xE0


# Level, edge, pending


def test_s01_pending_of_a_level_interrupt_is_latch_or_line(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.set_bit(UNPEND, 40)
    assert made.bit(PEND, 40) and made.irq()
    made.line(40, 0)
    assert not made.bit(PEND, 40) and not made.irq()


def test_s01_ispendr_while_the_line_is_high_outlives_the_line(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.set_bit(PEND, 40)
    made.line(40, 0)
    assert made.bit(PEND, 40) and made.irq()
    assert made.iar() == 40


def test_s02_acknowledge_clears_the_latch_and_not_the_line(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.iar()
    assert made.bit(PEND, 40) and made.bit(ACTIVATE, 40)
    made.line(40, 0)
    assert not made.bit(PEND, 40) and made.bit(ACTIVATE, 40)
    made.enable(41, edge=True)
    made.line(41, 1)
    made.eoi(40)
    assert made.iar() == 41 and not made.bit(PEND, 41)


def test_s03_edges_while_active_are_one_more_delivery(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    for _ in range(2):
        made.line(40, 1)
        made.line(40, 0)
    assert made.iar() == 40
    for _ in range(3):
        made.line(40, 1)
        made.line(40, 0)
    assert made.bit(PEND, 40) and made.bit(ACTIVATE, 40) and not made.irq()
    made.eoi(40)
    assert made.iar() == 40
    made.eoi(40)
    assert made.iar() == 1023


def test_s03_edges_while_disabled_are_latched(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    made.set_bit(DISABLER, 40)
    assert made.line(40, 1) is Injected.LATCHED
    made.line(40, 0)
    assert not made.irq()
    made.set_bit(ENABLER, 40)
    assert made.iar() == 40


@pytest.mark.parametrize(("implementation", "second"), [("kvm", Injected.COALESCED), ("qemu", Injected.NOTHING)])
def test_s03_an_edge_is_a_raise_or_a_change_of_the_line(board: Any, implementation: str, second: Injected) -> None:
    made = board(2, implementation).on()
    made.enable(40, edge=True)
    assert made.line(40, 1) is Injected.LATCHED
    assert made.line(40, 1) is second


def test_s04_active_and_pending_does_not_block_its_equals(board: Any) -> None:
    made = board(2).on(ctlr=1 | 1 << 9)
    made.enable(40)
    made.enable(41)
    made.line(40, 1)
    made.line(41, 1)
    assert made.iar() == 40
    assert made.iar() == 1023
    made.eoi(40)
    assert made.iar() == 41
    assert made.iar() == 1023


@pytest.mark.parametrize("hide", ["disable", "mask", "group", "interface", "distributor"])
def test_s05_hiding_an_interrupt_loses_nothing(board: Any, hide: str) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    made.line(40, 1)
    undo = {
        "disable": (lambda: made.set_bit(DISABLER, 40), lambda: made.set_bit(ENABLER, 40)),
        "mask": (lambda: made.cw(PMR, 0x80), lambda: made.cw(PMR, 0xFF)),
        "group": (lambda: made.w(GROUP + 4, 0x100), lambda: made.w(GROUP + 4, 0)),
        "interface": (lambda: made.cw(0, 0), lambda: made.cw(0, 1)),
        "distributor": (lambda: made.w(0, 0), lambda: made.w(0, 1)),
    }[hide]
    undo[0]()
    assert not made.irq()
    assert made.iar() == 1023
    assert made.bit(PEND, 40)
    undo[1]()
    assert made.irq()
    assert made.iar() == 40


def test_s06_a_change_of_configuration_keeps_a_latch_and_makes_none(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.w(0xC08, 2 << 16)
    assert not made.bit(PEND, 40) and not made.irq()
    made.w(0xC08, 0)
    assert made.bit(PEND, 40) and made.irq()
    made.line(40, 0)
    made.set_bit(PEND, 40)
    made.w(0xC08, 2 << 16)
    assert made.bit(PEND, 40) and made.irq()


# Priorities


def test_s07_mask_and_running_priority_compare_strictly(board: Any) -> None:
    made = board(2, "qemu").on(pmr=0x80)
    made.enable(40, priority=0x80)
    made.line(40, 1)
    assert not made.irq()
    made.cw(PMR, 0x81)
    assert made.iar() == 40
    made.enable(41, priority=0x80)
    made.line(41, 1)
    assert not made.irq()
    made.w(0x400 + 41, 0x7E, size=1)
    assert made.irq()


@pytest.mark.parametrize(("implementation", "lowest"), [("kvm", 0xF8), ("qemu", 0xFF)])
def test_s07_the_lowest_priority_is_never_signalled(board: Any, implementation: str, lowest: int) -> None:
    made = board(2, implementation).on(pmr=0xFF)
    made.enable(40, priority=0xFF)
    made.line(40, 1)
    assert made.r(0x400 + 40, size=1) == lowest
    assert made.iar() == 1023


def test_s08_choice_is_by_full_priority_preemption_by_group_priority(board: Any) -> None:
    made = board(2, "qemu").on()
    made.cw(BPR, 4)
    for intid, priority in ((40, 0x48), (41, 0x44), (42, 0x40)):
        made.enable(intid, priority=priority)
    made.line(40, 1)
    made.line(41, 1)
    assert made.iar() == 41
    made.line(42, 1)
    assert not made.irq()
    made.eoi(41)
    assert made.iar() == 42


@pytest.mark.parametrize(
    ("ctlr", "bpr", "abpr", "preempts"),
    [
        (0b0_0111, 7, 5, True),
        (0b0_0111, 0, 6, False),
        (0b1_0111, 5, 1, False),
        (0b1_0111, 4, 7, True),
    ],
    ids=["ABPR 5: bits 7 to 5", "ABPR 6: bits 7 to 6", "CBPR, BPR 5: bits 7 to 6", "CBPR, BPR 4: bits 7 to 5"],
)
def test_s09_the_binary_point_of_group_1_is_one_off(board: Any, ctlr: int, bpr: int, abpr: int, preempts: bool) -> None:
    made = board(2, "qemu").on(ctlr=ctlr, distributor=3)
    made.w(GROUP + 4, 0xFFFF_FFFF)
    made.cw(BPR, bpr)
    made.cw(ABPR, abpr)
    made.enable(40, priority=0x60)
    made.enable(41, priority=0x40)
    made.line(40, 1)
    assert made.iar() == 40
    made.line(41, 1)
    assert made.irq() is preempts


def test_s10_the_highest_binary_point_ends_preemption(board: Any) -> None:
    made = board(2, "qemu").on()
    made.cw(BPR, 7)
    made.enable(40, priority=0xC0)
    made.enable(41, priority=0x00)
    made.line(40, 1)
    made.iar()
    made.line(41, 1)
    assert not made.irq()


def test_s10_a_binary_point_that_grows_while_an_interrupt_runs_holds_for_what_runs_too(board: Any) -> None:
    made = board(2, "qemu").on()
    made.enable(40, priority=0x48)
    made.enable(41, priority=0x40)
    made.line(40, 1)
    made.iar()
    made.line(41, 1)
    assert made.irq()
    made.cw(BPR, 3)
    assert made.cr(RPR) == 0x48
    assert not made.irq()
    made.cw(BPR, 7)
    assert not made.irq()
    made.cw(BPR, 2)
    assert made.irq()


def test_s11_running_priority_follows_the_active_priority_registers(board: Any) -> None:
    made = board(2, "qemu").on()
    assert made.cr(RPR) == 0xFF
    made.cw(APR + 4, 1 << 8)
    assert made.cr(RPR) == 0x50
    made.cw(NSAPR, 1 << 4)
    assert made.cr(RPR) == 0x08
    made.enable(40, priority=0x48)
    made.line(40, 1)
    assert not made.irq()
    made.cw(NSAPR, 0)
    assert made.irq()


def test_s13_the_lowest_intid_goes_first_among_equals(board: Any) -> None:
    made = board(2).on()
    for intid in (60, 33, 45):
        made.enable(intid)
        made.line(intid, 1)
    acknowledged = []
    for _ in range(3):
        acknowledged.append(made.iar())
        made.line(acknowledged[-1], 0)
        made.eoi(acknowledged[-1])
    assert acknowledged == [33, 45, 60]


def test_s14_running_priority_is_what_the_binary_point_left(board: Any) -> None:
    made = board(2, "qemu").on()
    made.cw(BPR, 3)
    made.enable(40, priority=0x48)
    made.line(40, 1)
    assert made.iar() == 40
    assert made.cr(RPR) == 0x40
    assert made.cr(APR + 4) == 1


# End of interrupt and deactivation


def test_s15_the_lowest_active_priority_ends_whatever_id_is_written(board: Any) -> None:
    made = board(2).on()
    made.enable(40, priority=0x80)
    made.enable(41, priority=0x40)
    made.line(40, 1)
    made.iar()
    made.line(41, 1)
    made.iar()
    assert made.cr(RPR) == 0x40
    made.eoi(40)
    assert made.cr(RPR) == 0x80
    assert made.bit(ACTIVATE, 41) and not made.bit(ACTIVATE, 40)


@pytest.mark.parametrize("value", [1020, 1021, 1022, 1023, 288, 1019])
def test_s16_the_end_of_what_is_no_interrupt_is_ignored(board: Any, value: int) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.iar()
    made.eoi(value)
    assert made.cr(RPR) == 0x80 and made.bit(ACTIVATE, 40)


def test_s16_the_end_of_what_does_not_run_is_ignored(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.set_bit(ACTIVATE, 40)
    made.eoi(40)
    assert made.bit(ACTIVATE, 40)


def test_s17_with_eoimode_the_end_drops_the_priority_only(board: Any) -> None:
    made = board(2).on(ctlr=1 | 1 << 9)
    made.enable(40, priority=0x40)
    made.enable(41, priority=0xC0)
    made.line(40, 1)
    made.line(41, 1)
    assert made.iar() == 40
    made.eoi(40)
    assert made.cr(RPR) == 0xFF and made.bit(ACTIVATE, 40)
    assert made.iar() == 41
    made.eoi(41)
    made.deactivate(40)
    assert made.iar() == 40
    made.deactivate(41)
    assert not made.bit(ACTIVATE, 41)


def test_s17_deactivation_needs_eoimode(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.iar()
    made.deactivate(40)
    assert made.bit(ACTIVATE, 40)


def test_s17_deactivation_without_an_end_leaves_the_running_priority(board: Any) -> None:
    made = board(2).on(ctlr=1 | 1 << 9)
    made.enable(40)
    made.line(40, 1)
    made.iar()
    made.deactivate(40)
    assert not made.bit(ACTIVATE, 40) and made.cr(RPR) == 0x80


def test_s18_icactiver_is_no_end_of_interrupt(board: Any) -> None:
    made = board(2).on()
    made.w(0x400, 0x80, size=1)
    made.send(0, 1)
    assert made.iar() == 0
    made.w(UNACTIVATE, 1)
    assert not made.bit(ACTIVATE, 0) and made.cr(RPR) == 0x80
    made.eoi(0)
    assert made.cr(RPR) == 0xFF


def test_s19_isactiver_hides_until_icactiver(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.set_bit(ACTIVATE, 40)
    assert not made.irq() and made.iar() == 1023
    made.eoi(40)
    assert not made.irq()
    made.set_bit(UNACTIVATE, 40)
    assert made.iar() == 40


# SGIs


def test_s21_an_sgi_is_pending_once_per_source(board: Any) -> None:
    made = board(4).on()
    for cpu in (3, 1, 1, 2):
        made.send(5, 0b0001, cpu)
    assert made.r(0xF24) == 0b1110 << 8
    assert made.cr(HPPIR) == 1 << 10 | 5
    taken = []
    for _ in range(3):
        assert made.bit(PEND, 5)
        taken.append(made.iar())
        made.eoi(taken[-1])
    assert taken == [source << 10 | 5 for source in (1, 2, 3)]
    assert made.iar() == 1023 and not made.bit(PEND, 5)
    assert made.counters(0)[:3] == (4, 3, 1)
    assert made.vm.flow.call("delivered", made.vm.vcpus[0]) == {5: 3}, "without their sources"


def test_s22_an_active_sgi_holds_back_its_other_sources(board: Any) -> None:
    made = board(4).on(ctlr=1 | 1 << 9)
    made.send(5, 0b0001, 1)
    made.send(5, 0b0001, 2)
    first = made.iar()
    made.eoi(first)
    assert not made.irq() and made.iar() == 1023
    made.deactivate(first)
    assert made.iar() == 2 << 10 | 5


@pytest.mark.parametrize(("filter_", "reached"), [(0, [1, 3]), (1, [0, 1, 3]), (2, [2]), (3, [])])
def test_s24_sgir_filters(board: Any, filter_: int, reached: list[int]) -> None:
    made = board(4).on()
    made.w(0xF00, filter_ << 24 | 0b1010_1010 << 16 | 7, 2)
    assert [cpu for cpu in range(4) if made.bit(PEND, 7, cpu)] == reached


def test_s24_an_sgi_to_an_interface_that_is_off_stays_pending(board: Any) -> None:
    made = board(2)
    made.send(1, 0b10)
    assert made.bit(PEND, 1, 1) and not made.irq(1)
    made.on()
    assert made.iar(1) == 1


def test_s24_cpendsgir_takes_back_one_source(board: Any) -> None:
    made = board(4).on()
    made.send(1, 0b0001, 2)
    made.send(1, 0b0001, 3)
    made.w(0xF11, 0b0100, size=1)
    assert made.iar() == 3 << 10 | 1
    assert made.counters(0).withdrawn == 1


def test_s24_spendsgir_sets_as_if_from_a_source(board: Any) -> None:
    made = board(4).on()
    made.w(0xF21, 0b1111_1000, 1, size=1)
    assert not made.irq(0)
    assert made.iar(1) == 3 << 10 | 1
    made.eoi(3 << 10 | 1, 1)
    assert made.iar(1) == 1023


# Routing


def test_s25_an_spi_with_several_targets_is_taken_once(board: Any) -> None:
    made = board(4).on()
    made.enable(40, edge=True, targets=0b1110)
    made.line(40, 1)
    assert [made.irq(cpu) for cpu in range(4)] == [False, True, True, True]
    assert made.iar(2) == 40
    assert [made.irq(cpu) for cpu in range(4)] == [False] * 4
    assert [made.iar(cpu) for cpu in (0, 1, 3)] == [1023] * 3
    assert made.counters(2)[:2] == (1, 1) and made.counters(1)[:2] == (0, 0)
    made.eoi(40, 2)
    assert not made.bit(ACTIVATE, 40)


def test_s25_a_level_spi_goes_to_any_target_again(board: Any) -> None:
    made = board(4).on()
    made.enable(40, targets=0b0110)
    made.line(40, 1)
    assert made.iar(2) == 40
    made.eoi(40, 2)
    assert made.irq(1) and made.irq(2)
    assert made.iar(1) == 40
    for cpu in (1, 2):
        assert made.owed(cpu) == made.waiting(cpu) == 0


def test_s26_without_a_target_it_waits_for_one(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True, targets=0)
    made.line(40, 1)
    assert made.bit(PEND, 40) and not made.irq(0) and not made.irq(1)
    made.w(0x800 + 40, 0b10, size=1)
    assert not made.irq(0) and made.iar(1) == 40


def test_s27_retargeting_moves_what_is_pending(board: Any) -> None:
    made = board(4).on()
    made.enable(40, edge=True, targets=0b0001)
    made.line(40, 1)
    made.w(0x800 + 40, 0b1000, size=1)
    assert [made.irq(cpu) for cpu in range(4)] == [False, False, False, True]
    assert made.iar(0) == 1023 and made.iar(3) == 40
    assert made.counters(0).raised == 0 and made.counters(3)[:2] == (1, 1)


def test_s29_retargeting_leaves_what_is_active(board: Any) -> None:
    made = board(4).on()
    made.enable(40, targets=0b0001)
    made.line(40, 1)
    assert made.iar(0) == 40
    made.w(0x800 + 40, 0b0100, size=1)
    assert made.bit(ACTIVATE, 40) and not made.irq(2)
    made.eoi(40, 0)
    assert not made.irq(0) and made.iar(2) == 40


# Groups and special numbers


def test_s30_group_1_without_ackctl_reads_1022(board: Any) -> None:
    made = board(2).on(ctlr=0b011, distributor=3)
    made.w(GROUP + 4, 0x100)
    made.enable(40)
    made.line(40, 1)
    assert made.irq()
    assert made.iar() == 1022 and made.cr(HPPIR) == 1022
    assert not made.bit(ACTIVATE, 40)
    assert made.cr(AHPPIR) == 40
    assert made.cr(AIAR) == 40 and made.bit(ACTIVATE, 40)
    made.cw(AEOIR, 40)
    assert not made.bit(ACTIVATE, 40) and made.cr(RPR) == 0xFF


def test_s30_the_aliased_registers_do_not_touch_group_0(board: Any) -> None:
    made = board(2).on(ctlr=0b111, distributor=3)
    made.enable(40)
    made.line(40, 1)
    assert made.cr(AIAR) == 1023 and made.cr(AHPPIR) == 1023
    assert made.iar() == 40
    made.cw(AEOIR, 40)
    assert made.bit(ACTIVATE, 40) and made.cr(RPR) == 0x80


def test_s31_a_group_that_the_distributor_disabled_hides_nothing(board: Any) -> None:
    made = board(2).on(ctlr=0b111, distributor=1)
    made.w(GROUP + 4, 0x100)
    made.enable(40, priority=0x20)
    made.enable(41, priority=0x80)
    made.line(40, 1)
    made.line(41, 1)
    assert made.iar() == 41


def test_s31_a_group_that_the_interface_disabled_hides_what_is_below(board: Any) -> None:
    made = board(2).on(ctlr=0b101, distributor=3)
    made.w(GROUP + 4, 0x100)
    made.enable(40, priority=0x20)
    made.enable(41, priority=0x80)
    made.line(40, 1)
    made.line(41, 1)
    assert not made.irq()
    assert made.iar() == 1023 and made.cr(HPPIR) == 1023


def test_s33_group_0_is_fiq_if_fiqen(board: Any) -> None:
    made = board(2).on(ctlr=0b1111, distributor=3)
    made.w(GROUP + 4, 0x100)
    made.enable(40, priority=0x80)
    made.enable(41, priority=0x40)
    made.line(40, 1)
    assert made.pins() == (True, False)
    made.line(41, 1)
    assert made.pins() == (False, True)
    made.cw(0x00, 0b0111)
    assert made.pins() == (True, False)


def test_hppir_does_not_look_at_mask_and_running_priority(board: Any) -> None:
    made = board(2).on(pmr=0)
    made.enable(40)
    made.line(40, 1)
    assert made.cr(HPPIR) == 40
    assert made.iar() == 1023


# Accounts


def test_a_level_that_stays_high_is_resampled(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    for _ in range(3):
        assert made.iar() == 40
        made.eoi(40)
    made.line(40, 0)
    assert made.iar() == 1023
    counters = made.counters()
    assert (counters.raised, counters.delivered, counters.resampled, counters.withdrawn) == (1, 3, 3, 1)


def test_a_level_that_falls_while_active_owes_nothing(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.iar()
    made.line(40, 0)
    made.eoi(40)
    assert made.counters()[:2] == (1, 1) and made.owed() == 0


def test_a_level_that_falls_and_rises_while_active_is_a_raise(board: Any) -> None:
    made = board(2).on()
    made.enable(40)
    made.line(40, 1)
    made.iar()
    made.line(40, 0)
    assert made.line(40, 1) is Injected.LATCHED
    made.eoi(40)
    assert made.iar() == 40
    assert made.counters()[:2] == (2, 2)


def test_a_message_for_a_level_interrupt_is_dropped_and_counted(board: Any) -> None:
    made = board(2).on()
    made.enable(80)
    assert made.vm.signal_msi(0x0802_0040, 80) is Injected.DROPPED
    assert made.counters().dropped == {Injected.DROPPED: 1} and made.owed() == 0


def test_every_scenario_has_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    numbers = {int(number) for number in re.findall(r"^def test_s(\d\d)_", tests, re.MULTILINE)}
    assert numbers == set(range(1, 43)), "S43 is about two security states, which the models do not have"
