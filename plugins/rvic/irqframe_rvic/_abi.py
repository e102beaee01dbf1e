"""The hypercall interface of rVIC and rVID, as tables: function ids, arguments, status words, checks in order.

The numbers are those of the KVM/arm64 series of September 2020, which chose them itself: the public text of Arm's
"Reduced Virtual Interrupt Controller" (ARM-DEN-0103, alpha) does not print them.

1. Encoding: SMCCC fast call, SMC64, owner 5 (standard hypervisor service), by HVC.
2. Results: x0 is the status word, x1 a value or 0, x2 and x3 are 0.
3. Status word: reason in bits 7:0, index of the offending argument (x1 is 0) in bits 15:8.
4. Of several checks the first that fails answers; `Function.failures` lists them in order.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

Result = tuple[int, int, int, int]
"""x0 to x3."""

VERSION: Final = 0x0000_0003
"""Version word, major in bits 31:16, minor in bits 15:0: 0.3, for rVIC and rVID."""

RVIC_BASE: Final = 0xC500_0200
RVID_BASE: Final = 0xC500_0100

MPIDR_AFFINITY: Final = 0xFF_00FF_FFFF
"""The affinity fields of an MPIDR: the bits a target argument may have."""

DOORBELL: Final = 0xBA5E_0000
"""Where devices write their messages; a dummy, nothing is mapped there. The data is the number of the rVID input."""

PRIORITIES: Final = 256
"""Values of the priorities extension: 0, the most urgent and what every interrupt has at reset, to 255."""


class Reason(IntEnum):
    """Bits 7:0 of a status word."""

    SUCCESS = 0
    ERROR_PARAMETER = 1
    INVALID_CPU = 2
    DISABLED = 3
    NO_INTERRUPTS = 4


class InfoKey(IntEnum):
    """What RVIC_INFO can be asked for."""

    NR_TRUSTED_INTERRUPTS = 0
    NR_UNTRUSTED_INTERRUPTS = 1
    NR_PRIORITIES = 2
    """Only with the priorities extension."""


class Failure(NamedTuple):
    """One check of a function: when it fails, and what the guest gets then."""

    condition: str
    result: Result


class Function(NamedTuple):
    """One hypercall.

    Attributes:
        fid: function id, the low 32 bits of x0.
        name: as the specification spells it.
        arguments: names of x1, x2, x3, those it has.
        target: whose state it works on: "caller", "target" (by MPIDR), "VM", or "" for nobody's.
        value: x1 after success, "0" if it has none.
        failures: its checks, in order.
        extension: the extension it belongs to, "" for the alpha specification.
    """

    fid: int
    name: str
    arguments: tuple[str, ...]
    target: str
    value: str
    failures: tuple[Failure, ...] = ()
    extension: str = ""


def status(reason: Reason, index: int = 0) -> int:
    """Pack a status word; `index` is that of the offending argument, x1 being 0."""
    return index << 8 | reason


def failed(reason: Reason, index: int = 0) -> Result:
    """x0 to x3 of a call that failed."""
    return (status(reason, index), 0, 0, 0)


SUCCESS: Final[Result] = (0, 0, 0, 0)
TRUE: Final[Result] = (0, 1, 0, 0)
BAD_X1: Final = failed(Reason.ERROR_PARAMETER, 0)
BAD_X2: Final = failed(Reason.ERROR_PARAMETER, 1)
BAD_X3: Final = failed(Reason.ERROR_PARAMETER, 2)
NO_CPU_X1: Final = failed(Reason.INVALID_CPU, 0)
NO_CPU_X2: Final = failed(Reason.INVALID_CPU, 1)
DISABLED: Final = failed(Reason.DISABLED)
NO_INTERRUPTS: Final = failed(Reason.NO_INTERRUPTS)

_TARGET: Final = (
    Failure("x1 has bits outside of the affinity fields", BAD_X1),
    Failure("no vCPU has the affinity x1", NO_CPU_X1),
    Failure("x2 is not below N", BAD_X2),
)
_INPUT: Final = Failure("x1 is not below U", BAD_X1)

RVIC_FUNCTIONS: Final = (
    Function(RVIC_BASE + 0, "RVIC_VERSION", (), "", "version word"),
    Function(
        RVIC_BASE + 1,
        "RVIC_INFO",
        ("key",),
        "",
        "T or U",
        (Failure("x1 is no key (0: T, 1: U; 2, with priorities: how many)", BAD_X1),),
    ),
    Function(RVIC_BASE + 2, "RVIC_ENABLE", (), "caller", "0"),
    Function(RVIC_BASE + 3, "RVIC_DISABLE", (), "caller", "0"),
    Function(RVIC_BASE + 4, "RVIC_SET_MASKED", ("target MPIDR", "INTID"), "target", "0", _TARGET),
    Function(RVIC_BASE + 5, "RVIC_CLEAR_MASKED", ("target MPIDR", "INTID"), "target", "0", _TARGET),
    Function(RVIC_BASE + 6, "RVIC_IS_PENDING", ("target MPIDR", "INTID"), "target", "0 or 1", _TARGET),
    Function(
        RVIC_BASE + 7,
        "RVIC_SIGNAL",
        ("target MPIDR", "INTID"),
        "target",
        "0",
        (*_TARGET, Failure("the target's instance is disabled", DISABLED)),
    ),
    Function(RVIC_BASE + 8, "RVIC_CLEAR_PENDING", ("target MPIDR", "INTID"), "target", "0", _TARGET),
    Function(
        RVIC_BASE + 9,
        "RVIC_ACKNOWLEDGE",
        (),
        "caller",
        "INTID",
        (
            Failure("the caller's instance is disabled", DISABLED),
            Failure("nothing is deliverable", NO_INTERRUPTS),
        ),
    ),
    Function(
        RVIC_BASE + 10,
        "RVIC_RESAMPLE",
        ("INTID",),
        "caller",
        "0",
        (
            Failure("x1 is not below T (with level inputs: N)", BAD_X1),
            Failure("the caller's instance is disabled", DISABLED),
        ),
    ),
    Function(
        RVIC_BASE + 11,
        "RVIC_SET_PRIORITY",
        ("target MPIDR", "INTID", "priority"),
        "target",
        "0",
        (*_TARGET, Failure("x3 is not below 256", BAD_X3)),
        "priorities",
    ),
)
"""RVIC_LAST is RVIC_RESAMPLE; what follows it is ours."""

RVID_FUNCTIONS: Final = (
    Function(RVID_BASE + 0, "RVID_VERSION", (), "", "version word"),
    Function(
        RVID_BASE + 1,
        "RVID_MAP",
        ("input", "target MPIDR", "INTID"),
        "VM",
        "0",
        (
            _INPUT,
            Failure("x2 has bits outside of the affinity fields", BAD_X2),
            Failure("no vCPU has the affinity x2", NO_CPU_X2),
            Failure("x3 is below T or not below N", BAD_X3),
        ),
    ),
    Function(RVID_BASE + 2, "RVID_UNMAP", ("input",), "VM", "0", (_INPUT,)),
    Function(
        RVID_BASE + 3,
        "RVID_SET_TRIGGER",
        ("input", "trigger"),
        "VM",
        "0",
        (_INPUT, Failure("x2 is neither 1 (edge rising) nor 4 (level high)", BAD_X2)),
        "level inputs",
    ),
)
"""RVID_LAST is RVID_UNMAP; what follows it is ours."""

FUNCTIONS: Final = {function.name: function for function in (*RVID_FUNCTIONS, *RVIC_FUNCTIONS)}
"""Every function by name."""

FID: Final = {name: function.fid for name, function in FUNCTIONS.items()}
"""Function id by name."""
