"""The GICv2m frame: a store of an SPI's INTID becomes an edge of that SPI (Server Base System Architecture, GICv2m)."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final

from irqframe.errors import VmError
from irqframe.flow import MmioClaim, VCpuRef
from irqframe_vgic._intids import PRIVATE
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._parameters import Parameters

DEFAULT_BASE: Final = 80
"""First INTID of a frame whose node does not say: where QEMU's virt board has it."""
DEFAULT_SPIS: Final = 64
"""How many SPIs such a frame has, likewise."""

MSI_TYPER: Final = 0x008
MSI_SETSPI_NS: Final = 0x040
MSI_IIDR: Final = 0xFCC

_IIDR: Final = 0x51 << 20
"""MSI_IIDR: the product number of QEMU's frame, no implementer."""

V2M_REGISTERS: Final = (
    ("MSI_TYPER", MSI_TYPER, "RO", "[25:16] first INTID, [9:0] number of SPIs"),
    ("MSI_SETSPI_NS", MSI_SETSPI_NS, "WO", "an INTID of the frame: an edge of that SPI; others are ignored"),
    ("MSI_IIDR", MSI_IIDR, "RO", "product, revision and implementer"),
)
"""(name, offset, access, what) of every register; all other offsets are RAZ/WI."""


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

    def serves(self, intid: int) -> bool:
        """Whether the frame can raise this INTID."""
        return 0 <= intid - self.first < self.count

    def claim(self, gic: Distributor) -> MmioClaim:
        """The frame, served for one distributor."""
        typer = self.first << 16 | self.count

        def read(vcpu: VCpuRef, offset: int, size: int) -> int:
            if size != 4:
                return 0
            return {MSI_TYPER: typer, MSI_IIDR: _IIDR}.get(offset, 0)

        def write(vcpu: VCpuRef, offset: int, size: int, value: int) -> None:
            if offset == MSI_SETSPI_NS and size == 4 and self.serves(value):
                gic.pulse(value)

        names = {offset: name for name, offset, _, _ in V2M_REGISTERS}
        return MmioClaim("V2M", self.base, self.size, read, write, names)
