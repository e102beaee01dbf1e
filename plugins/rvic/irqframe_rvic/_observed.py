"""What is told of the interrupts of one vCPU when a run ends: which they are, how often they came, which still wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irqframe.bits import MASKED, PENDING
from irqframe.flow import Source, SourceKind, Trigger
from irqframe_rvic._instance import IPIS, Instance
from irqframe_rvic._vm_data import VmData

if TYPE_CHECKING:
    from irqframe.vm import VCpu


def delivered(vcpu: VCpu) -> dict[int, int]:
    """How often the guest has acknowledged each INTID; one that never was is left out."""
    return vcpu.chip.delivered if isinstance(vcpu.chip, Instance) else {}


def identify(vcpu: VCpu, intid: int) -> Source | str:
    """A trusted INTID is a PPI's. An untrusted one is that of the input which leads there now, if any does."""
    data = vcpu.vm.chip_data
    if intid < IPIS:
        return f"IPI {intid}"
    if isinstance(data, VmData):
        if intid < data.trusted:
            return Source(SourceKind.PPI, intid, Trigger.NONE)
        for number, entry in enumerate(data.rvid.map[: data.inputs]):
            if entry is not None and entry.vcpu is vcpu and entry.intid == intid:
                return Source(SourceKind.SPI, number, Trigger.NONE)
    return f"INTID {intid}"


def waiting(vcpu: VCpu) -> dict[int, str]:
    """State of each interrupt that is pending; there is no active state."""
    if not isinstance(vcpu.chip, Instance):
        return {}
    states = enumerate(vcpu.chip.target.state)
    return {intid: "pending, masked" if byte & MASKED else "pending" for intid, byte in states if byte & PENDING}
