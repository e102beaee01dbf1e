"""From a machine to a VM: irqchip, vCPUs, configuration, and the seal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from irqframe.dt import addresses, is_enabled
from irqframe.errors import Finding, InputError, SpecifierError, VmError
from irqframe.flow import Irqchip, Source, SourceKind, blaming
from irqframe.machine._model import Default, Machine
from irqframe.machine._refused import refused
from irqframe.machine._translate import translate
from irqframe.vm import QUIRKS, Clock, GuestMemory, Vm


def build(
    machine: Machine,
    *,
    quirks: Iterable[str] = (),
    options: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    wrappers: Iterable[Callable[[Vm], object]] = (),
    prepare: Callable[[Vm], None] | None = None,
) -> Vm:
    """Make the VM that a machine describes.

    Args:
        machine: what to make.
        quirks: quirks of the irqchip and of the core; "as-is" means all of both.
        options: options of the irqchip.
        clock: where the VM's time comes from; None: a virtual clock.
        wrappers: each makes, out of the VM, a plugin that wraps callbacks.
        prepare: called before finalizing, for what must be set by then.

    Returns:
        The VM, finalized, every vCPU powered on.

    Raises:
        VmError: EINVAL for a quirk or an option that neither the irqchip nor the core has.
        InputError: if the irqchip refuses what its nodes say (E0607) or turns out not to have a source's line (E0603),
            with these options or at all, or if the memory regions are none (E0609).
        PluginError: if the irqchip breaks the hook spec.
    """
    with blaming(machine.chip, machine.irqchip):
        return _build(machine, frozenset(quirks), options, clock, wrappers, prepare)


def check_build(machine: Machine) -> tuple[tuple[Default, ...], tuple[Finding, ...]]:
    """Make the VM and throw it away, to see whether it can be made.

    Returns:
        What the irqchip leaves unused of its nodes; and what keeps the VM from being made, nothing if it can be.

    Raises:
        PluginError: if the irqchip breaks the hook spec.
    """
    try:
        vm = build(machine)
    except InputError as error:
        return (), error.findings
    unused = tuple(_unused(machine, vm))
    with blaming(machine.chip, machine.irqchip):
        vm.destroy()
    return unused, ()


def split_quirks(chip: type[Irqchip], quirks: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Which of the quirks are for the irqchip, and which for the core.

    Returns:
        The irqchip's, which gets those that nobody has too, and refuses them; and the core's.
    """
    if "as-is" in quirks:
        return quirks, frozenset(QUIRKS)
    return quirks - (QUIRKS.keys() - chip.quirks.keys()), quirks & QUIRKS.keys()


def _build(
    machine: Machine,
    quirks: frozenset[str],
    options: Mapping[str, str] | None,
    clock: Clock | None,
    wrappers: Iterable[Callable[[Vm], object]],
    prepare: Callable[[Vm], None] | None,
) -> Vm:
    for_chip, for_core = split_quirks(machine.chip, quirks)
    chip = machine.chip(for_chip, options)
    vm = Vm(
        clock=clock,
        memory=_memory(machine),
        timer_intids=(_number(machine.timer[0]), _number(machine.timer[1])),
        pmu_intid=_number(machine.pmu),
        quirks=for_core,
    )
    try:
        vm.create_irqchip(chip, machine.irqchip)
        for wrapper in wrappers:
            vm.flow.register(wrapper(vm))
        for cpu in machine.cpus:
            vm.create_vcpu(mpidr=cpu.mpidr)
        vm.flow.call("configure", vm, machine.controllers)
        if prepare is not None:
            prepare(vm)
        if not vm.finalized:
            vm.finalize()
    except (SpecifierError, VmError) as error:
        raise InputError([refused(machine, error)]) from error
    unserved = _outside(machine, vm, options) if options else _unrouted(machine, vm)
    if unserved:
        raise InputError(unserved)
    return vm


def _memory(machine: Machine) -> list[tuple[int, int]]:
    """The regions of RAM; that they are sound is checked here, so that a fault is a finding."""
    regions = [(region.address, region.size) for region in machine.memory if region.size]
    try:
        GuestMemory(regions)
    except VmError as error:
        root = machine.tree.root
        raise InputError([Finding("E0609", error.reason, root.span, root.path)]) from error
    return regions


def _outside(machine: Machine, vm: Vm, options: Mapping[str, str]) -> list[Finding]:
    """A finding for each source that the irqchip does not serve with these options: no tree is checked with any."""
    _, refused = translate(vm.flow, [one.ref for one in machine.sources])
    asked = ", ".join(f"{name}={value}" for name, value in options.items())
    found = [replace(finding, hint=finding.hint or f"{machine.irqchip} was given {asked}") for _, finding in refused]
    return found or _unrouted(machine, vm)


def _unrouted(machine: Machine, vm: Vm) -> list[Finding]:
    """A finding for each shared source whose line the irqchip, now that it is set up, turns out not to have."""
    if not vm.routing.entries:
        return []
    return [
        Finding(
            "E0603",
            f"{one.ref.node.path}: {machine.irqchip} has no line {one.source.number}",
            one.ref.spans[0] if one.ref.spans else one.ref.span,
            one.ref.node.path,
            expected=f"a line of 0 to {max(entry.pin for entry in vm.routing.entries)}",
            related=((one.ref.controller.span, "the controller"),),
        )
        for one in machine.sources
        if one.source.kind is SourceKind.SPI and not vm.routing.routes(one.source.number)
    ]


def _unused(machine: Machine, vm: Vm) -> Iterator[Default]:
    """The regions of the irqchip's nodes at whose beginning nothing answers."""
    for node in filter(is_enabled, machine.controllers):
        idle = [
            str(index) for index, (base, size) in enumerate(addresses(node)) if size and vm.mmio.find(base, 1) is None
        ]
        if idle:
            entries = f"{'entry' if len(idle) == 1 else 'entries'} {', '.join(idle)} (from 0)"
            yield Default(f"frames of {node.path}", f"none for `reg` {entries}: {machine.irqchip} serves nothing there")


def _number(source: Source | None) -> int | None:
    return source.number if source is not None else None
