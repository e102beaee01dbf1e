"""The flow and trap calls of a run, recorded, for another VM of the same machine to be given them again.

1. Recorded is what the core and the guest call: entries of the sealed table, and operations of the trap buses. What
   such a call leads to, another call of the table perhaps, happens again by itself.
2. The irqchip asks a timer for its level and reads guest memory, so these go with the calls: an assignment when a timer
   is programmed, the host's interrupt when it fires, what the guest writes to memory.
3. The other VM's vCPUs are never in the guest, so a kick that nobody would hear of is not made: the replay is the
   cheaper for it.
4. Both VMs are of the classes that a run has, or the interpreter would not specialise what all of them execute. What is
   watched of a timer is therefore patched into its class, for the whole process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irqframe.flow import CALLBACKS, FlowTable
from irqframe.vm import HostIrq, Timer, Vm
from irqframe.vm._crossing import hypercalls

Call = tuple[Callable[..., object], tuple[Any, ...]]

SERVED = (
    ("hypercalls", ("call",)),
    ("mmio", ("read", "write")),
    ("sysregs", ("read", "write")),
    ("memory", ("write",)),
)


class Recorder:
    """Records the calls of one VM for another.

    Args:
        vm: finalized, and not yet run.
        twin: likewise, of the same machine.

    Attributes:
        calls: what was recorded, in the order of the run; whoever replays them clears them.
    """

    def __init__(self, vm: Vm, twin: Vm) -> None:
        self.calls: list[Call] = []
        self._inside = False
        self._twins: dict[int, Any] = {id(vm): twin}
        for mine, other in zip(vm.vcpus, twin.vcpus, strict=True):
            self._twins[id(mine)] = other
            # What a timer gets by it is needed for what is recorded of it.
            mine.load()
            other.load()
            for device, its in zip((*mine.timers, mine.pmu), (*other.timers, other.pmu), strict=True):
                self._twins[id(device)] = its
                if isinstance(device, Timer) and device.host_irq is not None:
                    self._twins[id(device.host_irq)] = its.host_irq
        self._watch_timers()
        table, its_table = vm.flow.table, twin.flow.table
        vm.flow.table = FlowTable(
            {name: self._entry(getattr(table, name), getattr(its_table, name)) for name in CALLBACKS}
        )
        for name, operations in SERVED:
            bus, its = getattr(vm, name), getattr(twin, name)
            for operation in operations:
                setattr(bus, operation, self.recorded(getattr(bus, operation), getattr(its, operation)))
        vm.routing.bind()
        for vcpu in vm.vcpus:
            vcpu.bind()
            entry = vm.flow.table.vcpu_flush_hwstate, vm.flow.table.vcpu_sync_hwstate
            # Or it would know what serves a function after the first call, and ask the bus no more.
            vcpu.hypercall = hypercalls(vcpu, {}, vm.hypercalls.call, *entry)

    def note(self, function: Callable[..., object], *args: object) -> None:
        """Record a call for the twin, unless it happens within another."""
        if not self._inside:
            self.calls.append((function, args))

    def recorded(self, mine: Callable[..., Any], its: Callable[..., Any]) -> Callable[..., Any]:
        """A callable that records a call of `its` before it calls `mine`."""
        twins = self._twins

        def call(*args: Any) -> Any:
            if self._inside:
                return mine(*args)
            self.calls.append((its, tuple([twins.get(id(each), each) for each in args])))
            self._inside = True
            try:
                return mine(*args)
            finally:
                self._inside = False

        return call

    def replay(self) -> None:
        """Make the recorded calls, in a bare loop."""
        for function, args in self.calls:
            function(*args)

    def _entry(self, mine: Callable[..., Any] | None, its: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return None if mine is None or its is None else self.recorded(mine, its)

    def _watch_timers(self) -> None:
        twins, note = self._twins, self.note
        program, stop, reset, fire = Timer.program, Timer.stop, Timer.reset, HostIrq.fire

        def enabling(timer: Timer, *args: Any, **named: Any) -> None:
            if id(timer) in twins:
                note(setattr, twins[id(timer)], "enabled", True)
            program(timer, *args, **named)

        def disabling(how: Callable[[Timer], None]) -> Callable[[Timer], None]:
            def call(timer: Timer) -> None:
                if id(timer) in twins:
                    note(setattr, twins[id(timer)], "enabled", False)
                how(timer)
                if how is reset and timer.host_irq is not None and id(timer) in twins:
                    note(setattr, twins[id(timer.host_irq)], "active", False)

            return call

        def firing(irq: HostIrq) -> bool:
            if id(irq) in twins:
                note(fire, twins[id(irq)])
            return fire(irq)

        patched: Any = Timer
        patched.program, patched.stop, patched.reset = enabling, disabling(stop), disabling(reset)
        watched: Any = HostIrq
        watched.fire = firing
