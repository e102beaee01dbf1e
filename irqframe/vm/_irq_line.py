"""The irq word of KVM_IRQ_LINE on Arm: vcpu2_index[31:28] type[27:24] vcpu_index[23:16] number[15:0].

Source: Linux, Documentation/virt/kvm/api.rst, KVM_IRQ_LINE.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import NamedTuple

from irqframe.errors import VmError


class IrqType(IntEnum):
    """The type field of an irq word."""

    CPU = 0
    SPI = 1
    PPI = 2


class IrqLine(NamedTuple):
    """An irq word taken apart.

    Attributes:
        irq_type: 0 CPU, 1 SPI, 2 PPI; the field has room for 16.
        cpu: index of the vCPU, vcpu2_index * 256 + vcpu_index, 0 to 4095.
        number: 0 to 65535.
    """

    irq_type: int
    cpu: int
    number: int

    @classmethod
    def decode(cls, word: int) -> IrqLine:
        """Take a 32-bit irq word apart.

        Raises:
            VmError: EINVAL if it has more than 32 bits.
        """
        if not 0 <= word < 1 << 32:
            raise VmError(errno.EINVAL, f"irq word {word:#x} has more than 32 bits")
        cpu = (word >> 28) * 256 + (word >> 16 & 0xFF)
        return cls(word >> 24 & 0xF, cpu, word & 0xFFFF)

    def encode(self) -> int:
        """Put the irq word together.

        Raises:
            VmError: EINVAL if a field does not fit.
        """
        if not (0 <= self.irq_type < 16 and 0 <= self.cpu < 4096 and 0 <= self.number < 65536):
            raise VmError(errno.EINVAL, f"{self} does not fit into an irq word")
        return self.cpu >> 8 << 28 | self.irq_type << 24 | (self.cpu & 0xFF) << 16 | self.number
