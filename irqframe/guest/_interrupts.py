"""Which interrupts a guest took, in the spirit of /proc/interrupts: one row for each source, then all the others.

1. Devices count what they raise and what became of it, the irqchip what the guest acknowledges; nothing counts twice.
2. Sources on one line share a row: an acknowledge says which line, not which device.
3. What nobody counts is None, which is not 0: raises of a device that has no model, of the guest's own IPIs, and
   outcomes that the irqchip kept to itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from irqframe.errors import PluginError
from irqframe.flow import Injected, Source, SourceKind
from irqframe.vm import VCpu, Vm

if TYPE_CHECKING:
    from irqframe.machine import Machine, MachineSource

_Key = tuple[SourceKind, int] | str


class Raising(Protocol):
    """What a device counts of one of its interrupts."""

    @property
    def name(self) -> str:
        """Of the source, as the machine has it."""

    @property
    def raised(self) -> int:
        """How often it was raised."""

    @property
    def outcomes(self) -> Mapping[Injected, int]:
        """What became of these."""


@dataclass(slots=True)
class InterruptRow:
    """One interrupt.

    Attributes:
        name: of the source, or what the irqchip calls an interrupt without one.
        controller: node path of its controller; "" without a source.
        delivered: how often each vCPU's guest acknowledged it, by index.
        pending: on how many vCPUs it waits; None if the irqchip does not say.
        raised: by devices; None if nobody counts them.
        coalesced: raises that found one waiting; None likewise.
        dropped: raises lost, by reason; None likewise.
    """

    name: str
    controller: str
    delivered: list[int]
    pending: int | None = None
    raised: int | None = None
    coalesced: int | None = None
    dropped: dict[Injected, int] | None = None

    def add(self, raised: int, outcomes: Mapping[Injected, int]) -> None:
        """Enter what a device counted."""
        self.raised = (self.raised or 0) + raised
        self.coalesced = (self.coalesced or 0) + outcomes.get(Injected.COALESCED, 0)
        lost = {outcome: times for outcome, times in outcomes.items() if outcome >= Injected.DROPPED}
        self.dropped = dict(Counter(self.dropped or {}) + Counter(lost))


def interrupt_rows(machine: Machine, vm: Vm, lines: Iterable[Raising]) -> list[InterruptRow]:
    """Count what a VM's guest has taken; the calling thread owns every vCPU.

    Args:
        machine: the machine.
        vm: made of it, not destroyed.
        lines: interrupts of its devices.

    Returns:
        A row for each line of the machine that a source is on, in its order; then one for every other interrupt that
        was delivered or waits, in the order of INTIDs.
    """
    count = len(vm.vcpus)
    rows: dict[_Key, InterruptRow] = {}
    for one in machine.sources:
        row = rows.get(one.source[:2])
        if row is None:
            rows[one.source[:2]] = InterruptRow(one.name, one.ref.controller.path, [0] * count)
        else:
            row.name += f", {one.name}"
    _enter_devices(machine.sources, rows, [*lines, *_own(machine, vm)])
    _enter_delivered(vm, rows)
    _enter_waiting(vm, rows)
    return list(rows.values())


@dataclass(frozen=True, slots=True)
class _Own:
    """What a vCPU's own device counted."""

    name: str
    raised: int
    outcomes: Mapping[Injected, int]


def _own(machine: Machine, vm: Vm) -> list[Raising]:
    """The timers and the performance monitors of every vCPU."""
    by_number = {one.source.number: one.name for one in machine.sources if one.source.kind is SourceKind.PPI}
    devices = [device for vcpu in vm.vcpus for device in (*vcpu.timers, *((vcpu.pmu,) if vcpu.pmu is not None else ()))]
    return [
        _Own(by_number[device.intid], device.raised, device.outcomes) for device in devices if device.intid in by_number
    ]


def _enter_devices(
    sources: Iterable[MachineSource], rows: Mapping[_Key, InterruptRow], devices: Iterable[Raising]
) -> None:
    keys: dict[str, _Key] = {one.name: one.source[:2] for one in sources}
    for device in devices:
        if device.name in keys:
            rows[keys[device.name]].add(device.raised, device.outcomes)


def _enter_delivered(vm: Vm, rows: dict[_Key, InterruptRow]) -> None:
    counted: dict[int, list[tuple[VCpu, int]]] = {}
    for vcpu in vm.vcpus:
        for intid, times in told(vm, "delivered", vcpu).items():
            if times:
                counted.setdefault(intid, []).append((vcpu, times))
    for intid in sorted(counted):
        for vcpu, times in counted[intid]:
            _row(vm, rows, vcpu, intid).delivered[vcpu.index] += times


def _enter_waiting(vm: Vm, rows: dict[_Key, InterruptRow]) -> None:
    if not vm.flow.has("waiting"):
        return
    waits = [
        (intid, vcpu.index)
        for vcpu in vm.vcpus
        for intid, state in told(vm, "waiting", vcpu).items()
        if str(state).startswith("pending")
    ]
    for intid, index in sorted(waits):
        row = _row(vm, rows, vm.vcpus[index], intid)
        row.pending = (row.pending or 0) + 1
    for row in rows.values():
        row.pending = row.pending or 0


def told(vm: Vm, callback: str, vcpu: VCpu) -> Mapping[int, Any]:
    """What the irqchip says of a vCPU's interrupts, by INTID; nothing if it does not have the callback.

    Raises:
        PluginError: if it says something else.
    """
    answer = vm.flow.call(callback, vcpu) if vm.flow.has(callback) else {}
    if not isinstance(answer, Mapping):
        raise PluginError(vm.flow.chip_name, f"irqchip_{callback} returned {answer!r}, expected a mapping of INTIDs")
    return answer


def identified(vm: Vm, vcpu: VCpu, intid: int) -> Source | str:
    """What the irqchip says that an INTID is."""
    what = vm.flow.call("identify", vcpu, intid) if vm.flow.has("identify") else f"INTID {intid}"
    return what if isinstance(what, Source) else str(what)


def _row(vm: Vm, rows: dict[_Key, InterruptRow], vcpu: VCpu, intid: int) -> InterruptRow:
    """The row of an INTID of a vCPU, made if there is none."""
    what = identified(vm, vcpu, intid)
    key: _Key = what[:2] if isinstance(what, Source) else what
    if key not in rows:
        name = f"{what.kind.value} {what.number}" if isinstance(what, Source) else what
        rows[key] = InterruptRow(name, "", [0] * len(vm.vcpus))
    return rows[key]
