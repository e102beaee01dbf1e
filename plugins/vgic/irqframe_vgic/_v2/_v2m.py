"""The GICv2m frame: a store of an SPI's INTID becomes an edge of that SPI (Server Base System Architecture, GICv2m)."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final, NamedTuple

from irqframe.errors import VmError
from irqframe.flow import MmioClaim
from irqframe_vgic._intids import PRIVATE
from irqframe_vgic._registers import Frame, Register, decode
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import Parameters

DEFAULT_BASE: Final = 80
"""First INTID of a frame whose node does not say: where QEMU's virt board has it."""
DEFAULT_SPIS: Final = 64
"""How many SPIs such a frame has, likewise."""

MSI_TYPER: Final = 0x008
MSI_SETSPI_NS: Final = 0x040

_IIDR: Final = 0x51 << 20
"""MSI_IIDR: the product number of QEMU's frame, no implementer."""

_INTID: Final = 0x3FF
"""The bits of a message that count; the others are reserved (MSI_SETSPI_NS register)."""


@dataclass(frozen=True, slots=True)
class V2mFrame:
    """A frame.

    Attributes:
        base: guest physical address.
        size: bytes.
        first: INTID of its first SPI.
        count: how many SPIs it has.
    """

    base: int
    size: int
    first: int
    count: int

    @property
    def doorbell(self) -> int:
        """Guest physical address that messages are written to."""
        return self.base + MSI_SETSPI_NS

    def check(self, parameters: Parameters) -> None:
        """Whether the GIC has these SPIs.

        Raises:
            VmError: EINVAL if it has not.
        """
        if self.first < PRIVATE or not self.count or self.first + self.count > parameters.intids:
            raise VmError(
                errno.EINVAL,
                f"v2m frame at {self.base:#x}: INTIDs {self.first}..{self.first + self.count - 1} are not among the "
                f"GIC's SPIs {PRIVATE}..{parameters.intids - 1}",
            )

    def intid(self, message: int) -> int | None:
        """Which of the frame's INTIDs a message names, None if it is another's."""
        intid = message & _INTID
        return intid if 0 <= intid - self.first < self.count else None

    def claim(self, gic: Distributor) -> MmioClaim:
        """The frame, served for one distributor."""
        registers = Frame(Served(self, gic), DECODED)
        return MmioClaim("V2M", self.base, self.size, registers.read, registers.write, DECODED.names)


class Served(NamedTuple):
    """What the registers belong to.

    Attributes:
        frame: the frame.
        gic: whose SPIs it raises.
    """

    frame: V2mFrame
    gic: Distributor


def _read_typer(served: Served, n: int, cpu: CpuInterface) -> int:
    return served.frame.first << 16 | served.frame.count


def _write_setspi(served: Served, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    intid = served.frame.intid(value)
    if intid is not None:
        served.gic.pulse(intid)


def _read_iidr(served: Served, n: int, cpu: CpuInterface) -> int:
    return _IIDR


_PAGE: Final = "SBSA, GICv2m"

REGISTERS: Final[tuple[Register[Served, CpuInterface], ...]] = (
    Register(
        "MSI_TYPER",
        MSI_TYPER,
        "[25:16] first INTID, [9:0] number of SPIs",
        _PAGE,
        _read_typer,
        reset="from the machine",
    ),
    Register(
        "MSI_SETSPI_NS",
        MSI_SETSPI_NS,
        "[9:0] an INTID of the frame: an edge of that SPI; others are ignored",
        _PAGE,
        write=_write_setspi,
        widths=(2, 4),
    ),
    Register(
        "MSI_IIDR",
        0xFCC,
        "[31:20] product, [19:16] architecture version, [15:12] revision, [11:0] implementer",
        _PAGE,
        _read_iidr,
        reset=_IIDR,
    ),
)
"""Every register of the frame; all other offsets are RAZ/WI, the identification registers at its end too."""

DECODED: Final = decode(REGISTERS)
