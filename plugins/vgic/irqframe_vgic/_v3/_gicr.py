"""A redistributor's registers as two tables: the RD frame, and the SGI frame 64 KiB behind it.

Any CPU reaches every redistributor at its address: an access is done under the ownership of the redistributor's CPU.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

from irqframe.flow import VCpuRef
from irqframe_vgic._intids import FIRST_EPPI
from irqframe_vgic._registers import DOUBLEWORD, WORD, Decoded, Frame, Register, decode
from irqframe_vgic._v3._arrays import Range, arrays
from irqframe_vgic._v3._identification import IDENTIFICATION_OFFSET, identification
from irqframe_vgic._v3._interface import CHILDREN_ASLEEP, DPG, PROCESSOR_SLEEP, CpuInterface
from irqframe_vgic._v3._lpi_registers import PTZ
from irqframe_vgic._v3._lpi_set import FIRST_LPI

SGI_FRAME: Final = 0x1_0000
"""Offset of the SGI frame."""
SIZE: Final = 0x2_0000
"""Bytes of a redistributor's two frames."""

_ENABLE_LPIS: Final = 1
_CES: Final = 1 << 1
_IR: Final = 1 << 2
_DPG: Final = DPG[0] | DPG[1]

# GICR_TYPER.
_PLPIS: Final = 1
_LAST: Final = 1 << 4
_DPGS: Final = 1 << 5

_BOTH: Final = (WORD, DOUBLEWORD)
_HALVES: Final = 0xFFFF_FFFF


def _read_ctlr(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    parameters = own.gic.parameters
    value = own.left_out | own.lpis.enabled
    if parameters.lpis:
        value |= _CES | (_IR if parameters.direct_invalidation else 0)
    return value


def _write_ctlr(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    parameters = own.gic.parameters
    if parameters.lpis:
        own.lpis.write_enable(bool(value & _ENABLE_LPIS))
    if parameters.one_of_n:
        own.leave_out(value & _DPG)


def _read_iidr(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    return own.gic.parameters.iidr


def _read_typer(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    parameters = own.gic.parameters
    mpidr = own.vcpu.mpidr
    affinity = mpidr >> 32 << 24 | mpidr & 0xFF_FFFF
    value = affinity << 32 | parameters.eppis // 32 << 27 | parameters.common_lpi_affinity << 24
    value |= own.vcpu.index << 8
    if own.last:
        value |= _LAST
    if parameters.one_of_n:
        value |= _DPGS
    return value | _PLPIS if parameters.lpis else value


def _read_waker(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    return PROCESSOR_SLEEP | CHILDREN_ASLEEP if own.asleep else 0


def _write_waker(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    own.write_waker(value)


def _read_propbaser(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    return own.lpis.propbaser


def _write_propbaser(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if own.gic.parameters.lpis:
        own.lpis.write_propbaser(value, lanes)


def _read_pendbaser(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    pendbaser = own.lpis.pendbaser
    return pendbaser if own.gic.parameters.shows_ptz else pendbaser & ~PTZ


def _write_pendbaser(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if own.gic.parameters.lpis:
        own.lpis.write_pendbaser(value, lanes)


def _write_invlpir(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    # The upper half has a vPE only; a store to it alone names no LPI.
    if _may_invalidate(own) and lanes & _HALVES and value & _HALVES >= FIRST_LPI:
        own.lpis.invalidate(value & _HALVES)


def _write_invallr(own: CpuInterface, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if _may_invalidate(own):
        own.lpis.invalidate_all()


def _may_invalidate(own: CpuInterface) -> bool:
    return own.gic.parameters.lpis and own.gic.parameters.direct_invalidation


def _read_syncr(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    return 0


RD_REGISTERS: Final[tuple[Register[CpuInterface, CpuInterface], ...]] = (
    Register(
        "GICR_CTLR",
        0x0000,
        "bit 0 EnableLPIs, 1 CES, 2 IR, 24 DPG0, 25 DPG1NS; RWP and UWP are 0",
        "Redistributor Control Register",
        _read_ctlr,
        _write_ctlr,
        reset="implementation",
    ),
    Register(
        "GICR_IIDR",
        0x0004,
        "product, revision and implementer",
        "Redistributor Implementer Identification Register",
        _read_iidr,
        reset="implementation",
    ),
    Register(
        "GICR_TYPER",
        0x0008,
        "[63:32] affinity, [31:27] PPInum, [25:24] CommonLPIAff, [23:8] Processor_Number, 5 DPGS, 4 Last, 0 PLPIS",
        "Redistributor Type Register",
        _read_typer,
        size=DOUBLEWORD,
        widths=_BOTH,
        reset="from the machine",
    ),
    Register(
        "GICR_WAKER",
        0x0014,
        "bit 1 ProcessorSleep, 2 ChildrenAsleep, which follows",
        "Redistributor Wake Register",
        _read_waker,
        _write_waker,
        reset=PROCESSOR_SLEEP | CHILDREN_ASLEEP,
    ),
    Register(
        "GICR_PROPBASER",
        0x0070,
        "[51:12] address of the LPI configuration table, [4:0] IDbits - 1; read-only while EnableLPIs is 1",
        "Redistributor Properties Base Address Register",
        _read_propbaser,
        _write_propbaser,
        size=DOUBLEWORD,
        widths=_BOTH,
    ),
    Register(
        "GICR_PENDBASER",
        0x0078,
        "[51:16] address of the LPI pending table, 62 PTZ, which need not read back; read-only while EnableLPIs is 1",
        "Redistributor LPI Pending Table Base Address Register",
        _read_pendbaser,
        _write_pendbaser,
        size=DOUBLEWORD,
        widths=_BOTH,
    ),
    Register(
        "GICR_INVLPIR",
        0x00A0,
        "an LPI whose configuration is read again, if CTLR.IR is 1",
        "Redistributor Invalidate LPI Register",
        write=_write_invlpir,
        size=DOUBLEWORD,
        widths=_BOTH,
    ),
    Register(
        "GICR_INVALLR",
        0x00B0,
        "the configuration of every LPI is read again, if CTLR.IR is 1",
        "Redistributor Invalidate All Register",
        write=_write_invallr,
        size=DOUBLEWORD,
        widths=_BOTH,
    ),
    Register(
        "GICR_SYNCR",
        0x00C0,
        "bit 0 Busy, which is 0: an invalidation is done when its store is",
        "Redistributor Synchronize Register",
        _read_syncr,
    ),
    Register(
        "GICR_ID",
        IDENTIFICATION_OFFSET,
        "identification: PIDR4 to 7, PIDR0 to 3, CIDR0 to 3; PIDR2 at 0xFFE8 has the architecture version in [7:4]",
        "Redistributor Peripheral ID2 Register, and the component's identification",
        identification(0x93),
        words=12,
        reset="fixed",
    ),
)
"""Every register of the RD frame; all other offsets are RAZ/WI."""


def _read_sgi_config(own: CpuInterface, n: int, cpu: CpuInterface) -> int:
    return 0xAAAA_AAAA


def _without_sgi_config(row: Register[CpuInterface, CpuInterface]) -> Register[CpuInterface, CpuInterface]:
    """GICR_ICFGR from 1 on: SGIs are edge-triggered for good."""
    if row.name != "GICR_ICFGR" or row.first:
        return row
    return replace(row, offset=row.offset + WORD, words=row.words - 1, first=1)


_SGI_CONFIG: Final[Register[CpuInterface, CpuInterface]] = Register(
    "GICR_ICFGR0",
    0x0C00,
    "SGIs are edge-triggered",
    "Interrupt Configuration Register 0",
    _read_sgi_config,
    reset=0xAAAA_AAAA,
)

SGI_REGISTERS: Final = (
    _SGI_CONFIG,
    *(_without_sgi_config(row) for row in arrays("GICR", Range(0, 1, 0))),
    *arrays("GICR", Range(1, 2, (FIRST_EPPI >> 5) - 1, "E")),
)
"""Every register of the SGI frame, from its beginning; all other offsets are RAZ/WI."""


@cache
def decoded() -> Decoded[CpuInterface, CpuInterface]:
    """Both frames, decoded once for all redistributors."""
    behind = (replace(row, offset=row.offset + SGI_FRAME) for row in SGI_REGISTERS)
    return decode((*RD_REGISTERS, *behind))


class Redistributor(Frame[CpuInterface, CpuInterface]):
    """The frames of one CPU, which every CPU reaches."""

    __slots__ = ("_call",)

    def __init__(self, own: CpuInterface) -> None:
        super().__init__(own, decoded())
        self._call = own.vcpu.call

    def read(self, vcpu: VCpuRef, offset: int, size: int) -> int:
        """Serve a load of `size` bytes at `offset`; 0 for what is not there."""
        return self._call(super().read, vcpu, offset, size)

    def write(self, vcpu: VCpuRef, offset: int, size: int, value: int) -> None:
        """Serve a store of `size` bytes at `offset`; what is not there ignores it."""
        self._call(super().write, vcpu, offset, size, value)
