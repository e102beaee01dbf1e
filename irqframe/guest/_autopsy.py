"""What is found of a guest that died: of each CPU where it stood, what it did last, and which interrupts it left.

It is plain data, for a report to print and for JSON. Nothing here changes the VM or the guest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from irqframe.flow import Source, SourceKind, SysregEncoding
from irqframe.guest._interrupts import identified, told
from irqframe.vm import VCpu, Vm


class Body(Protocol):
    """What can be asked of the engine that ran a CPU."""

    def registers(self) -> dict[str, int]:
        """The registers by name, in the order in which they are shown."""

    def recent(self) -> list[tuple[str, int, int]]:
        """The last exits and exceptions, the oldest first: what, at which PC, and which."""


@dataclass(frozen=True, slots=True)
class Left:
    """An interrupt that waits, or is in the guest's hands.

    Attributes:
        intid: of the vCPU.
        name: what it is.
        state: as the irqchip says it.
    """

    intid: int
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class DeadCpu:
    """One CPU.

    Attributes:
        index: of the vCPU.
        mpidr: its affinity.
        state: "off", "sleeps in WFI" or "runs".
        registers: by name; none of one that is off.
        recent: the last exits and exceptions, the oldest first: (what, PC, which, its name if it has one, else "").
        irq: whether its IRQ line was asserted when it last entered the guest.
        fiq: likewise FIQ.
        left: its interrupts that wait or are active.
    """

    index: int
    mpidr: int
    state: str
    registers: Mapping[str, int]
    recent: tuple[tuple[str, int, int, str], ...]
    irq: bool
    fiq: bool
    left: tuple[Left, ...]


def autopsy(vm: Vm, bodies: Sequence[Body], names: Mapping[tuple[SourceKind, int], str]) -> tuple[DeadCpu, ...]:
    """Look at every CPU; the calling thread owns them.

    Args:
        vm: not destroyed yet.
        bodies: the engine of each vCPU.
        names: of the machine's sources, by kind and number.
    """
    return tuple(_cpu(vm, vcpu, body, names) for vcpu, body in zip(vm.vcpus, bodies, strict=True))


def _cpu(vm: Vm, vcpu: VCpu, body: Body, names: Mapping[tuple[SourceKind, int], str]) -> DeadCpu:
    off = vcpu.powered_off
    return DeadCpu(
        vcpu.index,
        vcpu.mpidr,
        "off" if off else "sleeps in WFI" if vcpu.blocked else "runs",
        {} if off else body.registers(),
        tuple((what, pc, which, _register(vm, what, which)) for what, pc, which in body.recent()),
        vcpu.irq_line,
        vcpu.fiq_line,
        tuple(
            Left(intid, _name(identified(vm, vcpu, intid), names), str(state))
            for intid, state in sorted(told(vm, "waiting", vcpu).items())
        ),
    )


def _register(vm: Vm, what: str, which: int) -> str:
    """The register or function that an exit was about."""
    if what in ("read", "write"):
        return vm.mmio.name(which)
    if what in ("hvc", "smc"):
        return vm.hypercalls.name(which & 0xFFFF_FFFF)
    if what in ("mrs", "msr"):
        return vm.sysregs.name(SysregEncoding.unpack(which))
    return ""


def _name(what: Source | str, names: Mapping[tuple[SourceKind, int], str]) -> str:
    if isinstance(what, str):
        return what
    return names.get(what[:2], f"{what.kind.value} {what.number}")
