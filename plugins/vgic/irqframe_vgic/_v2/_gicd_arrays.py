"""The distributor's registers that have a bit, two bits or a byte for each INTID: what a read and a write of a word do.

They are arrays over all 1024 INTIDs; what is beyond the implemented ones reads as zero. Word 0, or the words of the
first 32 INTIDs, belong to the CPU that accesses.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from irqframe_vgic import _changes as changes
from irqframe_vgic._changes import config_word, edges_of, word_of
from irqframe_vgic._intids import PRIVATE, SGIS
from irqframe_vgic._lifecycle import Change
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._rows import Read

_SGI_BITS: Final = (1 << SGIS) - 1


def _change(gic: Distributor, cpu: CpuInterface, word: int, value: int, work: Change) -> None:
    """Change the interrupts of a register of one bit per INTID: of word 0, those of the CPU that accesses."""
    block = cpu.blocks[word]
    if word:
        gic.change(block, value, work)
    else:
        cpu.change(block, value, work)


# One bit per INTID


def _bitmap(name: str) -> Read:
    def read(gic: Distributor, n: int, cpu: CpuInterface) -> int:
        block = cpu.blocks.get(n)
        value: int = 0 if block is None else getattr(block, name)
        return value

    return read


read_group = _bitmap("group")
read_enabled = _bitmap("enabled")
read_pending = _bitmap("pending")
read_active = _bitmap("active")


def write_group(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        before = cpu.blocks[n].group
        _change(gic, cpu, n, value & ~before, changes.to_group1)
        _change(gic, cpu, n, before & ~value, changes.to_group0)


def write_isenabler(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        _change(gic, cpu, n, value & ~_fixed_enables(gic, n), changes.enable)


def write_icenabler(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        _change(gic, cpu, n, value & ~_fixed_enables(gic, n), changes.disable)


def _fixed_enables(gic: Distributor, n: int) -> int:
    return _SGI_BITS if n == 0 and gic.parameters.sgi_enables_fixed else 0


def write_ispendr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        _change(gic, cpu, n, value & ~_SGI_BITS if n == 0 else value, changes.latch)


def write_icpendr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        _change(gic, cpu, n, value & ~_SGI_BITS if n == 0 else value, changes.unpend)


def write_isactiver(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        _change(gic, cpu, n, value, changes.activate)


def write_icactiver(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n in cpu.blocks:
        owner = gic if n else cpu
        owner.deactivate_some(cpu.blocks[n], value)


# One byte per INTID


def read_priority(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return word_of(cpu.blocks[n >> 3].priority, n) if n >> 3 in cpu.blocks else 0


def write_priority(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    for intid, byte in bytes_of(gic, n, value & (gic.parameters.priority_mask * 0x0101_0101), lanes):
        _change(gic, cpu, intid >> 5, 1 << (intid & 31), partial(changes.set_priority, byte))


def read_targets(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    if len(gic.cpus) == 1 or n >> 3 not in cpu.blocks:
        return 0
    return word_of(cpu.blocks[n >> 3].targets, n)


def write_targets(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if len(gic.cpus) == 1:
        return
    present = (1 << len(gic.cpus)) - 1
    for intid, byte in bytes_of(gic, n, value, lanes):
        if intid >= PRIVATE:
            gic.retarget(intid, byte & present)


def bytes_of(gic: Distributor, n: int, value: int, lanes: int) -> list[tuple[int, int]]:
    """(INTID, byte) of each INTID that a write of word n covers, and that is there."""
    return [
        (4 * n + lane, value >> 8 * lane & 0xFF)
        for lane in range(4)
        if lanes >> 8 * lane & 0xFF and 4 * n + lane < gic.parameters.intids
    ]


# Two bits per INTID: the upper one is set for edge-triggered, the lower one is reserved


def read_config(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    if n >> 1 not in cpu.blocks:
        return 0
    return config_word(cpu.blocks[n >> 1], n & 1)


def write_config(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if n == 0 or n >> 1 not in cpu.blocks or (n == 1 and gic.parameters.ppi_config_fixed):
        return
    wanted = edges_of(value) << 16 * (n & 1)
    covered = 0xFFFF << 16 * (n & 1)
    before = cpu.blocks[n >> 1].edge
    _change(gic, cpu, n >> 1, wanted & ~before, changes.to_edge)
    _change(gic, cpu, n >> 1, before & covered & ~wanted, changes.to_level)
