"""The registers of an ITS (GITS control frame and translation frame) as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from irqframe_vgic._registers import DOUBLEWORD, WORD, Register, decode

if TYPE_CHECKING:
    from irqframe_vgic._its._its import Its

#: A row belongs to an ITS; which CPU makes an access does not matter.
Row: TypeAlias = "Register[Its, object]"

FRAME: Final = 0x1_0000
"""Bytes of each frame."""

CTLR: Final = 0x0000
TYPER: Final = 0x0008
CBASER: Final = 0x0080
CWRITER: Final = 0x0088
CREADR: Final = 0x0090
BASER: Final = 0x0100
TRANSLATER: Final = 0x0040
"""Offset in the translation frame."""

QUIESCENT: Final = 1 << 31
"""GITS_CTLR.Quiescent."""

_HALVES: Final = (WORD, DOUBLEWORD)
_BASERS: Final = 8
_CPU_DEVICE: Final = 0
"""DeviceID of a store that a CPU makes."""


def _read_ctlr(its: Its, n: int, cpu: object) -> int:
    return its.ctlr


def _write_ctlr(its: Its, n: int, cpu: object, value: int, lanes: int) -> None:
    its.write_ctlr(value)


def _read_iidr(its: Its, n: int, cpu: object) -> int:
    return its.parameters.iidr


def _read_typer(its: Its, n: int, cpu: object) -> int:
    return its.parameters.typer


def _read_cbaser(its: Its, n: int, cpu: object) -> int:
    return its.queue.cbaser


def _write_cbaser(its: Its, n: int, cpu: object, value: int, lanes: int) -> None:
    its.write_cbaser(value, lanes)


def _read_cwriter(its: Its, n: int, cpu: object) -> int:
    return its.queue.cwriter


def _write_cwriter(its: Its, n: int, cpu: object, value: int, lanes: int) -> None:
    its.write_cwriter(value, lanes)


def _read_creadr(its: Its, n: int, cpu: object) -> int:
    its.resume()
    return its.queue.creadr


def _read_baser(its: Its, n: int, cpu: object) -> int:
    basers = its.tables.basers
    return basers[n].register if n < len(basers) else 0


def _write_baser(its: Its, n: int, cpu: object, value: int, lanes: int) -> None:
    its.write_baser(n, value, lanes)


def _read_identification(its: Its, n: int, cpu: object) -> int:
    return its.parameters.identification[n]


def _write_translater(its: Its, n: int, cpu: object, value: int, lanes: int) -> None:
    its.store(_CPU_DEVICE, value)


REGISTERS: Final[tuple[Row, ...]] = (
    Register(
        "GITS_CTLR",
        CTLR,
        "bit 0 Enabled, bit 31 Quiescent, always 1",
        "ITS Control Register",
        _read_ctlr,
        _write_ctlr,
        reset=QUIESCENT,
    ),
    Register(
        "GITS_IIDR",
        0x0004,
        "product, revision and implementer",
        "ITS Identification Register",
        _read_iidr,
        reset="implementation",
    ),
    Register(
        "GITS_TYPER",
        TYPER,
        "bit 0 physical LPIs, [7:4] bytes of an event's entry - 1, [12:8] bits of an EventID - 1, [17:13] bits of a "
        "DeviceID - 1, [35:32] bits of a collection's number - 1 if bit 36 is set",
        "ITS Type Register",
        _read_typer,
        reset="implementation",
        size=DOUBLEWORD,
        widths=_HALVES,
    ),
    Register(
        "GITS_CBASER",
        CBASER,
        "bit 63 Valid, [51:12] address, [7:0] pages of 4 KiB - 1; a write begins the queue anew",
        "ITS Command Queue Descriptor",
        _read_cbaser,
        _write_cbaser,
        size=DOUBLEWORD,
        widths=_HALVES,
    ),
    Register(
        "GITS_CWRITER",
        CWRITER,
        "[19:5] offset of the first command that is not written yet",
        "ITS Write Register",
        _read_cwriter,
        _write_cwriter,
        size=DOUBLEWORD,
        widths=_HALVES,
    ),
    Register(
        "GITS_CREADR",
        CREADR,
        "[19:5] offset of the first command that is not done yet; bit 0 Stalled, never set",
        "ITS Read Register",
        _read_creadr,
        size=DOUBLEWORD,
        widths=_HALVES,
    ),
    Register(
        "GITS_BASER",
        BASER,
        "bit 63 Valid, bit 62 Indirect, [58:56] type, [52:48] bytes of an entry - 1, [47:12] address, [9:8] page size, "
        "[7:0] pages - 1; 0 devices, 1 collections, the others RAZ/WI",
        "ITS Table Descriptors",
        _read_baser,
        _write_baser,
        words=_BASERS,
        reset="implementation",
        size=DOUBLEWORD,
        widths=_HALVES,
    ),
    Register(
        "GITS_ID",
        0xFFD0,
        "identification: PIDR4 to 7, PIDR0 to 3, CIDR0 to 3; PIDR2 at 0xFFE8 has the architecture version in [7:4]",
        "ITS Peripheral ID2 Register, and the component's identification",
        _read_identification,
        words=12,
        reset="implementation",
    ),
)
"""Every register of the control frame; all other offsets are RAZ/WI."""

TRANSLATION_REGISTERS: Final[tuple[Row, ...]] = (
    Register(
        "GITS_TRANSLATER",
        TRANSLATER,
        "an EventID: a message of the device that writes; a CPU's has DeviceID 0",
        "ITS Translation Register",
        write=_write_translater,
        widths=(2, WORD),
    ),
)
"""Every register of the translation frame."""

CONTROL: Final = decode(REGISTERS)
TRANSLATION: Final = decode(TRANSLATION_REGISTERS)
