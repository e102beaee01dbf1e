"""A GICv3's CPU: its redistributor's SGIs, PPIs and LPIs, and its CPU interface of system registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from irqframe.bits import ALONE, LATCHED, LEFT, NOWHERE
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic._block import Block, bits
from irqframe_vgic._interface import IDLE, Interface
from irqframe_vgic._intids import FIRST_EPPI, SGIS, SPURIOUS
from irqframe_vgic._lifecycle import OUTCOMES
from irqframe_vgic._v3._lpi_set import ENABLE, FIRST_LPI
from irqframe_vgic._v3._lpis import Lpis
from irqframe_vgic._v3._parameters import Parameters

if TYPE_CHECKING:
    from irqframe_vgic._v3._distributor import Distributor

# ICC_CTLR_EL1, what can be written with one security state (ICC_CTLR_EL1 page).
CBPR: Final = 1 << 0
EOI_MODE: Final = 1 << 1
CTLR_MASK: Final = CBPR | EOI_MODE

# GICR_WAKER.
PROCESSOR_SLEEP: Final = 1 << 1
CHILDREN_ASLEEP: Final = 1 << 2

# GICR_CTLR: whether the CPU is left out of 1 of N, for Group 0 and for Group 1.
DPG: Final = (1 << 24, 1 << 25)

_SGI_BITS: Final = (1 << SGIS) - 1
_INTID: Final = 0xFF_FFFF


class CpuInterface(Interface):
    """The GIC's state of one vCPU; `Interface` has what is not a GICv3's alone.

    Attributes:
        lpis: the LPIs.
        asleep: GICR_WAKER.ProcessorSleep, which ChildrenAsleep follows.
        left_out: the bits of `DPG` that are set.
        last: whether no redistributor follows in its region (GICR_TYPER.Last).
    """

    __slots__ = ("asleep", "last", "left_out", "lpis")

    CBPR: ClassVar[int] = CBPR
    EOI_MODE: ClassVar[int] = EOI_MODE

    gic: Distributor

    def __init__(self, vcpu: VCpu, gic: Distributor) -> None:
        firsts = (0, *range(FIRST_EPPI, FIRST_EPPI + gic.parameters.eppis, 32))
        super().__init__(vcpu, gic, {first >> 5: Block(first) for first in firsts}, gic.parameters.span)
        self.fiq_group0 = True
        self.last = False
        self.lpis = Lpis(self)
        self.reset_interface()
        self.reset_redistributor()

    def reset(self) -> None:
        """The CPU interface as after power-on. The redistributor is no part of the CPU: what waits there still does."""
        self.reset_interface()
        self.update()
        # SPIs for any CPU go elsewhere, out of the account in which they are.
        self.gic.participation_changed()
        self.start_counts()
        self.counts.raised = self.owed()

    def reset_redistributor(self) -> None:
        """The redistributor as after power-on, but the lines, which are the devices'; the counts start again."""
        for block in self.own.values():
            block.reset()
        self.private.edge = _SGI_BITS
        self.lpis.reset()
        self.left_out = 0
        self.fall_asleep(True)
        self.start_counts()
        for block in self.own.values():
            for n in bits(block.line):
                self.settle(block, n)
        self.refresh_all()

    def reach(self, block: Block, n: int) -> int:
        """Whether it is the CPU's own, or routed here."""
        if block.first >> 5 in self.own or self.gic.receiver.get(block.first + n) is self:
            return ALONE
        return NOWHERE

    def owed(self) -> int:
        """How many of the CPU's own interrupts wait."""
        return sum(block.owed.bit_count() for block in self.own.values()) + self.lpis.owed

    # What the registers of one bit, two bits or a byte per INTID need

    @property
    def bank(self) -> Mapping[int, Block]:
        """The interrupts that they are about."""
        return self.own

    @property
    def parameters(self) -> Parameters:
        """The distributor's."""
        return self.gic.parameters

    def change_group(self, block: Block, value: int) -> None:
        """GICR_IGROUPR: the group of the CPU's own interrupts decides nothing else."""

    # Selection

    def refresh_all(self) -> None:
        """`show` the CPU's own interrupts, and those that are routed here or that it takes for such, then `update`."""
        self.passed = self.gic.ctlr
        for block in self.own.values():
            for n in bits(block.valid):
                self.show(block, n)
        homes = self.gic.homes
        for block, n in self.gic.intids():
            intid = block.first + n
            if homes.get(intid) is self or self.reaches(intid):
                self.show(block, n)
        self.look_at_lpis()

    def look_at_lpis(self) -> None:
        """`offer_lpis`, then `update`."""
        self.offer_lpis()
        self.update()

    def offer_lpis(self) -> None:
        """LPIs may have changed, or whether the distributor lets Group 1 through; `update` must follow."""
        priority = self.lpis.first_priority() if self.passed & 2 else IDLE
        self.offer(priority, self.lpis.first() if priority < IDLE else -1)

    def waiting(self) -> dict[int, str]:
        """As for both versions, and the LPIs."""
        lpis = {intid: "pending" if byte & ENABLE else "pending, masked" for intid, byte in self.lpis.pending()}
        return super().waiting() | lpis

    # Control

    def write_ctlr(self, value: int) -> None:
        """ICC_CTLR_EL1."""
        self.take_ctlr(value & CTLR_MASK)
        self.update()

    def enable_group(self, group: int, on: int) -> None:
        """ICC_IGRPEN0_EL1 and ICC_IGRPEN1_EL1."""
        groups = self.groups & ~(1 << group) | (on & 1) << group
        if groups != self.groups:
            self.groups = groups
            self.update()
            self.gic.participation_changed()

    def write_waker(self, value: int) -> None:
        """GICR_WAKER: a CPU that sleeps is signalled nothing, if the implementation holds interrupts back."""
        held = self.held
        self.fall_asleep(bool(value & PROCESSOR_SLEEP))
        if held is not self.held:
            self.update()
            self.gic.participation_changed()

    def fall_asleep(self, asleep: bool) -> None:
        """ProcessorSleep is set or cleared; `update` must follow."""
        self.asleep = asleep
        self.held = asleep and self.gic.parameters.waker_held

    def leave_out(self, value: int) -> None:
        """GICR_CTLR.DPG0 and DPG1NS: whether SPIs for any CPU come here."""
        if value != self.left_out:
            self.left_out = value
            self.gic.participation_changed()

    def participates(self, group: int) -> bool:
        """Whether SPIs of a group that are for any CPU can come here."""
        return bool(self.groups >> group & 1) and not self.held and not self.left_out & DPG[group]

    # Acknowledge and end

    def acknowledge(self, group: int) -> int:
        """ICC_IAR0_EL1 or ICC_IAR1_EL1: the INTID; 1023 if nothing is signalled, or it is of the other group."""
        while True:
            taken = self.take(1 << group)
            if taken >= 0:
                return taken
            if taken != LEFT:
                return SPURIOUS
            intid = self.best
            if intid >= FIRST_LPI:
                self._deliver_lpi(intid)
                return intid
            if self.claim(intid, group):
                return intid

    def _deliver_lpi(self, intid: int) -> None:
        priority = self.lpis.first_priority()
        self.lpis.deliver(intid)
        self.run(intid, priority, 1)
        self.look_at_lpis()

    def highest(self, group: int) -> int:
        """ICC_HPPIR0_EL1 or ICC_HPPIR1_EL1: as `acknowledge`, but without effect, and unmasked."""
        intid = self.first()
        if intid < 0 or self.group_of(intid) != group or not self.groups >> group & 1:
            return SPURIOUS
        return intid

    def write_eoir(self, value: int, group: int) -> None:
        """ICC_EOIR0_EL1 or ICC_EOIR1_EL1: drop the priority; unless EOImode is set, deactivate too.

        The most urgent running priority ends if it is of this group, whichever INTID is written (S15 and S20).
        """
        intid = value & _INTID
        if not self._is_there(intid) or self._running_group() != group:
            return
        if not self.finish(intid, group):
            self.end_slowly(intid, group)

    def deactivate_directly(self, value: int) -> None:
        """ICC_DIR_EL1: deactivate only; ignored unless EOImode is set, and for LPIs, which are never active."""
        intid = value & _INTID
        if self.split and intid >> 5 in self.blocks and self._is_there(intid) and not self.release(intid):
            self.deactivate(intid)
            self.update()

    def _is_there(self, intid: int) -> bool:
        block = self.blocks.get(intid >> 5)
        if block is not None:
            return bool(block.valid >> (intid & 31) & 1)
        return intid >= FIRST_LPI and self.gic.parameters.lpis

    def _running_group(self) -> int:
        """Group of the most urgent running priority, Group 0 if both have it; -1 if nothing runs."""
        group0, group1 = (active & -active for active in self.active)
        if group0 and (not group1 or group0 <= group1):
            return 0
        return 1 if group1 else -1

    # SGIs

    def receive_sgi(self, sgi: int, group: int) -> Injected:
        """An SGI arrives that was sent to a group: it is lost if it is in the other one (S23 in the tests)."""
        if self.private.group >> sgi & 1 != group:
            return self.counts.drop(Injected.DROPPED)
        outcome = self.private.pend(1 << sgi, self.account)
        if outcome == LATCHED:
            self.refresh(self.private, sgi)
        return OUTCOMES[outcome]
