"""The engine's contract: blocks, budgets, stops, interrupts, storms, reset."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from irqframe.guest.aarch64._engine import FIQ, IRQ, RECENT, Stop

RAM = 0x40000000
VECTORS = RAM + 0x2000
EL0T, EL1T, EL1H = 0x0, 0x4, 0x5
MASK_I, MASK_F, MASK_A, MASK_D = 0x80, 0x40, 0x100, 0x200


def loop(a64: Any) -> tuple[int, ...]:
    """Blocks of three instructions that count in x0, for ever."""
    return a64.add(0, 0, 1), a64.NOP, a64.b(-8)


# Blocks and budgets


def test_instructions_are_counted_by_block(guest: Any, a64: Any) -> None:
    assert guest.run(a64.NOP, a64.NOP, a64.b(4), a64.NOP, a64.WFI) is Stop.WFI
    assert guest.engine.executed == 5


def test_a_block_counts_when_it_is_entered(guest: Any, a64: Any) -> None:
    seen = []
    guest.on_exit = lambda _: seen.append(guest.engine.executed)
    guest.run(a64.NOP, a64.b(4), a64.NOP, a64.hvc(), a64.NOP, a64.WFI)
    assert seen == [4]


def test_the_block_in_which_the_budget_is_used_up_is_finished(guest: Any, a64: Any) -> None:
    guest.start(*loop(a64))
    for budget, executed, rounds in ((1, 3, 1), (3, 6, 2), (4, 12, 4), (0, 12, 4)):
        assert guest.engine.run(budget) is Stop.BUDGET
        assert (guest.engine.executed, guest.x(0), guest.pc) == (executed, rounds, RAM)


def test_a_deadline_makes_a_used_up_budget_an_occasion_to_look(guest: Any, a64: Any) -> None:
    guest.start(*loop(a64))
    deadline = time.monotonic_ns() + 20_000_000
    assert guest.engine.run(300, deadline) is Stop.BUDGET
    assert time.monotonic_ns() >= deadline
    executed = guest.engine.executed
    assert executed > 300
    assert guest.engine.run(300, deadline) is Stop.BUDGET
    assert guest.engine.executed == executed + 300


def test_wfi_stops_with_pc_past_it(guest: Any, a64: Any) -> None:
    assert guest.run(a64.NOP, a64.WFI, a64.NOP, a64.WFI) is Stop.WFI
    assert guest.pc == RAM + 8
    assert guest.engine.run(100) is Stop.WFI
    assert guest.pc == RAM + 16


def test_wfi_stops_although_a_masked_interrupt_is_asserted(guest: Any, a64: Any) -> None:
    guest.start(a64.WFI)
    guest.engine.lines = IRQ | FIQ
    assert guest.engine.run(100) is Stop.WFI


# Attention


def test_a_handlers_attend_stops_before_the_next_block(guest: Any, a64: Any) -> None:
    guest.on_exit = lambda _: guest.engine.attend()
    assert guest.run(a64.hvc(), a64.add(5, 5, 1), a64.WFI) is Stop.ATTENTION
    assert (guest.pc, guest.x(5), guest.engine.executed) == (RAM + 4, 0, 1)
    assert guest.engine.run(100) is Stop.WFI
    assert guest.x(5) == 1


def test_an_attend_in_a_device_lets_the_block_finish(guest: Any, a64: Any) -> None:
    guest.on_exit = lambda _: guest.engine.attend()
    code = a64.movz(1, 0x900, 16), a64.ldr_w(2, 1), a64.add(5, 5, 1), a64.b(4), a64.WFI
    assert guest.run(*code) is Stop.ATTENTION
    assert (guest.pc, guest.x(5)) == (RAM + 16, 1)
    assert len(guest.log) == 1


def test_an_attend_between_runs_is_reported_by_the_next_and_once(guest: Any, a64: Any) -> None:
    guest.start(a64.add(0, 0, 1), a64.WFI)
    guest.engine.attend()
    guest.engine.attend()
    assert guest.engine.run(100) is Stop.ATTENTION
    assert (guest.pc, guest.engine.executed) == (RAM, 0)
    assert guest.engine.run(100) is Stop.WFI


def test_another_threads_attend_stops_an_endless_loop(guest: Any, a64: Any) -> None:
    guest.start(a64.b(0))
    kick = threading.Timer(0.05, guest.engine.attend)
    kick.start()
    assert guest.engine.run(1 << 60) is Stop.ATTENTION
    kick.join()


# Interrupts


@pytest.mark.parametrize(
    ("line", "vector", "mask"),
    [(IRQ, 0x80, MASK_I), (FIQ, 0x100, MASK_F), (IRQ | FIQ, 0x100, MASK_I | MASK_F)],
    ids=["irq", "fiq", "both"],
)
def test_what_is_asserted_and_unmasked_at_the_start_is_taken_first(
    guest: Any, a64: Any, line: int, vector: int, mask: int
) -> None:
    unmasked = MASK_D | MASK_A | (MASK_I | MASK_F) & ~mask
    guest.enter(EL1H, 0x100, a64.WFI, a64.add(0, 0, 1), a64.WFI, masked=unmasked)
    assert guest.engine.run(100) is Stop.WFI
    guest.engine.lines = line
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["pc"] == VECTORS + 0x200 + vector + 4
    assert state["elr_el1"] == RAM + 0x104
    assert state["spsr_el1"] & 0xFFFFFFF == EL1H | unmasked
    assert state["pstate"] == 0x3C5
    assert state["x0"] == 0


@pytest.mark.parametrize(("line", "masked"), [(IRQ, MASK_I), (FIQ, MASK_F)])
def test_a_masked_interrupt_is_not_taken(guest: Any, a64: Any, line: int, masked: int) -> None:
    guest.enter(EL1H, 0x100, a64.add(0, 0, 1), a64.WFI, masked=masked)
    guest.engine.lines = line
    assert guest.engine.run(100) is Stop.WFI
    assert (guest.pc, guest.x(0)) == (RAM + 0x108, 1)


@pytest.mark.parametrize("mode", [EL0T, EL1T, EL1H])
@pytest.mark.parametrize(("line", "vector"), [(IRQ, 0x80), (FIQ, 0x100)])
def test_the_vector_of_an_interrupt(guest: Any, a64: Any, mode: int, line: int, vector: int) -> None:
    """Arm ARM, "Vector offsets from vector table base address"."""
    guest.enter(mode, 0x100, a64.b(0), masked=0)
    guest.engine.lines = line
    assert guest.engine.run(100) is Stop.WFI
    base = {EL1T: 0x000, EL1H: 0x200, EL0T: 0x400}[mode]
    assert guest.pc == VECTORS + base + vector + 4
    assert guest.engine.registers()["spsr_el1"] & 0xF == mode


#: Code that opens a window -> where in it the interrupt is taken.
WINDOWS = {
    "daifclr": (lambda a: (a.daifclr(2), a.add(0, 0, 1), a.WFI), 4),
    "of_one_instruction": (lambda a: (a.daifclr(2), a.daifset(2), a.add(0, 0, 1), a.WFI), 4),
    "as_linux_idles": (lambda a: (a.NOP, a.daifclr(2), a.ISB, a.daifset(2), a.add(0, 0, 1), a.WFI), 8),
    "msr_daif": (lambda a: (a.msr(a.DAIF, 31), a.add(0, 0, 1), a.WFI), 4),
    "daifclr_all": (lambda a: (a.daifclr(15), a.add(0, 0, 1), a.WFI), 4),
}


@pytest.mark.parametrize("window", WINDOWS)
def test_an_interrupt_gets_in_at_the_very_block_that_unmasks_it(guest: Any, a64: Any, window: str) -> None:
    code, offset = WINDOWS[window]
    guest.start(*code(a64))
    guest.engine.lines = IRQ
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["elr_el1"] == RAM + offset
    assert (state["x0"], state["pc"]) == (0, VECTORS + 0x284)


def test_an_interrupt_gets_in_where_eret_unmasks_it(guest: Any, a64: Any) -> None:
    guest.enter(EL0T, 0x100, a64.add(0, 0, 1), a64.WFI, masked=0)
    guest.engine.lines = IRQ
    guest.engine.run(100)
    assert guest.engine.registers()["elr_el1"] == RAM + 0x100
    assert guest.x(0) == 0


def test_a_line_that_an_exit_raises_is_seen_at_the_next_block(guest: Any, a64: Any) -> None:
    def rise(_: object) -> None:
        guest.lines = IRQ

    guest.on_exit = rise
    code = (
        a64.daifclr(2),
        a64.movz(1, 0x900, 16),
        a64.ldr_w(2, 1),
        a64.add(0, 0, 1),
        a64.b(4),
        a64.add(0, 0, 1),
        a64.WFI,
    )
    guest.run(*code)
    assert guest.engine.lines == IRQ
    assert guest.x(0) == 1
    assert guest.engine.registers()["elr_el1"] == RAM + 20


def test_a_line_that_an_exit_lowers_is_not_taken(guest: Any, a64: Any) -> None:
    guest.start(a64.hvc(), a64.daifclr(2), a64.add(5, 5, 1), a64.WFI)
    guest.engine.lines = IRQ
    assert guest.engine.run(100) is Stop.WFI
    assert (guest.x(5), guest.engine.lines) == (1, 0)


def test_an_interrupt_costs_no_instruction_and_eret_goes_on(guest: Any, a64: Any) -> None:
    """The handler acknowledges by hypercall, which lowers the line."""
    guest.put(0x2280, a64.hvc(), a64.ERET)
    guest.start(a64.daifclr(2), a64.add(5, 5, 1), a64.add(5, 5, 1), a64.WFI)
    guest.engine.lines = IRQ
    assert guest.engine.run(100) is Stop.WFI
    assert guest.x(5) == 2
    assert guest.engine.executed == 1 + 2 + 3


def test_a_used_up_budget_comes_before_an_interrupt(guest: Any, a64: Any) -> None:
    guest.start(a64.daifclr(2), a64.add(0, 0, 1), a64.WFI)
    guest.engine.lines = IRQ
    assert guest.engine.run(1) is Stop.BUDGET
    assert guest.pc == RAM + 4
    assert guest.engine.run(1) is Stop.WFI
    assert guest.engine.registers()["elr_el1"] == RAM + 4


# Storms


def test_a_vector_that_faults_for_ever_is_a_fault(guest: Any, a64: Any) -> None:
    guest.put(0x2200, a64.NOP, a64.UDF)
    assert guest.run(a64.svc(), budget=1 << 20) is Stop.FAULT
    assert guest.engine.fault == f"1000 exceptions in a row, the last (undefined) at {VECTORS + 0x204:#x}"
    assert guest.engine.executed < 3000


def test_no_vectors_at_all_is_a_fault(guest: Any, a64: Any) -> None:
    guest.start(a64.msr(a64.VBAR_EL1, 31), a64.svc())
    assert guest.engine.run(1 << 20) is Stop.FAULT
    assert guest.engine.fault == "1000 exceptions in a row, the last (external abort) at 0x200"


def test_a_long_block_whose_first_instruction_faults_is_a_storm_too(guest: Any, a64: Any) -> None:
    guest.put(0x2200, a64.ldr(0, 1), *[a64.NOP] * 20, a64.WFI)
    assert guest.run(a64.svc(), budget=1 << 20) is Stop.FAULT


def test_an_interrupt_that_is_never_handled_is_a_fault(guest: Any, a64: Any) -> None:
    guest.put(0x2280, a64.ERET)
    guest.start(a64.daifclr(2), a64.b(0))
    guest.engine.lines = IRQ
    assert guest.engine.run(1 << 20) is Stop.FAULT
    assert "the last (irq)" in guest.engine.fault


@pytest.mark.parametrize(("between", "stop"), [(3, Stop.FAULT), (4, Stop.BUDGET)])
def test_a_storm_is_fewer_than_four_instructions_between_two(guest: Any, a64: Any, between: int, stop: Stop) -> None:
    guest.put(0x2200, *[a64.NOP] * (between - 1), a64.svc())
    assert guest.run(a64.svc(), budget=20_000) is stop


def test_many_exceptions_with_work_between_them_are_none(guest: Any, a64: Any) -> None:
    guest.put(0x2200, a64.NOP, a64.NOP, a64.NOP, a64.ERET)
    assert (
        guest.run(a64.movz(5, 3000), a64.svc(), a64.sub(5, 5, 1), a64.cbnz(5, -8), a64.WFI, budget=1 << 20) is Stop.WFI
    )
    assert guest.x(5) == 0


# What is asked of it from outside


def test_what_a_handler_raises_comes_out_of_run(guest: Any, a64: Any) -> None:
    def refuse(_: object) -> None:
        raise ValueError("no")

    for code in ((a64.hvc(), a64.WFI), (a64.movz(1, 0x900, 16), a64.ldr_w(2, 1), a64.b(4), a64.WFI)):
        guest.on_exit = refuse
        guest.start(*code)
        with pytest.raises(ValueError, match=r"^no$"):
            guest.engine.run(100)
        guest.on_exit = lambda _: None
        assert guest.engine.run(100) is Stop.WFI


def test_reset_is_power_on(guest: Any, a64: Any) -> None:
    guest.enter(EL0T, 0x100, a64.movz(9, 9), a64.WFI, masked=0)
    guest.mmu_on(RAM)
    guest.engine.run(100)
    guest.engine.reset(RAM + 0x100, 77)
    state = guest.engine.registers()
    assert state["pstate"] & 0xFFFFFFF == 0x3C5
    assert (state["pc"], state["x0"], state["x9"], state["vbar_el1"]) == (RAM + 0x100, 77, 0, 0)
    assert guest.uc.cpr_read(*a64.SCTLR_EL1) & 1 == 0
    assert guest.engine.run(100) is Stop.WFI
    assert guest.x(9) == 9


def test_after_reset_the_old_page_tables_are_forgotten(guest: Any, a64: Any) -> None:
    guest.ram[0x10000] = 1
    code = a64.movz(1, 0x8000, 16), a64.ldr(0, 1), a64.WFI
    guest.start(*code)
    guest.mmu_on(RAM + 0x10000)
    guest.engine.run(100)
    assert guest.x(0) == 1
    guest.start(*code)
    guest.engine.run(100)
    assert guest.engine.recent()[-1] == ("external abort", RAM + 4, 0x96000410)


def test_mpidr_is_the_cpus_own(make_guest: Any, a64: Any) -> None:
    for mpidr in (0, 3, 0x0102):
        guest = make_guest(mpidr=mpidr)
        guest.run(a64.mrs(0, *a64.MPIDR_EL1), a64.WFI)
        assert guest.x(0) == mpidr | 1 << 31


def test_registers_are_all_there(guest: Any, a64: Any) -> None:
    guest.run(*[a64.movz(number, 100 + number) for number in range(31)], a64.add(31, 7, 0), a64.WFI)
    state = guest.engine.registers()
    assert [state[f"x{number}"] for number in range(31)] == list(range(100, 131))
    assert (state["sp"], state["pc"], state["vbar_el1"]) == (107, RAM + 132, VECTORS)
    assert {"pstate", "elr_el1", "esr_el1", "far_el1", "spsr_el1"} <= state.keys()


def test_recent_keeps_the_last_exits_and_exceptions(guest: Any, a64: Any) -> None:
    guest.run(*[a64.hvc()] * (RECENT + 4), a64.svc(), budget=1000)
    recent = guest.engine.recent()
    assert len(recent) == RECENT
    assert recent[-2:] == [("hvc", RAM + 4 * (RECENT + 3), 0xA0), ("svc", RAM + 4 * (RECENT + 5), 0x56000000)]


def test_two_runs_are_the_same_event_by_event(make_guest: Any, a64: Any) -> None:
    events = []
    for _ in range(2):
        guest = make_guest()
        guest.put(0x2200, a64.NOP, a64.hvc(), a64.NOP, a64.ERET)
        guest.start(a64.mrs(0, *a64.CNTVCT_EL0), a64.svc(), a64.add(9, 9, 1), a64.b(-12))
        stops = [guest.engine.run(budget) for budget in (100, 7, 1000)]
        events.append((stops, guest.log, guest.engine.executed, guest.engine.registers(), guest.engine.recent()))
    assert events[0] == events[1]
