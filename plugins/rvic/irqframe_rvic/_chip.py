"""The irqchip: every hook, wired to the module that does the work."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from irqframe.errors import VmError
from irqframe.flow import (
    ALL_QUIRKS,
    Counters,
    DescribeRequest,
    Injected,
    Irqchip,
    Lines,
    NodeRef,
    NodeSpec,
    RoutingEntry,
    RoutingKind,
    Source,
    TrapClaim,
    hookimpl,
)
from irqframe_rvic import _describe, _device, _observed, _state
from irqframe_rvic._abi import DOORBELL
from irqframe_rvic._as_is import refuse_state
from irqframe_rvic._debugfs import dump
from irqframe_rvic._hypercalls import claims
from irqframe_rvic._instance import Instance, numbers
from irqframe_rvic._quirks import QUIRKS, host_fault
from irqframe_rvic._ungated import extension_claims, ungated_claims
from irqframe_rvic._vm_data import POLICIES, Extensions

if TYPE_CHECKING:
    from irqframe.guest import Driver
    from irqframe.vm import VCpu, Vm

SPI = 1
"""Type field of KVM_IRQ_LINE: a shared line, here an rVID input."""


class Rvic(Irqchip):
    """rVIC and rVID: Arm's paravirtual interrupt controller, without any register.

    The option `order` chooses what is delivered first of several deliverable interrupts: the lowest INTID, or what
    became deliverable first ("fifo", as the reference does, and "as-is" unless another is named). A guest may depend on
    neither. With priorities the order is theirs, and the option has no effect.
    """

    compatible: ClassVar[tuple[str, ...]] = (_device.RVIC_NODE, _device.RVID_NODE)
    bindings: ClassVar[tuple[str, ...]] = ("arm,rvic.yaml", "arm,rvid.yaml")
    quirks: ClassVar[Mapping[str, str]] = QUIRKS
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"order": tuple(POLICIES)}
    vcpu_limit: ClassVar[int] = 512

    def __init__(self, quirks: Iterable[str] = (), options: Mapping[str, str] | None = None) -> None:
        names = frozenset(quirks)
        implied = {"order": "fifo"} if ALL_QUIRKS in names else {}
        super().__init__(names, implied | dict(options or {}))
        self._level_inputs = False

    # Set-up

    @hookimpl
    def irqchip_create(self, vm: Vm) -> None:
        """Nothing, but under quirk K2 serve hypercalls from now on."""
        if self.quirk("K2"):
            for claim in ungated_claims(vm, self.enabled_quirks):
                vm.claim(claim)

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
        """Give the vCPU its rVIC, or leave that to INIT before NR_IRQS is set."""
        data = vcpu.vm.chip_data
        if data is not None:
            data.make_instance(vcpu)

    @hookimpl
    def irqchip_configure(self, vm: Vm, nodes: Sequence[NodeRef]) -> None:
        """NR_IRQS and INIT out of the device tree; the extensions too."""
        trusted, total, extensions = _device.from_nodes(nodes, self.enabled_quirks)
        self._set_nr_irqs(vm, trusted, total, extensions)
        _device.initialise(vm, self.enabled_quirks)

    @hookimpl
    def irqchip_set_attr(self, vm: Vm, group: int, attr: int, value: int) -> None:
        """NR_IRQS, or INIT, which finalizes the VM."""
        if _device.check_attr(group, attr) is _device.Group.NR_IRQS:
            if not 0 <= value < 1 << 32:
                raise VmError(errno.EINVAL, f"NR_IRQS is a 32-bit value, not {value:#x}")
            self._set_nr_irqs(vm, value & 0xFFFF, value >> 16, Extensions())
            return
        _device.initialise(vm, self.enabled_quirks)
        if not vm.finalized:
            vm.finalize()

    @hookimpl
    def irqchip_get_attr(self, vm: Vm, group: int, attr: int) -> int:
        """NR_IRQS as it was set; INIT cannot be read."""
        if _device.check_attr(group, attr) is _device.Group.INIT:
            raise VmError(errno.ENXIO, "INIT has no value")
        return _device.get_nr_irqs(vm)

    @hookimpl
    def irqchip_has_attr(self, vm: Vm, group: int, attr: int) -> bool:
        """Whether it is NR_IRQS or INIT."""
        return group in tuple(_device.Group) and attr == 0

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> Sequence[TrapClaim]:
        """The two ranges of hypercalls; under quirk K2 they are claimed already, but for those of extensions."""
        make = extension_claims if self.quirk("K2") else claims
        return make(vm, _device.vm_data(vm), self.enabled_quirks)

    @hookimpl
    def irqchip_bind(self, vm: Vm) -> Mapping[str, Callable[..., Any]]:
        """Injection without looking anything up.

        Raises:
            VmError: ENXIO before INIT.
        """
        data = _device.vm_data(vm)
        if not data.initialised:
            raise VmError(errno.ENXIO, "the irqchip is not initialised")
        set_input = data.rvid.set_input

        def irqfd_set_irq(entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool) -> Injected:
            return set_input(entry.pin, level)

        return {"inject_irq": _injector(vm), "irqfd_set_irq": irqfd_set_irq}

    @hookimpl
    def irqchip_destroy(self, vm: Vm) -> None:
        """Every instance accepts nothing any more."""
        for vcpu in vm.vcpus:
            if vcpu.chip is not None:
                vcpu.chip.destroy()

    # Per entry

    @hookimpl
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> bool:
        """Whether the instance is enabled and something is deliverable."""
        rvic: Instance | None = vcpu.chip
        return rvic is not None and rvic.can_signal

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> None:
        """The IRQ line is that condition; FIQ is never used."""
        target = vcpu.chip.target
        vcpu.irq_line = target.enabled and target.deliverable > 0

    # Injection

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        """Set a line of a vCPU."""
        outcome: Injected = _injector(vm)(vm, cpu, intid, level, owner)
        return outcome

    @hookimpl
    def irqchip_inject_userspace_irq(self, vm: Vm, irq_type: int, cpu: int, intid: int, level: int) -> Injected:
        """KVM_IRQ_LINE: an SPI is an rVID input by its number; userspace has no other interrupts to set."""
        if irq_type != SPI:
            raise VmError(errno.EINVAL, f"userspace sets rVID inputs (type {SPI}) only, not type {irq_type}")
        if not vm.finalized:
            if not self.quirk("K3"):
                raise VmError(errno.ENODEV, "the irqchip is not finalized")
            if vm.chip_data is None:
                raise host_fault("the sizes, before NR_IRQS")
        return _device.vm_data(vm).rvid.set_input(intid, level)

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        """The pin is the number of the input."""
        return _device.vm_data(vm).rvid.set_input(entry.pin, level)

    @hookimpl
    def irqchip_set_msi(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        """The data of a message to the doorbell is the number of the input that it raises.

        An input that takes messages must not be level-triggered; none is unless the guest says so.
        """
        data = _device.vm_data(vm)
        if self.quirk("K25") or not data.msis:
            raise VmError(errno.ENODEV, "the machine's rVID takes no messages")
        if not level:
            return Injected.NOTHING
        if entry.address != DOORBELL:
            raise VmError(errno.EINVAL, f"messages go to {DOORBELL:#x}, not to {entry.address:#x}")
        if entry.data not in data.msis:
            inputs = f"{data.msis[0]} to {data.msis[-1]}"
            raise VmError(errno.EINVAL, f"data {entry.data} is no input that takes messages; these are {inputs}")
        return data.rvid.set_input(entry.data, 1)

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        """A pin at once; a message by the slow path, as in the reference."""
        if entry.kind is not RoutingKind.IRQCHIP:
            return None
        return _device.vm_data(vm).rvid.set_input(entry.pin, level)

    # Host interrupts

    @hookimpl
    def irqchip_map_phys_irq(self, vcpu: VCpu, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
        """A trusted INTID has a host interrupt: RESAMPLE asks for its level, and ends it when that is low."""
        host = vcpu.vm.host_irqs[host_irq] if host_irq else None
        _instance(vcpu).map_host_irq(intid, host, get_level)

    @hookimpl
    def irqchip_unmap_phys_irq(self, vcpu: VCpu, intid: int) -> None:
        """Undo that."""
        _instance(vcpu).unmap_host_irq(intid)

    @hookimpl
    def irqchip_set_owner(self, vcpu: VCpu, intid: int, owner: object) -> None:
        """A trusted INTID belongs to one device."""
        _instance(vcpu).set_owner(intid, owner)

    # Device tree

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        """Trusted INTIDs on the rVIC node, inputs on the rVID node."""
        return _describe.translate(node, cells, untrusted=self.quirk("D3"))

    @hookimpl
    def irqchip_lines(self, nodes: Sequence[NodeRef]) -> Lines:
        """The inputs of the rVID."""
        return _device.lines(nodes)

    @hookimpl
    def irqchip_encode(self, source: Source) -> tuple[int, ...]:
        """The reverse, for the nodes last described."""
        return _describe.encode(source, self._level_inputs)

    @hookimpl
    def irqchip_describe(self, request: DescribeRequest) -> tuple[NodeSpec, ...]:
        """One rVIC and one rVID node, large enough for the sources."""
        nodes = _describe.describe(request)
        self._level_inputs = _describe.wants_level_inputs(request.sources)
        return nodes

    # Reset, state, observation, guests

    @hookimpl
    def irqchip_reset(self, vm: Vm, vcpu: VCpu | None) -> None:
        """An instance as after INIT, or nothing mapped on the rVID."""
        if self.quirk("K21"):
            return
        if vcpu is None:
            _device.vm_data(vm).rvid.reset()
        elif vcpu.chip is not None:
            vcpu.chip.reset()

    @hookimpl
    def irqchip_save_state(self, vm: Vm, vcpu: VCpu | None) -> Mapping[str, Any]:
        """State of an instance, or of the rVID."""
        if self.quirk("K21"):
            raise refuse_state()
        return _state.save_shared(_device.vm_data(vm)) if vcpu is None else _state.save_instance(_instance(vcpu))

    @hookimpl
    def irqchip_restore_state(self, vm: Vm, vcpu: VCpu | None, state: Mapping[str, Any]) -> None:
        """Take over such a state."""
        if self.quirk("K21"):
            raise refuse_state()
        if vcpu is None:
            _state.restore_shared(vm, _device.vm_data(vm), state)
        else:
            _state.restore_instance(_instance(vcpu), state)

    @hookimpl
    def irqchip_counters(self, vcpu: VCpu) -> Counters:
        """What the instance counted since reset."""
        return vcpu.chip.counters() if vcpu.chip is not None else Counters(0, 0, 0, {})

    @hookimpl
    def irqchip_delivered(self, vcpu: VCpu) -> Mapping[int, int]:
        """What the instance's guest has acknowledged."""
        return _observed.delivered(vcpu)

    @hookimpl
    def irqchip_identify(self, vcpu: VCpu, intid: int) -> Source | str:
        """A trusted INTID is a PPI's; an untrusted one, that of the input which leads there now."""
        return _observed.identify(vcpu, intid)

    @hookimpl
    def irqchip_waiting(self, vcpu: VCpu) -> Mapping[int, str]:
        """What is pending; there is no active state."""
        return _observed.waiting(vcpu)

    @hookimpl
    def irqchip_debugfs(self, vm: Vm) -> Mapping[str, str]:
        """The columns of the reference; all interrupts of a vCPU in one file, but for quirk K28."""
        return dump(vm, per_interrupt=self.quirk("K28"))

    @hookimpl
    def irqchip_guest_driver(self, vm: Vm) -> Driver:
        """The driver of rVIC and rVID, as one."""
        from irqframe_rvic._driver_as_is import driver_class

        tree = _device.vm_data(vm).extensions
        return driver_class(self.enabled_quirks)(vm, tree.level_inputs, tree.msis or range(0))

    def _set_nr_irqs(self, vm: Vm, trusted: int, total: int, extensions: Extensions) -> None:
        _device.set_nr_irqs(vm, trusted, total, extensions, self.chosen["order"], self.enabled_quirks)


def _instance(vcpu: VCpu) -> Instance:
    rvic = vcpu.chip
    if not isinstance(rvic, Instance):
        raise VmError(errno.ENXIO, f"vCPU {vcpu.index} has no rVIC yet")
    return rvic


def _injector(vm: Vm) -> Callable[..., Injected]:
    """`irqchip_inject_irq`, bound to the instances that the VM's vCPUs have now."""
    rvics = [_instance(vcpu) for vcpu in vm.vcpus]

    def inject_irq(vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        if not 0 <= cpu < len(rvics):
            raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(rvics)}")
        rvic = rvics[cpu]
        if not 0 <= intid < rvic.total:
            raise VmError(errno.EINVAL, f"there is no INTID {intid}; {numbers(rvic.total)}")
        if owner is not None:
            rvic.check_owner(intid, owner)
        return rvic.inject(intid, level)

    return inject_irq
