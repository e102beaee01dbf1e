"""The irqchip `gicv3`: the hooks of `irqframe.flow` on a distributor, redistributors, CPU interfaces and ITSs."""

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
    TrapClaim,
    hookimpl,
)
from irqframe.vm import VCpu, Vm
from irqframe_vgic._debugfs import vgic_state
from irqframe_vgic._gic import Gic
from irqframe_vgic._intids import FIRST_ESPI, MAX_SPIS, PRIVATE
from irqframe_vgic._its._devices import device_bits
from irqframe_vgic._its._its import Its
from irqframe_vgic._its._parameters import IMPLEMENTATIONS as ITS_IMPLEMENTATIONS
from irqframe_vgic._registers import Frame
from irqframe_vgic._v3 import _gicd, _gicr, _icc, _lines, _mbis, _specifiers, _state, _tree
from irqframe_vgic._v3._attributes import Attributes
from irqframe_vgic._v3._distributor import Distributor
from irqframe_vgic._v3._interface import CpuInterface
from irqframe_vgic._v3._parameters import MAX_CPUS, OPTIONS, Parameters, defaults, parameters


class Gicv3(Gic[CpuInterface, _tree.Layout]):
    """Arm's Generic Interrupt Controller, architecture version 3, with one security state, LPIs and ITSs.

    Attributes:
        parameters: what the implementation chooses, by the options.
        layout: where its frames are; None until it is configured.
    """

    compatible: ClassVar[tuple[str, ...]] = (_lines.GIC_COMPATIBLE, _tree.ITS_COMPATIBLE)
    bindings: ClassVar[tuple[str, ...]] = ("arm,gic-v3.yaml",)
    options: ClassVar[Mapping[str, tuple[str, ...]]] = OPTIONS
    vcpu_limit: ClassVar[int] = MAX_CPUS

    def __init__(self, quirks: Iterable[str] = (), options: Mapping[str, str] | None = None) -> None:
        given = options or {}
        super().__init__(quirks, {**defaults(given), **given})
        self.parameters: Parameters = parameters(self.chosen)
        self._fixed = frozenset(given) & {"spis"}
        self.layout: _tree.Layout | None = None
        self.attributes = Attributes()
        self._its = ITS_IMPLEMENTATIONS[self.chosen["implementation"]]
        self._doorbells: dict[int, Its] = {}

    # Life of the VM and of a vCPU

    def make_shared(self, vm: Vm) -> Distributor:
        """The distributor."""
        return Distributor(vm, self.parameters)

    def make_interface(self, vcpu: VCpu) -> CpuInterface:
        """The redistributor and the CPU interface of a vCPU."""
        return CpuInterface(vcpu, vcpu.vm.chip_data)

    @property
    def lines(self) -> int:
        """Pin n is SPI n, pin 988 + n extended SPI n."""
        return self.parameters.counts.shared

    def intid_of(self, pin: int) -> int:
        """The INTID of a shared line."""
        counts = self.parameters.counts
        if 0 <= pin < counts.spis:
            return pin + PRIVATE
        if not MAX_SPIS <= pin < counts.shared:
            raise VmError(errno.EINVAL, f"the GIC has no shared line {pin}")
        return pin - MAX_SPIS + FIRST_ESPI

    @hookimpl
    def irqchip_vcpu_load(self, vcpu: VCpu) -> None:
        gic: Distributor = vcpu.vm.chip_data
        for its in gic.its:
            its.resume()

    # Messages

    def set_message(self, entry: RoutingEntry, vm: Vm) -> Injected:
        """A message to an ITS, or to the distributor if the tree gives it SPIs for messages."""
        its = self._doorbells.get(entry.address)
        if its is not None:
            if entry.devid is None:
                raise VmError(errno.EINVAL, "a message to an ITS comes with a DeviceID, and this one has none")
            return its.message(entry.devid, entry.data)
        layout = self.layout
        if layout is None or not (layout.its or layout.mbis):
            raise VmError(errno.ENODEV, "the GIC has no ITS and no SPIs for messages: it takes none")
        offsets = {entry.address - base for base in (layout.gicd[0], layout.doorbells)} & {_gicd.SETSPI, _gicd.CLRSPI}
        if not offsets or not layout.mbis:
            raise VmError(errno.EINVAL, f"nothing takes messages at {entry.address:#x}")
        gic: Distributor = vm.chip_data
        intid = entry.data & _gicd.MESSAGE_INTID
        if intid not in gic.homes or not any(intid in intids for intids in layout.mbis):
            raise VmError(errno.EINVAL, f"message {entry.data:#x} is no INTID that the tree gives to messages")
        return gic.message(intid, int(_gicd.SETSPI in offsets))

    # Set-up

    @hookimpl
    def irqchip_configure(self, vm: Vm, nodes: Sequence[NodeRef]) -> None:
        counts = self._divide(nodes)
        layout = _tree.layout(nodes)
        _mbis.check(nodes, PRIVATE + counts.spis)
        if len(layout.places(len(vm.vcpus))) < len(vm.vcpus):
            raise VmError(errno.EINVAL, f"there are redistributors for {len(layout.places(MAX_CPUS))} vCPUs")
        changed = replace(self.parameters, **counts._asdict(), lpis=bool(layout.its), mbis=bool(layout.mbis))
        if changed != self.parameters:
            self.parameters = changed
            self.rebuild(vm)
        self.layout = layout
        self._its = replace(self._its, device_bits=device_bits(nodes, self._its.device_bits))
        self.initialise(vm)

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> Iterable[TrapClaim]:
        self.initialise(vm)
        gic: Distributor = vm.chip_data
        gic.start()
        layout = self.layout
        if layout is None:
            return ()
        frame = Frame(gic, _gicd.decoded())
        gicd = MmioClaim("GICD", *layout.gicd, frame.read, frame.write, _gicd.decoded().names)
        its = (claim for one in gic.its for claim in one.claim())
        return (
            gicd,
            *self._alias(gic, layout),
            *self._redistributors(gic, layout),
            *its,
            *_icc.claims(self.parameters),
        )

    @staticmethod
    def _alias(gic: Distributor, layout: _tree.Layout) -> Iterable[TrapClaim]:
        if layout.alias is not None:
            frame = Frame(gic, _gicd.decoded_doorbells())
            names = _gicd.decoded_doorbells().names
            yield MmioClaim("GICD messages", layout.alias, _mbis.ALIAS, frame.read, frame.write, names)

    def _redistributors(self, gic: Distributor, layout: _tree.Layout) -> Iterable[TrapClaim]:
        places = layout.places(len(gic.cpus))
        ends, names = layout.ends(places), _gicr.decoded().names
        for cpu, place in zip(gic.cpus, places, strict=True):
            cpu.last = place in ends
            frames = _gicr.Redistributor(cpu)
            yield MmioClaim("GICR", place, layout.stride, frames.read, frames.write, names)

    # Device tree

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        return _specifiers.translate(self._largest, cells, node.name)

    @hookimpl
    def irqchip_lines(self, nodes: Sequence[NodeRef]) -> Lines:
        return _lines.lines(self._divide(nodes), nodes)

    @hookimpl
    def irqchip_encode(self, source: Source) -> tuple[int, ...]:
        return _specifiers.encode(self._largest, source)

    @hookimpl
    def irqchip_describe(self, request: DescribeRequest) -> tuple[NodeSpec, ...]:
        return _tree.describe(request)

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
        gic: Distributor = vm.chip_data
        return {"vgic-state": vgic_state("GICv3", gic, gic.shown_route)}

    @hookimpl
    def irqchip_guest_driver(self, vm: Vm) -> object:
        from irqframe_vgic._v3._driver import Gicv3Driver

        return Gicv3Driver(vm, self.need_layout())

    # Helpers

    def ask_for(self, vm: Vm, spis: int) -> None:
        """There shall be so many SPIs."""
        self._fixed |= {"spis"}
        if spis != self.parameters.spis:
            self.parameters = replace(self.parameters, spis=spis)
            self.rebuild(vm)

    @property
    def _largest(self) -> _lines.LineCounts:
        """With as many lines as a tree could make them."""
        return _lines.MOST._replace(spis=self.parameters.spis) if self._fixed else _lines.MOST

    def _divide(self, nodes: Sequence[NodeRef]) -> _lines.LineCounts:
        return _lines.divide(self.parameters.counts, nodes, fixed=self._fixed)

    def initialise(self, vm: Vm) -> None:
        """GSI n goes to line n unless the VM has been given routes; the ITSs are there."""
        self.route_lines(vm)
        gic: Distributor = vm.chip_data
        if self.layout is None or len(gic.its) == len(self.layout.its):
            return
        gic.its = tuple(Its(vm, gic, base, self._its) for base, _ in self.layout.its)
        self._doorbells = {its.doorbell: its for its in gic.its}
