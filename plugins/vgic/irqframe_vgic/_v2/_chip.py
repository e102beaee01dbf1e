"""The irqchip `gicv2`: the hooks of `irqframe.flow` on a distributor and its CPU interfaces."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from irqframe.errors import VmError
from irqframe.flow import (
    DescribeRequest,
    Injected,
    Lines,
    MmioClaim,
    NodeRef,
    NodeSpec,
    RoutingEntry,
    Source,
    SourceKind,
    TrapClaim,
    hookimpl,
)
from irqframe.vm import VCpu, Vm
from irqframe_vgic._debugfs import vgic_state
from irqframe_vgic._gic import Gic
from irqframe_vgic._intids import MAX_SPIS, PRIVATE
from irqframe_vgic._registers import Frame
from irqframe_vgic._v2 import _gicc, _gicd, _spis, _state, _tree
from irqframe_vgic._v2._attributes import Attributes
from irqframe_vgic._v2._debugfs import route
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import MAX_CPUS, OPTIONS, Parameters, defaults, parameters
from irqframe_vgic._v2._v2m import V2mFrame


class Gicv2(Gic[CpuInterface, _tree.Layout]):
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
        self.attributes = Attributes()
        self._doorbells: dict[int, V2mFrame] = {}
        self._ppi_cpus = 0

    # Life of the VM and of a vCPU

    def make_shared(self, vm: Vm) -> Distributor:
        """The distributor."""
        return Distributor(vm, self.parameters)

    def make_interface(self, vcpu: VCpu) -> CpuInterface:
        """The CPU interface of a vCPU."""
        return CpuInterface(vcpu, vcpu.vm.chip_data)

    @property
    def lines(self) -> int:
        """Pin n is SPI n."""
        return self.parameters.spis

    def intid_of(self, pin: int) -> int:
        """The INTID of an SPI."""
        if not 0 <= pin < self.parameters.spis:
            raise VmError(errno.EINVAL, f"the GIC has no SPI {pin}; it has 0..{self.parameters.spis - 1}")
        return pin + PRIVATE

    # Messages

    def set_message(self, entry: RoutingEntry, vm: Vm) -> Injected:
        """A message to a v2m frame: an edge of the SPI that its data names."""
        if not self._doorbells:
            raise VmError(errno.ENODEV, "the GIC has no v2m frame: it takes no messages")
        frame = self._doorbells.get(entry.address)
        if frame is None:
            raise VmError(errno.EINVAL, f"no v2m frame takes messages at {entry.address:#x}")
        intid = frame.intid(entry.data)
        if intid is None:
            last = frame.first + frame.count - 1
            raise VmError(errno.EINVAL, f"message {entry.data:#x} is not an INTID of the frame, {frame.first}..{last}")
        gic: Distributor = vm.chip_data
        return gic.pulse(intid)

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
            self.rebuild(vm)
        self.layout = layout
        self.initialise(vm)

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> Iterable[TrapClaim]:
        self.initialise(vm)
        gic: Distributor = vm.chip_data
        gic.start()
        if self.layout is None:
            return ()
        gicd, gicc = Frame(gic, _gicd.DECODED), Frame(gic, _gicc.DECODED)
        return (
            MmioClaim("GICD", *self.layout.gicd, gicd.read, gicd.write, _gicd.DECODED.names),
            MmioClaim("GICC", *self.layout.gicc, gicc.read, gicc.write, _gicc.DECODED.names, _gicc.operations),
            *(v2m.claim(gic) for v2m in self.layout.v2m),
        )

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

    # State, observation, guests

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
    def irqchip_debugfs(self, vm: Vm) -> Mapping[str, str]:
        return {"vgic-state": vgic_state("GICv2", vm.chip_data, route)}

    @hookimpl
    def irqchip_guest_driver(self, vm: Vm) -> object:
        from irqframe_vgic._v2._driver import Gicv2Driver

        return Gicv2Driver(vm, self.need_layout())

    # Helpers

    def ask_for(self, vm: Vm, spis: int) -> None:
        """There shall be so many SPIs."""
        self._spis_fixed = True
        if spis != self.parameters.spis:
            self.parameters = replace(self.parameters, spis=spis)
            self.rebuild(vm)

    @property
    def _largest(self) -> Parameters:
        """With as many SPIs as a tree could make them."""
        return self.parameters if self._spis_fixed else replace(self.parameters, spis=MAX_SPIS)

    def _divide(self, nodes: Sequence[NodeRef]) -> _spis.Division:
        return _spis.divide(self.parameters.spis, nodes, fixed=self._spis_fixed)

    def initialise(self, vm: Vm) -> None:
        """GSI n goes to SPI n unless the VM has been given routes; the doorbells of the frames are known."""
        self.route_lines(vm)
        if self.layout is not None:
            self._doorbells = {frame.doorbell: frame for frame in self.layout.v2m}
