"""The CPU interface's registers (GICC frame) as a table; every CPU sees its own at the same address."""

from __future__ import annotations

from typing import Final

from irqframe.bits import Operation, accessing
from irqframe.vm import VCpu
from irqframe_vgic._interface import IDLE
from irqframe_vgic._registers import Register, decode
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._rows import Read, Row, Write


def _read_ctlr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.ctlr


def _write_ctlr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.write_ctlr(value)


def _read_pmr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.pmr


def _write_pmr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.pmr = value & gic.parameters.priority_mask
    cpu.update()


def _read_bpr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.bpr


def _write_bpr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.bpr = max(value & 7, gic.parameters.min_bpr)
    cpu.recompute()
    cpu.update()


def _read_abpr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.abpr


def _write_abpr(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.abpr = max(value & 7, gic.parameters.min_bpr + 1)
    cpu.recompute()
    cpu.update()


def _read_iar(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.acknowledge(group1_only=False)


def _read_aiar(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.acknowledge(group1_only=True)


def _write_eoir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.write_eoir(value, group1_only=False)


def _write_aeoir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.write_eoir(value, group1_only=True)


def _write_dir(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
    cpu.deactivate_directly(value)


def _read_rpr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return 0xFF if cpu.running == IDLE else cpu.running


def _read_hppir(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.highest(group1_only=False)


def _read_ahppir(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return cpu.highest(group1_only=True)


def _active_priorities(group: int) -> tuple[Read, Write]:
    def read(gic: Distributor, n: int, cpu: CpuInterface) -> int:
        return cpu.active[group] >> 32 * n & 0xFFFF_FFFF

    def write(gic: Distributor, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        cpu.write_active(group, n, value)

    return read, write


_read_apr, _write_apr = _active_priorities(0)
_read_nsapr, _write_nsapr = _active_priorities(1)


def _read_iidr(gic: Distributor, n: int, cpu: CpuInterface) -> int:
    return gic.parameters.gicc_iidr


REGISTERS: Final[tuple[Row, ...]] = (
    Register(
        "GICC_CTLR",
        0x00,
        "bit 0 EnableGrp0, 1 EnableGrp1, 2 AckCtl, 3 FIQEn, 4 CBPR, 9 EOImode",
        "CPU Interface Control Register",
        _read_ctlr,
        _write_ctlr,
        banked="all",
    ),
    Register(
        "GICC_PMR",
        0x04,
        "what is signalled is strictly more urgent; unimplemented low bits RAZ/WI",
        "Interrupt Priority Mask Register",
        _read_pmr,
        _write_pmr,
        banked="all",
    ),
    Register(
        "GICC_BPR",
        0x08,
        "n: bits 7 to n+1 of a priority count for preemption; Group 0, and Group 1 if CBPR",
        "Binary Point Register",
        _read_bpr,
        _write_bpr,
        banked="all",
        reset="the minimum",
    ),
    Register(
        "GICC_IAR",
        0x0C,
        "acknowledges: [9:0] INTID, [12:10] source CPU of an SGI; 1023 nothing, 1022 Group 1 and AckCtl 0",
        "Interrupt Acknowledge Register",
        _read_iar,
        banked="all",
        reset=0x3FF,
    ),
    Register(
        "GICC_EOIR",
        0x10,
        "drops the priority and, with EOImode 0, deactivates what GICC_IAR gave",
        "End of Interrupt Register",
        write=_write_eoir,
        banked="all",
    ),
    Register("GICC_RPR", 0x14, "running priority", "Running Priority Register", _read_rpr, banked="all", reset=0xFF),
    Register(
        "GICC_HPPIR",
        0x18,
        "as GICC_IAR, without effect and whatever mask and running priority are",
        "Highest Priority Pending Interrupt Register",
        _read_hppir,
        banked="all",
        reset=0x3FF,
    ),
    Register(
        "GICC_ABPR",
        0x1C,
        "n: bits 7 to n of a priority count for preemption; Group 1 unless CBPR",
        "Aliased Binary Point Register",
        _read_abpr,
        _write_abpr,
        banked="all",
        reset="the minimum of GICC_BPR + 1",
    ),
    Register(
        "GICC_AIAR",
        0x20,
        "as GICC_IAR for Group 1 whatever AckCtl is; 1023 if Group 0 is on top",
        "Aliased Interrupt Acknowledge Register",
        _read_aiar,
        banked="all",
        reset=0x3FF,
    ),
    Register(
        "GICC_AEOIR",
        0x24,
        "as GICC_EOIR, for Group 1",
        "Aliased End of Interrupt Register",
        write=_write_aeoir,
        banked="all",
    ),
    Register(
        "GICC_AHPPIR",
        0x28,
        "as GICC_HPPIR for Group 1; 1023 if Group 0 is on top",
        "Aliased Highest Priority Pending Interrupt Register",
        _read_ahppir,
        banked="all",
        reset=0x3FF,
    ),
    Register(
        "GICC_APR",
        0xD0,
        "bit n: a Group 0 interrupt of group priority level n is running; levels that there are not RAZ/WI",
        "Active Priorities Registers",
        _read_apr,
        _write_apr,
        words=4,
        banked="all",
    ),
    Register(
        "GICC_NSAPR",
        0xE0,
        "as GICC_APR, for Group 1",
        "Non-secure Active Priorities Registers",
        _read_nsapr,
        _write_nsapr,
        words=4,
        banked="all",
    ),
    Register(
        "GICC_IIDR",
        0xFC,
        "[31:20] product, [19:16] architecture version 2, [15:12] revision, [11:0] implementer",
        "CPU Interface Identification Register",
        _read_iidr,
        banked="all",
        reset="implementation",
    ),
    Register(
        "GICC_DIR",
        0x1000,
        "deactivates, if EOImode is 1",
        "Deactivate Interrupt Register",
        write=_write_dir,
        banked="all",
    ),
)
"""Every register of the GICC frame; all other offsets are RAZ/WI."""

DECODED: Final = decode(REGISTERS)


def operations(vcpu: VCpu) -> dict[int, tuple[Operation | None, Operation | None]]:
    """Loads and stores that the compiled core serves by itself, by offset."""
    found: dict[int, tuple[Operation | None, Operation | None]] = {}
    for register in REGISTERS:
        operation = accessing(register.name, vcpu.chip)
        if operation is not None:
            found[register.offset] = (operation, None) if register.read is not None else (None, operation)
    return found
