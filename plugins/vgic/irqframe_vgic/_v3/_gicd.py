"""The distributor's registers (GICD frame) as a table.

Affinity routing is always on, so everything of INTIDs 0 to 31, and what is of use without it only (GICD_ITARGETSR,
GICD_SGIR and the like), is RAZ/WI; so is what is of use with two security states (GICD_IGRPMODR, GICD_NSACR).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from irqframe_vgic._intids import FIRST_ESPI, MAX_INTIDS, PRIVATE
from irqframe_vgic._registers import DOUBLEWORD, WORD, Decoded, Register, decode
from irqframe_vgic._shared import CROWDED
from irqframe_vgic._v3._arrays import Range, arrays
from irqframe_vgic._v3._distributor import CTLR_FIXED, CTLR_MASK, Distributor
from irqframe_vgic._v3._identification import IDENTIFICATION_OFFSET, identification
from irqframe_vgic._v3._interface import CpuInterface
from irqframe_vgic._v3._lines import MAX_ESPIS
from irqframe_vgic._v3._lpi_set import ID_BITS

SETSPI: Final = 0x0040
CLRSPI: Final = 0x0048
"""Offsets of the doorbells that raise and lower an SPI."""
MESSAGE_INTID: Final = 0x1FFF
"""The bits of a message that count."""

# GICD_TYPER.
_ESPI: Final = 1 << 8
_MBIS: Final = 1 << 16
_LPIS: Final = 1 << 17
_A3V: Final = 1 << 24
_NO_1_OF_N: Final = 1 << 25
_RSS: Final = 1 << 26


def _read_ctlr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.ctlr | CTLR_FIXED


def _write_ctlr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    gic.write_ctlr(value & CTLR_MASK)


def _read_typer(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    parameters = gic.parameters
    id_bits = ID_BITS if parameters.lpis else max(parameters.intid_bits, (parameters.span - 1).bit_length())
    value = parameters.words - 1 | id_bits - 1 << 19 | _A3V
    if parameters.espis:
        value |= _ESPI | parameters.espis // 32 - 1 << 27
    if parameters.mbis:
        value |= _MBIS
    if parameters.lpis:
        value |= _LPIS
    if not parameters.one_of_n:
        value |= _NO_1_OF_N
    return value | _RSS if parameters.range_selector else value


def _read_iidr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.parameters.iidr


def _read_route(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.routes.get(n, 0)


def _write_route(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in gic.routes:
        gic.route(n, value, lanes)


def _read_extended_route(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.routes.get(n + FIRST_ESPI, 0)


def _write_extended_route(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    _write_route(gic, n + FIRST_ESPI, cpu, value, lanes)


def _write_setspi(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    _message(gic, value, 1)


def _write_clrspi(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    _message(gic, value, 0)


def _message(gic: Distributor, data: int, level: int) -> None:
    intid = data & MESSAGE_INTID
    home = gic.homes.get(intid)
    if gic.parameters.mbis and home is not None:
        gic.message(intid, level)
        if len(home.vcpu.inbox) > CROWDED:
            home.vcpu.call(_nothing)


def _nothing() -> None:
    """What is posted behind the messages of a guest, which may store as many as it likes."""


_ROUTE: Final = "[39:32] Aff3, [23:16] Aff2, [15:8] Aff1, [7:0] Aff0; bit 31: any CPU that participates"

_OWN: Final[tuple[Register[Distributor, CpuInterface], ...]] = (
    Register(
        "GICD_CTLR",
        0x0000,
        "bit 0 EnableGrp0, 1 EnableGrp1; 4 ARE and 6 DS are 1, RWP is 0",
        "Distributor Control Register",
        _read_ctlr,
        _write_ctlr,
        reset=CTLR_FIXED,
    ),
    Register(
        "GICD_TYPER",
        0x0004,
        "[4:0] ITLinesNumber, 8 and [31:27] extended SPIs, 16 MBIS, 17 LPIS, [23:19] IDbits - 1, 24 A3V, 25 No1N, "
        "26 RSS",
        "Interrupt Controller Type Register",
        _read_typer,
        reset="from the machine",
    ),
    Register(
        "GICD_IIDR",
        0x0008,
        "product, revision and implementer",
        "Distributor Implementer Identification Register",
        _read_iidr,
        reset="implementation",
    ),
    Register(
        "GICD_SETSPI_NSR",
        SETSPI,
        "[12:0] an INTID: an edge of that SPI, or its level rises; if TYPER.MBIS is 1",
        "Set Non-secure SPI Pending Register",
        write=_write_setspi,
        widths=(2, WORD),
    ),
    Register(
        "GICD_CLRSPI_NSR",
        CLRSPI,
        "[12:0] an INTID: the level of that SPI falls; if TYPER.MBIS is 1",
        "Clear Non-secure SPI Pending Register",
        write=_write_clrspi,
        widths=(2, WORD),
    ),
    Register(
        "GICD_IROUTER",
        0x6000 + 8 * PRIVATE,
        _ROUTE,
        "Interrupt Routing Registers",
        _read_route,
        _write_route,
        words=MAX_INTIDS - PRIVATE,
        first=PRIVATE,
        size=DOUBLEWORD,
        widths=(WORD, DOUBLEWORD),
    ),
    Register(
        "GICD_IROUTER",
        0x8000,
        _ROUTE,
        "Interrupt Routing Registers (Extended SPI Range)",
        _read_extended_route,
        _write_extended_route,
        words=MAX_ESPIS,
        size=DOUBLEWORD,
        widths=(WORD, DOUBLEWORD),
        suffix="E",
    ),
    Register(
        "GICD_ID",
        IDENTIFICATION_OFFSET,
        "identification: PIDR4 to 7, PIDR0 to 3, CIDR0 to 3; PIDR2 at 0xFFE8 has the architecture version in [7:4]",
        "Distributor Peripheral ID2 Register, and the component's identification",
        identification(0x92),
        words=12,
        reset="fixed",
    ),
)

REGISTERS: Final = (
    *_OWN,
    *arrays("GICD", Range(1, 31, 0)),
    *arrays("GICD", Range(0, 32, FIRST_ESPI >> 5, "E"), extended=True),
)
"""Every register of the GICD frame; all other offsets are RAZ/WI."""


DOORBELLS: Final = tuple(row for row in _OWN if row.offset in (SETSPI, CLRSPI))
"""Every register of the alias of the doorbells; all other offsets are RAZ/WI."""


@cache
def decoded_doorbells() -> Decoded[Distributor, CpuInterface]:
    """The alias, decoded likewise."""
    return decode(DOORBELLS)


@cache
def decoded() -> Decoded[Distributor, CpuInterface]:
    """The table, decoded once for all machines."""
    return decode(REGISTERS)
