"""A CPU's own interrupts, its SGIs and PPIs, and the host interrupts that stand behind some of these.

They are touched by the thread that owns the vCPU, and by no other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from irqframe.bits import LATCHED, Preemption
from irqframe.flow import Injected
from irqframe.vm import VCpu
from irqframe_vgic._block import Block, bits
from irqframe_vgic._intids import PRIVATE
from irqframe_vgic._lifecycle import OUTCOMES, Change, Counts

if TYPE_CHECKING:
    from irqframe_vgic._shared import Shared


class HostLink(NamedTuple):
    """The host interrupt behind a PPI.

    Attributes:
        host_irq: its number.
        get_level: (intid) -> the line's level now.
    """

    host_irq: int
    get_level: Callable[[int], bool]


class OwnInterrupts(Preemption, ABC):
    """The interrupts that a CPU has for itself.

    Args:
        vcpu: the vCPU.
        gic: the distributor.
        own: the interrupts, by INTID / 32.
        intids: size of the number space.

    Attributes:
        vcpu: as given.
        gic: as given.
        own: as given; `private` is the block of INTIDs 0 to 31.
        links: host interrupts behind PPIs, by INTID.
        linked: bitmap of these, as far as they are INTIDs below 32.
        linked_far: whether there are others.
        owners: devices that reserved a PPI, by INTID.
        blocks: `own` and the distributor's.
    """

    __slots__ = ("blocks", "gic", "linked", "linked_far", "links", "own", "owners", "private", "vcpu")

    def __init__(self, vcpu: VCpu, gic: Shared[Any], own: Mapping[int, Block], intids: int) -> None:
        self.blocks: Mapping[int, Block] = {**own, **gic.blocks}
        super().__init__(self.blocks, tuple(own), intids, gic.parameters.group_bits, Counts())
        self.vcpu = vcpu
        self.gic = gic
        self.own = own
        self.private = own[0]
        self.links: dict[int, HostLink] = {}
        self.linked = 0
        self.linked_far = False
        self.owners: dict[int, object] = {}

    @property
    def counts(self) -> Counts:
        """What was counted."""
        return cast("Counts", self.account)

    def start_counts(self) -> None:
        """Count from nothing on."""
        self.account = Counts()

    @abstractmethod
    def owed(self) -> int:
        """How many of them are pending and not delivered since."""

    # What selects among them and others

    @abstractmethod
    def show(self, block: Block, n: int) -> None:
        """The block's n-th interrupt may have changed; `update` must follow."""

    def refresh(self, block: Block, n: int) -> Injected:
        """`show`, then `update`."""
        self.show(block, n)
        self.update()
        return Injected.NOTHING

    # Changes

    def change(self, block: Block, value: int, work: Change) -> None:
        """Change interrupts of the CPU's own; those in the bitmap `value` that are not there are left out."""
        for n in bits(value & block.valid):
            work(block, 1 << n, self.counts)
            self.settle(block, n)
            self.show(block, n)
        self.update()

    def settle(self, block: Block, n: int) -> None:
        """Bring the accounts of one of the CPU's own interrupts in line with its state."""
        block.settle(1 << n, self.account)

    def set_line(self, intid: int, level: int) -> Injected:
        """Set the line of a PPI."""
        block = self.own[intid >> 5]
        n = intid & 31
        every = self.gic.parameters.every_raise_is_an_edge
        outcome = block.set_line(1 << n, level, self.account, every)
        if outcome == LATCHED or not level:
            self.refresh(block, n)
        return OUTCOMES[outcome]

    def deactivate_some(self, block: Block, value: int) -> None:
        """Make some of a block inactive; the running priority stays (S18 in the tests)."""
        for n in bits(value & block.active & block.valid):
            self.deactivate_own(block, n)
        self.update()

    def deactivate_own(self, block: Block, n: int) -> None:
        """Make one inactive; `update` must follow."""
        if block.active >> n & 1:
            block.active &= ~(1 << n)
            self._end_link(block.first + n)
            self.settle(block, n)
        self.show(block, n)

    # Host interrupts

    def link(self, intid: int, link: HostLink) -> None:
        """A host interrupt stands behind a PPI from now on."""
        self.links[intid] = link
        self._count_links()

    def unlink(self, intid: int) -> None:
        """None does any more."""
        del self.links[intid]
        self._count_links()

    def _count_links(self) -> None:
        for number, block in self.own.items():
            block.watched = sum(1 << (intid & 31) for intid in self.links if intid >> 5 == number)
        self.linked = self.private.watched
        self.linked_far = any(intid >= PRIVATE for intid in self.links)

    def sample(self) -> None:
        """Ask for the level of linked PPIs whose line was high: the guest may have lowered it without a trap."""
        for intid, link in self.links.items():
            block, bit = self.own[intid >> 5], 1 << (intid & 31)
            if block.line & bit and not link.get_level(intid):
                self.set_line(intid, 0)
                if not block.active & bit:
                    self.vcpu.vm.host_irqs.deactivate(link.host_irq)

    def forget(self, intid: int) -> None:
        """Forget the active and the pending state of a PPI, and its line."""
        block, n = self.own[intid >> 5], intid & 31
        bit = 1 << n
        block.latch &= ~bit
        block.line &= ~bit
        block.active &= ~bit
        block.settle(bit, self.account)
        self.refresh(block, n)

    def _end_link(self, intid: int) -> None:
        """A linked PPI was deactivated: its host interrupt ends, unless the line is still high."""
        link = self.links.get(intid)
        if link is None:
            return
        block, bit = self.own[intid >> 5], 1 << (intid & 31)
        if link.get_level(intid):
            block.line |= bit
        else:
            block.line &= ~bit
            self.vcpu.vm.host_irqs.deactivate(link.host_irq)
