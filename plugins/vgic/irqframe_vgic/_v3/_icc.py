"""The CPU interface's system registers (ICC_*_EL1) as a table, claimed as traps.

Reading a register that is write-only, and writing one that is read-only, is UNDEFINED, as for those that are not here.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from irqframe.flow import SysregClaim
from irqframe_vgic._interface import IDLE
from irqframe_vgic._v3._interface import CBPR, CpuInterface
from irqframe_vgic._v3._parameters import Parameters
from irqframe_vgic._v3._system_register import SystemRegister, claim

_SRE: Final = 0b111
"""SRE, DFB and DIB, RAO/WI: system registers always, no bypass (ICC_SRE_EL1 page)."""


_EXT_RANGE: Final = 1 << 19
"""INTIDs of the extended ranges are taken (ICC_CTLR_EL1 page)."""


def _read_pmr(cpu: CpuInterface) -> int:
    return cpu.pmr


def _write_pmr(cpu: CpuInterface, value: int) -> None:
    cpu.pmr = value & cpu.gic.parameters.pmr_mask
    cpu.update()


def _acknowledge(group: int, cpu: CpuInterface) -> int:
    return cpu.acknowledge(group)


def _end(group: int, cpu: CpuInterface, value: int) -> None:
    cpu.write_eoir(value, group)


def _highest(group: int, cpu: CpuInterface) -> int:
    return cpu.highest(group)


def _deactivate(cpu: CpuInterface, value: int) -> None:
    cpu.deactivate_directly(value)


def _read_bpr0(cpu: CpuInterface) -> int:
    return cpu.bpr


def _write_bpr0(cpu: CpuInterface, value: int) -> None:
    cpu.bpr = max(value & 7, cpu.gic.parameters.min_bpr)
    cpu.recompute()
    cpu.update()


def _read_bpr1(cpu: CpuInterface) -> int:
    return min(cpu.bpr + 1, 7) if cpu.ctlr & CBPR else cpu.abpr


def _write_bpr1(cpu: CpuInterface, value: int) -> None:
    if not cpu.ctlr & CBPR:
        cpu.abpr = max(value & 7, cpu.gic.parameters.min_bpr + 1)
        cpu.recompute()
        cpu.update()


def _read_active(group: int, word: int, cpu: CpuInterface) -> int:
    return cpu.active[group] >> 32 * word & 0xFFFF_FFFF


def _write_active(group: int, word: int, cpu: CpuInterface, value: int) -> None:
    cpu.write_active(group, word, value & 0xFFFF_FFFF)


def _read_rpr(cpu: CpuInterface) -> int:
    return 0xFF if cpu.running == IDLE else cpu.running


def _read_ctlr(cpu: CpuInterface) -> int:
    parameters = cpu.gic.parameters
    extended = _EXT_RANGE if parameters.espis or parameters.eppis else 0
    return cpu.ctlr | parameters.icc_ctlr | extended


def _write_ctlr(cpu: CpuInterface, value: int) -> None:
    cpu.write_ctlr(value)


def _read_sre(cpu: CpuInterface) -> int:
    return _SRE


def _write_sre(cpu: CpuInterface, value: int) -> None:
    """Nothing of it can be changed."""


def _read_enable(group: int, cpu: CpuInterface) -> int:
    return cpu.groups >> group & 1


def _write_enable(group: int, cpu: CpuInterface, value: int) -> None:
    cpu.enable_group(group, value)


def _send(group: int, cpu: CpuInterface, value: int) -> None:
    cpu.gic.send_sgi(cpu, value, group)


def _active_rows(group: int, crm: int, first: int) -> tuple[SystemRegister, ...]:
    return tuple(
        SystemRegister(
            f"ICC_AP{group}R{word}_EL1",
            (12, crm, first + word),
            f"bit n: a Group {group} interrupt of group priority level n is running",
            f"Interrupt Controller Active Priorities Group {group} Registers",
            partial(_read_active, group, word),
            partial(_write_active, group, word),
        )
        for word in range(4)
    )


_ACKNOWLEDGE: Final = "acknowledges: [23:0] INTID; 1023 nothing, or it is of the other group"
_END: Final = "drops the priority and, with EOImode 0, deactivates what ICC_IAR gave"
_HIGHEST: Final = "as ICC_IAR, without effect and whatever mask and running priority are"
_SGI: Final = "[27:24] SGI; [15:0] CPUs of the cluster [55:48][39:32][23:16], [47:44] range; bit 40: all but the writer"

REGISTERS: Final = (
    SystemRegister(
        "ICC_PMR_EL1",
        (4, 6, 0),
        "what is signalled is strictly more urgent; unimplemented low bits RAZ/WI",
        "Interrupt Controller Interrupt Priority Mask Register",
        _read_pmr,
        _write_pmr,
    ),
    SystemRegister(
        "ICC_IAR0_EL1",
        (12, 8, 0),
        _ACKNOWLEDGE,
        "Interrupt Controller Interrupt Acknowledge Register 0",
        partial(_acknowledge, 0),
        reset=0x3FF,
    ),
    SystemRegister(
        "ICC_EOIR0_EL1",
        (12, 8, 1),
        _END,
        "Interrupt Controller End Of Interrupt Register 0",
        write=partial(_end, 0),
    ),
    SystemRegister(
        "ICC_HPPIR0_EL1",
        (12, 8, 2),
        _HIGHEST,
        "Interrupt Controller Highest Priority Pending Interrupt Register 0",
        partial(_highest, 0),
        reset=0x3FF,
    ),
    SystemRegister(
        "ICC_BPR0_EL1",
        (12, 8, 3),
        "n: bits 7 to n+1 of a priority count for preemption; Group 0, and Group 1 if CBPR",
        "Interrupt Controller Binary Point Register 0",
        _read_bpr0,
        _write_bpr0,
        reset="the minimum",
    ),
    *_active_rows(0, 8, 4),
    *_active_rows(1, 9, 0),
    SystemRegister(
        "ICC_DIR_EL1",
        (12, 11, 1),
        "deactivates, if EOImode is 1",
        "Interrupt Controller Deactivate Interrupt Register",
        write=_deactivate,
    ),
    SystemRegister(
        "ICC_RPR_EL1",
        (12, 11, 3),
        "running priority",
        "Interrupt Controller Running Priority Register",
        _read_rpr,
        reset=0xFF,
    ),
    SystemRegister(
        "ICC_SGI1R_EL1",
        (12, 11, 5),
        f"sends an SGI of Group 1: {_SGI}",
        "Interrupt Controller Software Generated Interrupt Group 1 Register",
        write=partial(_send, 1),
    ),
    SystemRegister(
        "ICC_ASGI1R_EL1",
        (12, 11, 6),
        "as ICC_SGI0R_EL1: there is no other security state",
        "Interrupt Controller Alias Software Generated Interrupt Group 1 Register",
        write=partial(_send, 0),
    ),
    SystemRegister(
        "ICC_SGI0R_EL1",
        (12, 11, 7),
        f"sends an SGI of Group 0: {_SGI}",
        "Interrupt Controller Software Generated Interrupt Group 0 Register",
        write=partial(_send, 0),
    ),
    SystemRegister(
        "ICC_IAR1_EL1",
        (12, 12, 0),
        _ACKNOWLEDGE,
        "Interrupt Controller Interrupt Acknowledge Register 1",
        partial(_acknowledge, 1),
        reset=0x3FF,
    ),
    SystemRegister(
        "ICC_EOIR1_EL1",
        (12, 12, 1),
        _END,
        "Interrupt Controller End Of Interrupt Register 1",
        write=partial(_end, 1),
    ),
    SystemRegister(
        "ICC_HPPIR1_EL1",
        (12, 12, 2),
        _HIGHEST,
        "Interrupt Controller Highest Priority Pending Interrupt Register 1",
        partial(_highest, 1),
        reset=0x3FF,
    ),
    SystemRegister(
        "ICC_BPR1_EL1",
        (12, 12, 3),
        "n: bits 7 to n of a priority count for preemption; with CBPR reads ICC_BPR0_EL1 + 1, and ignores writes",
        "Interrupt Controller Binary Point Register 1",
        _read_bpr1,
        _write_bpr1,
        reset="the minimum of ICC_BPR0_EL1 + 1",
    ),
    SystemRegister(
        "ICC_CTLR_EL1",
        (12, 12, 4),
        "bit 0 CBPR, 1 EOImode; [10:8] PRIbits - 1, [13:11] IDbits, 15 A3V, 18 RSS, 19 ExtRange are read-only",
        "Interrupt Controller Control Register",
        _read_ctlr,
        _write_ctlr,
        reset="implementation",
    ),
    SystemRegister(
        "ICC_SRE_EL1",
        (12, 12, 5),
        "SRE, DFB and DIB are 1",
        "Interrupt Controller System Register Enable Register",
        _read_sre,
        _write_sre,
        reset=_SRE,
    ),
    SystemRegister(
        "ICC_IGRPEN0_EL1",
        (12, 12, 6),
        "bit 0: Group 0 is signalled",
        "Interrupt Controller Interrupt Group 0 Enable Register",
        partial(_read_enable, 0),
        partial(_write_enable, 0),
    ),
    SystemRegister(
        "ICC_IGRPEN1_EL1",
        (12, 12, 7),
        "bit 0: Group 1 is signalled",
        "Interrupt Controller Interrupt Group 1 Enable Register",
        partial(_read_enable, 1),
        partial(_write_enable, 1),
    ),
)
"""Every system register of the CPU interface; of the active-priority registers, those that the group bits need."""


def claims(parameters: Parameters) -> tuple[SysregClaim, ...]:
    """The registers that an implementation has: AP words beyond the first need more than 5 group bits."""
    words = max(1 << parameters.group_bits >> 5, 1)
    absent = {f"ICC_AP{group}R{word}_EL1" for group in (0, 1) for word in range(words, 4)}
    return tuple(claim(register) for register in REGISTERS if register.name not in absent)
