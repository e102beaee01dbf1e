"""Redistributors as the scripted guest finds and wakes them (Linux, gic_iterate_rdists and gic_enable_redist)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from irqframe.errors import GuestError
from irqframe.guest import ScriptedCpu
from irqframe_vgic._v3 import _driver_registers as regs

if TYPE_CHECKING:
    from irqframe_vgic._v3._tree import Layout

_PATIENCE: Final = 10_000


def wait(cpu: ScriptedCpu, address: int, mask: int, wanted: int) -> None:
    """Wait until bits of a register are what they shall be.

    Raises:
        GuestError: if they never are.
    """
    for _ in range(_PATIENCE):
        if cpu.read(address) & mask == wanted:
            return
    raise GuestError(f"CPU {cpu.index}: bits {mask:#x} of the register at {address:#x} do not become {wanted:#x}")


class Redistributors:
    """The redistributors of a GIC.

    Args:
        layout: where the tree says that they are.
        cpus: how many CPUs there are.

    Attributes:
        found: by CPU, the address of its redistributor; 0 until it has found it.
    """

    def __init__(self, layout: Layout, cpus: int) -> None:
        self._layout = layout
        self.found = [0] * cpus

    def types(self, cpu: ScriptedCpu) -> Iterator[int]:
        """GICR_TYPER of every one."""
        return (typer for _, typer in self._walk(cpu))

    def find(self, cpu: ScriptedCpu) -> int:
        """gic_populate_rdist: the redistributor that has the CPU's affinity.

        Raises:
            GuestError: if none has it.
        """
        affinity = regs.affinity32(cpu.mpidr)
        for base, typer in self._walk(cpu):
            if typer >> 32 == affinity:
                self.found[cpu.index] = base
                return base
        raise GuestError(f"CPU {cpu.index}: no redistributor has its affinity, {cpu.mpidr:#x}")

    def _walk(self, cpu: ScriptedCpu) -> Iterator[tuple[int, int]]:
        """(address, GICR_TYPER) by regions, up to the last one of each; a region without any ends it."""
        for base, size in self._layout.redistributors:
            if cpu.read(base + regs.PIDR2) >> 4 & 0xF not in regs.ARCHITECTURES:
                return
            for at in range(base, base + size, self._layout.stride):
                typer = cpu.read(at + regs.GICR_TYPER, size=8)
                yield at, typer
                if typer & regs.TYPER_LAST:
                    break

    def wake(self, cpu: ScriptedCpu) -> None:
        """gic_enable_redist(true)."""
        waker = self.found[cpu.index] + regs.GICR_WAKER
        cpu.write(waker, cpu.read(waker) & ~regs.PROCESSOR_SLEEP)
        wait(cpu, waker, regs.CHILDREN_ASLEEP, 0)

    def put_to_sleep(self, cpu: ScriptedCpu) -> None:
        """gic_enable_redist(false); one that does not take it has no power management."""
        waker = self.found[cpu.index] + regs.GICR_WAKER
        cpu.write(waker, cpu.read(waker) | regs.PROCESSOR_SLEEP)
        if cpu.read(waker) & regs.PROCESSOR_SLEEP:
            wait(cpu, waker, regs.CHILDREN_ASLEEP, regs.CHILDREN_ASLEEP)

    def wait_for_writes(self, cpu: ScriptedCpu) -> None:
        """gic_redist_wait_for_rwp."""
        wait(cpu, self.found[cpu.index] + regs.GICR_CTLR, regs.GICR_RWP, 0)
