"""The register tables of an ITS: reset values, access and widths, and what the registers do to each other."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_vgic._its import _gits
from irqframe_vgic._its._gits import REGISTERS, TRANSLATION_REGISTERS

ALL = (1 << 64) - 1
BOTH = pytest.mark.parametrize("implementation", ["kvm", "qemu"])

# What QEMU 7.2 shows after reset; every other word of the control frame reads 0 there.
QEMU = {
    0x0000: 0x8000_0000,
    0x0004: 0x43B,
    0x0008: 0x0001_EFB1,
    0x000C: 0x1F,
    0x0104: 0x0107_0000,
    0x0100: 0x200,
    0x010C: 0x0407_0000,
    0x0108: 0x200,
}
QEMU_ID = [0x44, 0, 0, 0, 0x94, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1]


def test_the_tables_are_consistent() -> None:
    for table in (REGISTERS, TRANSLATION_REGISTERS):
        covered = [o + b for register in table for _, o, _ in register.each() for b in range(0, register.size, 4)]
        assert len(covered) == len(set(covered))
        assert all(register.page and register.about for register in table)


def test_reset_values_are_qemus(bench: Any) -> None:
    made = bench(implementation="qemu")
    for offset in range(0, 0x1000, 4):
        assert made.r(offset, 4) == QEMU.get(offset, 0), hex(offset)
    assert [made.r(0xFFD0 + 4 * n, 4) for n in range(12)] == QEMU_ID


def test_reset_values_that_kvm_has_otherwise(bench: Any) -> None:
    made = bench()
    assert made.r(0x0004, 4) == 0x4B00_043B
    assert made.r(_gits.TYPER) == 0x1_EF71
    assert made.r(0x100) == 0x1907_0000_0000_0600 and made.r(0x108) == 0x1C07_0000_0000_0600
    assert made.r(0xFFE8, 4) >> 4 == 3


@BOTH
def test_reserved_bits_and_fixed_fields(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation)
    for n in range(8):
        before = made.r(0x100 + 8 * n)
        for value in (ALL, 0):
            made.w(0x100 + 8 * n, value)
            fixed = 0x071F_0000_0000_0000
            assert made.r(0x100 + 8 * n) & fixed == before & fixed
            assert n < 2 or made.r(0x100 + 8 * n) == 0
    made.w(0x80, ALL)
    made.w(0x88, ALL)
    made.w(0x90, ALL)
    assert (made.r(0x80), made.r(0x88), made.r(0x90)) == (0xB8EF_FFFF_FFFF_FCFF, 0xF_FFE0, 0)
    made.w(0, ALL, 4)
    assert made.r(0, 4) == 0x8000_0001


def test_every_writable_bit_of_a_baser_is_qemus(bench: Any) -> None:
    made = bench(implementation="qemu")
    found = []
    for n in range(2):
        for value in (ALL, 0):
            made.w(0x100 + 8 * n, value)
            found.append(made.r(0x100 + 8 * n))
    assert found == [0xF9E7_FFFF_FFFF_FFFF, 0x0107_0000_0000_0000, 0xFCE7_FFFF_FFFF_FFFF, 0x0407_0000_0000_0000]


def test_kvm_has_pages_of_64_kib_and_a_flat_collection_table(bench: Any) -> None:
    made = bench()
    for n, indirect in ((0, 1), (1, 0)):
        made.w(0x100 + 8 * n, ALL & ~(3 << 8))
        assert made.r(0x100 + 8 * n) >> 8 & 3 == 2
        assert made.r(0x100 + 8 * n) >> 62 & 1 == indirect


@pytest.mark.parametrize("offset", [0x80, 0x88, 0x100, 0x108])
def test_doublewords_are_reached_by_halves(bench: Any, offset: int) -> None:
    made = bench(implementation="qemu")
    made.w(offset, ALL)
    full = made.r(offset)
    assert made.r(offset, 4) == full & 0xFFFF_FFFF and made.r(offset + 4, 4) == full >> 32
    made.w(offset, 0, 4)
    assert made.r(offset) == made.r(offset + 4, 4) << 32 | made.r(offset, 4)
    assert made.r(offset + 4, 4) == full >> 32, "the other half stays"


@BOTH
def test_what_no_table_names_is_raz_wi(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation)
    named = {o + b for register in REGISTERS for _, o, _ in register.each() for b in range(0, register.size, 4)}
    for offset in range(0, 0x1_0000, 4):
        if offset not in named and (offset < 0x200 or offset % 0x1FC == 0 or offset >= 0xFF00):
            made.w(offset, ALL, 4)
            assert made.r(offset, 4) == 0, hex(offset)
    for offset, size in ((0, 8), (0, 2), (1, 1), (0x80, 2), (0x84, 8), (0x10040, 4), (0x10000, 8)):
        assert made.r(offset, size) == 0


@BOTH
def test_a_write_of_cbaser_begins_the_queue_anew(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation).on()
    made.w(0, 0, 4)
    assert made.r(0x90) == 64
    made.w(0x80, made.r(0x80))
    assert made.r(0x90) == 0
    assert made.r(0x88) == (64 if implementation == "qemu" else 0), "QEMU leaves GITS_CWRITER, KVM does not"


@BOTH
def test_the_tables_stay_while_the_its_is_enabled(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation).on()
    before = [made.r(offset) for offset in (0x80, 0x90, 0x100, 0x108)]
    for offset in (0x80, 0x100, 0x108):
        made.w(offset, 0)
        made.w(offset, ALL, 4)
    assert [made.r(offset) for offset in (0x80, 0x90, 0x100, 0x108)] == before


def test_reset(bench: Any) -> None:
    made = bench().on()
    made.device(1, (0, 8200, 0))
    made.message(1, 0)
    made.its.reset()
    fresh = bench()
    for offset in range(0, 0x200, 4):
        assert made.r(offset, 4) == fresh.r(offset, 4), hex(offset)
    assert made.message(1, 0).name == "DROPPED_DISABLED"


def test_frames_and_doorbell(bench: Any) -> None:
    made = bench()
    assert [(claim.base, claim.size) for claim in made.its.claim()] == [(0x808_0000, 0x1_0000), (0x809_0000, 0x1_0000)]
    assert made.its.doorbell == 0x809_0040
