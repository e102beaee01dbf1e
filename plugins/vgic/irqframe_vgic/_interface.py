"""A CPU interface: which interrupt it signals, acknowledge, priority drop and deactivation.

This is what both versions of the architecture have in common.

1. Everything here is touched by the thread that owns the vCPU, and by no other.
2. `irqframe.bits.Preemption` selects, acknowledges and ends. It is told of a change by `show`, which derives from the
   routing whether the interrupt can be delivered here, and then decides at once: `update` (GICC_PMR, ICC_PMR_EL1,
   GICC_RPR and ICC_RPR_EL1 pages).
3. What concerns other CPUs, or the host, it leaves to what is here: an SPI that several can take is claimed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from irqframe.bits import IDLE
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic._block import Block, bits
from irqframe_vgic._own import OwnInterrupts

if TYPE_CHECKING:
    from irqframe_vgic._shared import Shared

__all__ = ["IDLE", "Interface"]


class Interface(OwnInterrupts):
    """The GIC's state of one vCPU.

    Args:
        vcpu: the vCPU; its index is the number of the interface.
        gic: the distributor.
        own: the banked SGIs and PPIs, by INTID / 32.
        intids: size of the number space.

    Attributes:
        ctlr: GICC_CTLR or ICC_CTLR_EL1, the bits that can be written.
        bpr: binary point of Group 0 (GICC_BPR, ICC_BPR0_EL1).
        abpr: binary point of Group 1 (GICC_ABPR, ICC_BPR1_EL1).
        told: INTIDs of SPIs that it was told to look at, and has not yet.
    """

    __slots__ = ("abpr", "bpr", "ctlr", "told")

    CBPR: ClassVar[int]
    """Bit of `ctlr`: one binary point for both groups."""
    EOI_MODE: ClassVar[int]
    """Bit of `ctlr`: an end of interrupt drops the priority, and does not deactivate."""

    def __init__(self, vcpu: VCpu, gic: Shared[Any], own: Mapping[int, Block], intids: int) -> None:
        super().__init__(vcpu, gic, own, intids)
        self.told: set[int] = set()

    def reset_interface(self) -> None:
        """The interface's own registers as after power-on."""
        parameters = self.gic.parameters
        self.pmr = self.groups = 0
        self.bpr = parameters.min_bpr
        self.abpr = parameters.min_bpr + 1
        self.active = [0, 0]
        self.take_ctlr(0)

    def take_ctlr(self, value: int) -> None:
        """GICC_CTLR or ICC_CTLR_EL1 has another value; `update` must follow."""
        self.ctlr = value
        self.split = bool(value & self.EOI_MODE)
        self.recompute()

    @abstractmethod
    def reset(self) -> None:
        """Everything as after power-on, but the lines, which are the devices', and the reserved and linked PPIs."""

    @abstractmethod
    def reach(self, block: Block, n: int) -> int:
        """Whether the n-th interrupt of a block can be delivered here, as it is routed now: of `Preemption.place`."""

    # Selection

    def recompute(self) -> None:
        """Derive the group masks, after a change of what they come from.

        Binary point n of Group 0 leaves bits 7..n+1 for preemption, that of Group 1 bits 7..n (GICC_BPR, GICC_ABPR,
        ICC_BPR0_EL1 and ICC_BPR1_EL1 pages).
        """
        group0 = 0xFF << self.bpr + 1 & 0xFF
        self.masks = (group0, group0 if self.ctlr & self.CBPR else 0xFF << self.abpr & 0xFF)

    def show(self, block: Block, n: int) -> None:
        """Bring up to date where the block's n-th interrupt stands; `update` must follow."""
        self.place(block, n, self.reach(block, n))

    def look(self, block: Block, n: int) -> Injected:
        """`refresh`, after others said that a shared interrupt changed."""
        self.told.discard(block.first + n)
        return self.refresh(block, n)

    def refresh_all(self) -> None:
        """`show` every interrupt that may be shown here, then `update`."""
        self.passed = self.gic.ctlr
        for block in (*self.own.values(), *self.gic.blocks.values()):
            for n in bits(block.valid):
                self.show(block, n)
        self.update()

    def drive(self, irq: bool, fiq: bool, rises: bool) -> None:
        """The lines have changed: the vCPU's are these."""
        vcpu = self.vcpu
        vcpu.irq_line = irq
        vcpu.fiq_line = fiq
        if rises and (vcpu.in_guest or vcpu.blocked):
            vcpu.kick()

    def waiting(self) -> dict[int, str]:
        """State of each interrupt that is pending or active here, an SPI where it is at home; by INTID."""
        found = {}
        homes = self.gic.homes
        for block in self.blocks.values():
            pending = block.latch | block.line & ~block.edge
            for n in bits((pending | block.active) & block.valid):
                intid = block.first + n
                if homes.get(intid, self) is self:
                    bit = 1 << n
                    words = ("pending", pending & bit), ("active", block.active & bit), ("masked", ~block.enabled & bit)
                    found[intid] = ", ".join(word for word, holds in words if holds)
        return found

    # Acknowledge and end

    def claim(self, intid: int, group: int) -> bool:
        """Acknowledge an SPI that is signalled here, and that others can take or change.

        Returns:
            False if it is gone: another target was faster, or it was taken back.
        """
        block = self.blocks[intid >> 5]
        n = intid & 31
        priority = self.first_priority()
        moved = self.gic.claim(intid, self)
        if moved is not None:
            if moved:
                self.counts.take(moved)
            self.run(intid, priority, group)
        self.refresh(block, n)
        return moved is not None

    def end_slowly(self, intid: int, group: int) -> None:
        """Drop the priority of a group and deactivate, if that concerns others."""
        self.drop(group)
        self.deactivate(intid)
        self.update()

    def write_active(self, group: int, word: int, value: int) -> None:
        """Software writes 32 bits of the active-priority registers; levels that there are not stay 0."""
        levels = (1 << (1 << self.gic.parameters.group_bits)) - 1
        active = list(self.active)
        kept = active[group] & ~(0xFFFF_FFFF << 32 * word)
        active[group] = kept | value << 32 * word & levels
        self.active = active
        self.update()

    def deactivate(self, intid: int) -> None:
        """Make an interrupt inactive; `update` must follow."""
        block = self.blocks[intid >> 5]
        n = intid & 31
        if intid >> 5 in self.own:
            self.deactivate_own(block, n)
        else:
            self.gic.deactivate(intid, self)
            self.show(block, n)
