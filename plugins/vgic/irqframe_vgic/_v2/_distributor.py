"""The distributor of a GICv2: up to eight targets for an SPI, and SGIs.

An SPI's home is the lowest CPU interface that it targets. Several targets may signal one SPI; the first to acknowledge
takes it (1 of N: GICD_ITARGETSR page).
"""

from __future__ import annotations

from typing import Final

from irqframe.vm import Vm
from irqframe_vgic._block import Block
from irqframe_vgic._intids import PRIVATE
from irqframe_vgic._shared import Shared, patiently
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import MAX_CPUS, Parameters

CTLR_MASK: Final = 0b11
"""EnableGrp0 and EnableGrp1 (GICD_CTLR page, without security extension)."""


class Distributor(Shared[CpuInterface]):
    """The part of a GICv2 that belongs to no CPU.

    Args:
        vm: the VM.
        parameters: what the implementation chooses.
    """

    parameters: Parameters

    def __init__(self, vm: Vm, parameters: Parameters) -> None:
        intids = parameters.intids
        blocks = {
            first >> 5: Block(first, min(32, intids - first), shared=True) for first in range(PRIVATE, intids, 32)
        }
        super().__init__(vm, parameters, blocks)
        self._sets: list[tuple[CpuInterface, ...]] = []

    def start(self) -> None:
        """Every CPU interface is there: on a uniprocessor, SPIs need no target (GICD_ITARGETSR page)."""
        del self.cpus[len(self.vm.vcpus) :]
        self.rehome()
        if len(self.cpus) == 1:
            for block in self.blocks.values():
                block.targets[:] = bytes(block.valid >> n & 1 for n in range(32))
            self.cpus[0].refresh_all()

    def reset(self) -> None:
        """The shared part as after power-on, but the lines; every count of every CPU interface starts again."""
        self.ctlr = 0
        for block in self.blocks.values():
            block.reset()
            block.targets[:] = bytes(32)
        self.rehome()
        self.start_counts()
        self.settle_lines()
        self.start()

    def rehome(self) -> None:
        """Find every SPI's home anew, after its targets were replaced at once."""
        self._sets = [tuple(cpu for cpu in self.cpus if mask & cpu.bit) for mask in range(1 << MAX_CPUS)]
        self.homes = {block.first + n: self._home(block.targets[n]) for block, n in self.intids()}

    def _home(self, targets: int) -> CpuInterface:
        return self.cpus[(targets & -targets).bit_length() - 1 if targets else 0]

    def receivers(self, block: Block, n: int) -> tuple[CpuInterface, ...]:
        """The targets."""
        return self._sets[block.targets[n]]

    def pin_of(self, intid: int) -> int:
        """Pin n is SPI n."""
        return intid - PRIVATE

    def retarget(self, intid: int, targets: int) -> None:
        """Change the targets of an SPI; what is pending moves, what is active stays active (S27, S29 in the tests)."""
        self.at_home(intid, self._retarget, intid, targets)

    def _retarget(self, intid: int, targets: int) -> None:
        block = self.blocks[intid >> 5]
        n = intid & 31
        before = block.targets[n]
        if targets == before:
            return
        block.targets[n] = targets
        self.move(block, n, self._home(targets))
        for cpu in self._sets[before | targets]:
            self.tell(cpu, block, n)

    def send_sgi(self, by: CpuInterface, targets: int, sgi: int) -> None:
        """GICD_SGIR: SGI number `sgi` from `by` to the CPU interfaces in the bitmap `targets`."""
        source = by.vcpu.index
        for cpu in self._sets[targets]:
            patiently(self.vm, cpu.vcpu, cpu.send_sgi, sgi, source)
