"""A CPU interface: which interrupt it signals, acknowledge, priority drop and deactivation.

This is what both versions of the architecture have in common.

1. Everything here is touched by the thread that owns the vCPU, and by no other.
2. `target` (irqframe.bits) has a byte per INTID, SPIs included: `show` derives it from the interrupt's block, so
   selection is a look at the most urgent deliverable interrupt and never a search.
3. `update` follows every change: it says what is signalled, and drives the IRQ and FIQ lines.
4. Priorities compare strictly: a value must be lower than the mask and, in the bits that count for preemption now,
   lower than the running priority (GICC_PMR, ICC_PMR_EL1, GICC_RPR and ICC_RPR_EL1 pages). The running priority is that
   of the lowest bit in the active-priority registers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from irqframe.bits import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED, Priority
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic import _lifecycle as lifecycle
from irqframe_vgic._block import Block, bits
from irqframe_vgic._own import OwnInterrupts

if TYPE_CHECKING:
    from irqframe_vgic._shared import Shared

IDLE: Final = 256
"""Running priority when nothing runs: lower in urgency than any priority."""


class Interface(OwnInterrupts):
    """The GIC's state of one vCPU.

    Args:
        vcpu: the vCPU; its index is the number of the interface.
        gic: the distributor.
        own: the banked SGIs and PPIs, by INTID / 32.
        intids: size of the number space that `target` covers.

    Attributes:
        blocks: `own` and the distributor's.
        target: a state byte per INTID.
        ctlr: GICC_CTLR or ICC_CTLR_EL1, the bits that can be written.
        groups: bitmap of the groups that the interface signals.
        pmr: priority mask.
        bpr: binary point of Group 0 (GICC_BPR, ICC_BPR0_EL1).
        abpr: binary point of Group 1 (GICC_ABPR, ICC_BPR1_EL1).
        active: per group, the bits of the active-priority registers, word 0 lowest.
        running: running priority, 256 if idle.
        best: INTID that is signalled, -1 if none.
        irq: whether the IRQ line is driven; `fiq` likewise.
        fiq_group0: whether Group 0 goes to FIQ.
        told: INTIDs of SPIs that it was told to look at, and has not yet.
        first_priority: () -> priority of the most urgent deliverable interrupt, 256 if there is none.
        first: () -> its INTID, -1 if there is none.
        acknowledged: how often the guest has acknowledged each INTID, whatever was reset since.
    """

    __slots__ = (
        "_group_masks",
        "_shift",
        "abpr",
        "acknowledged",
        "active",
        "best",
        "blocks",
        "bpr",
        "ctlr",
        "fiq",
        "fiq_group0",
        "first",
        "first_priority",
        "groups",
        "irq",
        "pmr",
        "running",
        "target",
        "told",
    )

    CBPR: ClassVar[int]
    """Bit of `ctlr`: one binary point for both groups."""
    EOI_MODE: ClassVar[int]
    """Bit of `ctlr`: an end of interrupt drops the priority, and does not deactivate."""

    def __init__(self, vcpu: VCpu, gic: Shared[Any], own: Mapping[int, Block], intids: int) -> None:
        super().__init__(vcpu, gic, own)
        self.blocks: Mapping[int, Block] = {**own, **gic.blocks}
        self.target = Priority(intids, MASKED | UNTARGETED)
        self.first_priority: Callable[[], int] = self.target.first_priority
        self.first: Callable[[], int] = self.target.first
        self.told: set[int] = set()
        self.acknowledged: defaultdict[int, int] = defaultdict(int)
        self._shift = 8 - gic.parameters.group_bits
        self.irq = self.fiq = self.fiq_group0 = False

    def reset_interface(self) -> None:
        """The interface's own registers as after power-on."""
        parameters = self.gic.parameters
        self.ctlr = self.groups = self.pmr = 0
        self.bpr = parameters.min_bpr
        self.abpr = parameters.min_bpr + 1
        self.active = [0, 0]
        self.recompute()

    @abstractmethod
    def reset(self) -> None:
        """Everything as after power-on, but the lines, which are the devices', and the reserved and linked PPIs."""

    @abstractmethod
    def sees(self, block: Block, n: int) -> bool:
        """Whether the n-th interrupt of a block can be delivered here, as it is routed now."""

    # Selection

    def recompute(self) -> None:
        """Derive the group masks and the running priority, after a change of what they come from.

        Binary point n of Group 0 leaves bits 7..n+1 for preemption, that of Group 1 bits 7..n (GICC_BPR, GICC_ABPR,
        ICC_BPR0_EL1 and ICC_BPR1_EL1 pages).
        """
        group0 = 0xFF << self.bpr + 1 & 0xFF
        self._group_masks = (group0, group0 if self.ctlr & self.CBPR else 0xFF << self.abpr & 0xFF)
        running = self.active[0] | self.active[1]
        self.running = (running & -running).bit_length() - 1 << self._shift if running else IDLE

    def level(self, priority: int, group: int) -> int:
        """The group priority level of a priority: its bit in the active-priority registers."""
        return (priority & self._group_masks[group]) >> self._shift

    def show(self, block: Block, n: int) -> None:
        """Bring the state byte of the block's n-th interrupt up to date; `update` must follow."""
        bit = 1 << n
        intid = block.first + n
        byte = 0 if block.enabled & bit else MASKED
        if (block.latch | block.line & ~block.edge) & bit:
            byte |= PENDING
        if block.active & bit:
            byte |= ACTIVE
        if not self.gic.ctlr >> (block.group >> n & 1) & 1:
            byte |= GROUP_OFF
        if not self.sees(block, n):
            byte |= UNTARGETED
        target = self.target
        if target.priority[intid] != block.priority[n]:
            target.set_priority(intid, block.priority[n])
        now = target.state[intid]
        if now != byte:
            # Bits that keep an interrupt back come before those that let it go: no state in between is deliverable.
            target.set(intid, byte & ~now)
            target.clear(intid, now & ~byte)

    def look(self, block: Block, n: int) -> Injected:
        """`refresh`, after others said that a shared interrupt changed."""
        self.told.discard(block.first + n)
        return self.refresh(block, n)

    def refresh_all(self) -> None:
        """`show` every interrupt that may be shown here, then `update`."""
        for block in (*self.own.values(), *self.gic.blocks.values()):
            for n in bits(block.valid):
                self.show(block, n)
        self.update()

    def update(self) -> None:
        """Decide what is signalled, and drive the lines.

        An interrupt whose group this interface has disabled is not signalled, nor is one that it hides.
        """
        priority = self.first_priority()
        self.best = -1
        irq = fiq = False
        if priority < self.pmr:
            intid = self.first()
            group = self.group_of(intid)
            mask = self._group_masks[group] | IDLE
            if self.groups >> group & 1 and priority & mask < self.running & mask:
                self.best = intid
                fiq = not group and self.fiq_group0
                irq = not fiq
        if irq != self.irq or fiq != self.fiq:
            self._drive(irq, fiq)

    def _drive(self, irq: bool, fiq: bool) -> None:
        rises = (irq and not self.irq) or (fiq and not self.fiq)
        self.irq = irq
        self.fiq = fiq
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

    def group_of(self, intid: int) -> int:
        """0 or 1."""
        return self.blocks[intid >> 5].group >> (intid & 31) & 1

    def deliver(self, intid: int, group: int) -> bool:
        """Acknowledge a PPI, an SPI, or an SGI without sources, that is signalled.

        Returns:
            False if it is gone: another target was faster, or it was taken back.
        """
        block = self.blocks[intid >> 5]
        n = intid & 31
        priority = self.target.priority[intid]
        if intid >> 5 in self.own:
            lifecycle.deliver(block, 1 << n)
        else:
            moved = self.gic.claim(intid, self)
            if moved is None:
                self.refresh(block, n)
                return False
            if moved:
                self.counts.take(moved)
        self.run(intid, priority, group)
        self.refresh(block, n)
        return True

    def run(self, intid: int, priority: int, group: int) -> None:
        """An interrupt of this priority and group was acknowledged; `update` must follow."""
        self.counts.delivered += 1
        self.acknowledged[intid] += 1
        self.active[group] |= 1 << self.level(priority, group)
        self.recompute()

    def drop_priority(self, group: int) -> None:
        """The most urgent running priority of a group ends; `update` must follow."""
        running = self.active[group]
        self.active[group] = running & running - 1 if running else 0
        self.recompute()

    def write_active(self, group: int, word: int, value: int) -> None:
        """Software writes 32 bits of the active-priority registers; levels that there are not stay 0."""
        levels = (1 << (1 << self.gic.parameters.group_bits)) - 1
        kept = self.active[group] & ~(0xFFFF_FFFF << 32 * word)
        self.active[group] = kept | value << 32 * word & levels
        self.recompute()
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
