"""The shared interrupts, and what one CPU does to another: what the distributors of both versions have in common.

1. An SPI has a home, a CPU interface that it can be delivered to, interface 0 while there is none. Its block is changed
   by the thread that owns the home's vCPU. A raise from elsewhere is posted to the home; a change that a guest makes
   from elsewhere is done there while the guest's access waits, so that what it reads next is what it wrote.
2. Every interface that it can be delivered to shows the SPI. After a change each is told: at once if the same thread
   owns it, else by its inbox. What is told is only "look again", so the order in which threads hear of changes does not
   matter.
3. A line is set in the order in which it was set: what was posted carries a stamp, and an older one changes no level.
4. If there are several, the first to acknowledge claims the SPI at its home; the others then find nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Final, Generic, TypeVar

from irqframe.bits import LATCHED
from irqframe.flow import Injected
from irqframe.vm import VCpu, Vm
from irqframe_vgic import _lifecycle as lifecycle
from irqframe_vgic._block import Block, bits
from irqframe_vgic._implementation import Implementation
from irqframe_vgic._interface import Interface
from irqframe_vgic._lifecycle import OUTCOMES, Change

CROWDED: Final = 256
"""What a guest makes another vCPU do waits when that has more than so much to do: it may not run for long."""

T = TypeVar("T")
F = TypeVar("F", bound=Interface)


class Shared(ABC, Generic[F]):
    """The part of a GIC that belongs to no CPU.

    Args:
        vm: the VM.
        parameters: what the implementation chooses.
        blocks: the shared interrupts, by INTID / 32.

    Attributes:
        vm: as given.
        parameters: as given.
        blocks: as given.
        ctlr: GICD_CTLR; bit n enables Group n.
        cpus: the CPU interfaces by number.
        owners: devices that reserved an SPI, by INTID.
    """

    def __init__(self, vm: Vm, parameters: Implementation, blocks: Mapping[int, Block]) -> None:
        self.vm = vm
        self.parameters = parameters
        self.blocks = blocks
        self.ctlr = 0
        self.cpus: list[F] = []
        self.owners: dict[int, object] = {}
        self.homes: dict[int, F] = {}
        self._stamps = count(1)
        self._stamped: dict[int, int] = {}

    @abstractmethod
    def receivers(self, block: Block, n: int) -> tuple[F, ...]:
        """The interfaces that the block's n-th interrupt can be delivered to."""

    @abstractmethod
    def pin_of(self, intid: int) -> int:
        """The number of an SPI's line."""

    @abstractmethod
    def rehome(self) -> None:
        """Find every SPI's home anew, after its routing was replaced at once."""

    @abstractmethod
    def reset(self) -> None:
        """The shared part as after power-on, but the lines; every count of every CPU interface starts again."""

    def add_cpu(self, cpu: F) -> None:
        """Another CPU interface; one of that number whose vCPU could not be created is forgotten."""
        del self.cpus[cpu.vcpu.index :]
        self.cpus.append(cpu)
        self.rehome()

    def intids(self) -> Iterable[tuple[Block, int]]:
        """(block, place in it) of every SPI."""
        return ((block, n) for block in self.blocks.values() for n in bits(block.valid))

    # Reset

    def reset_cpu(self, cpu: F) -> None:
        """Reset one CPU interface; SPIs that are at home there stay, and its new account starts with them."""
        cpu.reset()
        cpu.counts.raised += sum(
            1 for block in self.blocks.values() for n in bits(block.owed) if self.homes[block.first + n] is cpu
        )

    def settle_lines(self) -> None:
        """Every SPI was reset but its line: what is high is owed."""
        for block in self.blocks.values():
            for n in bits(block.line):
                self.at_home(block.first + n, self._change, block, n, lifecycle.no_change)
        for cpu in self.cpus:
            cpu.vcpu.call(cpu.refresh_all)

    # Ownership

    def at_home(self, intid: int, work: Callable[..., T], *args: object) -> T:
        """Do `work(*args)` under the ownership of an SPI's home, and return what it returns."""
        while True:
            home = self.homes[intid]
            if home.vcpu.owned:
                return work(*args)
            done: list[T] = home.vcpu.call(self._if_home, home, intid, work, args)
            if done:
                return done[0]

    def _if_home(self, home: F, intid: int, work: Callable[..., T], args: tuple[object, ...]) -> list[T]:
        """[what `work` returned], or [] if the SPI has moved meanwhile."""
        return [work(*args)] if self.homes[intid] is home else []

    def show(self, block: Block, n: int, but: Interface | None = None) -> None:
        """Tell everybody that the block's n-th interrupt can be delivered to, except `but`, to look at it."""
        for cpu in self.receivers(block, n):
            if cpu is not but:
                self.tell(cpu, block, n)

    def tell(self, cpu: F, block: Block, n: int) -> None:
        """Tell one interface to look at the block's n-th interrupt."""
        if cpu.vcpu.owned:
            cpu.refresh(block, n)
        elif block.first + n not in cpu.told:
            # Who is told and has not looked yet will see this change as well.
            cpu.told.add(block.first + n)
            cpu.vcpu.post(partial(cpu.look, block, n))

    def move(self, block: Block, n: int, new: F) -> None:
        """The block's n-th interrupt gets another home; what it owes moves with it."""
        intid = block.first + n
        old = self.homes[intid]
        if old is not new:
            if block.owed & 1 << n:
                self.vm.post(new.vcpu, new.counts.take, old.counts.give())
            self.homes[intid] = new

    # Raises; any thread

    def set_line(self, intid: int, level: int) -> Injected:
        """Set the line of an SPI.

        Returns:
            What became of it; POSTED if another thread owns its home.
        """
        return self.set_stamped(intid, level, next(self._stamps))

    def set_stamped(self, intid: int, level: int, stamp: int) -> Injected:
        """Set the line of an SPI, unless a later setting of it, one of a higher stamp, is done already.

        What is posted to a home that the SPI has left follows it to its new one, and may come in behind.
        """
        home = self.homes[intid]
        if not home.vcpu.owned:
            home.vcpu.post(partial(self.set_stamped, intid, level, stamp))
            return Injected.POSTED
        block = self.blocks[intid >> 5]
        n = intid & 31
        if stamp < self._stamped.get(intid, 0):
            return self._set_late(block, n, level, home)
        self._stamped[intid] = stamp
        every = self.parameters.every_raise_is_an_edge
        outcome = block.set_line(1 << n, level, home.account, every)
        if outcome == LATCHED or not (level or block.edge >> n & 1):
            self.show(block, n)
        return OUTCOMES[outcome]

    def _set_late(self, block: Block, n: int, level: int, home: F) -> Injected:
        """A setting that another one has overtaken: of a raise, the edge is left; a level has fallen since."""
        if not level:
            return Injected.NOTHING
        if not block.edge >> n & 1:
            home.counts.raised += 1
            home.counts.withdrawn += 1
            return Injected.NOTHING
        outcome = block.pend(1 << n, home.account)
        if outcome == LATCHED:
            self.show(block, n)
        return OUTCOMES[outcome]

    def pulse(self, intid: int) -> Injected:
        """A message for an SPI: an edge, lost if the guest has left the SPI level-triggered.

        Returns:
            What became of it; POSTED if another thread owns its home.
        """
        home = self.homes[intid]
        if not home.vcpu.owned:
            home.vcpu.post(partial(self.pulse, intid))
            return Injected.POSTED
        block = self.blocks[intid >> 5]
        n = intid & 31
        if not block.edge & 1 << n:
            return home.counts.drop(Injected.DROPPED)
        outcome = block.pend(1 << n, home.account)
        if outcome == LATCHED:
            self.show(block, n)
        return OUTCOMES[outcome]

    # What a guest does

    def claim(self, intid: int, by: Interface) -> str | None:
        """A CPU interface acknowledges an SPI; it brings its own view up to date afterwards.

        Returns:
            None if there is nothing to acknowledge any more; else the count that moves to `by` with it (`Counts.give`),
            "" if it is at home there.
        """
        return self.at_home(intid, self._claim, intid, by)

    def _claim(self, intid: int, by: Interface) -> str | None:
        block = self.blocks[intid >> 5]
        n = intid & 31
        bit = 1 << n
        if not (block.latch | block.line & ~block.edge) & block.enabled & ~block.active & bit:
            return None
        if by not in self.receivers(block, n):
            return None
        home = self.homes[intid]
        block.deliver(bit)
        self.show(block, n, but=by)
        return "" if home is by else home.counts.give()

    def deactivate(self, intid: int, by: Interface | None = None) -> None:
        """Make an SPI inactive; `by` brings its own view up to date afterwards, all others are told."""
        self.at_home(intid, self._deactivate, intid, by)

    def _deactivate(self, intid: int, by: Interface | None) -> None:
        block = self.blocks[intid >> 5]
        n = intid & 31
        bit = 1 << n
        if not block.active & bit:
            return
        block.clear("active", bit)
        if not block.edge & bit:
            # A resampling irqfd lowers the line now, and its device raises it again if it must.
            self.vm.notify_ack(self.pin_of(intid))
        block.settle(bit, self.homes[intid].account)
        self.show(block, n, but=by)

    def deactivate_some(self, block: Block, value: int) -> None:
        """Make shared interrupts inactive; running priorities stay (S18 in the tests)."""
        for n in bits(value & block.active & block.valid):
            self.deactivate(block.first + n)

    def change(self, block: Block, value: int, work: Change) -> None:
        """Change shared interrupts of a block; those in the bitmap `value` that are not there are left out."""
        for n in bits(value & block.valid):
            self.at_home(block.first + n, self._change, block, n, work)

    def _change(self, block: Block, n: int, work: Change) -> None:
        counts = self.homes[block.first + n].counts
        work(block, 1 << n, counts)
        block.settle(1 << n, counts)
        self.show(block, n)

    def write_ctlr(self, value: int) -> None:
        """GICD_CTLR: enable groups; every CPU interface looks at its interrupts again."""
        if value != self.ctlr:
            self.ctlr = value
            for cpu in self.cpus:
                cpu.vcpu.call(cpu.refresh_all)

    def start_counts(self) -> None:
        """Every count of every CPU interface starts again, with what it owes of its own interrupts."""
        for cpu in self.cpus:
            cpu.vcpu.call(_start_counts, cpu)


def _start_counts(cpu: Interface) -> None:
    cpu.start_counts()
    cpu.counts.raised = cpu.owed()


def patiently(vm: Vm, vcpu: VCpu, function: Callable[..., Injected], *args: object) -> Injected:
    """`vm.post`, for what a guest can have done as often as it likes: wait while the inbox is crowded."""
    outcome = vm.post(vcpu, function, *args)
    if len(vcpu.inbox) > CROWDED:
        vcpu.call(_nothing)
    return outcome


def _nothing() -> None:
    """What is posted behind something else that is waited for."""
