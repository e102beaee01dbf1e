"""The hooks by which a run that ends says which interrupts came, how often, and which still wait."""

from __future__ import annotations

from typing import Any

from irqframe.flow import Counters, Irqchip, Source, SourceKind, Trigger, hookimpl
from irqframe.vm import VCpu
from irqframe_vgic._interface import Interface
from irqframe_vgic._intids import SGIS
from irqframe_vgic._shared import Shared


class Observed(Irqchip):
    """A GIC of any version, as far as it is looked at."""

    @hookimpl
    def irqchip_counters(self, vcpu: VCpu) -> Counters:
        cpu: Interface = vcpu.chip
        return cpu.counts.snapshot()

    @hookimpl
    def irqchip_delivered(self, vcpu: VCpu) -> dict[int, int]:
        cpu: Interface = vcpu.chip
        return dict(cpu.acknowledged)

    @hookimpl
    def irqchip_identify(self, vcpu: VCpu, intid: int) -> Source | str:
        cpu: Interface = vcpu.chip
        if intid < SGIS:
            return f"SGI {intid}"
        if intid >> 5 in cpu.own:
            return Source(SourceKind.PPI, intid, Trigger.NONE)
        gic: Shared[Any] = vcpu.vm.chip_data
        return Source(SourceKind.SPI, gic.pin_of(intid), Trigger.NONE) if intid in gic.homes else f"LPI {intid}"

    @hookimpl
    def irqchip_waiting(self, vcpu: VCpu) -> dict[int, str]:
        cpu: Interface = vcpu.chip
        return cpu.waiting()
