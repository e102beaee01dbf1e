"""What Unicorn's CPU is, which exceptions it reports and how, and what its system registers do."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

RAM = 0x40000000
VIRTUAL = 0x80000000
"""Where `Cpu.mmu_on` maps one page."""

EL0T, EL1H = 0x3C0, 0x3C5


def test_it_starts_at_el1h_with_everything_masked(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.mrs(0, *a64.CURRENT_EL), a64.WFI)
    assert cpu.x(0) == 1 << 2
    assert cpu.pstate == EL1H


def test_scr_el3_starts_as_0(make_cpu: Any, a64: Any) -> None:
    assert make_cpu(firmware=False).uc.cpr_read(*a64.SCR_EL3) == 0


def test_it_is_a_cortex_a72(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.mrs(0, *a64.MIDR_EL1), a64.WFI)
    assert cpu.x(0) >> 4 & 0xFFF == 0xD08


def test_the_cpu_has_no_pan(cpu: Any, a64: Any) -> None:
    """ID_AA64MMFR1_EL1.PAN: exception entry has no PAN to set."""
    cpu.run(0, a64.mrs(0, *a64.ID_AA64MMFR1_EL1), a64.WFI)
    assert cpu.x(0) >> 20 & 0xF == 0


def test_vmpidr_el2_answers_mpidr_el1(cpu: Any, a64: Any) -> None:
    cpu.uc.cpr_write(*a64.VMPIDR_EL2, 0x80000102)
    cpu.run(0, a64.mrs(0, *a64.MPIDR_EL1), a64.WFI)
    assert cpu.x(0) == 0x80000102


# Exceptions: number, and where PC is


def test_nothing_takes_an_exception_by_itself(cpu: Any, unicorn: Any, a64: Any) -> None:
    with pytest.raises(unicorn.UcError) as caught:
        cpu.run(0, a64.svc())
    assert caught.value.errno == unicorn.UC_ERR_EXCEPTION


@pytest.mark.parametrize(
    ("instruction", "number", "past"),
    [("UDF", 1, 0), ("svc", 2, 4), ("brk", 7, 0), ("hvc", 11, 4), ("smc", 13, 4)],
    ids=["undefined_is_1_with_pc_at_it", "svc_2_past_it", "brk_7_at_it", "hvc_11_past_it", "smc_13_past_it"],
)
def test_an_exception_arrives_as(cpu: Any, a64: Any, instruction: str, number: int, past: int) -> None:
    word = getattr(a64, instruction)
    seen = cpu.see_exceptions()
    cpu.run(0, a64.NOP, word if isinstance(word, int) else word())
    assert seen == [(number, RAM + 4 + past)]
    assert cpu.pstate == EL1H


def test_hvc_arrives_as_11_with_pc_past_it(cpu: Any, a64: Any) -> None:
    seen = cpu.see_exceptions()
    cpu.run(0, a64.hvc())
    assert seen == [(11, RAM + 4)]


def test_with_scr_el3_0_hvc_arrives_as_1_with_pc_at_it(make_cpu: Any, a64: Any) -> None:
    cpu = make_cpu(firmware=False)
    seen = cpu.see_exceptions()
    cpu.run(0, a64.hvc())
    assert seen == [(1, RAM)]


def test_a_data_abort_arrives_as_4_with_pc_at_it(cpu: Any, a64: Any) -> None:
    cpu.mmu_on(second=0)
    seen = cpu.see_exceptions()
    cpu.set_x(1, VIRTUAL)
    cpu.run(0, a64.NOP, a64.ldr(0, 1))
    assert seen == [(4, RAM + 4)]


def test_a_prefetch_abort_arrives_as_3_with_pc_where_nothing_is(cpu: Any, a64: Any) -> None:
    cpu.mmu_on(second=0)
    seen = cpu.see_exceptions()
    cpu.set_x(1, VIRTUAL)
    cpu.run(0, a64.br(1))
    assert seen == [(3, VIRTUAL)]


def test_with_scr_el3_0_the_page_table_walker_takes_el1_for_aarch32(make_cpu: Any, a64: Any) -> None:
    for firmware, numbers in ((True, []), (False, [3])):
        cpu = make_cpu(firmware=firmware)
        cpu.mmu_on()
        seen = cpu.see_exceptions()
        cpu.run(0, a64.WFI)
        assert [number for number, _ in seen] == numbers, firmware


def test_el0_in_aarch32_is_not_visible(cpu: Any, a64: Any) -> None:
    """PC and PSTATE stay what they were in AArch64: nobody can take an exception from there."""
    seen = cpu.see_exceptions()
    cpu.uc.cpr_write(*a64.ELR_EL1, RAM + 0x100)
    cpu.uc.cpr_write(*a64.SPSR_EL1, 0x1D0)  # User mode
    cpu.put(0x100, 0xEF000000)  # SVC of A32
    cpu.run(0, a64.ERET)
    assert seen == [(2, RAM)]
    assert cpu.pstate == EL1H


def test_eret_goes_to_el1_and_to_el0(cpu: Any, a64: Any) -> None:
    cpu.uc.cpr_write(*a64.ELR_EL1, RAM + 0x100)
    for mode in (EL1H, EL0T):
        cpu.uc.cpr_write(*a64.SPSR_EL1, mode)
        cpu.put(0x100, a64.NOP, a64.NOP, a64.svc())
        cpu.exceptions.clear()
        seen = cpu.see_exceptions() if mode == EL1H else cpu.exceptions
        cpu.run(0, a64.ERET)
        assert seen[0] == (2, RAM + 0x10C)
        assert cpu.pstate == mode


def test_a_pstate_write_needs_a_cp_reg_write_after_it(cpu: Any, a64: Any) -> None:
    seen = cpu.see_exceptions()
    cpu.pstate = EL0T
    cpu.run(0, a64.mrs(0, *a64.SCTLR_EL1), a64.WFI)
    assert seen == []
    cpu.pstate = EL0T
    cpu.uc.cpr_write(*a64.SPSR_EL1, 0)
    cpu.run(0, a64.mrs(0, *a64.SCTLR_EL1), a64.WFI)
    assert seen == [(1, RAM)]


def test_sp_is_the_one_in_use_and_the_others_are_banked(cpu: Any, a64: Any) -> None:
    const = cpu.const
    cpu.uc.reg_write(const.UC_ARM64_REG_SP, 0x1100)
    cpu.uc.reg_write(const.UC_ARM64_REG_SP_EL0, 0x2200)
    cpu.run(0, a64.spsel(0), a64.add(0, 31, 0), a64.WFI)
    assert cpu.x(0) == cpu.uc.reg_read(const.UC_ARM64_REG_SP) == 0x2200
    assert cpu.uc.reg_read(const.UC_ARM64_REG_SP_EL1) == 0x1100


# The syndrome


def syndrome(cpu: Any, word: int) -> tuple[int, ...]:
    """{syndrome, FSR, fault address, target level} of the exception that an instruction at RAM raises."""
    contexts: list[bytes] = []

    def take(uc: Any, _number: int, _: object) -> None:
        contexts.append(bytes(uc.context_save()))
        uc.emu_stop()

    hook = cpu.uc.hook_add(cpu.lib.UC_HOOK_INTR, take)
    cpu.run(0x100, 0xD4000001 | 0x1234 << 5)  # svc #0x1234
    offset = contexts[0].find(struct.pack("<I", 0x56001234))
    cpu.run(0x200, word)
    cpu.uc.hook_del(hook)
    return struct.unpack_from("<IIQI", contexts[1], offset)


def test_the_syndrome_is_in_the_context_and_once(cpu: Any) -> None:
    contexts: list[bytes] = []
    cpu.uc.hook_add(cpu.lib.UC_HOOK_INTR, lambda uc, *_: (contexts.append(bytes(uc.context_save())), uc.emu_stop()))
    cpu.run(0, 0xD4000001 | 0x1234 << 5)  # svc #0x1234
    assert contexts[0].count(struct.pack("<I", 0x56001234)) == 1


def test_the_syndrome_of_an_undefined_instruction(cpu: Any, a64: Any) -> None:
    assert syndrome(cpu, a64.UDF)[0] == 0x02000000


def test_the_syndrome_of_a_breakpoint(cpu: Any, a64: Any) -> None:
    assert syndrome(cpu, a64.brk(0x800))[0] == 0xF2000800


def test_the_fault_address_follows_the_syndrome(cpu: Any, a64: Any) -> None:
    cpu.mmu_on(second=0)
    cpu.set_x(1, VIRTUAL + 0x128)
    value, _, address, level = syndrome(cpu, a64.str(0, 1))
    assert value >> 26 == 0x25  # data abort from the same level
    assert value & 0x7F == 0x47  # a store; translation fault, level 3
    assert address == VIRTUAL + 0x128
    assert level == 1


# System registers

MODELS = ("UC_CPU_ARM64_A57", "UC_CPU_ARM64_A53", "UC_CPU_ARM64_A72", "UC_CPU_ARM64_MAX")
GIC_REGISTERS = ("ICC_PMR_EL1", "ICC_SGI1R_EL1", "ICC_IAR1_EL1", "ICC_EOIR1_EL1", "ICC_SRE_EL1", "ICC_IGRPEN1_EL1")


@pytest.mark.parametrize("model", MODELS)
def test_the_gics_registers_exist_in_no_model(make_cpu: Any, a64: Any, model: str) -> None:
    cpu = make_cpu()
    cpu = make_cpu(model=getattr(cpu.const, model))
    seen = cpu.see_exceptions()
    for at, name in enumerate(GIC_REGISTERS):
        register = getattr(a64, name)
        cpu.run(0x100 * at, a64.NOP, a64.msr(register, 0))
        cpu.run(0x100 * at + 0x40, a64.NOP, a64.mrs(0, *register))
        assert seen[-2:] == [(1, RAM + 0x100 * at + 4), (1, RAM + 0x100 * at + 0x44)], name


def hook_moves(cpu: Any, instruction: int, answer: Callable[[int], bool]) -> list[Any]:
    """Hook MRS or MSR; `answer` gets how often it was called."""
    seen: list[Any] = []

    def hook(uc: Any, number: int, register: Any, _: object) -> bool:
        seen.append((number, register))
        return answer(len(seen))

    cpu.uc.hook_add(cpu.lib.UC_HOOK_INSN, hook, None, 1, 0, instruction)
    return seen


def test_a_hook_that_returns_true_does_not_get_past_an_unknown_register(cpu: Any, a64: Any) -> None:
    def answer(times: int) -> bool:
        if times == 5:
            cpu.uc.emu_stop()
        return True

    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MSR, answer)
    cpu.run(0, a64.NOP, a64.msr(a64.ICC_EOIR1_EL1, 0), a64.add(1, 1, 1), a64.WFI)
    assert len(seen) == 5
    assert cpu.x(1) == 0


def test_it_gets_past_it_when_the_hook_writes_pc(cpu: Any, a64: Any) -> None:
    def answer(_times: int) -> bool:
        cpu.pc += 4
        return True

    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MSR, answer)
    cpu.run(0, a64.add(2, 2, 1), a64.msr(a64.ICC_EOIR1_EL1, 0), a64.add(1, 1, 1), a64.WFI)
    assert len(seen) == 1
    assert (cpu.x(1), cpu.x(2)) == (1, 1)
    assert cpu.pc == RAM + 16


def test_a_hook_that_returns_true_is_enough_for_a_known_register(cpu: Any, a64: Any) -> None:
    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MRS, lambda _: True)
    cpu.set_x(0, 77)
    cpu.run(0, a64.mrs(0, *a64.CNTVCT_EL0), a64.add(1, 1, 1), a64.WFI)
    assert len(seen) == 1
    assert (cpu.x(0), cpu.x(1)) == (77, 1)


def test_a_hook_sees_the_register_and_its_value(cpu: Any, a64: Any) -> None:
    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MSR, lambda _: True)
    cpu.set_x(30, 0x1_2345_6789)
    cpu.run(0, a64.msr(a64.CNTV_CTL_EL0, 30), a64.msr(a64.CNTV_CTL_EL0, 31), a64.WFI)
    assert [number for number, _ in seen] == [cpu.const.UC_ARM64_REG_X30, cpu.const.UC_ARM64_REG_XZR]
    assert tuple(seen[0][1]) == (14, 3, 3, 3, 1, 0x1_2345_6789)
    assert seen[1][1].val == 0


def test_the_hook_of_msr_does_not_see_msr_immediate(cpu: Any, a64: Any) -> None:
    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MSR, lambda _: False)
    cpu.run(0, a64.daifset(2), a64.WFI)
    assert seen == []


def test_the_hook_comes_before_the_access_check(cpu: Any, a64: Any) -> None:
    """EL0 may not write CNTV_CTL_EL0 with CNTKCTL_EL1 0, and the hook is asked all the same."""
    exceptions = cpu.see_exceptions()
    seen = hook_moves(cpu, cpu.const.UC_ARM64_INS_MSR, lambda _: False)
    cpu.pstate = EL0T
    cpu.uc.cpr_write(*a64.SPSR_EL1, 0)
    cpu.run(0, a64.msr(a64.CNTV_CTL_EL0, 0))
    assert len(seen) == 1
    assert exceptions == [(1, RAM)]


def test_isr_el1_reads_0(cpu: Any, a64: Any) -> None:
    cpu.set_x(0, 1)
    cpu.run(0, a64.mrs(0, *a64.ISR_EL1), a64.WFI)
    assert cpu.x(0) == 0


def test_a_restored_context_is_the_cpu_of_then(cpu: Any, a64: Any) -> None:
    saved = cpu.uc.context_save()
    cpu.run(0, a64.movz(3, 5), a64.msr(a64.TPIDR_EL0, 3), a64.msr(a64.VBAR_EL1, 3), a64.daifclr(2), a64.WFI)
    assert cpu.uc.cpr_read(*a64.TPIDR_EL0) == 5
    cpu.uc.context_restore(saved)
    assert cpu.uc.cpr_read(*a64.TPIDR_EL0) == cpu.uc.cpr_read(*a64.VBAR_EL1) == cpu.x(3) == 0
    assert cpu.pstate == EL1H
