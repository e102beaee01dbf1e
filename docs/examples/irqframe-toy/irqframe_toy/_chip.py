"""The plugin: each callback, by what the model does."""

import errno
from collections.abc import Iterable, Sequence

from irqframe import Injected, Irqchip, Source, SourceKind, SpecifierError, Trigger, TriggerError, VmError, hookimpl
from irqframe.dt import Node, addresses
from irqframe.flow import Counters, MmioClaim, RoutingEntry, TrapClaim
from irqframe.guest import Driver
from irqframe.vm import VCpu, Vm
from irqframe_toy._driver import ToyDriver
from irqframe_toy._latch import LINES, Latch, Register


class ToyIntc(Irqchip):
    """A 32-line latch with one target, the smallest irqchip that Linux could drive."""

    compatible = ("example,toy-intc",)
    bindings = ("example,toy-intc.yaml",)
    vcpu_limit = 1
    frame = (0, 0)  # address and size, once `irqchip_configure` knows them

    @hookimpl
    def irqchip_translate(self, node: Node, cells: tuple[int, ...]) -> Source:
        """A specifier is a line and a trigger; it is refused at the cell that is wrong."""
        if len(cells) != 2:
            raise SpecifierError(f"{len(cells)} cells are no specifier", expected="a line and a trigger")
        line, trigger = cells
        if line >= LINES:
            raise SpecifierError(f"the toy has no line {line}", cell=0, expected=f"a line of 0..{LINES - 1}")
        if trigger not in (Trigger.EDGE_RISING, Trigger.LEVEL_HIGH):
            raise TriggerError(f"{trigger} is no trigger of the toy", cell=1, expected="1 (edge) or 4 (level)")
        return Source(SourceKind.SPI, line, Trigger(trigger))

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
        """All state belongs to the one vCPU."""
        vcpu.chip = Latch()

    @hookimpl
    def irqchip_configure(self, vm: Vm, nodes: Sequence[Node]) -> None:
        """The frame is where the node says; GSI n is line n."""
        frames = [frame for node in nodes for frame in addresses(node)]
        if len(frames) != 1 or frames[0][1] <= max(Register):
            raise VmError(errno.EINVAL, "it needs one frame, of 16 bytes or more, that the CPU can reach")
        self.frame = frames[0]
        vm.routing.set_default(LINES)

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> Iterable[TrapClaim]:
        """The guest reaches the registers in the frame."""
        address, size = self.frame
        return (MmioClaim("TOY", address, size, _read, _write, {r: r.name for r in Register}),)

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        """Any thread: a device sets its line. `Vm.inject` hands it to the thread that owns the vCPU."""
        if entry.pin >= LINES:
            raise VmError(errno.EINVAL, f"the toy has no line {entry.pin}")
        return vm.inject(0, entry.pin, level)

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        """The owner: set the line, and have the vCPU look again if that latched something."""
        if not 0 <= intid < LINES:
            raise VmError(errno.EINVAL, f"the toy has no line {intid}")
        vcpu = vm.vcpus[cpu]
        outcome: Injected = vcpu.chip.set_line(intid, level)
        if outcome is Injected.LATCHED:
            vcpu.kick()
        return outcome

    @hookimpl
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> bool:
        """Whether the vCPU could take something."""
        return bool(vcpu.chip.target.deliverable)

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> None:
        """The vCPU is about to enter the guest: does the guest see IRQ asserted?"""
        vcpu.irq_line = bool(vcpu.chip.target.deliverable)

    @hookimpl
    def irqchip_counters(self, vcpu: VCpu) -> Counters:
        """What `irqframe run` compares with what the devices and the guest saw."""
        latch: Latch = vcpu.chip
        target = latch.target
        return Counters(target.raised, target.delivered, target.coalesced, {}, resampled=latch.resampled)

    @hookimpl
    def irqchip_guest_driver(self, vm: Vm) -> Driver:
        """What an operating system would bring."""
        return ToyDriver(vm, self.frame[0])


def _read(vcpu: VCpu, offset: int, size: int) -> int:
    value: int = vcpu.chip.read(offset) if size == 4 else 0
    return value


def _write(vcpu: VCpu, offset: int, size: int, value: int) -> None:
    if size == 4:
        vcpu.chip.write(offset, value)
