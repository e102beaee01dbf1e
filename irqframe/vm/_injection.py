"""The ways by which an interrupt comes into a VM, other than the guest's own."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from functools import partial
from threading import get_ident

from irqframe.errors import VmError
from irqframe.flow import Flow, Injected, RoutingEntry, RoutingKind
from irqframe.vm._irq_line import IrqLine, IrqType
from irqframe.vm._irqfd import Irqfds
from irqframe.vm._routing import MAX_ROUTES, SOURCE_USERSPACE, GsiLine, GsiRouting
from irqframe.vm._vcpu import VCpu


class Injection:
    """What of a VM devices and userspace call; `Vm` is the whole.

    Attributes:
        flow: hooks and sealed table.
        vcpus: by index; the tuple is replaced when one is added.
        finalized: whether the irqchip is ready and the flow sealed.
        quirks: those that are on.
        routing: GSI routing.
        irqfds: eventfds that raise a GSI.
        dropped: raises lost before they reached the irqchip, by reason.
    """

    flow: Flow
    vcpus: tuple[VCpu, ...]
    finalized: bool
    quirks: frozenset[str]
    routing: GsiRouting
    irqfds: Irqfds

    def __init__(self) -> None:
        self.dropped: dict[Injected, int] = {}
        self._drop_lock = threading.Lock()
        self._messages: dict[tuple[int, int, int | None], RoutingEntry] = {}

    def inject(self, cpu: int, intid: int, level: int, owner: object | None = None) -> Injected:
        """A device inside the VM sets its line; any thread.

        Args:
            cpu: index of the vCPU.
            intid: the INTID on it.
            level: 0 lowers the line, anything else raises it; so it is in the next two.
            owner: the device.

        Returns:
            What became of the raise; POSTED if another thread owns the vCPU, or none does.

        Raises:
            VmError: EAGAIN before the VM is finalized, EINVAL for a vCPU that is not there, EOPNOTSUPP if the irqchip
                injects nothing, or what it raises.
        """
        inject = self.flow.table.inject_irq
        if inject is None:
            if not self.flow.sealed and self.flow.has("inject_irq"):
                raise VmError(errno.EAGAIN, "the irqchip is not finalized")
            return self._nothing_injects("inject_irq")
        if not 0 <= cpu < len(self.vcpus):
            raise VmError(errno.EINVAL, f"there is no vCPU {cpu}; the VM has {len(self.vcpus)}")
        vcpu = self.vcpus[cpu]
        level = 1 if level else 0
        if vcpu.owner == get_ident():
            outcome: Injected = inject(self, cpu, intid, level, owner)
            return outcome
        vcpu.post(partial(inject, self, cpu, intid, level, owner))
        return Injected.POSTED

    def irq_line(self, word: int, level: int) -> Injected:
        """Userspace sets a line (KVM_IRQ_LINE); any thread.

        Args:
            word: the irq word; `IrqLine.encode` makes one.
            level: 1 or 0.

        Returns:
            What became of the raise.

        Raises:
            VmError: EINVAL for an unknown type, or a vCPU that is not there; ENXIO without an irqchip in the VM, and
                for type CPU always: it is the line of a VM whose irqchip lives in userspace; EOPNOTSUPP if the irqchip
                takes no lines; or what it raises.
        """
        line = IrqLine.decode(word)
        if line.irq_type not in (IrqType.CPU, IrqType.SPI, IrqType.PPI):
            raise VmError(errno.EINVAL, f"irq type {line.irq_type} is none of CPU 0, SPI 1, PPI 2")
        if line.irq_type == IrqType.CPU:
            raise VmError(errno.ENXIO, "type CPU is for an irqchip in userspace; this VM has its own, or none")
        if self.flow.chip is None:
            raise VmError(errno.ENXIO, f"type {line.irq_type} needs an irqchip in the VM")
        if line.irq_type == IrqType.PPI and line.cpu >= len(self.vcpus):
            raise VmError(errno.EINVAL, f"there is no vCPU {line.cpu}; the VM has {len(self.vcpus)}")
        if not self.flow.has("inject_userspace_irq"):
            return self._nothing_injects("inject_userspace_irq")
        outcome: Injected = self.flow.call(
            "inject_userspace_irq", self, line.irq_type, line.cpu, line.number, int(bool(level))
        )
        return outcome

    def set_irq(
        self, gsi: int, level: int, *, source_id: int = SOURCE_USERSPACE, line_status: bool = False
    ) -> Injected:
        """Raise or lower a GSI; any thread.

        Args:
            gsi: the GSI.
            level: 1 or 0.
            source_id: 0 userspace, 1 a resampling irqfd.
            line_status: whether the caller wants to know if the raise was coalesced.

        Returns:
            What became of the raise.

        Raises:
            VmError: EAGAIN before the VM is finalized, or what the irqchip raises.
        """
        if not self.finalized:
            raise VmError(errno.EAGAIN, "the irqchip is not finalized")
        routing = self.routing
        single = routing.single.get(gsi)
        if single is not None:
            return single(source_id, 1 if level else 0, line_status)
        outcome = routing.set_irq(gsi, 1 if level else 0, source_id, line_status)
        # An irqchip counts what it drops itself.
        if outcome is Injected.DROPPED_UNROUTED and not routing.routes(gsi):
            self.count_drop(outcome)
        return outcome

    def line(self, gsi: int) -> GsiLine:
        """A GSI for a device to hold that raises and lowers it often; it follows GSI routing."""
        return self.routing.line(gsi)

    def signal_msi(self, address: int, data: int, devid: int | None = None) -> Injected:
        """A device writes a message (KVM_SIGNAL_MSI); any thread.

        Args:
            address: where it writes.
            data: what it writes, 32 bits.
            devid: its DeviceID, None if the VMM gives none.

        Returns:
            What became of the message.

        Raises:
            VmError: ENODEV if the irqchip takes no messages, EAGAIN before the VM is finalized, or what it raises.
        """
        set_msi = self.flow.table.set_msi
        if not self.finalized or set_msi is None:
            if not self.flow.has("set_msi"):
                raise VmError(errno.ENODEV, f"{self.flow.chip_name or 'a VM without irqchip'} takes no messages")
            raise VmError(errno.EAGAIN, "the irqchip is not finalized")
        entry = self._messages.get((address, data, devid)) or self._message(address, data, devid)
        outcome: Injected = set_msi(entry, self, SOURCE_USERSPACE, 1, False)
        return outcome

    def notify_ack(self, pin: int) -> None:
        """The irqchip tells that the guest has ended a level interrupt of a pin: resampling irqfds hear of it.

        The line falls before this returns, which comes back to the irqchip: it tells when its own state is settled.
        """
        acknowledge = self.irqfds.acks.get(pin)
        if acknowledge is not None:
            acknowledge()

    def map_phys_irq(self, vcpu: VCpu, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
        """Bind a guest interrupt to a host interrupt, as the timers do for theirs; any thread.

        Args:
            vcpu: whose interrupt.
            host_irq: number of the host's; `host_irqs.allocate` gives one.
            intid: the guest's INTID.
            get_level: (intid) -> the line's level now.

        Raises:
            VmError: EAGAIN before the VM is finalized, EOPNOTSUPP if the irqchip maps none, or what it raises.
        """
        self._mapping("map_phys_irq", vcpu, host_irq, intid, get_level)

    def unmap_phys_irq(self, vcpu: VCpu, intid: int) -> None:
        """Undo `map_phys_irq`; it raises the same."""
        self._mapping("unmap_phys_irq", vcpu, intid)

    def _mapping(self, callback: str, vcpu: VCpu, *args: object) -> None:
        if not self.finalized:
            raise VmError(errno.EAGAIN, "the irqchip is not finalized")
        if self.flow.has(callback):
            vcpu.call(self.flow.call, callback, vcpu, *args)
        elif "K18" not in self.quirks:
            raise VmError(errno.EOPNOTSUPP, f"{self.flow.chip_name} has no irqchip_{callback}")

    def count_drop(self, reason: Injected) -> None:
        """Count a raise that was lost before it reached the irqchip; any thread."""
        with self._drop_lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def _message(self, address: int, data: int, devid: int | None) -> RoutingEntry:
        """The entry of a message, kept for the next one of its kind; a device has few."""
        if len(self._messages) >= MAX_ROUTES:
            self._messages.clear()
        entry = RoutingEntry(-1, RoutingKind.MSI, address=address, data=data, devid=devid)
        self._messages[address, data, devid] = entry
        return entry

    def _nothing_injects(self, callback: str) -> Injected:
        if "K18" in self.quirks:
            return Injected.NOTHING
        name = self.flow.chip_name or "the VM"
        raise VmError(errno.EOPNOTSUPP, f"{name} has no irqchip_{callback}; the interrupt would be lost")
