"""The scripted guest's driver, whole: what an operating system's drivers for rVIC and rVID do.

The part for the rVID gives untrusted INTIDs to inputs and leads them to CPUs. rVIC has no way to say that a pending
interrupt follows its input to another CPU: the driver moves it by hand.
"""

from __future__ import annotations

from irqframe.errors import GuestError
from irqframe.flow import Source, SourceKind, Trigger
from irqframe.guest import Msi, ScriptedCpu
from irqframe.vm import Vm
from irqframe_rvic._abi import DOORBELL, FID
from irqframe_rvic._driver_rvic import SIGNAL, Route, RvicPart


class RvicDriver(RvicPart):
    """Driver of the rVICs and the rVID.

    Args:
        vm: the VM, finalized.
        level_inputs: whether the tree has `irqframe,level-inputs`.
        msi_inputs: the tree's `msi-range`.
    """

    movable = True

    def __init__(self, vm: Vm, level_inputs: bool, msi_inputs: range) -> None:
        super().__init__(vm)
        self.msis = len(msi_inputs) > 0
        self._level_inputs = level_inputs
        self._msi_inputs = msi_inputs
        self._msi_used: set[int] = set()
        self._by_input: dict[int, Route] = {}
        self._intid_used = bytearray()

    def probe(self, cpu: ScriptedCpu) -> None:
        """Probe the rVIC, then ask the rVID for its version.

        Raises:
            GuestError: if either is another version or was probed before, or the MSI range does not fit.
        """
        super().probe(cpu)
        self._check_version("rVID", self._call(cpu, "RVID_VERSION"))
        self._check_msi_inputs()
        self._intid_used = bytearray(self.untrusted)

    def request(self, cpu: ScriptedCpu, source: Source, target: int) -> int:
        """Give an input an untrusted INTID, map it to a CPU, and unmask it there.

        Raises:
            GuestError: if the input takes messages, is level-triggered on an rVID without level inputs or shared by
                sources of both triggers; if the CPU is off; or if no INTID is left.
        """
        number = source.number
        if source.kind is not SourceKind.SPI or number in self._msi_inputs:
            raise GuestError(f"{source} is no wired input")
        level = source.trigger.is_level
        if level and not self._level_inputs:
            raise GuestError(f"input {number} is level-triggered, and the rVID has no level inputs")
        route = self._by_input.get(number)
        if route is not None:
            if route.level != level:
                raise GuestError(f"input {number} is shared by sources of both triggers")
            return route.hwirq
        return self._activate(cpu, number, target, level).hwirq

    def release(self, cpu: ScriptedCpu, hwirq: int) -> None:
        """Undo `request`, or `alloc_msis` for one message: mask, unmap, forget what is pending, free the INTID."""
        route = self._route(hwirq)
        self._call(cpu, "RVIC_SET_MASKED", self._mpidrs[route.target], hwirq)
        self._call(cpu, "RVID_UNMAP", route.number)
        self._call(cpu, "RVIC_CLEAR_PENDING", self._mpidrs[route.target], hwirq)
        self._forget(route)

    def mask(self, cpu: ScriptedCpu, hwirq: int) -> None:
        """Mask a shared interrupt."""
        route = self._route(hwirq)
        route.masked = True
        self._call(cpu, "RVIC_SET_MASKED", self._mpidrs[route.target], hwirq)

    def unmask(self, cpu: ScriptedCpu, hwirq: int) -> None:
        """Undo `mask`."""
        route = self._route(hwirq)
        route.masked = False
        self._call(cpu, "RVIC_CLEAR_MASKED", self._mpidrs[route.target], hwirq)

    def retrigger(self, cpu: ScriptedCpu, hwirq: int) -> bool:
        """Make a shared interrupt pending once more; whether that worked."""
        route = self._route(hwirq)
        return cpu.hvc(SIGNAL, self._mpidrs[route.target], hwirq)[0] == 0

    def set_priority(self, cpu: ScriptedCpu, hwirq: int, priority: int) -> None:
        """Set the priority of a shared interrupt, 0 (most urgent) to 255; it moves with the interrupt.

        Raises:
            GuestError: without the priorities extension.
        """
        route = self._route(hwirq)
        self._call(cpu, "RVIC_SET_PRIORITY", self._mpidrs[route.target], hwirq, priority)
        route.priority = priority

    def set_affinity(self, cpu: ScriptedCpu, hwirq: int, target: int) -> None:
        """Move a shared interrupt and what is pending of it.

        Raises:
            GuestError: if the CPU is off, or a hypercall fails; the interrupt then works where it was.
        """
        route = self._route(hwirq)
        old = route.target
        if target == old:
            return
        self._check_target(target)
        if not route.masked:
            self._call(cpu, "RVIC_SET_MASKED", self._mpidrs[old], hwirq)
        self._call(cpu, "RVIC_SET_MASKED", self._mpidrs[target], hwirq)
        try:
            self._move(cpu, route, target)
        except GuestError:
            self._move_back(cpu, route, old, target)
            raise
        finally:
            if not route.masked:
                self._call(cpu, "RVIC_CLEAR_MASKED", self._mpidrs[route.target], hwirq)

    def alloc_msis(self, cpu: ScriptedCpu, devid: int, count: int, target: int) -> list[Msi]:
        """Take an aligned block of the MSI range: the data of its messages differ in their low bits only.

        Raises:
            GuestError: if no such block is free, or no INTID is left.
        """
        size = 1 << max(count - 1, 0).bit_length()
        first = self._find_block(size)
        self._msi_used.update(range(first, first + size))
        made: list[Route] = []
        try:
            made.extend(self._activate(cpu, number, target, False) for number in range(first, first + count))
        except GuestError:
            self._msi_failed(cpu, made, range(first, first + size))
            raise
        self._msi_used.difference_update(range(first + count, first + size))
        return [Msi(DOORBELL, route.number, route.hwirq, route.number) for route in made]

    # Steps of the above

    def _check_msi_inputs(self) -> None:
        inputs = self.untrusted
        if self._msi_inputs.stop > inputs:
            raise GuestError(f"msi-range ends at input {self._msi_inputs.stop - 1}; the rVID has 0 to {inputs - 1}")

    def _check_target(self, target: int) -> None:
        if target not in self.online:
            raise GuestError(f"CPU {target} is off; no interrupt can be sent there")

    def _take_intid(self) -> int:
        slot = self._intid_used.find(0)
        if slot < 0:
            raise GuestError(f"all {self.untrusted} untrusted INTIDs are in use")
        self._intid_used[slot] = 1
        return self.trusted + slot

    def _free_intid(self, hwirq: int) -> None:
        self._intid_used[hwirq - self.trusted] = 0

    def _activate(self, cpu: ScriptedCpu, number: int, target: int, level: bool) -> Route:
        self._check_target(target)
        route = Route(self._take_intid(), number, target, level)
        try:
            self._connect(cpu, route)
        except GuestError:
            self._free_intid(route.hwirq)
            raise
        self.routes[route.hwirq] = route
        self._by_input[number] = route
        self._level[route.hwirq] = level
        return route

    def _connect(self, cpu: ScriptedCpu, route: Route) -> None:
        """Mask and clear first: an INTID may have been left pending by whom it belonged to before."""
        mpidr = self._mpidrs[route.target]
        self._call(cpu, "RVIC_SET_MASKED", mpidr, route.hwirq)
        self._call(cpu, "RVIC_CLEAR_PENDING", mpidr, route.hwirq)
        self._map_and_unmask(cpu, route)

    def _map_and_unmask(self, cpu: ScriptedCpu, route: Route) -> None:
        mpidr = self._mpidrs[route.target]
        if self._level_inputs:
            trigger = Trigger.LEVEL_HIGH if route.level else Trigger.EDGE_RISING
            self._call(cpu, "RVID_SET_TRIGGER", route.number, trigger)
        self._call(cpu, "RVID_MAP", route.number, mpidr, route.hwirq)
        self._call(cpu, "RVIC_CLEAR_MASKED", mpidr, route.hwirq)

    def _forget(self, route: Route) -> None:
        del self.routes[route.hwirq]
        del self._by_input[route.number]
        self._msi_used.discard(route.number)
        self._free_intid(route.hwirq)

    def _move(self, cpu: ScriptedCpu, route: Route, target: int) -> None:
        old = route.target
        if route.priority:
            self._call(cpu, "RVIC_SET_PRIORITY", self._mpidrs[target], route.hwirq, route.priority)
        route.target = target
        self._call(cpu, "RVID_MAP", route.number, self._mpidrs[target], route.hwirq)
        route.target = old
        if self._call(cpu, "RVIC_IS_PENDING", self._mpidrs[old], route.hwirq):
            self._transfer(cpu, route.hwirq, old, target)
        route.target = target

    def _move_back(self, cpu: ScriptedCpu, route: Route, old: int, target: int) -> None:
        """A move failed half-way: what the guest can do about it, whatever fails again."""
        route.target = old
        cpu.hvc(FID["RVID_MAP"], route.number, self._mpidrs[old], route.hwirq)
        if cpu.hvc(FID["RVIC_IS_PENDING"], self._mpidrs[target], route.hwirq)[1]:
            cpu.hvc(SIGNAL, self._mpidrs[old], route.hwirq)
            cpu.hvc(FID["RVIC_CLEAR_PENDING"], self._mpidrs[target], route.hwirq)

    def _transfer(self, cpu: ScriptedCpu, hwirq: int, old: int, target: int) -> None:
        """Signal first: if the new CPU refuses, nothing was cleared. Both are masked, so it is not delivered twice."""
        self._call(cpu, "RVIC_SIGNAL", self._mpidrs[target], hwirq)
        self._call(cpu, "RVIC_CLEAR_PENDING", self._mpidrs[old], hwirq)

    def _find_block(self, size: int) -> int:
        inputs = self._msi_inputs
        start = -(-inputs.start // size) * size
        return self._first_free(start, size)

    def _first_free(self, start: int, size: int) -> int:
        inputs = self._msi_inputs
        for first in range(start, inputs.stop - size + 1, size):
            if self._msi_used.isdisjoint(range(first, first + size)):
                return first
        raise GuestError(f"no aligned block of {size} messages is free in {inputs.start}..{inputs.stop - 1}")

    def _msi_failed(self, cpu: ScriptedCpu, made: list[Route], block: range) -> None:
        for route in made:
            self.release(cpu, route.hwirq)
        self._msi_used.difference_update(block)

    def _route(self, hwirq: int) -> Route:
        route = self.routes.get(hwirq)
        if route is None:
            raise GuestError(f"INTID {hwirq} is no shared interrupt in use")
        return route
