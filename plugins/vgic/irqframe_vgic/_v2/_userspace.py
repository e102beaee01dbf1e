"""Registers through device attributes: how userspace saves and restores KVM's GICv2 (groups 1 and 2 of arm-vgic.rst).

1. An attribute is a vCPU's index in bits 39:32 and a register's offset in bits 31:0; every register is a word.
2. Userspace reads and writes what that vCPU's guest would, with the exceptions of `_READS` and `_WRITES`.
   A register that only has an effect, or that has one when it is read, is not there: it is no state.
3. GICD_IGROUPR ignores userspace until it has written GICD_IIDR: by that it says that it knows what it restores.
4. No vCPU may be loaded meanwhile.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from irqframe.errors import VmError
from irqframe.vm import Vm
from irqframe_vgic._block import bits
from irqframe_vgic._intids import SGIS
from irqframe_vgic._registers import Decoded, decode
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._gicc import REGISTERS as GICC
from irqframe_vgic._v2._gicd import REGISTERS as GICD
from irqframe_vgic._v2._gicd_arrays import write_icpendr, write_ispendr
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._rows import Read, Row, Write

GROUP_DIST: Final = 1
GROUP_CPU: Final = 2

_WORD: Final = 0xFFFF_FFFF
_PMR_SHIFT: Final = 3
_GROUP_REGISTERS: Final = "GICD_IGROUPR"


def _write_iidr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    if value != gic.parameters.gicd_iidr:
        raise VmError(errno.EINVAL, f"GICD_IIDR is {gic.parameters.gicd_iidr:#x} here, not {value:#x}")


def _write_ispendr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    write_ispendr(gic, n, cpu, value, lanes)
    if n == 0:
        for sgi in bits(value & (1 << SGIS) - 1):
            cpu.send_sgi(sgi, cpu.vcpu.index)


def _write_icpendr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    write_icpendr(gic, n, cpu, value, lanes)
    if n == 0:
        for sgi in bits(value & (1 << SGIS) - 1):
            cpu.clear_sgi(sgi, 0xFF)


def _read_pmr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.pmr >> _PMR_SHIFT


def _write_pmr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.pmr = value << _PMR_SHIFT & gic.parameters.priority_mask
    cpu.update()


def _read_apr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return (cpu.active[0] | cpu.active[1]) >> 32 * n & _WORD


def _write_apr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    levels = value << 32 * n & (1 << (1 << gic.parameters.group_bits)) - 1
    others = ~(_WORD << 32 * n)
    ones = levels & (cpu.active[1] | _levels_of_group1(cpu))
    zeros = levels & (cpu.active[0] | ~ones)
    cpu.active = [cpu.active[0] & others | zeros, cpu.active[1] & others | ones]
    cpu.recompute()
    cpu.update()


def _levels_of_group1(cpu: CpuInterface) -> int:
    """The group priority levels that active Group 1 interrupts have."""
    levels = 0
    for block in cpu.blocks.values():
        for n in bits(block.active & block.group):
            levels |= 1 << cpu.level(block.priority[n], 1)
    return levels


# What is not as the guest has it. SGIs made pending come from the vCPU itself, and are cleared of every source;
# GICC_PMR is in the lower five bits; GICC_APR is of both groups, and what an active Group 1 interrupt accounts for
# goes to that group.
_READS: Final[Mapping[str, Read]] = {"GICC_PMR": _read_pmr, "GICC_APR": _read_apr}
_WRITES: Final[Mapping[str, Write]] = {
    "GICD_IIDR": _write_iidr,
    "GICD_ISPENDR": _write_ispendr,
    "GICD_ICPENDR": _write_icpendr,
    "GICC_PMR": _write_pmr,
    "GICC_APR": _write_apr,
}
_CPU_INTERFACE: Final = ("GICC_CTLR", "GICC_PMR", "GICC_BPR", "GICC_ABPR", "GICC_APR", "GICC_IIDR")


def _for_userspace(row: Row) -> Row:
    return replace(row, read=_READS.get(row.name, row.read), write=_WRITES.get(row.name, row.write))


TABLES: Final[Mapping[int, Decoded[Distributor, CpuInterface]]] = {
    GROUP_DIST: decode([_for_userspace(row) for row in GICD if row.read]),
    GROUP_CPU: decode([_for_userspace(row) for row in GICC if row.name in _CPU_INTERFACE]),
}
"""Attribute group -> what userspace has in it."""


class UserRegisters:
    """The registers of one GIC as its userspace has them.

    Attributes:
        groups_writable: whether writes to GICD_IGROUPR count.
    """

    def __init__(self) -> None:
        self.groups_writable = False

    @staticmethod
    def has(vm: Vm, group: int, attr: int) -> bool:
        """Whether there is such a vCPU with such a register."""
        return 0 <= attr >> 32 < len(vm.vcpus) and (attr & _WORD) in TABLES[group].names

    def get(self, vm: Vm, group: int, attr: int) -> int:
        """A register's value.

        Raises:
            VmError: EINVAL for a vCPU that is not there; ENXIO for such a register; EBUSY before the GIC is
                initialised and while a vCPU is loaded.
        """
        cpu, offset = _find(vm, group, attr)
        read, n, _, _ = TABLES[group].readers[offset << 4 | 4]
        return cpu.vcpu.call(read, cpu.gic, n, cpu)

    def set(self, vm: Vm, group: int, attr: int, value: int) -> None:
        """Write a register; a read-only one ignores it.

        Raises:
            VmError: as `get`; EINVAL for more than 32 bits, and for another GICD_IIDR than this GIC's.
        """
        cpu, offset = _find(vm, group, attr)
        if not 0 <= value <= _WORD:
            raise VmError(errno.EINVAL, f"{value:#x} is no 32-bit value")
        name = TABLES[group].names[offset]
        if name.startswith(_GROUP_REGISTERS) and not self.groups_writable:
            return
        if offset << 4 | 4 in TABLES[group].writers:
            write, n, _, lanes = TABLES[group].writers[offset << 4 | 4]
            cpu.vcpu.call(write, cpu.gic, n, cpu, value, lanes)
        self.groups_writable |= name == "GICD_IIDR"


def _find(vm: Vm, group: int, attr: int) -> tuple[CpuInterface, int]:
    """Whose register an attribute is, and its offset."""
    index, offset = attr >> 32, attr & _WORD
    if not 0 <= index < len(vm.vcpus):
        raise VmError(errno.EINVAL, f"there is no vCPU {index}; the VM has {len(vm.vcpus)}")
    if offset not in TABLES[group].names:
        raise VmError(errno.ENXIO, f"userspace has no register at {offset:#x} in group {group}")
    if not vm.finalized:
        raise VmError(errno.EBUSY, "the GIC is not initialised")
    if any(vcpu.loaded for vcpu in vm.vcpus):
        raise VmError(errno.EBUSY, "a vCPU is running")
    cpu: CpuInterface = vm.vcpus[index].chip
    return cpu, offset
