"""The irqchip `gicv2`: the hooks of `irqframe.flow` on a distributor and its CPU interfaces."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from irqframe.errors import VmError
from irqframe.flow import (
    Counters,
    DescribeRequest,
    Injected,
    Irqchip,
    Lines,
    MmioClaim,
    NodeRef,
    NodeSpec,
    RoutingEntry,
    RoutingKind,
    Source,
    SourceKind,
    TrapClaim,
    hookimpl,
)
from irqframe.vm import IrqType, VCpu, Vm
from irqframe_vgic._interface import HostLink
from irqframe_vgic._intids import MAX_SPIS, PRIVATE, SGIS
from irqframe_vgic._registers import Frame
from irqframe_vgic._v2 import _gicc, _gicd, _spis, _state, _tree
from irqframe_vgic._v2._attributes import Attributes
from irqframe_vgic._v2._debugfs import vgic_state
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._driver import Gicv2Driver
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import MAX_CPUS, OPTIONS, Parameters, defaults, parameters
from irqframe_vgic._v2._v2m import V2mFrame


class Gicv2(Irqchip):
    """Arm's Generic Interrupt Controller, architecture version 2, without security extension, with GICv2m frames.

    Attributes:
        parameters: what the implementation chooses, by the options.
        layout: where its frames are; None until it is configured.
    """

    compatible: ClassVar[tuple[str, ...]] = (
        "arm,cortex-a15-gic",
        "arm,gic-400",
        "arm,cortex-a9-gic",
        "arm,cortex-a7-gic",
        _spis.V2M_COMPATIBLE,
    )
    bindings: ClassVar[tuple[str, ...]] = ("arm,gic.yaml",)
    options: ClassVar[Mapping[str, tuple[str, ...]]] = OPTIONS
    vcpu_limit: ClassVar[int] = MAX_CPUS

    def __init__(self, quirks: Iterable[str] = (), options: Mapping[str, str] | None = None) -> None:
        given = options or {}
        super().__init__(quirks, {**defaults(given), **given})
        self.parameters: Parameters = parameters(self.chosen)
        self._spis_fixed = "spis" in given
        self.layout: _tree.Layout | None = None
        self._attributes = Attributes()
        self._doorbells: dict[int, V2mFrame] = {}
        self._ppi_cpus = 0

    # Life of the VM and of a vCPU

    @hookimpl
    def irqchip_create(self, vm: Vm) -> None:
        vm.chip_data = Distributor(vm, self.parameters)

    @hookimpl
    def irqchip_destroy(self, vm: Vm) -> None:
        vm.chip_data = None
        for vcpu in vm.vcpus:
            vcpu.chip = None

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
        gic: Distributor = vcpu.vm.chip_data
        vcpu.chip = CpuInterface(vcpu, gic)
        gic.add_cpu(vcpu.chip)

    @hookimpl
    def irqchip_vcpu_first_run(self, vcpu: VCpu) -> None:
        if self.layout is None:
            raise VmError(errno.ENXIO, "the addresses of the distributor and the CPU interface are not set")

    @hookimpl
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> bool:
        cpu: CpuInterface = vcpu.chip
        return cpu.irq or cpu.fiq

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> None:
        _flush(vcpu)

    # Injection

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        if not 0 <= cpu < len(vm.vcpus):
            raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(vm.vcpus)}")
        self._check_lined(intid)
        interface: CpuInterface = vm.vcpus[cpu].chip
        owners = interface.owners if intid < PRIVATE else interface.gic.owners
        if owners and owners.get(intid, owner) is not owner:
            return interface.counts.drop(Injected.DROPPED) if level else Injected.NOTHING
        return interface.set_line(intid, level) if intid < PRIVATE else interface.gic.set_line(intid, level)

    @hookimpl
    def irqchip_inject_userspace_irq(self, vm: Vm, irq_type: int, cpu: int, intid: int, level: int) -> Injected:
        if not vm.finalized:
            raise VmError(errno.EAGAIN, "the GIC is not initialised")
        if irq_type == IrqType.SPI:
            self._check_range(intid, PRIVATE, self.parameters.intids)
            return self._set_spi(vm, intid, level)
        if irq_type == IrqType.PPI:
            self._check_range(intid, SGIS, PRIVATE)
            if not 0 <= cpu < len(vm.vcpus):
                raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(vm.vcpus)}")
            return vm.post(vm.vcpus[cpu], self.irqchip_inject_irq, vm, cpu, intid, level, None)
        raise VmError(errno.EINVAL, f"irq type {irq_type} is none of SPI 1, PPI 2")

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        if not 0 <= entry.pin < self.parameters.spis:
            raise VmError(errno.EINVAL, f"the GIC has no SPI {entry.pin}; it has 0..{self.parameters.spis - 1}")
        return self._set_spi(vm, entry.pin + PRIVATE, level)

    @hookimpl
    def irqchip_set_msi(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        if not self._doorbells:
            raise VmError(errno.ENODEV, "the GIC has no v2m frame: it takes no messages")
        frame = self._doorbells.get(entry.address)
        if frame is None:
            raise VmError(errno.EINVAL, f"no v2m frame takes messages at {entry.address:#x}")
        if not frame.serves(entry.data):
            last = frame.first + frame.count - 1
            raise VmError(errno.EINVAL, f"message {entry.data:#x} is not an INTID of the frame, {frame.first}..{last}")
        if not level:
            return Injected.NOTHING
        gic: Distributor = vm.chip_data
        return gic.pulse(entry.data)

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        if entry.kind is RoutingKind.MSI:
            return self.irqchip_set_msi(entry, vm, irq_source_id, level, line_status)
        if not self.parameters.every_raise_is_an_edge:
            return None  # a line that nobody lowers would rise once only
        return self.irqchip_irqfd_set_irq(entry, vm, irq_source_id, level, line_status)

    # Mapped and owned interrupts

    @hookimpl
    def irqchip_map_phys_irq(self, vcpu: VCpu, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
        self._check_range(intid, SGIS, PRIVATE)
        cpu: CpuInterface = vcpu.chip
        if intid in cpu.links:
            raise VmError(errno.EBUSY, f"INTID {intid} stands for host interrupt {cpu.links[intid].host_irq} already")
        cpu.links[intid] = HostLink(host_irq, get_level)
        cpu.linked |= 1 << intid

    @hookimpl
    def irqchip_unmap_phys_irq(self, vcpu: VCpu, intid: int) -> None:
        cpu: CpuInterface = vcpu.chip
        if cpu.links.pop(intid, None) is None:
            raise VmError(errno.EINVAL, f"INTID {intid} stands for no host interrupt")
        cpu.linked &= ~(1 << intid)

    @hookimpl
    def irqchip_map_is_active(self, vcpu: VCpu, intid: int) -> bool:
        cpu: CpuInterface = vcpu.chip
        return intid in cpu.links and bool(cpu.private.active >> intid & 1)

    @hookimpl
    def irqchip_reset_mapped_irq(self, vcpu: VCpu, intid: int) -> None:
        cpu: CpuInterface = vcpu.chip
        if intid in cpu.links:
            cpu.forget(intid)

    @hookimpl
    def irqchip_set_owner(self, vcpu: VCpu, intid: int, owner: object) -> None:
        if not vcpu.vm.finalized:
            raise VmError(errno.EAGAIN, "the GIC is not initialised")
        self._check_lined(intid)
        cpu: CpuInterface = vcpu.chip
        owners = cpu.owners if intid < PRIVATE else cpu.gic.owners
        if owners.setdefault(intid, owner) is not owner:
            raise VmError(errno.EEXIST, f"INTID {intid} of vCPU {vcpu.index} belongs to another device")

    # Set-up

    @hookimpl
    def irqchip_configure(self, vm: Vm, nodes: Sequence[NodeRef]) -> None:
        division = self._divide(nodes)
        changed = replace(self.parameters, spis=division.count)
        layout = _tree.layout(nodes, division)
        for frame in layout.v2m:
            frame.check(changed)
        if changed != self.parameters:
            self.parameters = changed
            _rebuild(vm, changed)
        self.layout = layout
        self._initialise(vm)

    @hookimpl
    def irqchip_set_attr(self, vm: Vm, group: int, attr: int, value: int) -> None:
        change = self._attributes.set(vm, group, attr, value, self.parameters)
        if change is not None:
            self.parameters = change
            self._spis_fixed = True
            _rebuild(vm, change)
        if self._attributes.layout is not None:
            self.layout = self._attributes.layout
        if self._attributes.initialised:
            self._initialise(vm)

    @hookimpl
    def irqchip_get_attr(self, vm: Vm, group: int, attr: int) -> int:
        return self._attributes.get(group, attr, self.parameters)

    @hookimpl
    def irqchip_has_attr(self, vm: Vm, group: int, attr: int) -> bool:
        return self._attributes.has(group, attr)

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> Iterable[TrapClaim]:
        self._initialise(vm)
        gic: Distributor = vm.chip_data
        gic.start()
        if self.layout is None:
            return ()
        frames = (("GICD", self.layout.gicd, _gicd.DECODED), ("GICC", self.layout.gicc, _gicc.DECODED))
        claims = []
        for name, (base, size), decoded in frames:
            frame = Frame(gic, decoded)
            claims.append(MmioClaim(name, base, size, frame.read, frame.write, decoded.names))
        return (*claims, *(v2m.claim(gic) for v2m in self.layout.v2m))

    @hookimpl
    def irqchip_bind(self, vm: Vm) -> Mapping[str, Callable[..., Any]]:
        gic: Distributor = vm.chip_data
        checked = self.irqchip_irqfd_set_irq
        owners = gic.owners
        spis = range(self.parameters.spis)
        set_line = gic.set_line

        def irqfd_set_irq(entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool) -> Injected:
            pin = entry.pin
            if pin in spis and not owners:
                return set_line(pin + PRIVATE, level)
            return checked(entry, vm, irq_source_id, level, line_status)

        return {"vcpu_flush_hwstate": _flush, "irqfd_set_irq": irqfd_set_irq}

    # Device tree

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        return _tree.translate(self._largest, cells, node.name)

    @hookimpl
    def irqchip_lines(self, nodes: Sequence[NodeRef]) -> Lines:
        return _tree.lines(self._divide(nodes), nodes)

    @hookimpl
    def irqchip_encode(self, source: Source) -> tuple[int, ...]:
        return _tree.encode(self._largest, source, self._ppi_cpus)

    @hookimpl
    def irqchip_describe(self, request: DescribeRequest) -> tuple[NodeSpec, ...]:
        spis = self.parameters.spis
        if not self._spis_fixed:
            spis = _spis.holding(spis, (one.number for one in request.sources if one.kind is SourceKind.SPI))
        nodes = _tree.describe(replace(self.parameters, spis=spis), request)
        self._ppi_cpus = (1 << len(request.mpidrs)) - 1
        return nodes

    # Reset, state, observation, guests

    @hookimpl
    def irqchip_reset(self, vm: Vm, vcpu: VCpu | None) -> None:
        gic: Distributor = vm.chip_data
        if vcpu is None:
            gic.reset()
        else:
            gic.reset_cpu(vcpu.chip)

    @hookimpl
    def irqchip_save_state(self, vm: Vm, vcpu: VCpu | None) -> Mapping[str, Any]:
        return _state.save_shared(vm.chip_data) if vcpu is None else _state.save_cpu(vcpu.chip)

    @hookimpl
    def irqchip_restore_state(self, vm: Vm, vcpu: VCpu | None, state: Mapping[str, Any]) -> None:
        if vcpu is None:
            _state.restore_shared(vm.chip_data, state)
        else:
            vcpu.call(_state.restore_cpu, vcpu.chip, state)

    @hookimpl
    def irqchip_counters(self, vcpu: VCpu) -> Counters:
        cpu: CpuInterface = vcpu.chip
        return cpu.counts.snapshot()

    @hookimpl
    def irqchip_debugfs(self, vm: Vm) -> Mapping[str, str]:
        return {"vgic-state": vgic_state(vm.chip_data)}

    @hookimpl
    def irqchip_guest_driver(self, vm: Vm) -> object:
        if self.layout is None:
            raise VmError(errno.ENXIO, "the addresses of the distributor and the CPU interface are not set")
        return Gicv2Driver(vm, self.layout)

    # Helpers

    @property
    def _largest(self) -> Parameters:
        """With as many SPIs as a tree could make them."""
        return self.parameters if self._spis_fixed else replace(self.parameters, spis=MAX_SPIS)

    def _divide(self, nodes: Sequence[NodeRef]) -> _spis.Division:
        return _spis.divide(self.parameters.spis, nodes, fixed=self._spis_fixed)

    def _set_spi(self, vm: Vm, intid: int, level: int) -> Injected:
        """Set the line of an SPI for userspace or an irqfd, which own none; any thread."""
        gic: Distributor = vm.chip_data
        if intid in gic.owners:
            # Refused, and counted by the owner of vCPU 0.
            return vm.post(vm.vcpus[0], self.irqchip_inject_irq, vm, 0, intid, level, None)
        return gic.set_line(intid, level)

    def _initialise(self, vm: Vm) -> None:
        """GSI n goes to SPI n unless the VM has been given routes; the doorbells of the frames are known."""
        if not vm.routing.entries:
            vm.routing.set_default(self.parameters.spis)
        if self.layout is not None:
            self._doorbells = {frame.doorbell: frame for frame in self.layout.v2m}

    def _check_lined(self, intid: int) -> None:
        """Refuse what has no line: SGIs, and INTIDs that are not there."""
        self._check_range(intid, SGIS, self.parameters.intids)

    @staticmethod
    def _check_range(intid: int, first: int, end: int) -> None:
        if not first <= intid < end:
            raise VmError(errno.EINVAL, f"INTID {intid} is not in {first}..{end - 1}")


def _flush(vcpu: VCpu) -> None:
    """`irqchip_vcpu_flush_hwstate`: the lines follow every change; the levels of linked PPIs are asked for here."""
    cpu: CpuInterface = vcpu.chip
    if cpu.linked & cpu.private.line:
        cpu.sample()
    vcpu.irq_line = cpu.irq
    vcpu.fiq_line = cpu.fiq


def _rebuild(vm: Vm, changed: Parameters) -> None:
    """Make the GIC's state anew, with another number of INTIDs, before anything has run."""
    vm.chip_data = gic = Distributor(vm, changed)
    for vcpu in vm.vcpus:
        vcpu.chip = CpuInterface(vcpu, gic)
        gic.add_cpu(vcpu.chip)
