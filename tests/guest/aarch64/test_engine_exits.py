"""The engine's contract: hypercalls, devices, system registers, time, and what other CPUs must forget."""

from __future__ import annotations

import time
from typing import Any

import pytest

from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import FIQ, IRQ, Stop

RAM = 0x40000000
DEVICE = 0x09000000
VIRTUAL = 0x80000000
EL0T, EL1H = 0x0, 0x5
MASK64 = (1 << 64) - 1


# Hypercalls


def test_hvc_gets_x0_to_x3_and_sets_them(guest: Any, a64: Any) -> None:
    guest.results = (MASK64, 1, 1 << 63, 3)
    code = *(a64.movz(number, 10 + number) for number in range(5)), a64.movk(0, 0x8400, 48), a64.hvc(), a64.WFI
    assert guest.run(*code) is Stop.WFI
    assert guest.log == [("hvc", 0x8400 << 48 | 10, 11, 12, 13)]
    assert [guest.x(number) for number in range(5)] == [MASK64, 1, 1 << 63, 3, 14]


def test_smc_is_not_supported_where_the_conduit_is_hvc(guest: Any, a64: Any) -> None:
    assert guest.run(a64.movz(1, 1), a64.smc(), a64.WFI) is Stop.WFI
    assert guest.log == []
    assert (guest.x(0), guest.x(1)) == (MASK64, 1)


def test_smc_is_a_hypercall_where_it_is_the_conduit(make_guest: Any, a64: Any) -> None:
    guest = make_guest(smc=True)
    assert guest.run(a64.smc(), a64.hvc(), a64.WFI) is Stop.WFI
    assert [entry[0] for entry in guest.log] == ["hvc", "hvc"]
    assert guest.pc == RAM + 12


# Devices


def test_accesses_of_every_size(guest: Any, a64: Any) -> None:
    code = (
        a64.movz(1, 0x900, 16),
        a64.ldr_w(2, 1, 4),
        a64.ldrh(2, 1),
        a64.movz(2, 0x1FF),
        a64.strb(2, 1),
        a64.str_w(2, 1, 8),
        a64.WFI,
    )
    guest.run(*code)
    assert guest.log == [
        ("read", DEVICE + 4, 4),
        ("read", DEVICE, 2),
        ("write", DEVICE, 1, 0xFF),
        ("write", DEVICE + 8, 4, 0x1FF),
    ]


def test_a_64_bit_access_is_two_low_first(guest: Any, a64: Any) -> None:
    guest.loaded = 0x89ABCDEF
    guest.run(a64.movz(1, 0x900, 16), a64.ldr(2, 1, 16), a64.str(2, 1, 24), a64.WFI)
    assert guest.x(2) == 0x89ABCDEF_89ABCDEF
    assert guest.log == [
        ("read", DEVICE + 16, 4),
        ("read", DEVICE + 20, 4),
        ("write", DEVICE + 24, 4, 0x89ABCDEF),
        ("write", DEVICE + 28, 4, 0x89ABCDEF),
    ]


def test_frames_are_served_in_whole_pages(make: Any) -> None:
    from irqframe.guest.aarch64._frames import whole_pages

    assert whole_pages([(0x2000, 0x10), (0x1000, 0x1000), (0x5800, 0x1000)]) == [(0x1000, 0x2000), (0x5000, 0x2000)]
    assert whole_pages([(0x1000, 4), (0x1800, 4)]) == [(0x1000, 0x1000)]
    assert whole_pages([]) == []


# System registers that Unicorn has not got


def test_an_unknown_register_is_served(guest: Any, a64: Any) -> None:
    pmr = pack(*a64.ICC_PMR_EL1)
    guest.registers[pmr] = 0
    code = a64.movz(30, 0xF0), a64.msr(a64.ICC_PMR_EL1, 30), a64.mrs(7, *a64.ICC_PMR_EL1), a64.add(5, 5, 1), a64.WFI
    assert guest.run(*code) is Stop.WFI
    assert guest.log == [("msr", pmr, 0xF0), ("mrs", pmr)]
    assert (guest.x(7), guest.x(5)) == (0xF0, 1)


def test_xzr_is_zero_and_stays_it(guest: Any, a64: Any) -> None:
    pmr = pack(*a64.ICC_PMR_EL1)
    guest.registers[pmr] = 9
    guest.run(a64.mrs(31, *a64.ICC_PMR_EL1), a64.msr(a64.ICC_PMR_EL1, 31), a64.WFI)
    assert guest.log == [("mrs", pmr), ("msr", pmr, 0)]


@pytest.mark.parametrize(("name", "asked"), [("ICC_IAR1_EL1", 1), ("ICC_SGI1R_EL1", 0)], ids=["refused", "unserved"])
@pytest.mark.parametrize("read", [True, False], ids=["read", "written"])
def test_a_register_that_is_refused_or_not_served_is_undefined(
    guest: Any, a64: Any, read: bool, name: str, asked: int
) -> None:
    register = getattr(a64, name)
    guest.run(a64.NOP, a64.mrs(0, *register) if read else a64.msr(register, 0))
    state = guest.engine.registers()
    assert len(guest.log) == asked
    assert (state["esr_el1"], state["elr_el1"]) == (1 << 25, RAM + 4)


def test_an_unknown_register_is_undefined_at_el0(guest: Any, a64: Any) -> None:
    guest.registers[pack(*a64.ICC_PMR_EL1)] = 0
    guest.enter(EL0T, 0x100, a64.mrs(0, *a64.ICC_PMR_EL1))
    guest.engine.run(100)
    assert guest.log == []
    assert guest.engine.registers()["esr_el1"] == 1 << 25


def test_an_undefined_instruction_is_read_through_the_mmu(guest: Any, a64: Any) -> None:
    guest.registers[pack(*a64.ICC_PMR_EL1)] = 3
    guest.put(0x10000, a64.mrs(7, *a64.ICC_PMR_EL1), a64.WFI)
    guest.start(a64.movz(1, 0x8000, 16), a64.br(1))
    guest.mmu_on(0)
    guest.ram[0x82000:0x82008] = (RAM + 0x10000 | 1 << 10 | 3).to_bytes(8, "little")
    assert guest.engine.run(100) is Stop.WFI
    assert guest.x(7) == 3


# Timers and counters

TIMERS = ("CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTV_TVAL_EL0", "CNTP_CTL_EL0")


@pytest.mark.parametrize("name", TIMERS)
def test_a_write_of_a_timer_is_an_exit(guest: Any, real_guest: Any, a64: Any, name: str) -> None:
    register = getattr(a64, name)
    for one in (guest, real_guest):
        one.registers[pack(*register)] = 0
        assert one.run(a64.movz(0, 3), a64.msr(register, 0), a64.add(5, 5, 1), a64.WFI) is Stop.WFI
        assert one.log == [("msr", pack(*register), 3)]
        assert one.x(5) == 1


@pytest.mark.parametrize("name", TIMERS)
def test_a_read_of_a_timer_is_an_exit(guest: Any, real_guest: Any, a64: Any, name: str) -> None:
    register = getattr(a64, name)
    for one in (guest, real_guest):
        one.registers[pack(*register)] = 0x77
        one.run(a64.mrs(0, *register), a64.WFI)
        assert one.log == [("mrs", pack(*register))]
        assert one.x(0) == 0x77


def test_other_registers_are_let_through(guest: Any, a64: Any) -> None:
    assert guest.run(a64.movz(0, 5), a64.msr(a64.TPIDR_EL0, 0), a64.mrs(1, *a64.TPIDR_EL0), a64.WFI) is Stop.WFI
    assert guest.log == []
    assert guest.x(1) == 5


@pytest.mark.parametrize("name", ["CNTVCT_EL0", "CNTPCT_EL0"])
def test_the_counter_counts_instructions_in_virtual_time(guest: Any, a64: Any, name: str) -> None:
    guest.engine.counter_base = 1000
    code = *[a64.NOP] * 29, a64.mrs(1, *getattr(a64, name)), a64.b(4), a64.NOP, a64.mrs(2, *getattr(a64, name)), a64.WFI
    assert guest.run(*code) is Stop.WFI
    assert guest.log == []
    assert (guest.x(1), guest.x(2)) == ((1000 + 31) // 16, (1000 + 34) // 16)


def test_the_counter_is_the_hosts_in_real_time(real_guest: Any, a64: Any) -> None:
    before = time.monotonic_ns() // 16
    real_guest.run(a64.mrs(1, *a64.CNTVCT_EL0), a64.WFI)
    assert before <= real_guest.x(1) <= time.monotonic_ns() // 16


@pytest.mark.parametrize(("lines", "value"), [(0, 0), (IRQ, 0x80), (FIQ, 0x40), (IRQ | FIQ, 0xC0)])
def test_isr_el1_shows_the_lines(guest: Any, real_guest: Any, a64: Any, lines: int, value: int) -> None:
    for one in (guest, real_guest):
        one.start(a64.mrs(1, *a64.ISR_EL1), a64.WFI)
        one.engine.lines = lines
        one.engine.run(100)
        assert one.x(1) == value


@pytest.mark.parametrize("allowed", [False, True], ids=["trapped", "allowed"])
@pytest.mark.parametrize(
    ("name", "bit"), [("CNTPCT_EL0", 0), ("CNTVCT_EL0", 1), ("CNTV_CTL_EL0", 8), ("CNTP_CTL_EL0", 9)]
)
def test_cntkctl_gates_el0(guest: Any, a64: Any, name: str, bit: int, allowed: bool) -> None:
    register = getattr(a64, name)
    guest.registers[pack(*register)] = 0x123
    guest.enter(EL0T, 0x100, a64.movz(1, 0xFFF), a64.mrs(1, *register), a64.svc())
    guest.set_system(a64.CNTKCTL_EL1, (1 << bit) if allowed else ~(1 << bit) & 0x3FF)
    guest.engine.run(100)
    syndrome = guest.engine.registers()["esr_el1"]
    if allowed:
        assert syndrome >> 26 == 0x15
        assert guest.x(1) == (0x123 if name.endswith("CTL_EL0") else 0)
    else:
        assert syndrome >> 26 == 0x18  # a trapped MRS
        assert (guest.x(1), guest.log) == (0xFFF, [])


def test_isr_el1_is_undefined_at_el0(guest: Any, a64: Any) -> None:
    guest.enter(EL0T, 0x100, a64.mrs(1, *a64.ISR_EL1))
    guest.engine.run(100)
    assert guest.engine.registers()["esr_el1"] == 1 << 25


# Several CPUs


@pytest.mark.parametrize(
    ("operation", "reaches"),
    [
        ((0, 7, 1, 0, 31), True),  # ic ialluis
        ((3, 7, 5, 1, 1), True),  # ic ivau, x1
        ((0, 7, 5, 0, 31), False),  # ic iallu
        ((3, 7, 11, 1, 1), False),  # dc cvau, x1
    ],
)
def test_instruction_cache_maintenance_reaches_connected_cpus(
    make_guest: Any, a64: Any, operation: tuple[int, ...], reaches: bool
) -> None:
    """One CPU executes code, the other changes it and says so, the first executes it again."""
    one = make_guest()
    other = make_guest(ram=one.ram)
    other.engine.connect((one.engine,))
    one.start(a64.add(0, 0, 1), a64.WFI)
    assert one.engine.run(100) is Stop.WFI
    other.start(a64.movz(1, 0x4000, 16), a64.sys(*operation), a64.ISB, a64.WFI, at=0x100)
    other.put(0, a64.add(0, 0, 16))
    assert other.engine.run(100) is Stop.WFI
    one.engine.reset(RAM, 0)
    assert one.engine.run(100) is Stop.WFI
    assert one.x(0) == (16 if reaches else 1)


@pytest.mark.parametrize(
    ("operation", "reaches"),
    [((0, 8, 3, 0, 31), True), ((0, 8, 3, 1, 1), True), ((0, 8, 7, 0, 31), False)],
    ids=["vmalle1is", "vae1is", "vmalle1"],
)
def test_tlb_maintenance_reaches_connected_cpus(
    make_guest: Any, a64: Any, operation: tuple[int, ...], reaches: bool
) -> None:
    one = make_guest()
    other = make_guest(ram=one.ram)
    other.engine.connect((one.engine,))
    one.ram[0x10000], one.ram[0x11000] = 1, 2
    one.start(a64.movz(9, 0x8000, 16), a64.ldr(6, 9), a64.WFI, a64.ldr(7, 9), a64.WFI)
    one.mmu_on(RAM + 0x10000)
    assert one.engine.run(100) is Stop.WFI
    one.page(RAM + 0x11000)
    other.start(a64.sys(*operation), a64.DSB_SY, a64.WFI, at=0x100)
    assert other.engine.run(100) is Stop.WFI
    assert one.engine.run(100) is Stop.WFI
    assert (one.x(6), one.x(7)) == (1, 2 if reaches else 1)


def test_flush_code_makes_another_cpus_store_seen(make_guest: Any, a64: Any) -> None:
    one = make_guest()
    other = make_guest(ram=one.ram)
    one.start(a64.add(0, 0, 1), a64.WFI)
    assert one.engine.run(100) is Stop.WFI
    code = a64.movz(1, 0x4000, 16), a64.movz(2, a64.add(0, 0, 16) & 0xFFFF), a64.movk(2, a64.add(0, 0, 16) >> 16, 16)
    other.start(*code, a64.str_w(2, 1), a64.WFI, at=0x100)
    assert other.engine.run(100) is Stop.WFI
    one.engine.flush_code()
    one.engine.reset(RAM, 0)
    assert one.engine.run(100) is Stop.WFI
    assert one.x(0) == 16


def test_flush_tlb_makes_a_changed_page_table_seen(guest: Any, a64: Any) -> None:
    """By an exit's handler, before the next block."""
    guest.ram[0x10000], guest.ram[0x11000] = 1, 2

    def change(_: object) -> None:
        guest.page(RAM + 0x11000)
        guest.engine.flush_tlb()

    guest.on_exit = change
    guest.start(a64.movz(9, 0x8000, 16), a64.ldr(6, 9), a64.hvc(), a64.ldr(7, 9), a64.WFI)
    guest.mmu_on(RAM + 0x10000)
    assert guest.engine.run(100) is Stop.WFI
    assert (guest.x(6), guest.x(7)) == (1, 2)
    assert guest.engine.executed == 5


def test_flush_code_in_an_exit(guest: Any, a64: Any) -> None:
    def change(_: object) -> None:
        guest.put(0x100, a64.add(5, 5, 16))
        guest.engine.flush_code()

    guest.on_exit = change
    guest.put(0x100, a64.add(5, 5, 1), a64.RET)
    guest.run(a64.movz(8, 0x4000, 16), a64.add(8, 8, 0x100), a64.blr(8), a64.hvc(), a64.blr(8), a64.WFI)
    assert guest.x(5) == 17
