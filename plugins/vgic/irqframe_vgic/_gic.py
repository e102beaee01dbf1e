"""The hooks of `irqframe.flow` that a GIC of any version implements alike: injection, mapped interrupts, ownership."""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from irqframe.errors import VmError
from irqframe.flow import Injected, RoutingEntry, RoutingKind, hookimpl
from irqframe.vm import IrqType, VCpu, Vm
from irqframe_vgic._attributes import Attributes
from irqframe_vgic._implementation import Implementation
from irqframe_vgic._interface import Interface
from irqframe_vgic._intids import SGIS
from irqframe_vgic._observed import Observed
from irqframe_vgic._own import HostLink
from irqframe_vgic._shared import Shared

F = TypeVar("F", bound=Interface)
L = TypeVar("L")


class Gic(Observed, Generic[F, L]):
    """A GIC; what it shows its guests is the subclass's.

    `vm.chip_data` is its `Shared`, `vcpu.chip` its `Interface` of the vCPU.

    Attributes:
        parameters: what the implementation chooses, by the options.
        attributes: what was set by device attributes.
        layout: where its frames are; None until it is configured.
    """

    parameters: Implementation
    attributes: Attributes[L]
    layout: L | None

    # What differs between the versions

    @abstractmethod
    def make_shared(self, vm: Vm) -> Shared[F]:
        """The part that belongs to no CPU."""

    @abstractmethod
    def make_interface(self, vcpu: VCpu) -> F:
        """The part of one vCPU; `vm.chip_data` is there."""

    @property
    @abstractmethod
    def lines(self) -> int:
        """Numbers that the pin of a shared line can have: from 0 to one less."""

    @abstractmethod
    def intid_of(self, pin: int) -> int:
        """The INTID of a shared line.

        Raises:
            VmError: EINVAL for a line that is not there.
        """

    @abstractmethod
    def ask_for(self, vm: Vm, spis: int) -> None:
        """There shall be so many SPIs."""

    @abstractmethod
    def initialise(self, vm: Vm) -> None:
        """Everything is known that a VM needs to run."""

    # Set-up by attributes

    @hookimpl
    def irqchip_set_attr(self, vm: Vm, group: int, attr: int, value: int) -> None:
        attributes = self.attributes
        attributes.set(vm, group, attr, value)
        if attributes.spis is not None:
            self.ask_for(vm, attributes.spis)
        self.layout = attributes.layout(vm) or self.layout
        if attributes.initialised:
            self.initialise(vm)

    @hookimpl
    def irqchip_get_attr(self, vm: Vm, group: int, attr: int) -> int:
        return self.attributes.get(vm, group, attr, self.parameters.spis)

    @hookimpl
    def irqchip_has_attr(self, vm: Vm, group: int, attr: int) -> bool:
        return self.attributes.has(vm, group, attr)

    # Life of the VM and of a vCPU

    @hookimpl
    def irqchip_create(self, vm: Vm) -> None:
        vm.chip_data = self.make_shared(vm)

    @hookimpl
    def irqchip_destroy(self, vm: Vm) -> None:
        vm.chip_data = None
        for vcpu in vm.vcpus:
            vcpu.chip = None

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
        vcpu.chip = self.make_interface(vcpu)
        vcpu.vm.chip_data.add_cpu(vcpu.chip)

    @hookimpl
    def irqchip_vcpu_first_run(self, vcpu: VCpu) -> None:
        self.need_layout()

    @hookimpl
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> bool:
        cpu: F = vcpu.chip
        return cpu.irq or cpu.fiq

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> None:
        flush(vcpu)

    # Injection

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        if not 0 <= cpu < len(vm.vcpus):
            raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(vm.vcpus)}")
        interface: F = vm.vcpus[cpu].chip
        own = self._is_own(interface, intid)
        owners = interface.owners if own else interface.gic.owners
        if owners and owners.get(intid, owner) is not owner:
            return interface.counts.drop(Injected.DROPPED) if level else Injected.NOTHING
        return interface.set_line(intid, level) if own else interface.gic.set_line(intid, level)

    @hookimpl
    def irqchip_inject_userspace_irq(self, vm: Vm, irq_type: int, cpu: int, intid: int, level: int) -> Injected:
        if not vm.finalized:
            raise VmError(errno.EAGAIN, "the GIC is not initialised")
        if irq_type == IrqType.SPI:
            if intid not in vm.chip_data.homes:
                raise VmError(errno.EINVAL, f"INTID {intid} is no SPI of the GIC")
            return self.set_spi(vm, intid, level)
        if irq_type == IrqType.PPI:
            if not 0 <= cpu < len(vm.vcpus):
                raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(vm.vcpus)}")
            if not self._is_own(vm.vcpus[cpu].chip, intid):
                raise VmError(errno.EINVAL, f"INTID {intid} is no PPI of the GIC")
            return vm.post(vm.vcpus[cpu], self.irqchip_inject_irq, vm, cpu, intid, level, None)
        raise VmError(errno.EINVAL, f"irq type {irq_type} is none of SPI 1, PPI 2")

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        return self.set_spi(vm, self.intid_of(entry.pin), level)

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        if entry.kind is RoutingKind.MSI:
            return self.set_message(entry, vm)
        if not self.parameters.every_raise_is_an_edge:
            return None  # a line that nobody lowers would rise once only
        return self.irqchip_irqfd_set_irq(entry, vm, irq_source_id, level, line_status)

    @hookimpl
    def irqchip_set_msi(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        return self.set_message(entry, vm) if level else Injected.NOTHING

    @abstractmethod
    def set_message(self, entry: RoutingEntry, vm: Vm) -> Injected:
        """Deliver a message; any thread.

        Raises:
            VmError: ENODEV if the GIC takes none, EINVAL for an address or data that nothing belongs to.
        """

    # Mapped and owned interrupts

    @hookimpl
    def irqchip_map_phys_irq(self, vcpu: VCpu, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
        cpu: F = vcpu.chip
        if not (intid >= SGIS and intid >> 5 in cpu.own):
            raise VmError(errno.EINVAL, f"INTID {intid} is no PPI of the GIC")
        if intid in cpu.links:
            raise VmError(errno.EBUSY, f"INTID {intid} stands for host interrupt {cpu.links[intid].host_irq} already")
        cpu.link(intid, HostLink(host_irq, get_level))

    @hookimpl
    def irqchip_unmap_phys_irq(self, vcpu: VCpu, intid: int) -> None:
        cpu: F = vcpu.chip
        if intid not in cpu.links:
            raise VmError(errno.EINVAL, f"INTID {intid} stands for no host interrupt")
        cpu.unlink(intid)

    @hookimpl
    def irqchip_map_is_active(self, vcpu: VCpu, intid: int) -> bool:
        cpu: F = vcpu.chip
        return intid in cpu.links and bool(cpu.own[intid >> 5].active >> (intid & 31) & 1)

    @hookimpl
    def irqchip_reset_mapped_irq(self, vcpu: VCpu, intid: int) -> None:
        cpu: F = vcpu.chip
        if intid in cpu.links:
            cpu.forget(intid)

    @hookimpl
    def irqchip_set_owner(self, vcpu: VCpu, intid: int, owner: object) -> None:
        if not vcpu.vm.finalized:
            raise VmError(errno.EAGAIN, "the GIC is not initialised")
        cpu: F = vcpu.chip
        owners = cpu.owners if self._is_own(cpu, intid) else cpu.gic.owners
        if owners.setdefault(intid, owner) is not owner:
            raise VmError(errno.EEXIST, f"INTID {intid} of vCPU {vcpu.index} belongs to another device")

    # Fast paths, reset

    @hookimpl
    def irqchip_bind(self, vm: Vm) -> dict[str, Callable[..., Any]]:
        gic: Shared[F] = vm.chip_data
        checked = self.irqchip_irqfd_set_irq
        owners = gic.owners
        intids = {gic.pin_of(intid): intid for intid in gic.homes}
        set_line = gic.set_line

        def irqfd_set_irq(entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool) -> Injected:
            intid = intids.get(entry.pin)
            if intid is not None and not owners:
                return set_line(intid, level)
            return checked(entry, vm, irq_source_id, level, line_status)

        return {"vcpu_flush_hwstate": flush, "irqfd_set_irq": irqfd_set_irq}

    @hookimpl
    def irqchip_reset(self, vm: Vm, vcpu: VCpu | None) -> None:
        gic: Shared[F] = vm.chip_data
        if vcpu is None:
            gic.reset()
        else:
            gic.reset_cpu(vcpu.chip)

    # For subclasses

    def need_layout(self) -> L:
        """Where the frames are.

        Raises:
            VmError: ENXIO if that is not known.
        """
        if self.layout is None:
            raise VmError(errno.ENXIO, f"the addresses of {type(self).__name__}'s frames are not set")
        return self.layout

    def set_spi(self, vm: Vm, intid: int, level: int) -> Injected:
        """Set the line of an SPI for userspace or an irqfd, which own none; any thread."""
        gic: Shared[F] = vm.chip_data
        if intid in gic.owners:
            # Refused, and counted by the owner of vCPU 0.
            return vm.post(vm.vcpus[0], self.irqchip_inject_irq, vm, 0, intid, level, None)
        return gic.set_line(intid, level)

    def rebuild(self, vm: Vm) -> None:
        """Make the GIC's state anew, with other parameters, before anything has run."""
        vm.chip_data = self.make_shared(vm)
        for vcpu in vm.vcpus:
            vcpu.chip = self.make_interface(vcpu)
            vm.chip_data.add_cpu(vcpu.chip)

    def route_lines(self, vm: Vm) -> None:
        """GSI n goes to line n, unless the VM has been given routes; there may be none for a number in between."""
        if not vm.routing.entries:
            vm.routing.set_default(self.lines)
            pins = {vm.chip_data.pin_of(intid) for intid in vm.chip_data.homes or ()}
            if pins and len(pins) < self.lines:
                vm.routing.replace(entry for entry in vm.routing.entries if entry.pin in pins)

    @staticmethod
    def _is_own(cpu: Interface, intid: int) -> bool:
        """Whether an INTID is a PPI of the CPU's, and not an SPI.

        Raises:
            VmError: EINVAL for what has no line: SGIs, and INTIDs that are not there.
        """
        if intid >> 5 in cpu.own and intid >= SGIS:
            return True
        if intid not in cpu.gic.homes:
            raise VmError(errno.EINVAL, f"INTID {intid} is no PPI and no SPI of the GIC")
        return False


def flush(vcpu: VCpu) -> None:
    """`irqchip_vcpu_flush_hwstate`: the lines follow every change; the levels of linked PPIs are asked for here."""
    cpu: Interface = vcpu.chip
    if cpu.linked & cpu.private.line or cpu.linked_far:
        cpu.sample()
    vcpu.irq_line = cpu.irq
    vcpu.fiq_line = cpu.fiq
