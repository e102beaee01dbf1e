"""The distributor's registers (GICD frame) as a table."""

from __future__ import annotations

from typing import Final

from irqframe_vgic._block import bits
from irqframe_vgic._intids import SGIS
from irqframe_vgic._registers import BYTE_WIDE, Register, decode
from irqframe_vgic._v2._distributor import CTLR_MASK, Distributor
from irqframe_vgic._v2._gicd_arrays import (
    bytes_of,
    read_active,
    read_config,
    read_enabled,
    read_group,
    read_pending,
    read_priority,
    read_targets,
    write_config,
    write_group,
    write_icactiver,
    write_icenabler,
    write_icpendr,
    write_isactiver,
    write_isenabler,
    write_ispendr,
    write_priority,
    write_targets,
)
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._rows import Read, Row, Write

_SGI_BITS: Final = (1 << SGIS) - 1

# Peripheral and component identification of a GICv2 (GICD_PIDR, GICD_CIDR and GICD_ICPIDR2 pages): PIDR4 to PIDR7,
# PIDR0 to PIDR3, CIDR0 to CIDR3. Bits 7:4 of PIDR2 are the architecture version, 2.
_IDENTIFICATION: Final = (0x04, 0x00, 0x00, 0x00, 0x90, 0xB4, 0x2B, 0x00, 0x0D, 0xF0, 0x05, 0xB1)

# GICD_SGIR, target list filter (GICD_SGIR page); 3 is reserved and sends nothing.
_LISTED: Final = 0
_ALL_BUT_SELF: Final = 1
_SELF: Final = 2


# Control and identification


def _read_ctlr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.ctlr


def _write_ctlr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    gic.write_ctlr(value & CTLR_MASK)


def _read_typer(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return len(gic.cpus) - 1 << 5 | gic.parameters.words - 1


def _read_iidr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.parameters.gicd_iidr


def _read_identification(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return _IDENTIFICATION[n]


# SGIs


def _write_sgir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    everyone = (1 << len(gic.cpus)) - 1
    targets = {
        _LISTED: value >> 16 & 0xFF & everyone,
        _ALL_BUT_SELF: everyone & ~cpu.bit,
        _SELF: cpu.bit,
    }.get(value >> 24 & 3, 0)
    gic.send_sgi(cpu, targets, value & 0xF)


def _read_sgi_sources(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return int.from_bytes(cpu.sources[4 * n : 4 * n + 4], "little")


def _write_cpendsgir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    for sgi, sources in _sgi_bytes(gic, n, value, lanes):
        cpu.clear_sgi(sgi, sources)


def _write_spendsgir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    for sgi, sources in _sgi_bytes(gic, n, value, lanes):
        for source in bits(sources):
            cpu.send_sgi(sgi, source)


def _sgi_bytes(gic: Distributor, n: int, value: int, lanes: int) -> list[tuple[int, int]]:
    everyone = (1 << len(gic.cpus)) - 1
    return [(sgi, byte & everyone) for sgi, byte in bytes_of(gic, n, value, lanes)]


def _per_intid(name: str, offset: int, about: str, page: str, read: Read, write: Write, reset: int | str = 0) -> Row:
    return Register(name, offset, about, page, read, write, words=32, banked="first 1", reset=reset)


REGISTERS: Final[tuple[Row, ...]] = (
    Register(
        "GICD_CTLR",
        0x000,
        "bit 0 EnableGrp0, bit 1 EnableGrp1",
        "Distributor Control Register",
        _read_ctlr,
        _write_ctlr,
    ),
    Register(
        "GICD_TYPER",
        0x004,
        "[4:0] registers of one bit per INTID - 1, [7:5] CPU interfaces - 1",
        "Interrupt Controller Type Register",
        _read_typer,
        reset="from the machine",
    ),
    Register(
        "GICD_IIDR",
        0x008,
        "product, revision and implementer",
        "Distributor Implementer Identification Register",
        _read_iidr,
        reset="implementation",
    ),
    _per_intid("GICD_IGROUPR", 0x080, "1: Group 1, 0: Group 0", "Interrupt Group Registers", read_group, write_group),
    _per_intid(
        "GICD_ISENABLER",
        0x100,
        "write 1 to enable; reads which are enabled",
        "Interrupt Set-Enable Registers",
        read_enabled,
        write_isenabler,
        "word 0: SGIs as the implementation has them",
    ),
    _per_intid(
        "GICD_ICENABLER",
        0x180,
        "write 1 to disable; reads which are enabled",
        "Interrupt Clear-Enable Registers",
        read_enabled,
        write_icenabler,
        "as GICD_ISENABLER",
    ),
    _per_intid(
        "GICD_ISPENDR",
        0x200,
        "write 1 to make pending, SGIs excepted; reads latch or level line",
        "Interrupt Set-Pending Registers",
        read_pending,
        write_ispendr,
    ),
    _per_intid(
        "GICD_ICPENDR",
        0x280,
        "write 1 to clear the latch, SGIs excepted; reads latch or level line",
        "Interrupt Clear-Pending Registers",
        read_pending,
        write_icpendr,
    ),
    _per_intid(
        "GICD_ISACTIVER",
        0x300,
        "write 1 to make active; reads which are active",
        "Interrupt Set-Active Registers",
        read_active,
        write_isactiver,
    ),
    _per_intid(
        "GICD_ICACTIVER",
        0x380,
        "write 1 to make inactive, the running priority stays; reads which are active",
        "Interrupt Clear-Active Registers",
        read_active,
        write_icactiver,
    ),
    Register(
        "GICD_IPRIORITYR",
        0x400,
        "a byte per INTID, lower is more urgent; unimplemented low bits RAZ/WI",
        "Interrupt Priority Registers",
        read_priority,
        write_priority,
        words=255,
        banked="first 8",
        widths=BYTE_WIDE,
    ),
    Register(
        "GICD_ITARGETSR",
        0x800,
        "a byte per INTID, bit n for CPU interface n; words 0 to 7 read-only; RAZ/WI with one CPU",
        "Interrupt Processor Targets Registers",
        read_targets,
        write_targets,
        words=255,
        banked="first 8",
        reset="words 0 to 7: the reading CPU in each byte; 0",
        widths=BYTE_WIDE,
    ),
    Register(
        "GICD_ICFGR",
        0xC00,
        "two bits per INTID, the upper one 1 for edge-triggered; SGIs read-only, PPIs as the implementation has them",
        "Interrupt Configuration Registers",
        read_config,
        write_config,
        words=64,
        banked="first 2",
        reset="word 0: 0xAAAAAAAA; 0",
    ),
    Register(
        "GICD_SGIR",
        0xF00,
        "[25:24] 0 the CPUs of [23:16], 1 all but the writer, 2 the writer, 3 nobody; [3:0] SGI",
        "Software Generated Interrupt Register",
        write=_write_sgir,
    ),
    Register(
        "GICD_CPENDSGIR",
        0xF10,
        "a byte per SGI, bit n for source CPU n: write 1 to clear; reads which sources wait",
        "SGI Clear-Pending Registers",
        _read_sgi_sources,
        _write_cpendsgir,
        words=4,
        banked="all",
        widths=BYTE_WIDE,
    ),
    Register(
        "GICD_SPENDSGIR",
        0xF20,
        "a byte per SGI, bit n for source CPU n: write 1 to set; reads which sources wait",
        "SGI Set-Pending Registers",
        _read_sgi_sources,
        _write_spendsgir,
        words=4,
        banked="all",
        widths=BYTE_WIDE,
    ),
    Register(
        "GICD_ID",
        0xFD0,
        "identification: PIDR4 to 7, PIDR0 to 3, CIDR0 to 3; ICPIDR2 at 0xFE8 has the architecture version in [7:4]",
        "Peripheral ID2 Register, and the component's identification",
        _read_identification,
        words=12,
        reset="fixed",
    ),
)
"""Every register of the GICD frame; all other offsets are RAZ/WI."""

DECODED: Final = decode(REGISTERS)
