"""System registers as MRS and MSR name them, and those of them that the engine treats by itself.

They are packed into one number, as `SysregEncoding.packed` does.
"""

from __future__ import annotations

from typing import Final

from irqframe.flow import SysregEncoding


def pack(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    """One number for an encoding."""
    return SysregEncoding(op0, op1, crn, crm, op2).packed


MPIDR_EL1: Final = pack(3, 0, 0, 0, 5)
SCTLR_EL1: Final = pack(3, 0, 1, 0, 0)
SPSR_EL1: Final = pack(3, 0, 4, 0, 0)
ISR_EL1: Final = pack(3, 0, 12, 1, 0)
CNTKCTL_EL1: Final = pack(3, 0, 14, 1, 0)
VMPIDR_EL2: Final = pack(3, 4, 0, 0, 5)
HCR_EL2: Final = pack(3, 4, 1, 1, 0)
CNTVOFF_EL2: Final = pack(3, 4, 14, 0, 3)
SCR_EL3: Final = pack(3, 6, 1, 1, 0)

CNTPCT_EL0: Final = pack(3, 3, 14, 0, 1)
CNTVCT_EL0: Final = pack(3, 3, 14, 0, 2)
CNTP_TVAL_EL0: Final = pack(3, 3, 14, 2, 0)
CNTP_CTL_EL0: Final = pack(3, 3, 14, 2, 1)
CNTP_CVAL_EL0: Final = pack(3, 3, 14, 2, 2)
CNTV_TVAL_EL0: Final = pack(3, 3, 14, 3, 0)
CNTV_CTL_EL0: Final = pack(3, 3, 14, 3, 1)
CNTV_CVAL_EL0: Final = pack(3, 3, 14, 3, 2)

COUNTERS: Final = frozenset({CNTPCT_EL0, CNTVCT_EL0})
TIMERS: Final = frozenset({CNTP_TVAL_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTV_TVAL_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0})

GENERIC_TIMER: Final = COUNTERS | TIMERS

#: Register -> the bit of CNTKCTL_EL1 without which EL0 is trapped (Arm ARM, "CNTKCTL_EL1").
EL0_GATE: Final = {
    CNTPCT_EL0: 1 << 0,
    CNTVCT_EL0: 1 << 1,
    CNTV_TVAL_EL0: 1 << 8,
    CNTV_CTL_EL0: 1 << 8,
    CNTV_CVAL_EL0: 1 << 8,
    CNTP_TVAL_EL0: 1 << 9,
    CNTP_CTL_EL0: 1 << 9,
    CNTP_CVAL_EL0: 1 << 9,
}

#: op1 of the registers that EL0 may name at all (Arm ARM, "op1").
EL0_OP1: Final = 3

_IS_MOVE: Final = 0xFFD00000
_MOVE: Final = 0xD5100000
_READ: Final = 1 << 21


def system_move(word: int) -> tuple[int, int, bool] | None:
    """Decode MRS and MSR (register).

    Args:
        word: an instruction.

    Returns:
        Packed encoding, number of the general register (31: XZR), and whether it is read; None for what is neither.
    """
    if word & _IS_MOVE != _MOVE:
        return None
    return word >> 5 & 0xFFFF, word & 31, bool(word & _READ)


def maintenance(op0: int, op1: int, crn: int, crm: int, op2: int) -> str:
    """What an operation of SYS makes stale on the other CPUs of the Inner Shareable domain.

    Returns:
        "tlb" (TLBI ...IS and ...OS), "code" (IC IALLUIS, IC IVAU), or "" for what stays on the CPU.
    """
    if op0 == 1 and crn == 8 and crm in _SHARED:
        return "tlb"
    return "code" if (op0, op1, crn, crm, op2) in _CODE_OPERATIONS else ""


#: CRm of TLBI ...IS and ...OS (Arm ARM, "A64 system instructions for TLB maintenance").
_SHARED: Final = frozenset({3, 1})
#: IC IALLUIS; IC IVAU (Arm ARM, "A64 system instructions for cache maintenance").
_CODE_OPERATIONS: Final = frozenset({(1, 0, 7, 1, 0), (1, 3, 7, 5, 1)})
