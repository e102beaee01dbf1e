"""The CPU interface of a GICv2: SGIs by source, acknowledge with AckCtl, and the end of an interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic._block import Block, bits
from irqframe_vgic._interface import IDLE, Interface
from irqframe_vgic._intids import PRIVATE, SGIS, SPURIOUS
from irqframe_vgic._lifecycle import Counts

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


class CpuInterface(Interface):
    """The GIC's state of one vCPU; `Interface` has what is not a GICv2's alone.

    Attributes:
        bit: its bit in GICD_ITARGETSR.
        sources: per SGI, which CPU interfaces have sent it and wait for delivery.
    """

    __slots__ = ("bit", "sources")

    CBPR: ClassVar[int] = CBPR
    EOI_MODE: ClassVar[int] = EOI_MODE

    gic: Distributor

    def __init__(self, vcpu: VCpu, gic: Distributor) -> None:
        private = Block(0)
        self.bit = 1 << vcpu.index
        private.targets[:] = bytes([self.bit]) * PRIVATE
        self.sources = bytearray(SGIS)
        super().__init__(vcpu, gic, {0: private}, gic.parameters.intids)
        self.reset()

    def reset(self) -> None:
        """Everything as after power-on, but the lines, which are the devices', and the reserved and linked PPIs."""
        self.private.reset()
        self.private.enabled = self.gic.parameters.sgi_enables_reset
        self.private.edge = _SGI_BITS
        self.sources[:] = bytes(SGIS)
        self.reset_interface()
        self.counts = Counts()
        self.fiq_group0 = False
        for n in range(SGIS, PRIVATE):
            self.settle(self.private, n)
        self.refresh_all()

    def sees(self, block: Block, n: int) -> bool:
        """Whether it is among the targets."""
        return bool(block.targets[n] & self.bit)

    def owed(self) -> int:
        """How many of the CPU's own interrupts wait; an SGI once per source."""
        return self.private.owed.bit_count() + sum(waiting.bit_count() for waiting in self.sources)

    def settle(self, block: Block, n: int) -> None:
        """As for all, but for SGIs, whose sources are the account."""
        if n >= SGIS:
            super().settle(block, n)

    def write_ctlr(self, value: int) -> None:
        """GICC_CTLR: Group 0 goes to FIQ if FIQEn is set, everything else to IRQ."""
        self.ctlr = value & CTLR_MASK
        self.groups = value & ENABLE_GROUPS
        self.fiq_group0 = bool(value & FIQ_EN)
        self.recompute()
        self.update()

    # Acknowledge and end

    def acknowledge(self, group1_only: bool) -> int:
        """GICC_IAR, or GICC_AIAR if `group1_only`: INTID, and for an SGI its source CPU from bit 10 on."""
        while True:
            intid = self.best
            if intid < 0:
                return SPURIOUS
            group = self.group_of(intid)
            refused = self._refused(group, group1_only)
            if refused:
                return refused
            if intid < SGIS:
                return intid | self._take_sgi(intid, group) << 10
            if self.deliver(intid, group):
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

    def _take_sgi(self, sgi: int, group: int) -> int:
        """Deliver an SGI of its lowest source; the others stay pending (S21 in the tests)."""
        waiting = self.sources[sgi]
        source = next(bits(waiting))
        self.sources[sgi] = waiting & waiting - 1
        if not self.sources[sgi]:
            self.private.latch &= ~(1 << sgi)
        self.private.active |= 1 << sgi
        self.run(sgi, self.target.priority[sgi], group)
        self.refresh(self.private, sgi)
        return source

    def end(self, value: int, group1_only: bool) -> None:
        """GICC_EOIR, or GICC_AEOIR: drop the priority; unless EOImode is set, deactivate too.

        The lowest active priority of the interrupt's group ends, whichever INTID is written: another than the last one
        acknowledged is UNPREDICTABLE, and this is what the oracle does.
        """
        intid = value & 0x3FF
        if intid >= self.gic.parameters.intids or self.running == IDLE:
            return
        group = self.group_of(intid)
        if group1_only and not group:
            return
        self.drop_priority(group)
        if not self.ctlr & EOI_MODE:
            self.deactivate(intid)
        self.update()

    def deactivate_directly(self, value: int) -> None:
        """GICC_DIR: deactivate only; ignored unless EOImode is set."""
        intid = value & 0x3FF
        if self.ctlr & EOI_MODE and intid < self.gic.parameters.intids:
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
