"""A CPU interface: which interrupt it signals, acknowledge, priority drop, and the CPU's own SGIs and PPIs.

1. Everything here is touched by the thread that owns the vCPU, and by no other.
2. `target` (irqframe.bits) has a byte per INTID, SPIs included: `show` derives it from the interrupt's block, so
   selection is a look at the most urgent deliverable interrupt and never a search.
3. `update` follows every change: it says what is signalled, and drives the IRQ and FIQ lines.
4. Priorities compare strictly: a value must be lower than the mask (GICC_PMR) and, in its group bits, lower than the
   running priority (GICC_RPR). The running priority is that of the lowest bit in the active-priority registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from irqframe.bits import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED, Priority
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic import _lifecycle as lifecycle
from irqframe_vgic._block import Block, bits
from irqframe_vgic._lifecycle import Counts
from irqframe_vgic._v2._parameters import PRIVATE, SGIS

if TYPE_CHECKING:
    from irqframe_vgic._v2._distributor import Distributor

SPURIOUS: Final = 1023
"""Nothing to acknowledge (GICC_IAR page)."""
OTHER_GROUP: Final = 1022
"""What would be acknowledged is in Group 1, and AckCtl is 0 (GICC_IAR page)."""
IDLE: Final = 256
"""Running priority when nothing runs: lower in urgency than any priority."""

# GICC_CTLR, without security extension (GICC_CTLR page).
ACK_CTL: Final = 1 << 2
FIQ_EN: Final = 1 << 3
CBPR: Final = 1 << 4
EOI_MODE: Final = 1 << 9
CTLR_MASK: Final = 0b11 | ACK_CTL | FIQ_EN | CBPR | EOI_MODE

_SGI_BITS: Final = (1 << SGIS) - 1


class HostLink(NamedTuple):
    """The host interrupt behind a PPI.

    Attributes:
        host_irq: its number.
        get_level: (intid) -> the line's level now.
    """

    host_irq: int
    get_level: Callable[[int], bool]


class CpuInterface:
    """The GIC's state of one vCPU.

    Args:
        vcpu: the vCPU; its index is the number of the interface.
        gic: the distributor.

    Attributes:
        vcpu: as given.
        gic: as given.
        bit: its bit in GICD_ITARGETSR.
        private: the banked SGIs and PPIs.
        blocks: `private`, then the distributor's blocks of SPIs.
        sources: per SGI, which CPU interfaces have sent it and wait for delivery.
        target: a state byte per INTID.
        ctlr: GICC_CTLR; `pmr`, `bpr` and `abpr` likewise.
        active: per group, the bits of GICC_APR and GICC_NSAPR, word 0 lowest.
        running: running priority, 256 if idle.
        best: INTID that is signalled, -1 if none.
        irq: whether the IRQ line is driven; `fiq` likewise.
        links: host interrupts behind PPIs, by INTID.
        linked: bitmap of these.
        owners: devices that reserved a PPI, by INTID.
        counts: what was counted.
    """

    __slots__ = (
        "_group_masks",
        "_shift",
        "abpr",
        "active",
        "best",
        "bit",
        "blocks",
        "bpr",
        "counts",
        "ctlr",
        "fiq",
        "gic",
        "irq",
        "linked",
        "links",
        "owners",
        "pmr",
        "private",
        "running",
        "sources",
        "target",
        "vcpu",
    )

    def __init__(self, vcpu: VCpu, gic: Distributor) -> None:
        self.vcpu = vcpu
        self.gic = gic
        self.bit = 1 << vcpu.index
        self.private = Block(0)
        self.private.targets[:] = bytes([self.bit]) * PRIVATE
        self.blocks = [self.private, *gic.spis]
        self.sources = bytearray(SGIS)
        self.target = Priority(gic.parameters.intids, MASKED | UNTARGETED)
        self.links: dict[int, HostLink] = {}
        self.linked = 0
        self.owners: dict[int, object] = {}
        self._shift = 8 - gic.parameters.group_bits
        self.irq = self.fiq = False
        self.reset()

    def reset(self) -> None:
        """Everything as after power-on, but the lines, which are the devices', and the reserved and linked PPIs."""
        parameters = self.gic.parameters
        self.private.reset()
        self.private.enabled = parameters.sgi_enables_reset
        self.private.edge = _SGI_BITS
        self.sources[:] = bytes(SGIS)
        self.counts = Counts()
        self.ctlr = self.pmr = 0
        self.bpr = parameters.min_bpr
        self.abpr = parameters.min_bpr + 1
        self.active = [0, 0]
        self.recompute()
        for n in range(SGIS, PRIVATE):
            lifecycle.settle(self.private, 1 << n, self.counts)
        self.refresh_all()

    # Selection

    def recompute(self) -> None:
        """Derive the group masks and the running priority, after a change of what they come from.

        Binary point n of Group 0 leaves bits 7..n+1 for preemption, that of Group 1 bits 7..n (GICC_BPR and GICC_ABPR
        pages).
        """
        group0 = 0xFF << self.bpr + 1 & 0xFF
        self._group_masks = (group0, group0 if self.ctlr & CBPR else 0xFF << self.abpr & 0xFF)
        running = self.active[0] | self.active[1]
        self.running = (running & -running).bit_length() - 1 << self._shift if running else IDLE

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
        if not block.targets[n] & self.bit:
            byte |= UNTARGETED
        target = self.target
        if target.priority[intid] != block.priority[n]:
            target.set_priority(intid, block.priority[n])
        now = target.state[intid]
        if now != byte:
            # Bits that keep an interrupt back come before those that let it go: no state in between is deliverable.
            target.set(intid, byte & ~now)
            target.clear(intid, now & ~byte)

    def refresh(self, block: Block, n: int) -> Injected:
        """`show`, then `update`; what others post when a shared interrupt changed."""
        self.show(block, n)
        self.update()
        return Injected.NOTHING

    def refresh_all(self) -> None:
        """`show` every interrupt, then `update`."""
        for block in self.blocks:
            for n in bits(block.valid):
                self.show(block, n)
        self.update()

    def update(self) -> None:
        """Decide what is signalled, and drive the lines.

        Group 0 goes to FIQ if FIQEn is set, everything else to IRQ. An interrupt whose group this interface has
        disabled is not signalled, nor is one that it hides.
        """
        target = self.target
        priority = target.first_priority()
        self.best = -1
        irq = fiq = False
        if priority < self.pmr:
            intid = target.first()
            group = self.blocks[intid >> 5].group >> (intid & 31) & 1
            if self.ctlr >> group & 1 and priority & self._group_masks[group] < self.running:
                self.best = intid
                fiq = not group and bool(self.ctlr & FIQ_EN)
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

    # Acknowledge and end

    def group_of(self, intid: int) -> int:
        """0 or 1."""
        return self.blocks[intid >> 5].group >> (intid & 31) & 1

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
            block = self.blocks[intid >> 5]
            n = intid & 31
            priority = self.target.priority[intid]
            source = 0
            if intid < SGIS:
                source = self._take_sgi(n)
            elif intid < PRIVATE:
                lifecycle.deliver(block, 1 << n)
            else:
                moved = self.gic.claim(intid, self)
                if moved is None:
                    # Another target was faster, or the interrupt was taken back: look again.
                    self.refresh(block, n)
                    continue
                if moved:
                    self.counts.take(moved)
            self.counts.delivered += 1
            self.active[group] |= 1 << ((priority & self._group_masks[group]) >> self._shift)
            self.recompute()
            self.refresh(block, n)
            return intid | source << 10

    def highest(self, group1_only: bool) -> int:
        """GICC_HPPIR, or GICC_AHPPIR: as `acknowledge`, whatever mask and running priority are, and without effect."""
        intid = self.target.first()
        if intid < 0:
            return SPURIOUS
        group = self.group_of(intid)
        if not self.ctlr >> group & 1:
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

    def _take_sgi(self, n: int) -> int:
        """Deliver SGI n of its lowest source; the others stay pending (S21 in the tests)."""
        waiting = self.sources[n]
        source = next(bits(waiting))
        self.sources[n] = waiting & waiting - 1
        if not self.sources[n]:
            self.private.latch &= ~(1 << n)
        self.private.active |= 1 << n
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
        running = self.active[group]
        self.active[group] = running & running - 1 if running else 0
        self.recompute()
        if not self.ctlr & EOI_MODE:
            self.deactivate(intid)
        self.update()

    def deactivate_directly(self, value: int) -> None:
        """GICC_DIR: deactivate only; ignored unless EOImode is set."""
        intid = value & 0x3FF
        if self.ctlr & EOI_MODE and intid < self.gic.parameters.intids:
            self.deactivate(intid)
            self.update()

    def deactivate(self, intid: int) -> None:
        """Make an interrupt inactive; `update` must follow."""
        block = self.blocks[intid >> 5]
        n = intid & 31
        if intid >= PRIVATE:
            self.gic.deactivate(intid, self)
        elif block.active & 1 << n:
            block.active &= ~(1 << n)
            self._end_link(intid)
            if n >= SGIS:
                lifecycle.settle(block, 1 << n, self.counts)
        self.show(block, n)

    # SGIs and PPIs

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

    def set_line(self, intid: int, level: int) -> Injected:
        """Set the line of a PPI."""
        every = self.gic.parameters.every_raise_is_an_edge
        outcome = lifecycle.set_line(self.private, 1 << intid, level, self.counts, every)
        self.refresh(self.private, intid)
        return outcome

    # Host interrupts

    def sample(self) -> None:
        """Ask for the level of linked PPIs whose line was high: the guest may have lowered it without a trap."""
        for intid in bits(self.linked & self.private.line):
            link = self.links[intid]
            if not link.get_level(intid):
                self.set_line(intid, 0)
                if not self.private.active & 1 << intid:
                    self.vcpu.vm.host_irqs.deactivate(link.host_irq)

    def forget(self, intid: int) -> None:
        """Forget the active and the pending state of a PPI, and its line."""
        bit = 1 << intid
        self.private.latch &= ~bit
        self.private.line &= ~bit
        self.private.active &= ~bit
        lifecycle.settle(self.private, bit, self.counts)
        self.refresh(self.private, intid)

    def _end_link(self, intid: int) -> None:
        """A linked PPI was deactivated: its host interrupt ends, unless the line is still high."""
        link = self.links.get(intid)
        if link is None:
            return
        if link.get_level(intid):
            self.private.line |= 1 << intid
        else:
            self.private.line &= ~(1 << intid)
            self.vcpu.vm.host_irqs.deactivate(link.host_irq)
