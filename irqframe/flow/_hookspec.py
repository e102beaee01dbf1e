"""irqchip_flow: every callback between the VM and its interrupt controller. This file is the manual.

1. The first twenty are the members of `struct kvm_irqchip_flow` (KVM/arm64, rVIC series of September 2020, final form)
   under their own names and with their own arguments; `struct kvm *` is `vm`, `struct kvm_vcpu *` is `vcpu`. Where the
   reference returns -errno, a hook raises `VmError` with that errno, and success returns None.
2. The others are what that structure lacks and a framework needs.
3. Until `Vm.finalize()` the core calls through pluggy, by name. Finalizing seals the flow: each callback is resolved
   once to a plain callable and called by position. So an implementation takes exactly the arguments of its
   specification, in their order; sealing refuses any other, naming the line of its definition.
4. An irqchip implements; everything else that registers on a VM wraps (`@hookimpl(wrapper=True)`). Wrapping a callback
   that the irqchip does not have leaves it missing.
5. A hook marked *owner* runs on the thread that owns the vCPU, and may touch that vCPU's state without a lock. One
   marked *any thread* may not: it posts to the owner's inbox (`Vm.post`) or reads what is replaced whole.
"""

# Specifications have no body; pluggy reads their names and arguments alone.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from irqframe.flow._markers import hookspec
from irqframe.flow._types import (
    Counters,
    DescribeRequest,
    Injected,
    Lines,
    NodeRef,
    NodeSpec,
    RoutingEntry,
    Source,
    TrapClaim,
    VCpuRef,
    VmRef,
)

# ---------------------------------------------------------------------------------------------------------------------
# The twenty members of the reference structure: life of the VM and of a vCPU
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def irqchip_destroy(vm: VmRef) -> None:
    """Let go of everything the irqchip holds for the VM.

    Called: first thing in `Vm.destroy`, while the vCPUs still exist; once.

    Args:
        vm: the VM that ends.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_init(vcpu: VCpuRef) -> None:
    """Make the irqchip's state of one vCPU, and keep it in `vcpu.chip`.

    Called: by `Vm.create_vcpu`, after the vCPU's timer and PMU exist and before it stands in `vm.vcpus`, with `vm.lock`
    held; by `Vm.create_irqchip` for the vCPUs that exist already. What it raises aborts the creation, of the vCPU or of
    the irqchip.

    Args:
        vcpu: the new vCPU; its `index`, `vcpu_id` and `mpidr` are set.

    Missing: the irqchip keeps no state per vCPU.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_blocking(vcpu: VCpuRef) -> None:
    """The vCPU is about to sleep in WFI: arrange what must wake it.

    Called: *owner*, before the sleep; never for a vCPU that has something pending.

    Args:
        vcpu: the vCPU that goes to sleep.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_unblocking(vcpu: VCpuRef) -> None:
    """The vCPU woke up: undo `irqchip_vcpu_blocking`.

    Called: *owner*, after the sleep, whatever ended it.

    Args:
        vcpu: the vCPU that woke up.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_load(vcpu: VCpuRef) -> None:
    """The vCPU comes onto a thread: load what the irqchip keeps near the CPU.

    Called: *owner*, when a thread takes the vCPU to run it, before the vCPU's timer is loaded.

    Args:
        vcpu: the vCPU that is loaded.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_put(vcpu: VCpuRef) -> None:
    """The vCPU leaves its thread: put back what `irqchip_vcpu_load` loaded.

    Called: *owner*, after the vCPU's timer is put.

    Args:
        vcpu: the vCPU that is put.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_pending_irq(vcpu: VCpuRef) -> bool:
    """Whether the irqchip has an interrupt that the vCPU could take now.

    Called: *any thread*, for the wake-up test of a sleeping vCPU and by the scheduler; it changes nothing.

    Args:
        vcpu: the vCPU that may sleep.

    Returns:
        True if the vCPU's IRQ or FIQ line would be asserted at entry.

    Missing: False, nothing is pending.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_first_run(vcpu: VCpuRef) -> None:
    """The vCPU is about to run for the first time: refuse, or map what could not be mapped before.

    Called: *owner*, at the first run of each vCPU, before its timer is enabled. What it raises fails that run, and the
    next run asks again.

    Args:
        vcpu: the vCPU that has never run.

    Missing: nothing is done; the core itself refuses to run before the irqchip is finalized (ENODEV).
    """


@hookspec(firstresult=True)
def irqchip_vcpu_flush_hwstate(vcpu: VCpuRef) -> None:
    """Show the irqchip's state to the hardware: set `vcpu.irq_line` and `vcpu.fiq_line`.

    Called: *owner*, at every attempt to enter the guest, after the inbox has been drained.

    Args:
        vcpu: the vCPU that enters.

    Missing: the lines stay as they are.
    """


@hookspec(firstresult=True)
def irqchip_vcpu_sync_hwstate(vcpu: VCpuRef) -> None:
    """Take back what the hardware changed while the guest ran.

    Called: *owner*, after every exit of the guest and after an entry that was given up.

    Args:
        vcpu: the vCPU that left the guest.

    Missing: nothing is done.
    """


# ---------------------------------------------------------------------------------------------------------------------
# The twenty: injection, mapping, routing
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def irqchip_inject_irq(vm: VmRef, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
    """Set the line of an interrupt, from a device inside the VM (timer, PMU).

    Called: on the *owner* of the vCPU, by `Vm.inject`, on every change of the device's line; for a direct timer, whose
    level is asked for, each time its host interrupt is taken.

    Args:
        vm: the VM.
        cpu: index of the vCPU, 0 to the number of vCPUs - 1.
        intid: the INTID on that vCPU.
        level: 1 raises the line (or is an edge), 0 lowers it.
        owner: the device, as `irqchip_set_owner` was told; None for a device without one.

    Returns:
        What became of the raise.

    Raises:
        VmError: EINVAL for a vCPU or an INTID that is not there.

    Missing: VmError EOPNOTSUPP at each injection. The reference returns 0 and loses the interrupt (quirk K18).
    """


@hookspec(firstresult=True)
def irqchip_inject_userspace_irq(vm: VmRef, irq_type: int, cpu: int, intid: int, level: int) -> Injected:
    """Set a line as KVM_IRQ_LINE does, types SPI (1) and PPI (2).

    Called: *any thread*, by `Vm.irq_line`; type CPU (0) never reaches it.

    Args:
        vm: the VM.
        irq_type: 1 SPI, 2 PPI.
        cpu: index of the vCPU, from the irq word; means nothing for an SPI.
        intid: the number in the irq word, 16 bits: the irqchip says what it counts.
        level: 1 or 0.

    Returns:
        What became of the raise.

    Raises:
        VmError: EINVAL for a type or a number that the irqchip does not take from userspace.

    Missing: VmError EOPNOTSUPP. The reference returns 0 (quirk K18).
    """


@hookspec(firstresult=True)
def irqchip_map_is_active(vcpu: VCpuRef, intid: int) -> bool:
    """Whether a host-mapped interrupt is active in the guest, so that the host must keep its own masked.

    Called: *owner*, when the vCPU's timer is loaded.

    Args:
        vcpu: the vCPU.
        intid: the guest's INTID of a mapped interrupt.

    Returns:
        True if it is active.

    Missing: False.
    """


@hookspec(firstresult=True)
def irqchip_reset_mapped_irq(vcpu: VCpuRef, intid: int) -> None:
    """Forget active and pending state of a host-mapped interrupt, because the device that drives it was reset.

    Called: *owner*, when the vCPU's timer is reset.

    Args:
        vcpu: the vCPU.
        intid: the guest's INTID.

    Missing: nothing is done: a spurious interrupt may follow.
    """


@hookspec(firstresult=True)
def irqchip_map_phys_irq(vcpu: VCpuRef, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
    """Bind a guest interrupt to a host interrupt, whose level is asked for instead of remembered.

    Called: *owner*, when a timer is enabled, at the vCPU's first run, and by `Vm.map_phys_irq`.

    Args:
        vcpu: the vCPU.
        host_irq: number of the host's interrupt, 1 or more; `vm.host_irqs` holds its state.
        intid: the guest's INTID.
        get_level: (intid) -> the line's level now.

    Raises:
        VmError: EINVAL for an INTID that cannot be mapped, EBUSY for one that is.

    Missing: the timers have no host interrupt, and inject every change of their line; `Vm.map_phys_irq` raises
    EOPNOTSUPP. The reference returns 0 (quirk K18).
    """


@hookspec(firstresult=True)
def irqchip_unmap_phys_irq(vcpu: VCpuRef, intid: int) -> None:
    """Undo `irqchip_map_phys_irq`.

    Called: *owner*, by `Vm.unmap_phys_irq`, when the device that was mapped is taken away.

    Args:
        vcpu: the vCPU.
        intid: the guest's INTID.

    Raises:
        VmError: EINVAL for an INTID that cannot be mapped, or is not.

    Missing: `Vm.unmap_phys_irq` raises EOPNOTSUPP. The reference returns 0 (quirk K18).
    """


@hookspec(firstresult=True)
def irqchip_set_owner(vcpu: VCpuRef, intid: int, owner: object) -> None:
    """Reserve an INTID of one vCPU for a device inside the VM.

    Called: *owner*, when a timer or a PMU is enabled, at the vCPU's first run. If that run fails later, the next one
    calls it again with the same owner, which is accepted.

    Args:
        vcpu: the vCPU.
        intid: the INTID.
        owner: the device; compared by identity.

    Raises:
        VmError: EEXIST if another device has it, EINVAL for an INTID that cannot be owned.

    Missing: every owner is accepted.
    """


@hookspec(firstresult=True)
def irqchip_irqfd_set_irq(
    entry: RoutingEntry, vm: VmRef, irq_source_id: int, level: int, line_status: bool
) -> Injected:
    """Set the shared line that a GSI routing entry names.

    Called: *any thread*, for each routing entry of kind IRQCHIP of a GSI that is set: by `Vm.set_irq` and by irqfds.

    Args:
        entry: the routing entry; `entry.pin` is the line.
        vm: the VM.
        irq_source_id: 0 userspace, 1 a resampling irqfd.
        level: 1 or 0.
        line_status: whether the caller wants to know if the raise was coalesced.

    Returns:
        What became of the raise.

    Raises:
        VmError: EINVAL for a pin that the irqchip does not have.

    Missing: routing entries of this kind cannot be set (EINVAL).
    """


@hookspec(firstresult=True)
def irqchip_set_msi(entry: RoutingEntry, vm: VmRef, irq_source_id: int, level: int, line_status: bool) -> Injected:
    """Deliver a message-signalled interrupt.

    Called: *any thread*, by `Vm.signal_msi`, and for each routing entry of kind MSI of a GSI that is set.

    Args:
        entry: address, data and DeviceID of the message.
        vm: the VM.
        irq_source_id: as in `irqchip_irqfd_set_irq`.
        level: 1; a message has no 0, which is ignored.
        line_status: as in `irqchip_irqfd_set_irq`.

    Returns:
        What became of the message.

    Raises:
        VmError: EINVAL for an address or data that no interrupt belongs to, ENODEV if the machine has no MSIs.

    Missing: messages cannot be sent (ENODEV), routing entries of this kind cannot be set (EINVAL).
    """


@hookspec(firstresult=True)
def irqchip_set_irq_inatomic(
    entry: RoutingEntry, vm: VmRef, irq_source_id: int, level: int, line_status: bool
) -> Injected | None:
    """Set a routed line at once, where waiting is not allowed: the fast path of an irqfd.

    Called: *any thread*, from the irqfd thread, with level 1 only and only after `Vm.finalize`.

    Args:
        entry: the routing entry, of either kind.
        vm: the VM.
        irq_source_id: as in `irqchip_irqfd_set_irq`.
        level: 1.
        line_status: as in `irqchip_irqfd_set_irq`.

    Returns:
        What became of the raise, or None (the reference: -EWOULDBLOCK): the core then takes the slow path.

    Missing: None, always the slow path.
    """


# ---------------------------------------------------------------------------------------------------------------------
# The device of the irqchip: set-up by attributes, or out of the device tree
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def irqchip_create(vm: VmRef) -> None:
    """The irqchip was chosen for the VM: check that it can be, and claim what it needs (KVM_CREATE_DEVICE).

    Called: by `Vm.create_irqchip`, after the core's own checks; vCPUs may exist already. What it raises leaves the VM
    without an irqchip.

    Args:
        vm: the VM.

    Missing: nothing is done.
    """


@hookspec(firstresult=True)
def irqchip_configure(vm: VmRef, nodes: Sequence[NodeRef]) -> None:
    """Read the irqchip's parameters out of its device-tree nodes, and set it up with them.

    Called: once by the machine builder, after the vCPUs exist and before `Vm.finalize`; the nodes have passed the
    irqchip's bindings.

    Args:
        vm: the VM.
        nodes: every node whose `compatible` is the irqchip's, in the order of the tree.

    Raises:
        NodeError: for a property that says what cannot be; it is told at its place.
        VmError: EINVAL for parameters that contradict each other.
        SpecifierError: likewise.

    Missing: nothing is read.
    """


@hookspec(firstresult=True)
def irqchip_set_attr(vm: VmRef, group: int, attr: int, value: int) -> None:
    """Set a device attribute (KVM_SET_DEVICE_ATTR).

    Called: by `Vm.set_device_attr`, with `vm.lock` held.

    Args:
        vm: the VM.
        group: attribute group.
        attr: attribute within the group.
        value: the payload as an unsigned number.

    Raises:
        VmError: ENXIO for an attribute that is not there, or the irqchip's own errno.

    Missing: VmError ENXIO.
    """


@hookspec(firstresult=True)
def irqchip_get_attr(vm: VmRef, group: int, attr: int) -> int:
    """Read a device attribute (KVM_GET_DEVICE_ATTR).

    Called: by `Vm.get_device_attr`, with `vm.lock` held.

    Args:
        vm: the VM.
        group: attribute group.
        attr: attribute within the group.

    Returns:
        The payload.

    Raises:
        VmError: ENXIO for an attribute that is not there or has no value yet.

    Missing: VmError ENXIO.
    """


@hookspec(firstresult=True)
def irqchip_has_attr(vm: VmRef, group: int, attr: int) -> bool:
    """Whether a device attribute exists, whatever its state (KVM_HAS_DEVICE_ATTR).

    Called: by `Vm.has_device_attr`.

    Args:
        vm: the VM.
        group: attribute group.
        attr: attribute within the group.

    Returns:
        True if it exists.

    Missing: False.
    """


@hookspec(firstresult=True)
def irqchip_trap_claims(vm: VmRef) -> Iterable[TrapClaim]:
    """Say which hypercalls, MMIO frames and system registers of the guest the irqchip serves.

    Called: once, by `Vm.finalize`, after sealing.

    Args:
        vm: the VM.

    Returns:
        The claims; two that overlap are refused.

    Missing: the irqchip serves none.
    """


@hookspec(firstresult=True)
def irqchip_bind(vm: VmRef) -> Mapping[str, Callable[..., Any]]:
    """Offer faster callables for some of the twenty callbacks, bound to this VM ahead of time.

    Called: once, while `Vm.finalize` seals the flow. The offer is taken for callbacks that nothing wraps, so it must do
    exactly what the irqchip's own method does.

    Args:
        vm: the VM.

    Returns:
        Callback name without `irqchip_` -> callable with the arguments of the specification, by position.

    Missing: the irqchip's own methods are used.
    """


# ---------------------------------------------------------------------------------------------------------------------
# Device tree
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def irqchip_translate(node: NodeRef, cells: tuple[int, ...]) -> Source:
    """Turn an interrupt specifier into the source it names.

    Called: by the machine builder, for every interrupt that resolves to a node of the irqchip; no VM exists yet.

    Args:
        node: the irqchip's node that the specifier is for.
        cells: the specifier, `#interrupt-cells` cells of it.

    Returns:
        The source.

    Raises:
        SpecifierError: for a number that the node does not serve.
        TriggerError: for a trigger that the line cannot have.

    Missing: cell 0 is the number of an SPI, cell 1, if there, the trigger; without it the source is edge-triggered.
    """


@hookspec(firstresult=True)
def irqchip_lines(nodes: Sequence[NodeRef]) -> Lines:
    """Say which shared lines the irqchip will have, and which of them messages raise.

    Called: by the machine builder, once per tree, to find wired interrupts on lines that are not there or that messages
    raise, and messages on lines that are not there; no VM exists yet.

    Args:
        nodes: every node whose `compatible` is the irqchip's, in the order of the tree, disabled ones too. Their values
            may be anything: what breaks a binding is reported elsewhere, so it is left out here.

    Returns:
        The lines.

    Missing: which lines there are is known when the VM is built, and messages raise none that a device is wired to.
    """


@hookspec(firstresult=True)
def irqchip_encode(source: Source) -> tuple[int, ...]:
    """The reverse of `irqchip_translate`: the cells that name a source in the nodes last described.

    Called: when a machine is re-targeted to this irqchip, after `irqchip_describe`, once per interrupt.

    Args:
        source: the source.

    Returns:
        The specifier, for the described node that serves the source's kind.

    Raises:
        SpecifierError: if the irqchip cannot serve the source.

    Missing: machines cannot be re-targeted to this irqchip.
    """


@hookspec(firstresult=True)
def irqchip_describe(request: DescribeRequest) -> tuple[NodeSpec, ...]:
    """Write the device-tree nodes with which a guest finds this irqchip.

    Called: when a machine is re-targeted to this irqchip; no VM exists yet.

    Args:
        request: vCPUs, sources and whether MSIs are wanted.

    Returns:
        The nodes, in the order of emission; each says what it serves.

    Raises:
        SpecifierError: if the irqchip cannot serve the request.

    Missing: the machine's own nodes are kept as they are, and it cannot be re-targeted to this irqchip.
    """


# ---------------------------------------------------------------------------------------------------------------------
# Reset, state, observation, guests
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def irqchip_reset(vm: VmRef, vcpu: VCpuRef | None) -> None:
    """Bring state back to what it was after set-up.

    Called: on the *owner*, when a vCPU is reset or powered on again; for the whole VM when it is rebooted.

    Args:
        vm: the VM.
        vcpu: the vCPU whose state is reset; None for the part that belongs to no vCPU.

    Missing: VmError EOPNOTSUPP.
    """


@hookspec(firstresult=True)
def irqchip_save_state(vm: VmRef, vcpu: VCpuRef | None) -> Mapping[str, Any]:
    """Save the irqchip's state as plain data.

    Called: by `Vm.save_state`, on a VM that does not run; once per vCPU and once for the rest.

    Args:
        vm: the VM.
        vcpu: the vCPU whose state is saved; None for the part that belongs to no vCPU.

    Returns:
        What `json.dumps` takes, with a key "version".

    Missing: VmError EOPNOTSUPP.
    """


@hookspec(firstresult=True)
def irqchip_restore_state(vm: VmRef, vcpu: VCpuRef | None, state: Mapping[str, Any]) -> None:
    """Take over what `irqchip_save_state` saved, on a VM that was set up in the same way.

    Called: by `Vm.restore_state`, on a VM that does not run.

    Args:
        vm: the VM.
        vcpu: the vCPU whose state is restored; None for the part that belongs to no vCPU.
        state: as saved; it comes from a file, so every value is checked.

    Raises:
        VmError: EINVAL for a version, a key or a value that does not fit; nothing has changed then.

    Missing: VmError EOPNOTSUPP.
    """


@hookspec(firstresult=True)
def irqchip_counters(vcpu: VCpuRef) -> Counters:
    """What the vCPU's irqchip state has counted.

    Called: *any thread*, when a run ends or is observed; never per interrupt.

    Args:
        vcpu: the vCPU.

    Returns:
        A snapshot.

    Missing: the irqchip counts nothing; runs rely on what devices and guests count.
    """


@hookspec(firstresult=True)
def irqchip_delivered(vcpu: VCpuRef) -> Mapping[int, int]:
    """How often the vCPU's guest has acknowledged each interrupt, since the VM was made.

    A reset of the vCPU begins no new count, nor does a restored state: it is what a guest's own count, like that of
    /proc/interrupts, is compared with.

    Called: *any thread*, when a run ends or is observed; never per interrupt.

    Args:
        vcpu: the vCPU.

    Returns:
        INTID, as the guest's acknowledge gives it -> how often; a snapshot. INTIDs never acknowledged may be left out.

    Missing: what is delivered is known by source only, as far as devices and guests count it.
    """


@hookspec(firstresult=True)
def irqchip_identify(vcpu: VCpuRef, intid: int) -> Source | str:
    """Say which interrupt an INTID of the vCPU is.

    Called: when a run ends or is observed, for INTIDs that `irqchip_delivered` and `irqchip_waiting` return.

    Args:
        vcpu: the vCPU.
        intid: the INTID, as the guest's acknowledge gives it.

    Returns:
        The wired source, whose trigger means nothing; for what has no line, a name: "SGI 3".

    Missing: INTIDs are shown as numbers.
    """


@hookspec(firstresult=True)
def irqchip_waiting(vcpu: VCpuRef) -> Mapping[int, str]:
    """Say which interrupts are on their way to the vCPU, or in its hands, and how.

    Called: on the *owner*, when a run ends or is observed.

    Args:
        vcpu: the vCPU.

    Returns:
        INTID -> its state in a few words, which begin with "pending" if it is: "pending, masked", "active".

    Missing: what waits is not shown.
    """


@hookspec(firstresult=True)
def irqchip_debugfs(vm: VmRef) -> Mapping[str, str]:
    """Show the irqchip's state as the reference shows it in debugfs.

    Called: on demand, on a VM that does not run.

    Args:
        vm: the VM.

    Returns:
        Path below the VM's debugfs directory -> content.

    Missing: nothing is shown.
    """


@hookspec(firstresult=True)
def irqchip_guest_driver(vm: VmRef) -> object:
    """Make the scripted guest's driver for this irqchip: what an operating system's driver does, in Python.

    Called: by `irqframe run`, after `Vm.finalize`.

    Args:
        vm: the VM.

    Returns:
        A `irqframe.guest.Driver`.

    Missing: `irqframe run` exercises injection and pending state only, and says so.
    """
