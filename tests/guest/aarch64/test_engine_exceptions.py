"""The engine's contract: exceptions into EL1, against the tables of the Arm ARM."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import Stop

RAM = 0x40000000
VECTORS = RAM + 0x2000
VIRTUAL = 0x80000000
DEVICE = 0x09000000
NOWHERE = 0x1000
EL0T, EL1T, EL1H = 0x0, 0x4, 0x5
FLAGS = 0xF << 28

#: PSTATE.M -> offset of the synchronous vector (Arm ARM, "Vector offsets from vector table base address").
SYNCHRONOUS = {EL1T: 0x000, EL1H: 0x200, EL0T: 0x400}
MODES = pytest.mark.parametrize("mode", SYNCHRONOUS, ids=["el1t", "el1h", "el0"])

IL = 1 << 25


@MODES
@pytest.mark.parametrize(
    ("instruction", "past", "syndrome"),
    [
        ("svc", 4, 0x15 << 26 | IL | 0x77),
        ("brk", 0, 0x3C << 26 | IL | 0x77),
        ("undefined", 0, IL),
    ],
)
def test_an_instructions_exception(guest: Any, a64: Any, mode: int, instruction: str, past: int, syndrome: int) -> None:
    word = a64.UDF if instruction == "undefined" else getattr(a64, instruction)(0x77)
    guest.enter(mode, 0x100, a64.NOP, word, masked=0x140)
    guest.set_system(a64.FAR_EL1, 0x1234)
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["pc"] == VECTORS + SYNCHRONOUS[mode] + 4
    assert state["elr_el1"] == RAM + 0x104 + past
    assert state["spsr_el1"] == mode | 0x140
    assert state["esr_el1"] == syndrome
    assert state["far_el1"] == 0x1234
    assert state["pstate"] == 0x3C5


@MODES
@pytest.mark.parametrize("write", [False, True], ids=["load", "store"])
def test_a_data_abort(guest: Any, a64: Any, mode: int, write: bool) -> None:
    guest.enter(mode, 0, a64.NOP)
    guest.put(0x10000, a64.movz(1, 0x9000, 16), a64.str(0, 1, 16) if write else a64.ldr(0, 1, 16))
    guest.mmu_on(RAM + 0x10000)
    guest.put(0, a64.ERET)
    guest.set_system(a64.ELR_EL1, VIRTUAL)
    guest.set_system(a64.SPSR_EL1, mode | 0x3C0)
    if mode != EL0T:  # a page that EL0 may write is not EL1's to execute
        guest.put(0x100, a64.movz(1, 0x9000, 16), a64.str(0, 1, 16) if write else a64.ldr(0, 1, 16))
        guest.set_system(a64.ELR_EL1, RAM + 0x100)
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["pc"] == VECTORS + SYNCHRONOUS[mode] + 4
    assert state["elr_el1"] == (VIRTUAL if mode == EL0T else RAM + 0x100) + 4
    assert state["esr_el1"] >> 26 == (0x24 if mode == EL0T else 0x25)
    assert state["esr_el1"] & 0x3F == 0x06  # translation fault, level 2
    assert state["esr_el1"] >> 6 & 1 == write
    assert state["far_el1"] == 0x90000010


@MODES
def test_a_fetch_abort(guest: Any, a64: Any, mode: int) -> None:
    guest.enter(mode, 0, a64.ERET)
    guest.mmu_on(0)
    guest.set_system(a64.ELR_EL1, VIRTUAL)
    guest.set_system(a64.SPSR_EL1, mode | 0x3C0)
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["pc"] == VECTORS + SYNCHRONOUS[mode] + 4
    assert state["esr_el1"] == (0x20 if mode == EL0T else 0x21) << 26 | IL | 0x07  # translation fault, level 3
    assert state["elr_el1"] == state["far_el1"] == VIRTUAL


@MODES
def test_the_stack_pointer_is_banked(guest: Any, a64: Any, mode: int) -> None:
    """SP_EL0 and SP_EL1 keep their values, and the handler has SP_EL1."""
    guest.put(0x100, a64.add(31, 31, 8), a64.svc())
    set_up = a64.movz(1, 0x1100), a64.add(31, 1, 0), a64.movz(1, 0x2200), a64.msr(a64.SP_EL0, 1), a64.ERET
    guest.put(0x2000 + SYNCHRONOUS[mode], a64.add(10, 31, 0), a64.mrs(11, *a64.SP_EL0), a64.ERET)
    guest.put(0x108, a64.add(12, 31, 0), a64.svc() if mode == EL0T else a64.WFI)
    guest.start(*set_up)
    guest.set_system(a64.ELR_EL1, RAM + 0x100)
    guest.set_system(a64.SPSR_EL1, mode | 0x3C0)
    guest.engine.run(13)
    assert (guest.x(10), guest.x(11)) == ((0x1108, 0x2200) if mode == EL1H else (0x1100, 0x2208))
    assert guest.x(12) == (0x1108 if mode == EL1H else 0x2208)


def test_the_flags_go_to_spsr_and_come_back(guest: Any, a64: Any) -> None:
    guest.put(0x2200, a64.ERET)
    guest.start(a64.svc(), a64.WFI)
    guest.uc.reg_write(__import__("unicorn").arm64_const.UC_ARM64_REG_NZCV, 0xA << 28)
    guest.engine.run(100)
    state = guest.engine.registers()
    assert state["spsr_el1"] & FLAGS == 0xA << 28
    assert state["pstate"] & FLAGS == 0xA << 28


def test_sctlr_span_means_nothing_to_a_cpu_without_pan(guest: Any, a64: Any) -> None:
    """With PAN set EL1 could not load from EL0's page."""
    guest.ram[0x10000] = 9
    guest.put(0x2200, a64.movz(1, 0x8000, 16), a64.ldr(2, 1), a64.WFI)
    guest.start(a64.svc())
    guest.mmu_on(RAM + 0x10000)
    guest.set_system(a64.SCTLR_EL1, guest.uc.cpr_read(*a64.SCTLR_EL1) & ~(1 << 23))
    assert guest.engine.run(100) is Stop.WFI
    assert guest.x(2) == 9


def test_hvc_and_smc_are_undefined_at_el0(guest: Any, a64: Any) -> None:
    for word in (a64.hvc(), a64.smc()):
        guest.enter(EL0T, 0x100, word)
        guest.engine.run(100)
        state = guest.engine.registers()
        assert (state["esr_el1"], state["elr_el1"]) == (IL, RAM + 0x100)
    assert guest.log == []


# External aborts

ACCESSES = pytest.mark.parametrize("what", ["load", "store", "fetch"])


def external(a64: Any, what: str) -> int:
    return {"load": a64.ldr(0, 1), "store": a64.str(0, 1), "fetch": a64.br(1)}[what]


@ACCESSES
@MODES
def test_an_external_abort_with_the_mmu_off(guest: Any, a64: Any, mode: int, what: str) -> None:
    """The address of a load or store is not known as the program gave it: the syndrome says that FAR is not valid."""
    guest.enter(mode, 0x100, a64.movz(1, NOWHERE), external(a64, what), a64.add(5, 5, 1), a64.WFI)
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    ec = (0x20 if what == "fetch" else 0x24) + (mode != EL0T)
    assert state["pc"] == VECTORS + SYNCHRONOUS[mode] + 4
    assert state["esr_el1"] == ec << 26 | IL | {"load": 0x400, "store": 0x440, "fetch": 0}[what] | 0x10
    assert state["far_el1"] == (NOWHERE if what == "fetch" else 0)
    assert state["elr_el1"] == (NOWHERE if what == "fetch" else RAM + 0x104)
    assert state["spsr_el1"] == mode | 0x3C0
    assert state["x5"] == 0


@ACCESSES
def test_an_external_abort_with_the_mmu_on(guest: Any, a64: Any, what: str) -> None:
    guest.start(a64.movz(1, 0x8000, 16), external(a64, what), a64.add(5, 5, 1), a64.WFI)
    guest.mmu_on(NOWHERE)
    if what == "fetch":  # EL1 may not execute a page that EL0 may write
        guest.ram[0x82000:0x82008] = (NOWHERE | 1 << 10 | 3).to_bytes(8, "little")
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    not_valid = 0 if what == "fetch" else 1 << 10
    assert state["esr_el1"] & 0x3F == 0x10
    assert state["esr_el1"] & 1 << 10 == not_valid
    assert state["far_el1"] == (VIRTUAL if what == "fetch" else 0)
    assert state["elr_el1"] == (VIRTUAL if what == "fetch" else RAM + 4)
    assert state["x5"] == 0


def test_an_external_abort_after_other_exceptions_is_at_its_instruction(guest: Any, a64: Any) -> None:
    """What a served register or a taken exception did to PC before makes no difference."""
    guest.registers[pack(*a64.ICC_PMR_EL1)] = 0
    guest.put(0x2200, a64.add(6, 6, 1), a64.cbnz(7, 8), a64.b(8), a64.WFI, a64.movz(7, 1), a64.ERET)
    store = a64.movz(1, NOWHERE), a64.b(4), a64.NOP, a64.str(0, 1)
    assert guest.run(a64.msr(a64.ICC_PMR_EL1, 0), a64.svc(), *store) is Stop.WFI
    assert guest.x(6) == 2
    assert guest.engine.registers()["elr_el1"] == RAM + 20


def test_after_an_external_abort_the_handler_can_go_on(guest: Any, a64: Any) -> None:
    guest.put(0x2200, a64.mrs(2, *a64.ELR_EL1), a64.add(2, 2, 4), a64.msr(a64.ELR_EL1, 2), a64.ERET)
    code = a64.movz(1, NOWHERE), a64.str(0, 1), a64.add(5, 5, 1), a64.ldr(0, 1), a64.add(5, 5, 1), a64.WFI
    assert guest.run(*code) is Stop.WFI
    assert guest.x(5) == 2


@MODES
def test_a_frame_is_not_executed(guest: Any, a64: Any, mode: int) -> None:
    guest.enter(mode, 0x100, a64.movz(1, DEVICE >> 16, 16), a64.br(1))
    assert guest.engine.run(100) is Stop.WFI
    state = guest.engine.registers()
    assert state["pc"] == VECTORS + SYNCHRONOUS[mode] + 4
    assert state["esr_el1"] == (0x20 + (mode != EL0T)) << 26 | IL | 0x10
    assert state["far_el1"] == state["elr_el1"] == DEVICE
    assert guest.log == []
