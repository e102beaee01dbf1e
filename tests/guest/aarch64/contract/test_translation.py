"""What Unicorn remembers of code and of page tables, and what makes it forget; several CPUs on one buffer."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

RAM = 0x40000000
VIRTUAL = 0x80000000


def executed_once(cpu: Any, a64: Any) -> None:
    """Code at 0x100 adds 1 to x0, and has been executed once."""
    cpu.run(0x100, a64.add(0, 0, 1), a64.WFI)
    assert cpu.x(0) == 1


def test_a_store_of_its_own_is_translated_again(cpu: Any, a64: Any) -> None:
    executed_once(cpu, a64)
    cpu.set_x(1, RAM + 0x100)
    cpu.set_x(2, a64.add(0, 0, 16))
    cpu.run(0, a64.str_w(2, 1), a64.br(1))
    assert cpu.x(0) == 17


@pytest.mark.parametrize(("between", "added"), [("NOP", 1), ("ISB", 16)])
def test_a_store_into_what_comes_next_is_seen_after_isb(cpu: Any, a64: Any, between: str, added: int) -> None:
    cpu.set_x(1, RAM + 8)
    cpu.set_x(2, a64.add(0, 0, 16))
    cpu.run(0, a64.str_w(2, 1), getattr(a64, between), a64.add(0, 0, 1), a64.WFI)
    assert cpu.x(0) == added


def test_a_write_past_unicorn_does_not_reach_translated_code(cpu: Any, a64: Any) -> None:
    executed_once(cpu, a64)
    cpu.run(0x100, a64.add(0, 0, 16))
    assert cpu.x(0) == 2


def test_ctl_flush_tb_makes_it_reach(cpu: Any, a64: Any) -> None:
    executed_once(cpu, a64)
    cpu.uc.ctl_flush_tb()
    cpu.run(0x100, a64.add(0, 0, 16))
    assert cpu.x(0) == 17


def test_a_store_by_one_cpu_does_not_reach_anothers_translated_code(cpu: Any, make_cpu: Any, a64: Any) -> None:
    other = make_cpu(ram=cpu.ram)
    executed_once(cpu, a64)
    other.set_x(1, RAM + 0x100)
    other.set_x(2, a64.add(0, 0, 16))
    other.run(0, a64.str_w(2, 1), a64.sys(3, 7, 5, 1, 1), a64.ISB, a64.WFI)  # str; ic ivau, x1
    cpu.uc.emu_start(RAM + 0x100, 0)
    assert cpu.x(0) == 2
    cpu.uc.ctl_flush_tb()
    cpu.uc.emu_start(RAM + 0x100, 0)
    assert cpu.x(0) == 18


def test_a_store_by_one_cpu_is_what_another_loads(cpu: Any, make_cpu: Any, a64: Any) -> None:
    other = make_cpu(ram=cpu.ram)
    for one in (cpu, other):
        one.set_x(1, RAM + 0x400)
    cpu.run(0, a64.movz(0, 99), a64.str(0, 1), a64.WFI)
    other.run(0x40, a64.ldr(0, 1), a64.WFI)
    assert other.x(0) == 99


def test_an_exclusive_store_fails_after_a_store_by_another_cpu(cpu: Any, make_cpu: Any, a64: Any) -> None:
    other = make_cpu(ram=cpu.ram)
    for one in (cpu, other):
        one.set_x(1, RAM + 0x400)
    cpu.run(0, a64.ldxr(0, 1), a64.WFI, a64.stxr(2, 0, 1), a64.WFI)
    other.run(0x40, a64.movz(0, 99), a64.str(0, 1), a64.WFI)
    cpu.go_on()
    assert cpu.x(2) == 1
    cpu.run(0, a64.ldxr(0, 1), a64.WFI, a64.stxr(2, 0, 1), a64.WFI)
    cpu.go_on()
    assert cpu.x(2) == 0


# Page tables


def load_virtual(cpu: Any, a64: Any) -> int:
    cpu.set_x(1, VIRTUAL)
    cpu.run(0, a64.ldr(0, 1), a64.WFI)
    return int(cpu.x(0))


@pytest.fixture
def paged(cpu: Any) -> Any:
    """Two pages with 1 and 2 in them; the first is mapped."""
    cpu.ram[0x10000] = 1
    cpu.ram[0x11000] = 2
    cpu.mmu_on(second=RAM + 0x10000)
    return cpu


def flush_tlb(cpu: Any) -> None:
    cpu.uc.ctl(cpu.lib.unicorn_const.UC_CTL_TLB_FLUSH, cpu.lib.unicorn_const.UC_CTL_IO_WRITE)


def test_a_changed_page_table_is_not_seen(paged: Any, a64: Any) -> None:
    assert load_virtual(paged, a64) == 1
    paged.map_page(RAM + 0x11000)
    assert load_virtual(paged, a64) == 1


def test_the_ctl_of_the_tlb_makes_it_seen(paged: Any, a64: Any) -> None:
    assert load_virtual(paged, a64) == 1
    paged.map_page(RAM + 0x11000)
    flush_tlb(paged)
    assert load_virtual(paged, a64) == 2


def test_tlbi_makes_it_seen(paged: Any, a64: Any) -> None:
    assert load_virtual(paged, a64) == 1
    paged.map_page(RAM + 0x11000)
    paged.run(0x40, a64.sys(0, 8, 7, 0), a64.WFI)  # tlbi vmalle1
    assert load_virtual(paged, a64) == 2


def test_tlbi_inner_shareable_does_not_reach_another_cpu(paged: Any, make_cpu: Any, a64: Any) -> None:
    other = make_cpu(ram=paged.ram)
    assert load_virtual(paged, a64) == 1
    paged.map_page(RAM + 0x11000)
    other.run(0x40, a64.sys(0, 8, 3, 0), a64.DSB_SY, a64.WFI)  # tlbi vmalle1is
    assert load_virtual(paged, a64) == 1


def test_a_hook_of_sys_sees_tlbi_and_ic(paged: Any, a64: Any) -> None:
    seen: list[Any] = []

    def hook(_uc: Any, _number: int, register: Any, _: object) -> bool:
        seen.append((register.op0, register.op1, register.crn, register.crm, register.op2))
        return False

    paged.uc.hook_add(paged.lib.UC_HOOK_INSN, hook, None, 1, 0, paged.const.UC_ARM64_INS_SYS)
    paged.set_x(1, RAM)
    # tlbi vmalle1is; tlbi vae1is, x1; ic ialluis; ic ivau, x1
    paged.run(0x40, a64.sys(0, 8, 3, 0), a64.sys(0, 8, 3, 1, 1), a64.sys(0, 7, 1, 0), a64.sys(3, 7, 5, 1, 1), a64.WFI)
    assert seen == [(1, 0, 8, 3, 0), (1, 0, 8, 3, 1), (1, 0, 7, 1, 0), (1, 3, 7, 5, 1)]


# What the binding does not wrap


def library() -> Any:
    from unicorn.unicorn_py3.unicorn import uclib

    return uclib


def test_uc_vmem_translate_walks_the_page_tables(paged: Any, unicorn: Any) -> None:
    address = ctypes.c_uint64()
    args = (ctypes.c_uint64(VIRTUAL + 0x123), ctypes.c_int(unicorn.UC_PROT_READ), ctypes.byref(address))
    assert library().uc_vmem_translate(paged.uc._uch, *args) == 0
    assert address.value == RAM + 0x10123
    paged.map_page(0)
    flush_tlb(paged)
    assert library().uc_vmem_translate(paged.uc._uch, *args) != 0


def test_uc_vmem_read_reads_by_virtual_address(paged: Any, unicorn: Any) -> None:
    value = ctypes.c_uint32()
    args = (ctypes.c_int(unicorn.UC_PROT_EXEC), ctypes.byref(value), ctypes.c_size_t(4))
    assert library().uc_vmem_read(paged.uc._uch, ctypes.c_uint64(VIRTUAL), *args) == 0
    assert value.value == 1
    assert library().uc_vmem_read(paged.uc._uch, ctypes.c_uint64(VIRTUAL + 0x10000), *args) != 0


def test_uc_vmem_read_is_physical_with_the_mmu_off(cpu: Any, unicorn: Any) -> None:
    cpu.put(0, 0x12345678)
    value = ctypes.c_uint32()
    args = (ctypes.c_int(unicorn.UC_PROT_EXEC), ctypes.byref(value), ctypes.c_size_t(4))
    assert library().uc_vmem_read(cpu.uc._uch, ctypes.c_uint64(RAM), *args) == 0
    assert value.value == 0x12345678
