"""How Unicorn stops, and where PC is then; blocks; accesses to devices and to where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

RAM = 0x40000000
DEVICE = 0x09000000
NOWHERE = 0x1000
VIRTUAL = 0x80000000


def test_wfi_returns_with_pc_past_it(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.NOP, a64.WFI, a64.add(0, 0, 1), a64.WFI)
    assert cpu.pc == RAM + 8
    cpu.go_on()
    assert (cpu.pc, cpu.x(0)) == (RAM + 16, 1)


def test_wfe_does_not_return(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.WFE, a64.add(0, 0, 1), a64.WFI)
    assert (cpu.pc, cpu.x(0)) == (RAM + 12, 1)


def test_without_exits_no_address_ends_an_emulation(cpu: Any, a64: Any) -> None:
    cpu.put(0, a64.NOP, a64.NOP, a64.add(0, 0, 1), a64.WFI)
    cpu.uc.emu_start(RAM, RAM + 8)
    assert cpu.x(0) == 1


def test_count_stops_after_so_many_instructions(cpu: Any, a64: Any) -> None:
    cpu.run(0, a64.NOP, a64.add(0, 0, 1), a64.add(0, 0, 1), a64.WFI, count=2)
    assert (cpu.pc, cpu.x(0)) == (RAM + 8, 1)


# Blocks


def test_the_block_hook_runs_before_the_block_with_pc_at_its_start(cpu: Any, a64: Any) -> None:
    seen = []
    cpu.uc.hook_add(cpu.lib.UC_HOOK_BLOCK, lambda uc, address, size, _: seen.append((address, size, cpu.pc, cpu.x(0))))
    cpu.run(0, a64.add(0, 0, 1), a64.b(8), a64.NOP, a64.add(0, 0, 1), a64.WFI)
    assert seen == [(RAM, 8, RAM, 0), (RAM + 12, 8, RAM + 12, 1)]


def test_the_block_size_is_in_bytes_the_first_time_and_later(cpu: Any, a64: Any) -> None:
    blocks = cpu.see_blocks()
    cpu.set_x(0, 3)
    cpu.run(0, a64.NOP, a64.sub(0, 0, 1), a64.cbnz(0, -8), a64.WFI)
    assert blocks == [(RAM, 12)] * 3 + [(RAM + 12, 4)]


def test_a_stop_in_the_block_hook_leaves_pc_at_its_start_and_executes_nothing(
    cpu: Any, a64: Any, stops_after: Any
) -> None:
    begun = stops_after(2)
    cpu.run(0, a64.add(0, 0, 1), a64.b(4), a64.add(0, 0, 1), a64.WFI)
    assert begun == [RAM, RAM + 8]
    assert (cpu.pc, cpu.x(0)) == (RAM + 8, 1)


def test_a_block_is_begun_anew_after_a_stop(cpu: Any, a64: Any, stops_after: Any) -> None:
    begun = stops_after(1)
    cpu.run(0, a64.add(0, 0, 1), a64.WFI)
    cpu.go_on()
    assert begun == [RAM, RAM]


def test_a_pc_write_in_the_block_hook_goes_there_and_executes_nothing_before(cpu: Any, a64: Any) -> None:
    def hook(uc: Any, address: int, _size: int, _: object) -> None:
        if address == RAM + 8:
            cpu.pc = RAM + 0x100

    cpu.uc.hook_add(cpu.lib.UC_HOOK_BLOCK, hook)
    cpu.put(0x100, a64.add(1, 1, 1), a64.WFI)
    cpu.run(0, a64.add(0, 0, 1), a64.b(4), a64.add(0, 0, 1), a64.WFI)
    assert (cpu.pc, cpu.x(0), cpu.x(1)) == (RAM + 0x108, 1, 1)


@pytest.mark.parametrize("last", ["daifclr", "msr", "isb", "svc", "hvc"])
def test_a_block_ends_where_interrupts_or_translation_may_change(cpu: Any, a64: Any, last: str) -> None:
    """So that the block hook sees the very instruction after the one that clears PSTATE.I."""
    word = {
        "daifclr": a64.daifclr(2),
        "msr": a64.msr(a64.VBAR_EL1, 0),
        "isb": a64.ISB,
        "svc": a64.svc(),
        "hvc": a64.hvc(),
    }[last]
    cpu.uc.hook_add(cpu.lib.UC_HOOK_INTR, lambda *_: None)
    blocks = cpu.see_blocks()
    cpu.run(0, a64.NOP, word, a64.NOP, a64.WFI)
    assert blocks == [(RAM, 8), (RAM + 8, 8)]


def test_a_block_ends_with_its_page(cpu: Any, a64: Any) -> None:
    blocks = cpu.see_blocks()
    cpu.run(0xFF8, a64.NOP, a64.NOP, a64.NOP, a64.WFI)
    assert blocks == [(RAM + 0xFF8, 8), (RAM + 0x1000, 8)]


def test_the_window_of_daifclr_and_daifset_is_a_block_of_its_own(cpu: Any, a64: Any) -> None:
    seen = []
    cpu.uc.hook_add(cpu.lib.UC_HOOK_BLOCK, lambda uc, address, size, _: seen.append((address, cpu.pstate >> 7 & 1)))
    cpu.run(0, a64.daifclr(2), a64.ISB, a64.daifset(2), a64.WFI)
    assert (RAM + 4, 0) in seen
    assert seen[-1] == (RAM + 12, 1)


def test_an_exception_in_mid_block_is_followed_by_no_second_call_of_the_hook(cpu: Any, a64: Any) -> None:
    """A handler of the exception that moves PC does not make the block hook run twice."""

    def skip(_uc: Any, _number: int, _: object) -> None:
        cpu.pc += 4

    cpu.uc.hook_add(cpu.lib.UC_HOOK_INTR, skip)
    blocks = cpu.see_blocks()
    cpu.run(0, a64.NOP, a64.UDF, a64.NOP, a64.WFI)
    assert blocks == [(RAM, 8), (RAM + 8, 8)]


# Devices


def map_device(cpu: Any, stop_at_read: int = 0) -> list[tuple[Any, ...]]:
    log: list[tuple[Any, ...]] = []

    def read(uc: Any, offset: int, size: int, _: object) -> int:
        log.append(("read", offset, size))
        if len(log) == stop_at_read:
            uc.emu_stop()
        return 0xA0 + len(log)

    def write(_uc: Any, offset: int, size: int, value: int, _: object) -> None:
        log.append(("write", offset, size, value))

    cpu.uc.mmio_map(DEVICE, 0x1000, read, None, write, None)
    cpu.set_x(1, DEVICE)
    return log


def test_64_bit_mmio_is_two_accesses(cpu: Any, a64: Any) -> None:
    log = map_device(cpu)
    cpu.set_x(2, 0x1111_2222_3333_4444)
    cpu.run(0, a64.ldr(0, 1, 8), a64.str(2, 1, 16), a64.WFI)
    assert log == [("read", 8, 4), ("read", 12, 4), ("write", 16, 4, 0x33334444), ("write", 20, 4, 0x11112222)]
    assert cpu.x(0) == 0xA2_0000_00A1


def test_narrow_mmio_is_one_access_of_its_size(cpu: Any, a64: Any) -> None:
    log = map_device(cpu)
    cpu.run(0, a64.ldr_w(0, 1, 4), a64.ldrh(0, 1), a64.strb(0, 1), a64.WFI)
    assert [entry[2] for entry in log] == [4, 2, 1]


def test_emu_stop_in_mmio_repeats_the_access(cpu: Any, a64: Any) -> None:
    log = map_device(cpu, stop_at_read=1)
    cpu.run(0, a64.NOP, a64.ldr_w(0, 1), a64.WFI)
    assert (cpu.pc, cpu.x(0)) == (RAM + 4, 0xA1)  # loaded, and PC names the load still
    cpu.go_on()
    assert len(log) == 2
    assert cpu.x(0) == 0xA2


def test_pc_is_stale_in_mmio(cpu: Any, a64: Any) -> None:
    """It names the start of the block: a handler of a device must not ask for it."""
    seen: list[int] = []
    cpu.uc.mmio_map(DEVICE, 0x1000, lambda *_: seen.append(cpu.pc) or 0, None, lambda *_: None, None)
    cpu.see_blocks()
    cpu.set_x(1, DEVICE)
    cpu.run(0, a64.NOP, a64.NOP, a64.ldr_w(0, 1), a64.WFI)
    assert seen == [RAM]


# Where nothing is


@pytest.mark.parametrize("mmu", [False, True], ids=["mmu_off", "mmu_on"])
@pytest.mark.parametrize("what", ["load", "store", "fetch"])
def test_an_access_to_where_nothing_is(cpu: Any, unicorn: Any, a64: Any, what: str, mmu: bool) -> None:
    """The error, the hook with the physical address and PC at the instruction, and nothing executed after it."""
    word, error, access = {
        "load": (a64.ldr(0, 1), unicorn.UC_ERR_READ_UNMAPPED, unicorn.UC_MEM_READ_UNMAPPED),
        "store": (a64.str(0, 1), unicorn.UC_ERR_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_UNMAPPED),
        "fetch": (a64.br(1), unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_UNMAPPED),
    }[what]
    address = NOWHERE
    if mmu:
        cpu.mmu_on(second=NOWHERE)
        address = VIRTUAL
    seen: list[tuple[int, int, int]] = []

    def hook(_uc: Any, kind: int, physical: int, _size: int, _value: int, _: object) -> bool:
        seen.append((kind, physical, cpu.pc))
        return False

    cpu.uc.hook_add(
        unicorn.UC_HOOK_MEM_READ_UNMAPPED | unicorn.UC_HOOK_MEM_WRITE_UNMAPPED | unicorn.UC_HOOK_MEM_FETCH_UNMAPPED,
        hook,
    )
    blocks = cpu.see_blocks()
    cpu.set_x(0, 7)
    cpu.set_x(1, address)
    with pytest.raises(unicorn.UcError) as caught:
        cpu.run(0, a64.add(2, 2, 1), word, a64.add(2, 2, 1), a64.add(0, 0, 1), a64.b(4), a64.WFI)
    assert caught.value.errno == error
    pc = address if what == "fetch" else RAM + 4
    assert seen == [(access, NOWHERE, pc)]
    assert cpu.pc == pc
    assert (cpu.x(0), cpu.x(2)) == (7, 1)
    assert len(blocks) == 1


@pytest.mark.parametrize(("batch", "offset"), [(False, 0), (True, 4)], ids=["reg_write", "reg_write_batch"])
def test_after_a_reg_write_of_pc_a_store_to_where_nothing_is_leaves_pc_at_the_start_of_its_block(
    cpu: Any, unicorn: Any, a64: Any, batch: bool, offset: int
) -> None:
    """However long ago it was; after the same by a batch PC is right."""

    def skip(uc: Any, _number: int, _: object) -> None:
        if batch:
            uc.reg_write_batch([(cpu.const.UC_ARM64_REG_PC, cpu.pc + 4)])
        else:
            cpu.pc += 4

    cpu.uc.hook_add(unicorn.UC_HOOK_INTR, skip)
    cpu.set_x(1, NOWHERE)
    with pytest.raises(unicorn.UcError):
        cpu.run(0, a64.UDF, a64.NOP, a64.b(4), a64.NOP, a64.str(0, 1), a64.WFI)
    assert cpu.pc == RAM + 12 + offset


@pytest.mark.parametrize("what", ["load", "store"])
def test_it_needs_no_hook(cpu: Any, unicorn: Any, a64: Any, what: str) -> None:
    cpu.set_x(1, NOWHERE)
    with pytest.raises(unicorn.UcError):
        cpu.run(0, a64.add(2, 2, 1), a64.ldr(0, 1) if what == "load" else a64.str(0, 1), a64.add(2, 2, 1), a64.WFI)
    assert (cpu.pc, cpu.x(2)) == (RAM + 4, 1)
