"""The CPU interface of a GICv2: SGIs by source, acknowledge with AckCtl, and the end of an interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from irqframe.bits import ALONE, AMONG_OTHERS, LEFT, NOWHERE, REFUSED
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic._block import Block, bits
from irqframe_vgic._interface import Interface
from irqframe_vgic._intids import PRIVATE, SGIS, SPURIOUS

if TYPE_CHECKING:
    from irqframe_vgic._v2._distributor import Distributor

OTHER_GROUP: Final = 1022
"""What would be acknowledged is in Group 1, and AckCtl is 0 (GICC_IAR page)."""

# GICC_CTLR, without security extension (GICC_CTLR page).
ENABLE_GROUPS: Final = 0b11
ACK_CTL: Final = 1 << 2
FIQ_EN: Final = 1 << 3
CBPR: Final = 1 << 4
EOI_MODE: Final = 1 << 9
CTLR_MASK: Final = ENABLE_GROUPS | ACK_CTL | FIQ_EN | CBPR | EOI_MODE

_SGI_BITS: Final = (1 << SGIS) - 1

# Bitmaps of groups.
_GROUP_0: Final = 0b01
_GROUP_1: Final = 0b10
_BOTH: Final = 0b11


class CpuInterface(Interface):
    """The GIC's state of one vCPU; `Interface` has what is not a GICv2's alone.

    Attributes:
        bit: its bit in GICD_ITARGETSR.
    """

    __slots__ = ("bit",)

    CBPR: ClassVar[int] = CBPR
    EOI_MODE: ClassVar[int] = EOI_MODE

    gic: Distributor
    sources: bytearray
    """Per SGI, which CPU interfaces have sent it and wait for delivery."""

    def __init__(self, vcpu: VCpu, gic: Distributor) -> None:
        private = Block(0)
        self.bit = 1 << vcpu.index
        private.targets[:] = bytes([self.bit]) * PRIVATE
        private.apart = _SGI_BITS
        super().__init__(vcpu, gic, {0: private}, gic.parameters.intids)
        self.sources = bytearray(SGIS)
        self.reset()

    def reset(self) -> None:
        """Everything as after power-on, but the lines, which are the devices', and the reserved and linked PPIs."""
        self.private.reset()
        self.private.enabled = self.gic.parameters.sgi_enables_reset
        self.private.edge = _SGI_BITS
        self.sources[:] = bytes(SGIS)
        self.reset_interface()
        self.start_counts()
        for n in range(SGIS, PRIVATE):
            self.settle(self.private, n)
        self.refresh_all()

    def reach(self, block: Block, n: int) -> int:
        """Whether it is the target, or among the targets."""
        targets = block.targets[n]
        if targets == self.bit:
            return ALONE
        return AMONG_OTHERS if targets & self.bit else NOWHERE

    def owed(self) -> int:
        """How many of the CPU's own interrupts wait; an SGI once per source."""
        return self.private.owed.bit_count() + sum(waiting.bit_count() for waiting in self.sources)

    def take_ctlr(self, value: int) -> None:
        """GICC_CTLR: Group 0 goes to FIQ if FIQEn is set, everything else to IRQ; IAR takes Group 1 if AckCtl is."""
        super().take_ctlr(value)
        self.groups = value & ENABLE_GROUPS
        self.fiq_group0 = bool(value & FIQ_EN)
        self.takes = _BOTH if value & ACK_CTL else _GROUP_0

    def write_ctlr(self, value: int) -> None:
        """GICC_CTLR."""
        self.take_ctlr(value & CTLR_MASK)
        self.update()

    # Acknowledge and end

    def acknowledge(self, group1_only: bool) -> int:
        """GICC_IAR, or GICC_AIAR if `group1_only`: INTID, and for an SGI its source CPU from bit 10 on."""
        while True:
            taken = self.take(_GROUP_1 if group1_only else self.takes)
            if taken >= 0:
                return taken
            if taken == REFUSED and not group1_only:
                return OTHER_GROUP
            if taken != LEFT:
                return SPURIOUS
            intid = self.best
            if self.claim(intid, self.group_of(intid)):
                return intid

    def highest(self, group1_only: bool) -> int:
        """GICC_HPPIR, or GICC_AHPPIR: as `acknowledge`, whatever mask and running priority are, and without effect."""
        intid = self.first()
        if intid < 0:
            return SPURIOUS
        group = self.group_of(intid)
        if not self.groups >> group & 1:
            return SPURIOUS
        refused = self._refused(group, group1_only)
        if refused:
            return refused
        source = next(bits(self.sources[intid])) if intid < SGIS else 0
        return intid | source << 10

    def _refused(self, group: int, group1_only: bool) -> int:
        if group1_only:
            return 0 if group else SPURIOUS
        return OTHER_GROUP if group and not self.ctlr & ACK_CTL else 0

    def write_eoir(self, value: int, group1_only: bool) -> None:
        """GICC_EOIR, or GICC_AEOIR: drop the priority; unless EOImode is set, deactivate too.

        The lowest active priority of the interrupt's group ends, whichever INTID is written: another than the last one
        acknowledged is UNPREDICTABLE, and this is what the oracle does.
        """
        intid = value & 0x3FF
        if not self.end(intid, _GROUP_1 if group1_only else _BOTH):
            self.end_slowly(intid, self.group_of(intid))

    def deactivate_directly(self, value: int) -> None:
        """GICC_DIR: deactivate only; ignored unless EOImode is set."""
        intid = value & 0x3FF
        if not self.release(intid):
            self.deactivate(intid)
            self.update()

    # SGIs

    def send_sgi(self, sgi: int, source: int) -> Injected:
        """SGI number `sgi` arrives from the CPU interface of number `source`."""
        counts = self.counts
        counts.raised += 1
        if self.sources[sgi] & 1 << source:
            counts.coalesced += 1
            return Injected.COALESCED
        self.sources[sgi] |= 1 << source
        self.private.latch |= 1 << sgi
        self.refresh(self.private, sgi)
        return Injected.LATCHED

    def clear_sgi(self, sgi: int, sources: int) -> None:
        """GICD_CPENDSGIR: SGI number `sgi` of the CPU interfaces in the bitmap `sources` is no longer pending."""
        gone = self.sources[sgi] & sources
        self.sources[sgi] &= ~gone
        self.counts.withdrawn += gone.bit_count()
        if not self.sources[sgi]:
            self.private.latch &= ~(1 << sgi)
        self.refresh(self.private, sgi)
