"""The rVID: one per VM, it leads each input to an (rVIC, untrusted INTID) pair of the guest's choice.

1. The map is a list with one slot per input. Entries are immutable and a slot is assigned whole, so any thread may read
   it without a lock; MAP and UNMAP exclude each other by one, which nothing takes per interrupt.
2. An input that is raised on a foreign thread is posted to the vCPU that the map names. That vCPU's owner reads the map
   again, and forwards the input if it was moved meanwhile. The guest moves an input by MAP and then IS_PENDING on the
   old target, which is posted behind: so the edge is either seen there or arrives at the new target.
3. Without level inputs a level of 1 is an edge and a level of 0 has no effect.
4. With level inputs (an extension) the rVID remembers the level of each input and, from RVID_SET_TRIGGER, which inputs
   are level-triggered. Such an input latches its interrupt when it rises; RVIC_RESAMPLE, which ends the interrupt,
   RVIC_ENABLE and RVID_MAP look at the level again. A level of 0 does not clear what is latched, as everywhere in rVIC.
"""

from __future__ import annotations

import errno
import threading
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from irqframe.errors import VmError
from irqframe.flow import Injected
from irqframe_rvic._instance import NOTHING, Instance, numbers

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm

POSTED: Final = Injected.POSTED
DROPPED_UNROUTED: Final = Injected.DROPPED_UNROUTED


class Entry(NamedTuple):
    """Where an input goes.

    Attributes:
        vcpu: the target.
        rvic: its instance.
        intid: untrusted INTID there.
        vcpu_id: number of the target that the guest meant; another than the target's under quirk K8 only.
    """

    vcpu: VCpu
    rvic: Instance
    intid: int
    vcpu_id: int


class Rvid:
    """The rVID of a VM.

    Args:
        vm: the VM.
        inputs: U, how many inputs there are.
        slack: slots of the map beyond the last input (quirk K1).

    Attributes:
        inputs: as given.
        map: entry of each input, None for one that is not mapped.
    """

    def __init__(self, vm: Vm, inputs: int, slack: int = 0) -> None:
        self.inputs = inputs
        self.map: list[Entry | None] = [None] * (inputs + slack)
        self._vm = vm
        self._lock = threading.Lock()

    def attach(self, rvic: Instance) -> None:
        """An instance was made; without level inputs it needs nothing of the rVID."""

    def set_input(self, number: int, level: int) -> Injected:
        """Set the line of an input; any thread.

        Args:
            number: of the input.
            level: 1 or 0.

        Returns:
            What became of the raise.

        Raises:
            VmError: EINVAL for an input that is not there.
        """
        if not 0 <= number < self.inputs:
            raise self._no_input(number)
        return self.raise_input(number) if level else NOTHING

    def raise_input(self, number: int) -> Injected:
        """Latch the interrupt of an input, wherever it goes now."""
        entry = self.map[number]
        if entry is None:
            self._vm.count_drop(DROPPED_UNROUTED)
            return DROPPED_UNROUTED
        if entry.vcpu.owned:
            return entry.rvic.pulse(entry.intid)
        return self._post(number, entry)

    def map_input(self, number: int, vcpu: VCpu, intid: int) -> None:
        """RVID_MAP: lead an input to an untrusted INTID of a vCPU; what is latched where it led before stays there."""
        self.assign(number, self.entry(vcpu, intid))

    def unmap_input(self, number: int) -> None:
        """RVID_UNMAP: raises of the input are lost from now on; what is latched stays."""
        self.assign(number, None)

    def reset(self) -> None:
        """Nothing is mapped."""
        for number in range(len(self.map)):
            self.assign(number, None)

    def end(self, rvic: Instance, intid: int) -> None:
        """The guest ends a level interrupt; without level inputs nobody wants to know."""

    def assign(self, number: int, entry: Entry | None) -> None:
        """Replace the entry of an input."""
        with self._lock:
            self.map[number] = entry

    def entry(self, vcpu: VCpu, intid: int) -> Entry:
        """The entry that leads to an INTID of a vCPU."""
        return Entry(vcpu, vcpu.chip, intid, vcpu.vcpu_id)

    def _post(self, number: int, entry: Entry) -> Injected:
        entry.vcpu.post(partial(self._arrive, number, entry.vcpu))
        return POSTED

    def _arrive(self, number: int, vcpu: VCpu) -> Injected:
        """What was posted to `vcpu` is done: if the input leads there still, latch its interrupt."""
        entry = self.map[number]
        if entry is not None and entry.vcpu is vcpu:
            return entry.rvic.pulse(entry.intid)
        return self.raise_input(number)

    def _no_input(self, number: int) -> VmError:
        return VmError(errno.EINVAL, f"there is no rVID input {number}; {numbers(self.inputs)}")


class LevelRvid(Rvid):
    """The rVID with level inputs.

    Attributes:
        levels: level of each input, as last set.
        level_triggered: 1 for each input that is level-triggered; at reset none is.
    """

    def __init__(self, vm: Vm, inputs: int, slack: int = 0) -> None:
        super().__init__(vm, inputs, slack)
        self.levels = bytearray(inputs + slack)
        self.level_triggered = bytearray(inputs + slack)
        # (index of the vCPU, INTID) -> inputs mapped to it; a tuple is replaced whole, as the map's slots are.
        self._mapped_to: dict[tuple[int, int], tuple[int, ...]] = {}

    def attach(self, rvic: Instance) -> None:
        """Let the instance ask for levels."""
        rvic.input_level = partial(self.level_at, rvic)
        rvic.input_levels = partial(self.high_intids, rvic)

    def set_input(self, number: int, level: int) -> Injected:
        """As usual; a level-triggered input that is high already is not raised again."""
        if not 0 <= number < self.inputs:
            raise self._no_input(number)
        was = self.levels[number]
        self.levels[number] = 1 if level else 0
        if not level or (was and self.level_triggered[number]):
            return NOTHING
        return self.raise_input(number)

    def set_trigger(self, number: int, level_triggered: bool) -> None:
        """RVID_SET_TRIGGER: say whether an input is level-triggered."""
        self.level_triggered[number] = level_triggered
        self._sample(number)

    def map_input(self, number: int, vcpu: VCpu, intid: int) -> None:
        """As usual; a level-triggered input that is high pends its interrupt at the new target."""
        super().map_input(number, vcpu, intid)
        self._sample(number)

    def reset(self) -> None:
        """Nothing is mapped, everything edge-triggered; the levels are the devices' and stay."""
        super().reset()
        self.level_triggered[:] = bytes(len(self.level_triggered))

    def level_at(self, rvic: Instance, intid: int) -> bool:
        """Whether a level-triggered input that is mapped to an INTID is high."""
        levels = self.levels
        return any(levels[number] for number in self._level_inputs(rvic, intid))

    def high_intids(self, rvic: Instance) -> set[int]:
        """The INTIDs of an instance to which a level-triggered input that is high is mapped."""
        high = zip(self.map, self.levels, self.level_triggered, strict=True)
        return {
            entry.intid for entry, level, kind in high if level and kind and entry is not None and entry.rvic is rvic
        }

    def end(self, rvic: Instance, intid: int) -> None:
        """Tell resampling irqfds of the inputs mapped to an INTID: they lower their line, or raise it anew."""
        for number in self._level_inputs(rvic, intid):
            self._vm.notify_ack(number)

    def assign(self, number: int, entry: Entry | None) -> None:
        """Replace the entry of an input, and what is mapped to the INTIDs it leaves and enters."""
        with self._lock:
            before = self.map[number]
            self.map[number] = entry
            if before is not None:
                key = (before.vcpu.index, before.intid)
                self._mapped_to[key] = tuple(n for n in self._mapped_to[key] if n != number)
            if entry is not None:
                key = (entry.vcpu.index, entry.intid)
                self._mapped_to[key] = (*self._mapped_to.get(key, ()), number)

    def _level_inputs(self, rvic: Instance, intid: int) -> tuple[int, ...]:
        kinds = self.level_triggered
        return tuple(n for n in self._mapped_to.get((rvic.vcpu.index, intid), ()) if kinds[n])

    def _sample(self, number: int) -> None:
        """If a level-triggered input is high and mapped, pend its interrupt at its target; no raise of its own."""
        entry = self.map[number]
        if entry is not None and self.levels[number] and self.level_triggered[number]:
            self._vm.post(entry.vcpu, self._relatch, number, entry.vcpu)

    def _relatch(self, number: int, vcpu: VCpu) -> Injected:
        entry = self.map[number]
        # An input that was moved meanwhile was sampled by that; an instance that is disabled samples it at ENABLE.
        if entry is not None and entry.vcpu is vcpu and self.levels[number] and entry.rvic.enabled:
            entry.rvic.remotely(entry.rvic.relatch, entry.intid)
        return NOTHING


class Racing(Rvid):
    """K12: the map is read before the input is posted, and not again."""

    def _post(self, number: int, entry: Entry) -> Injected:
        entry.vcpu.post(partial(entry.rvic.pulse, entry.intid))
        return POSTED


class IndexedById(Rvid):
    """K8: the target's id is stored, and used as an index; one beyond the last vCPU becomes 0."""

    def entry(self, vcpu: VCpu, intid: int) -> Entry:
        """The entry of whichever vCPU has that index."""
        vcpus = self._vm.vcpus
        target = vcpus[vcpu.vcpu_id if vcpu.vcpu_id < len(vcpus) else 0]
        return Entry(target, target.chip, intid, vcpu.vcpu_id)


def rvid_class(level_inputs: bool, quirks: frozenset[str]) -> type[Rvid]:
    """The class of rVID for an extension and quirks; names of other quirks are ignored."""
    defects = {"K8": IndexedById, "K12": Racing}
    bases = [cls for name, cls in defects.items() if name in quirks]
    base = LevelRvid if level_inputs else Rvid
    return type("Rvid", (*bases, base), {}) if bases else base
