"""The register tables: consistent in themselves, and reset values, access and widths as the architecture has them."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_vgic._registers import Register
from irqframe_vgic._v2 import _gicc, _gicd, _v2m
from irqframe_vgic._v2._rows import Row

BITMAPS = (0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380)

# What QEMU 7.2 and 10.0 show after reset, four CPUs; they lack GICC_AIAR and GICC_AHPPIR, at 0x20 and 0x28.
QEMU_GICD = {0x000: 0, 0x004: 0x68, 0x008: 0x43B, 0x100: 0xFFFF, 0x180: 0xFFFF, 0xC00: 0xAAAA_AAAA}
QEMU_GICC = {0x0C: 0x3FF, 0x14: 0xFF, 0x18: 0x3FF, 0x1C: 1, 0x20: 0x3FF, 0x28: 0x3FF, 0xFC: 0x0002_043B}
QEMU_ID = [0x04, 0, 0, 0, 0x90, 0xB4, 0x2B, 0, 0x0D, 0xF0, 0x05, 0xB1]


@pytest.mark.parametrize(
    "table", [_gicd.REGISTERS, _gicc.REGISTERS, _v2m.REGISTERS], ids=["GICD", "GICC", "GICv2m frame"]
)
def test_no_two_registers_of_a_table_overlap(table: tuple[Register[Any, Any], ...]) -> None:
    offsets = [offset for register in table for _, offset, _ in register.each()]
    assert len(offsets) == len(set(offsets))
    assert all(offset % 4 == 0 for offset in offsets)
    assert all(register.page and register.about for register in table)


def test_reset_values_are_qemus(board: Any) -> None:
    made = board(4, "qemu")
    for register in _gicd.REGISTERS:
        for n, offset, name in register.each():
            expected = QEMU_GICD.get(offset, 0)
            if register.name == "GICD_ID":
                expected = QEMU_ID[n]
            if register.name == "GICD_ITARGETSR" and n < 8:
                expected = 0x0404_0404
            assert made.r(offset, cpu=2) == expected, name
    for register in _gicc.REGISTERS:
        for _, offset, name in register.each():
            assert made.cr(offset, cpu=2) == QEMU_GICC.get(offset, 0), name


def test_reset_values_that_kvm_has_otherwise(board: Any) -> None:
    made = board(2)
    assert made.r(0x004) == 0x28
    assert made.r(0x008) == 0x4B00_243B
    assert [made.cr(offset) for offset in (0x08, 0x1C, 0xFC)] == [2, 3, 0x04B2_043B]


@pytest.mark.parametrize("table", [_gicd.REGISTERS, _gicc.REGISTERS], ids=["GICD", "GICC"])
def test_s36_read_only_ignores_writes_and_write_only_reads_zero(board: Any, table: tuple[Row, ...]) -> None:
    made = board(2)
    read, write = (made.r, made.w) if table is _gicd.REGISTERS else (made.cr, made.cw)
    for register in table:
        for _, offset, name in register.each():
            if register.access == "RO":
                before = read(offset)
                write(offset, 0xFFFF_FFFF)
                assert read(offset) == before, name
            elif register.access == "WO":
                assert read(offset) == 0, name


def test_s36_everything_that_no_table_names_is_raz_wi(board: Any) -> None:
    made = board(2)
    frames = ((0, _gicd.REGISTERS, 0x1100), (0x10000, _gicc.REGISTERS, 0x1100), (0x20000, _v2m.REGISTERS, 0x1000))
    for base, table, size in frames:
        named = {offset for register in table for _, offset, _ in register.each()}
        for offset in range(0, size, 4):
            if offset not in named:
                made.w(base + offset, 0xFFFF_FFFF)
                assert made.r(base + offset) == 0, hex(base + offset)


@pytest.mark.parametrize("spis", [32, 256, 988])
def test_s38_typer_counts_every_intid_and_what_is_beyond_is_raz_wi(board: Any, spis: int) -> None:
    made = board(2, spis=spis)
    intids = 32 + spis
    words = made.r(0x004) & 0x1F
    assert words + 1 == (intids + 31) // 32
    for register in BITMAPS:
        for n in range(32):
            made.w(register + 4 * n, 0xFFFF_FFFF)
    for n in range(32):
        there = max(0, min(32, intids - 32 * n))
        assert made.r(0x080 + 4 * n) == (1 << there) - 1
    for base in (0x400, 0x800):
        for offset in range(0, 1020, 4):
            made.w(base + offset, 0xFFFF_FFFF)
            assert bool(made.r(base + offset)) == (offset < intids), hex(base + offset)


@pytest.mark.parametrize(("implementation", "mask"), [("kvm", 0xF8), ("qemu", 0xFF)])
def test_s12_unimplemented_priority_bits_are_raz_wi(board: Any, implementation: str, mask: int) -> None:
    made = board(1, implementation)
    made.w(0x420, 0xFFFF_FFFF)
    assert made.r(0x420) == mask * 0x0101_0101
    made.cw(0x04, 0xFFFF_FFFF)
    assert made.cr(0x04) == mask


@pytest.mark.parametrize(("implementation", "least"), [("kvm", 2), ("qemu", 0)])
def test_s10_binary_points_have_a_minimum(board: Any, implementation: str, least: int) -> None:
    made = board(1, implementation)
    for value in range(8):
        made.cw(0x08, value)
        made.cw(0x1C, value)
        assert made.cr(0x08) == max(value, least)
        assert made.cr(0x1C) == max(value, least + 1)


@pytest.mark.parametrize(("implementation", "words"), [("kvm", 1), ("qemu", 4)])
def test_active_priority_words_follow_the_group_bits(board: Any, implementation: str, words: int) -> None:
    made = board(1, implementation)
    for n in range(4):
        for base in (0xD0, 0xE0):
            made.cw(base + 4 * n, 0xFFFF_FFFF)
            assert made.cr(base + 4 * n) == (0xFFFF_FFFF if n < words else 0)


def test_gicc_ctlr_keeps_what_a_gic_without_security_has(board: Any) -> None:
    made = board()
    made.cw(0x00, 0xFFFF_FFFF)
    assert made.cr(0x00) == 0x21F


def test_s34_bytes_are_lanes_of_their_word(board: Any) -> None:
    made = board(4)
    made.w(0x424, 0x4030_2010)
    assert [made.r(0x424 + n, size=1) for n in range(4)] == [0x10, 0x20, 0x30, 0x40]
    made.w(0x426, 0xB8, size=1)
    assert made.r(0x424) == 0x40B8_2010
    made.w(0x824, 0x0804_0201)
    made.w(0x827, 0x3, size=1)
    assert made.r(0x824) == 0x0304_0201
    assert made.r(0x825, size=1) == 0x02
    made.w(0xF22, 0b0101, size=1)
    assert made.r(0xF20) == made.r(0xF10) == 0x0005_0000
    made.w(0xF12, 0b0001, size=1)
    assert made.r(0xF22, size=1) == 0b0100


@pytest.mark.parametrize("size", [1, 2, 8])
def test_other_widths_are_raz_wi(board: Any, size: int) -> None:
    made = board(2).on()
    for offset in (0x000, 0x104, 0x204, 0xC08, 0xF00, 0x10004):
        before = made.r(offset)
        made.w(offset, 0xFF, size=size)
        assert made.r(offset, size=size) == 0
        assert made.r(offset) == before


def test_targets_of_cpus_that_are_not_there_are_raz_wi(board: Any) -> None:
    made = board(3)
    made.w(0x820, 0xFFFF_FFFF)
    assert made.r(0x820) == 0x0707_0707


def test_targets_of_private_interrupts_are_the_reader(board: Any) -> None:
    made = board(8)
    for cpu in range(8):
        for offset in range(0x800, 0x820, 4):
            made.w(offset, 0, cpu)
            assert made.r(offset, cpu) == (1 << cpu) * 0x0101_0101


def test_one_cpu_has_no_targets(board: Any) -> None:
    made = board(1).on()
    for offset in range(0x800, 0x920, 4):
        made.w(offset, 0xFFFF_FFFF)
        assert made.r(offset) == 0
    made.w(0x104, 1)
    made.line(32, 1)
    assert made.iar() == 32


def test_configuration_has_upper_bits_only(board: Any) -> None:
    made = board()
    made.w(0xC00, 0)
    made.w(0xC04, 0xFFFF_FFFF)
    made.w(0xC08, 0xFFFF_FFFF)
    assert [made.r(0xC00 + 4 * n) for n in range(4)] == [0xAAAA_AAAA, 0xAAAA_AAAA, 0xAAAA_AAAA, 0]


def test_s35_set_and_clear_read_the_same_and_zeros_change_nothing(board: Any) -> None:
    made = board()
    for setter, clearer in ((0x104, 0x184), (0x204, 0x284), (0x304, 0x384)):
        made.w(setter, 0x0F0F)
        assert made.r(setter) == made.r(clearer) == 0x0F0F
        made.w(clearer, 0)
        made.w(setter, 0)
        assert made.r(setter) == 0x0F0F
        made.w(clearer, 0x000F)
        assert made.r(setter) == made.r(clearer) == 0x0F00


@pytest.mark.parametrize(("implementation", "cleared"), [("kvm", 0), ("qemu", 0xFFFF)])
def test_enables_of_sgis_are_fixed_or_not(board: Any, implementation: str, cleared: int) -> None:
    made = board(1, implementation)
    made.w(0x180, 0xFFFF_FFFF)
    assert made.r(0x100) == cleared


def test_pending_bits_of_sgis_are_read_only(board: Any) -> None:
    made = board()
    made.w(0x200, 0xFFFF)
    assert made.r(0x200) == 0
    made.send(3, 1)
    made.w(0x280, 0xFFFF)
    assert made.r(0x200) == 0b1000


def test_s39_nobody_reaches_another_cpus_bank(board: Any) -> None:
    made = board(2)
    for offset, value in ((0x080, 0xFFFF_0000), (0x100, 0x0010_FFFF), (0x300, 0x0020_0000), (0xC04, 0x0000_0002)):
        made.w(offset, value, cpu=0)
        assert made.r(offset, cpu=0) == value
        assert made.r(offset, cpu=1) != value
    made.w(0x41C, 0xA8, cpu=1, size=1)
    assert made.r(0x41C, cpu=0, size=1) == 0
    made.cw(0x04, 0x80, cpu=1)
    made.cw(0xD0, 0x0F, cpu=1)
    assert [made.cr(offset, cpu=0) for offset in (0x04, 0xD0, 0x14)] == [0, 0, 0xFF]
