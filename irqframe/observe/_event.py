"""The event record: the one shape in which everything observed is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias


class Event(NamedTuple):
    """Something that happened to an interrupt, or to a vCPU.

    Attributes:
        ns: when, nanoseconds of the VM's clock.
        vcpu: index of the vCPU it happened on, -1 where it belongs to none.
        kind: one of `KINDS`, or the name of an irqchip_flow callback without prefix.
        intid: the INTID, -1 where there is none.
        source: who or what: a source of the machine, a trap's function or register, an outcome.
    """

    ns: int
    vcpu: int
    kind: str
    intid: int
    source: str


KINDS: Final = {
    "raise": "a device raised its line, made an edge or sent a message; a CPU sent an IPI",
    "deliver": "the guest's handler ran for an interrupt",
    "move": "the guest moved an interrupt to another vCPU",
    "off": "the vCPU was powered off",
    "on": "the vCPU was powered on",
    "hypercall": "trap: HVC; the source is the function",
    "mmio read": "trap: load from a device; the source is the register",
    "mmio write": "trap: store to a device; the source is the register",
    "sysreg read": "trap: MRS; the source is the register",
    "sysreg write": "trap: MSR; the source is the register",
}
"""What the kinds of events mean that are no flow callbacks."""

#: Takes the fields of an `Event`, in order; what records nothing is None, not a function that does nothing.
Recorder: TypeAlias = Callable[[int, int, str, int, str], None]
