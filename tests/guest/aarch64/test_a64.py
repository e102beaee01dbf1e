"""The tests' own encodings of A64 against an assembler's."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest


def encodings(a64: Any) -> dict[str, int]:
    """Text as an assembler takes it -> our word."""
    return {
        "nop": a64.NOP,
        "wfe": a64.WFE,
        "wfi": a64.WFI,
        "isb": a64.ISB,
        "dsb sy": a64.DSB_SY,
        "eret": a64.ERET,
        "ret": a64.RET,
        "udf #0": a64.UDF,
        "movz x3, #0x1234, lsl #16": a64.movz(3, 0x1234, 16),
        "movk x3, #0x1234, lsl #48": a64.movk(3, 0x1234, 48),
        "add x1, x2, #0x10": a64.add(1, 2, 0x10),
        "mov x0, sp": a64.add(0, 31, 0),
        "sub x1, x2, #1": a64.sub(1, 2, 1),
        "mov x1, x30": a64.mov(1, 30),
        "ldr x1, [x2, #16]": a64.ldr(1, 2, 16),
        "str x1, [x2, #16]": a64.str(1, 2, 16),
        "ldr w1, [x2, #16]": a64.ldr_w(1, 2, 16),
        "str w1, [x2, #16]": a64.str_w(1, 2, 16),
        "ldrh w1, [x2]": a64.ldrh(1, 2),
        "strb w1, [x2]": a64.strb(1, 2),
        "ldxr x1, [x2]": a64.ldxr(1, 2),
        "stxr w3, x1, [x2]": a64.stxr(3, 1, 2),
        "b . + 8": a64.b(8),
        "b . - 8": a64.b(-8),
        "cbnz x4, . - 8": a64.cbnz(4, -8),
        "br x5": a64.br(5),
        "blr x5": a64.blr(5),
        "svc #0x1234": a64.svc(0x1234),
        "hvc #1": a64.hvc(1),
        "smc #1": a64.smc(1),
        "brk #0x800": a64.brk(0x800),
        "msr daifset, #2": a64.daifset(2),
        "msr daifclr, #3": a64.daifclr(3),
        "msr spsel, #1": a64.spsel(1),
        "mrs x7, mpidr_el1": a64.mrs(7, *a64.MPIDR_EL1),
        "msr vbar_el1, x7": a64.msr(a64.VBAR_EL1, 7),
        "mrs x7, CurrentEL": a64.mrs(7, *a64.CURRENT_EL),
        "msr oslar_el1, xzr": a64.msr(a64.OSLAR_EL1, 31),
        "mrs x7, icc_iar1_el1": a64.mrs(7, *a64.ICC_IAR1_EL1),
        "mrs x7, icc_pmr_el1": a64.mrs(7, *a64.ICC_PMR_EL1),
        "msr icc_sgi1r_el1, x7": a64.msr(a64.ICC_SGI1R_EL1, 7),
        "msr icc_eoir1_el1, x7": a64.msr(a64.ICC_EOIR1_EL1, 7),
        "mrs x7, icc_sre_el1": a64.mrs(7, *a64.ICC_SRE_EL1),
        "msr icc_igrpen1_el1, x7": a64.msr(a64.ICC_IGRPEN1_EL1, 7),
        "mrs x7, cntkctl_el1": a64.mrs(7, *a64.CNTKCTL_EL1),
        "mrs x7, cntvct_el0": a64.mrs(7, *a64.CNTVCT_EL0),
        "mrs x7, cntpct_el0": a64.mrs(7, *a64.CNTPCT_EL0),
        "msr cntv_ctl_el0, x7": a64.msr(a64.CNTV_CTL_EL0, 7),
        "msr cntv_cval_el0, x7": a64.msr(a64.CNTV_CVAL_EL0, 7),
        "msr cntv_tval_el0, x7": a64.msr(a64.CNTV_TVAL_EL0, 7),
        "msr cntp_ctl_el0, x7": a64.msr(a64.CNTP_CTL_EL0, 7),
        "mrs x7, isr_el1": a64.mrs(7, *a64.ISR_EL1),
        "mrs x7, id_aa64mmfr1_el1": a64.mrs(7, *a64.ID_AA64MMFR1_EL1),
        "tlbi vmalle1is": a64.sys(0, 8, 3, 0),
        "tlbi vmalle1": a64.sys(0, 8, 7, 0),
        "tlbi vae1is, x1": a64.sys(0, 8, 3, 1, 1),
        "ic ialluis": a64.sys(0, 7, 1, 0),
        "ic ivau, x1": a64.sys(3, 7, 5, 1, 1),
    }


@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-as") is None, reason="needs aarch64-linux-gnu-as")
def test_the_encodings_are_those_of_the_assembler(a64: Any, tmp_path: Path) -> None:
    expected = encodings(a64)
    source, object_file, flat = (tmp_path / name for name in ("a.s", "a.o", "a.bin"))
    source.write_text("\n".join([".arch armv8-a", *expected, ""]))
    subprocess.run(["aarch64-linux-gnu-as", "-o", object_file, source], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", object_file, flat], check=True)
    data = flat.read_bytes()
    words = struct.unpack(f"<{len(data) // 4}I", data)
    assert {text: hex(word) for text, word in zip(expected, words, strict=True)} == {
        text: hex(word) for text, word in expected.items()
    }
