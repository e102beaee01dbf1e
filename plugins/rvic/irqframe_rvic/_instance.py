"""The rVIC of one vCPU.

1. It belongs to the thread that owns the vCPU; what other threads may call says so.
2. State bytes and their order of delivery are an `irqframe.bits.Target`; what an event does to them comes from the
   transition table.
3. The vCPU's IRQ line is asserted if and only if the instance is enabled and an interrupt is deliverable. The owner's
   own hypercalls set the line at once; everybody else kicks the vCPU when that condition changes.
4. raised + resampled = delivered + coalesced + dropped + withdrawn + pending + held, at any moment that the owner sees.
"""

from __future__ import annotations

import errno
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from irqframe.bits import PENDING, Operation, Target
from irqframe.errors import VmError
from irqframe.flow import Counters, Injected
from irqframe_rvic._transitions import OPERATIONS, Event

if TYPE_CHECKING:
    from irqframe.vm import HostIrq, VCpu

NOTHING: Final = Injected.NOTHING
LATCHED: Final = Injected.LATCHED
COALESCED: Final = Injected.COALESCED
DROPPED_DISABLED: Final = Injected.DROPPED_DISABLED

IPIS: Final = 16
"""INTIDs 0 to 15 are the guest's own, for signals between its CPUs."""


def numbers(count: int) -> str:
    """Which of `count` things there are, for a message."""
    return f"there are 0 to {count - 1}" if count > 0 else "there are none"


class HostMapping(NamedTuple):
    """A host interrupt behind a trusted INTID.

    Attributes:
        host_irq: the host's interrupt, None for number 0.
        get_level: (intid) -> the line's level now.
    """

    host_irq: HostIrq | None
    get_level: Callable[[int], bool]


class Instance:
    """State of one rVIC.

    Args:
        vcpu: the vCPU.
        trusted: T, number of trusted INTIDs.
        target: state bytes of all N INTIDs, with the policy of delivery.

    Attributes:
        vcpu: as given.
        trusted: as given.
        total: N; 0 once it is destroyed.
        target: as given.
        acknowledging: the operation that serves this vCPU's ACKNOWLEDGE without Python, or None; it counts by itself.
        lines: level of the line of each trusted INTID, as last injected.
        mapped: host interrupts by INTID.
        owners: devices inside the VM by INTID.
        held: INTIDs of level sources that rose while the instance was disabled, and were not counted since.
        dropped: raises that were lost, by reason.
        withdrawn: pending interrupts that the guest cleared, and held ones whose line fell.
        resampled: interrupts made pending by a level that was still high.
        acknowledged: how often a handler has acknowledged each INTID for the guest, whatever was reset since.
        input_level: (intid) -> whether a level input mapped to the untrusted INTID is high; None without level inputs.
        input_levels: () -> untrusted INTIDs for which that is so; None without level inputs.
        signal: (intid) -> whether it became pending; counted. Derived from the transition table, as are the next three.
        mask: (intid).
        unmask: (intid).
        acknowledge: () -> INTID, -1 if nothing is deliverable.
    """

    __slots__ = (
        "_clear",
        "acknowledge",
        "acknowledged",
        "acknowledging",
        "dropped",
        "held",
        "input_level",
        "input_levels",
        "lines",
        "mapped",
        "mask",
        "owners",
        "resampled",
        "signal",
        "target",
        "total",
        "trusted",
        "unmask",
        "vcpu",
        "withdrawn",
    )

    def __init__(self, vcpu: VCpu, trusted: int, target: Target) -> None:
        self.vcpu = vcpu
        self.trusted = trusted
        self.total = len(target.state)
        self.target = target
        target.enabled = False
        self.lines = bytearray(trusted)
        self.mapped: dict[int, HostMapping] = {}
        self.owners: dict[int, object] = {}
        self.held: set[int] = set()
        self.dropped: dict[Injected, int] = {}
        self.withdrawn = 0
        self.resampled = 0
        self.acknowledged: defaultdict[int, int] = defaultdict(int)
        self.acknowledging: Operation | None = None
        self.input_level: Callable[[int], bool] | None = None
        self.input_levels: Callable[[], set[int]] | None = None
        bound = {event: operation.bind(target) for event, operation in OPERATIONS.items()}
        self.signal: Callable[[int], int] = bound[Event.SIGNAL]
        self.mask: Callable[[int], int] = bound[Event.MASK]
        self.unmask: Callable[[int], int] = bound[Event.UNMASK]
        self.acknowledge: Callable[[], int] = bound[Event.ACKNOWLEDGE]
        self._clear: Callable[[int], int] = bound[Event.CLEAR_PENDING]

    @property
    def enabled(self) -> bool:
        """By RVIC_ENABLE; the target keeps it, where compiled operations see it too."""
        return self.target.enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self.target.enabled = enabled

    @property
    def can_signal(self) -> bool:
        """Whether the vCPU's IRQ line is to be asserted; any thread may ask."""
        target = self.target
        return target.enabled and target.deliverable > 0

    @property
    def delivered(self) -> dict[int, int]:
        """How often the guest has acknowledged each INTID, whatever was reset since; any thread may ask."""
        counts = Counter(self.acknowledged)
        if self.acknowledging is not None:
            counts.update(self.acknowledging.counts())
        return dict(counts)

    # What the guest does

    def enable(self) -> None:
        """RVIC_ENABLE; level sources are sampled, because what they did meanwhile was not latched."""
        if self.enabled:
            return
        self.enabled = True
        held, self.held = self.held, set()
        for intid in sorted(held.union(self._level_sources())):
            self._sample_again(intid, intid in held)

    def disable(self) -> None:
        """RVIC_DISABLE: pending and masked states are kept."""
        self.enabled = False

    def clear_pending(self, intid: int) -> None:
        """RVIC_CLEAR_PENDING: a pending interrupt is withdrawn."""
        if self._clear(intid) & PENDING:
            self.withdrawn += 1

    def is_pending(self, intid: int) -> bool:
        """RVIC_IS_PENDING."""
        return self.target.test(intid, PENDING)

    def resample(self, intid: int) -> None:
        """RVIC_RESAMPLE on an enabled instance: pend the interrupt if its line is high."""
        if self.sample(intid):
            self.relatch(intid)

    def remotely(self, operate: Callable[[int], object], intid: int) -> None:
        """Do `operate(intid)` for another vCPU's hypercall, and kick if the line changes.

        A change to low is a kick too: ISR_EL1 mirrors the line even while the CPU masks IRQs.
        """
        before = self.can_signal
        operate(intid)
        if self.can_signal is not before:
            self.vcpu.kick()

    def signal_remotely(self, intid: int) -> bool:
        """RVIC_SIGNAL by another vCPU; False if the instance is disabled."""
        if not self.enabled:
            return False
        self.remotely(self.signal, intid)
        return True

    # What devices do

    def inject(self, intid: int, level: int) -> Injected:
        """Set the line of a device inside the VM, or of an input.

        Args:
            intid: below `total`.
            level: anything but 0 is high and latches the interrupt; 0 never clears it.

        Returns:
            What became of the raise.
        """
        if intid < self.trusted and intid not in self.mapped:
            self.lines[intid] = 1 if level else 0
        return self.pulse(intid) if level else NOTHING

    def pulse(self, intid: int) -> Injected:
        """Latch an interrupt."""
        target = self.target
        if not target.enabled:
            return self._while_disabled(intid)
        before = target.deliverable
        fresh = self.signal(intid)
        if not before and target.deliverable:
            self.vcpu.kick()
        return LATCHED if fresh else COALESCED

    def level(self, intid: int) -> bool:
        """The level of the interrupt's line now; False for one that has no line."""
        if intid >= self.trusted:
            return self.input_level is not None and self.input_level(intid)
        mapping = self.mapped.get(intid)
        return bool(self.lines[intid]) if mapping is None else bool(mapping.get_level(intid))

    def sample(self, intid: int) -> bool:
        """`level`; and a host interrupt whose line is low is ended, so that it can fire again."""
        level = self.level(intid)
        if not level and intid in self.mapped:
            host_irq = self.mapped[intid].host_irq
            if host_irq is not None:
                host_irq.active = False
        return level

    def relatch(self, intid: int) -> None:
        """A level that is still high makes its interrupt pending again; no raise of its own."""
        if not self.target.set(intid, PENDING) & PENDING:
            self.resampled += 1

    # Host interrupts and owners

    def map_host_irq(self, intid: int, host_irq: HostIrq | None, get_level: Callable[[int], bool]) -> None:
        """Ask `get_level` for the level of a trusted INTID from now on.

        Raises:
            VmError: EINVAL for an INTID that is not trusted, EBUSY for one that is mapped.
        """
        self._check_trusted(intid)
        if intid in self.mapped:
            raise VmError(errno.EBUSY, f"INTID {intid} of vCPU {self.vcpu.index} has a host interrupt already")
        self.mapped[intid] = HostMapping(host_irq, get_level)

    def unmap_host_irq(self, intid: int) -> None:
        """Undo `map_host_irq`.

        Raises:
            VmError: EINVAL for an INTID that is not mapped.
        """
        if self.mapped.pop(intid, None) is None:
            raise VmError(errno.EINVAL, f"INTID {intid} of vCPU {self.vcpu.index} has no host interrupt")

    def set_owner(self, intid: int, owner: object) -> None:
        """Reserve a trusted INTID for a device inside the VM.

        Raises:
            VmError: EINVAL for an INTID that is not trusted or is an IPI, EEXIST if another device has it.
        """
        self._check_trusted(intid)
        if intid < IPIS:
            raise VmError(errno.EINVAL, f"INTID {intid} is one of the guest's IPIs, 0 to {IPIS - 1}")
        if self.owners.setdefault(intid, owner) is not owner:
            raise VmError(errno.EEXIST, f"INTID {intid} of vCPU {self.vcpu.index} belongs to another device")

    def check_owner(self, intid: int, owner: object) -> None:
        """Refuse a device that injects another's INTID; None stands for a device that was never told.

        Raises:
            VmError: EINVAL.
        """
        if owner is not None and self.owners.get(intid, owner) is not owner:
            raise VmError(errno.EINVAL, f"INTID {intid} of vCPU {self.vcpu.index} belongs to another device")

    # Life

    def reset(self) -> None:
        """As after set-up. Levels of lines are the devices' and stay, and so do host interrupts and owners."""
        self.enabled = False
        self.target.reset()
        self.held.clear()
        self.dropped.clear()
        self.withdrawn = self.resampled = 0

    def destroy(self) -> None:
        """Accept nothing any more."""
        self.enabled = False
        self.total = 0
        self.target.reset()
        self.mapped.clear()
        self.owners.clear()

    def counters(self) -> Counters:
        """What was counted since reset; any thread may ask."""
        target = self.target
        return Counters(
            target.raised, target.delivered, target.coalesced, dict(self.dropped), self.withdrawn, self.resampled
        )

    # Helpers

    def _while_disabled(self, intid: int) -> Injected:
        """A raise on a disabled instance: a level is held for ENABLE to sample, an edge is lost."""
        self.target.raised += 1
        if not self._holds(intid):
            self.dropped[DROPPED_DISABLED] = self.dropped.get(DROPPED_DISABLED, 0) + 1
            return DROPPED_DISABLED
        if intid in self.held:
            self.target.coalesced += 1
            return COALESCED
        self.held.add(intid)
        return LATCHED

    def _holds(self, intid: int) -> bool:
        return self.level(intid)

    def _level_sources(self) -> set[int]:
        high = {intid for intid, level in enumerate(self.lines) if level}
        inputs = self.input_levels() if self.input_levels is not None else set()
        return high.union(self.mapped, inputs)

    def _sample_again(self, intid: int, held: bool) -> None:
        level = self.sample(intid)
        if not held:
            if level:
                self.relatch(intid)
        elif not level:
            self.withdrawn += 1
        elif self.target.set(intid, PENDING) & PENDING:
            self.target.coalesced += 1

    def _check_trusted(self, intid: int) -> None:
        if not 0 <= intid < self.trusted:
            raise VmError(errno.EINVAL, f"INTID {intid} is not trusted; trusted are 0 to {self.trusted - 1}")
