"""The distributor: the shared interrupts, and what one CPU does to another.

1. An SPI has a home: the lowest CPU interface that it targets, interface 0 while it targets none. Its block is changed
   by the thread that owns the home's vCPU. A raise from elsewhere is posted to the home; a change that a guest makes
   from elsewhere is done there while the guest's access waits, so that what it reads next is what it wrote.
2. Every target's `CpuInterface` shows the SPI. After a change each is told: at once if the same thread owns it, else by
   its inbox. What is told is only "look again", so the order in which threads hear of changes does not matter.
3. Several targets may signal one SPI; the first to acknowledge claims it at its home, the others then find nothing
   (1 of N: GICD_ITARGETSR page).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias, TypeVar

from irqframe.flow import Injected
from irqframe.vm import Vm
from irqframe_vgic import _lifecycle as lifecycle
from irqframe_vgic._block import Block, bits
from irqframe_vgic._lifecycle import Counts
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import MAX_CPUS, PRIVATE, SGIS, Parameters

T = TypeVar("T")

#: A change of one interrupt: (block, its bitmap, where it is counted).
Change: TypeAlias = Callable[[Block, int, Counts], object]

CTLR_MASK: Final = 0b11
"""EnableGrp0 and EnableGrp1 (GICD_CTLR page, without security extension)."""


class Distributor:
    """The part of a GICv2 that belongs to no CPU.

    Args:
        vm: the VM.
        parameters: what the implementation chooses.

    Attributes:
        vm: as given.
        parameters: as given.
        ctlr: GICD_CTLR.
        spis: the blocks of shared interrupts.
        cpus: the CPU interfaces by number.
        owners: devices that reserved an SPI, by INTID.
    """

    def __init__(self, vm: Vm, parameters: Parameters) -> None:
        self.vm = vm
        self.parameters = parameters
        self.ctlr = 0
        self.cpus: list[CpuInterface] = []
        self.owners: dict[int, object] = {}
        self.spis = [
            Block(first, min(32, parameters.intids - first)) for first in range(PRIVATE, parameters.intids, 32)
        ]
        self._homes: list[CpuInterface] = []
        self._sets: list[tuple[CpuInterface, ...]] = []

    def add_cpu(self, cpu: CpuInterface) -> None:
        """Another CPU interface; one of that number whose vCPU could not be created is forgotten."""
        del self.cpus[cpu.vcpu.index :]
        self.cpus.append(cpu)
        self._settle_cpus()

    def start(self) -> None:
        """Every CPU interface is there: on a uniprocessor, SPIs need no target (GICD_ITARGETSR page)."""
        del self.cpus[len(self.vm.vcpus) :]
        self._settle_cpus()
        if len(self.cpus) == 1:
            for block in self.spis:
                block.targets[:] = bytes(block.valid >> n & 1 for n in range(32))
            self.cpus[0].refresh_all()

    def _settle_cpus(self) -> None:
        self._sets = [tuple(cpu for cpu in self.cpus if mask & cpu.bit) for mask in range(1 << MAX_CPUS)]
        if self.cpus:
            self.rehome()

    def reset(self) -> None:
        """The shared part as after power-on, but the lines; every count of every CPU interface starts again."""
        self.ctlr = 0
        for block in self.spis:
            block.reset()
            block.targets[:] = bytes(32)
        self.rehome()
        for cpu in self.cpus:
            cpu.vcpu.call(self._start_counts, cpu)
        for block in self.spis:
            for n in bits(block.line):
                self.at_home(block.first + n, self._change, block, n, _no_change)
        for cpu in self.cpus:
            cpu.vcpu.call(cpu.refresh_all)
        self.start()

    def _start_counts(self, cpu: CpuInterface) -> None:
        cpu.counts = Counts()
        # What this interface owes, it has not delivered: to begin with, these are its raises.
        cpu.counts.raised = cpu.private.owed.bit_count() + sum(waiting.bit_count() for waiting in cpu.sources)

    def reset_cpu(self, cpu: CpuInterface) -> None:
        """Reset one CPU interface; SPIs that are at home there stay as they are."""
        cpu.reset()
        cpu.counts.raised += sum(
            1 for block in self.spis for n in bits(block.owed) if self._homes[block.first + n - PRIVATE] is cpu
        )

    def rehome(self) -> None:
        """Find every SPI's home anew, after its targets were replaced at once."""
        self._homes = [self._home(target) for block in self.spis for target in block.targets][: self.parameters.spis]

    # Ownership

    def _home(self, targets: int) -> CpuInterface:
        return self.cpus[(targets & -targets).bit_length() - 1 if targets else 0]

    def at_home(self, intid: int, work: Callable[..., T], *args: object) -> T:
        """Do `work(*args)` under the ownership of an SPI's home, and return what it returns."""
        while True:
            home = self._homes[intid - PRIVATE]
            if home.vcpu.owned:
                return work(*args)
            done: list[T] = home.vcpu.call(self._if_home, home, intid, work, args)
            if done:
                return done[0]

    def _if_home(self, home: CpuInterface, intid: int, work: Callable[..., T], args: tuple[object, ...]) -> list[T]:
        """[what `work` returned], or [] if the SPI has moved meanwhile."""
        return [work(*args)] if self._homes[intid - PRIVATE] is home else []

    def _show(self, block: Block, n: int, but: CpuInterface | None = None) -> None:
        for cpu in self._sets[block.targets[n]]:
            if cpu is not but:
                self._tell(cpu, block, n)

    def _tell(self, cpu: CpuInterface, block: Block, n: int) -> None:
        if cpu.vcpu.owned:
            cpu.refresh(block, n)
        else:
            cpu.vcpu.post(partial(cpu.refresh, block, n))

    # Raises; any thread

    def set_line(self, intid: int, level: int) -> Injected:
        """Set the line of an SPI.

        Returns:
            What became of it; POSTED if another thread owns its home.
        """
        home = self._homes[intid - PRIVATE]
        if not home.vcpu.owned:
            home.vcpu.post(partial(self.set_line, intid, level))
            return Injected.POSTED
        block = self.spis[(intid >> 5) - 1]
        n = intid & 31
        every = self.parameters.every_raise_is_an_edge
        outcome = lifecycle.set_line(block, 1 << n, level, home.counts, every)
        self._show(block, n)
        return outcome

    def pulse(self, intid: int) -> Injected:
        """A message for an SPI: an edge, lost if the guest has left the SPI level-triggered.

        Returns:
            What became of it; POSTED if another thread owns its home.
        """
        home = self._homes[intid - PRIVATE]
        if not home.vcpu.owned:
            home.vcpu.post(partial(self.pulse, intid))
            return Injected.POSTED
        block = self.spis[(intid >> 5) - 1]
        n = intid & 31
        if not block.edge & 1 << n:
            return home.counts.drop(Injected.DROPPED)
        outcome = lifecycle.latch(block, 1 << n, home.counts)
        self._show(block, n)
        return outcome

    # What a guest does

    def claim(self, intid: int, by: CpuInterface) -> str | None:
        """A CPU interface acknowledges an SPI; it brings its own view up to date afterwards.

        Returns:
            None if there is nothing to acknowledge any more; else the count that moves to `by` with it (`Counts.give`),
            "" if it is at home there.
        """
        return self.at_home(intid, self._claim, intid, by)

    def _claim(self, intid: int, by: CpuInterface) -> str | None:
        block = self.spis[(intid >> 5) - 1]
        n = intid & 31
        bit = 1 << n
        if not (block.latch | block.line & ~block.edge) & block.enabled & ~block.active & bit:
            return None
        if not block.targets[n] & by.bit:
            return None
        home = self._homes[intid - PRIVATE]
        lifecycle.deliver(block, bit)
        self._show(block, n, but=by)
        return "" if home is by else home.counts.give()

    def deactivate(self, intid: int, by: CpuInterface) -> None:
        """Make an SPI inactive; `by` brings its own view up to date afterwards."""
        self.at_home(intid, self._deactivate, intid, by)

    def _deactivate(self, intid: int, by: CpuInterface) -> None:
        block = self.spis[(intid >> 5) - 1]
        n = intid & 31
        bit = 1 << n
        if not block.active & bit:
            return
        block.active &= ~bit
        if not block.edge & bit:
            # A resampling irqfd lowers the line now, and its device raises it again if it must.
            self.vm.notify_ack(intid - PRIVATE)
        lifecycle.settle(block, bit, self._homes[intid - PRIVATE].counts)
        self._show(block, n, but=by)

    def change(self, cpu: CpuInterface, word: int, value: int, work: Change) -> None:
        """Change the interrupts of a register of one bit per INTID.

        Args:
            cpu: who writes: word 0 is its own.
            word: number of the register.
            value: which interrupts; those that are not there are left out.
            work: what to do with each.
        """
        block = cpu.blocks[word]
        for n in bits(value & block.valid):
            if word:
                self.at_home(block.first + n, self._change, block, n, work)
            else:
                work(block, 1 << n, cpu.counts)
                if n >= SGIS:
                    lifecycle.settle(block, 1 << n, cpu.counts)
                cpu.refresh(block, n)

    def _change(self, block: Block, n: int, work: Change) -> None:
        counts = self._homes[block.first + n - PRIVATE].counts
        work(block, 1 << n, counts)
        lifecycle.settle(block, 1 << n, counts)
        self._show(block, n)

    def retarget(self, intid: int, targets: int) -> None:
        """Change the targets of an SPI; what is pending moves, what is active stays active (S27, S29 in the tests)."""
        self.at_home(intid, self._retarget, intid, targets)

    def _retarget(self, intid: int, targets: int) -> None:
        block = self.spis[(intid >> 5) - 1]
        n = intid & 31
        before = block.targets[n]
        if targets == before:
            return
        block.targets[n] = targets
        old, new = self._homes[intid - PRIVATE], self._home(targets)
        if old is not new:
            if block.owed & 1 << n:
                self.vm.post(new.vcpu, new.counts.take, old.counts.give())
            self._homes[intid - PRIVATE] = new
        for cpu in self._sets[before | targets]:
            self._tell(cpu, block, n)

    def write_ctlr(self, value: int) -> None:
        """GICD_CTLR: enable groups; every CPU interface looks at all interrupts again."""
        if value & CTLR_MASK != self.ctlr:
            self.ctlr = value & CTLR_MASK
            for cpu in self.cpus:
                cpu.vcpu.call(cpu.refresh_all)

    def send_sgi(self, by: CpuInterface, targets: int, sgi: int) -> None:
        """GICD_SGIR: SGI number `sgi` from `by` to the CPU interfaces in the bitmap `targets`."""
        source = by.vcpu.index
        for cpu in self._sets[targets]:
            self.vm.post(cpu.vcpu, cpu.send_sgi, sgi, source)


def _no_change(block: Block, bit: int, counts: Counts) -> None:
    """For a change that only settles."""
