"""Runs the guest's CPUs, all in one thread, one after the other.

1. A round: what time has brought (devices, timers), then each vCPU that is on and has something to do, for a slice. A
   vCPU whose slice ends early because it waits, or because it kicked another one, gives the turn on.
2. In real time a slice is so long at most, and at most until the next deadline, which the guest may bring nearer; while
   every vCPU sleeps, so does the thread. In virtual time slices are counted in instructions, and sleeping is a jump of
   the clock.
3. Whoever is not this thread posts its work; the round does it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from irqframe.guest.aarch64._clocks import LAST, InstructionClock
from irqframe.guest.aarch64._cpu import Clock, Cpu
from irqframe.guest.aarch64._ended import Ended, Reason
from irqframe.guest.aarch64._engine import Stop
from irqframe.guest.devices import Device
from irqframe.vm import VCpu, Vm

SLICE: Final = 50_000
"""Instructions of one vCPU before the next has its turn, in virtual time."""
ALONE: Final = 2_000_000
"""The same of a vCPU that is the only one."""
LOOK: Final = 20_000
"""Instructions after which the clock is looked at, in real time."""
SLICE_NS: Final = 500_000
ALONE_NS: Final = 10_000_000
"""Slices of real time."""
NAP: Final = 0.1
"""Longest sleep while every vCPU sleeps, in seconds: as often signals and consoles are looked after at least."""


class Runner:
    """Runs the CPUs of a VM until the guest, or somebody else, ends it.

    Args:
        vm: finalized.
        devices: of its machine.
        clock: the VM's.

    Attributes:
        vm: as given.
        devices: as given.
        cpus: by index of their vCPUs.
        ended: why the run ended; None while it goes on.
    """

    def __init__(self, vm: Vm, devices: Sequence[Device], clock: Clock) -> None:
        self.vm = vm
        self.ended: Ended | None = None
        self.devices = devices
        self._clock = clock
        self._current: Cpu | None = None
        self._posted: deque[Callable[[], object]] = deque()
        self._awake = threading.Event()
        self._thread = 0
        self._suspending = False
        self._until = 0
        self._stack = ExitStack()
        for vcpu in vm.vcpus:
            vcpu.load()
            self._stack.callback(vcpu.put)
        self.cpus: tuple[Cpu, ...] = ()

    def begin(self, cpus: Iterable[Cpu]) -> None:
        """Take the CPUs, one for each vCPU, in their order."""
        self.cpus = tuple(cpus)
        if isinstance(self._clock, InstructionClock):
            self._clock.engines = [cpu.engine for cpu in self.cpus]
        for cpu in self.cpus:
            cpu.vcpu.on_kick = cpu.vcpu.on_wake = partial(self._kicked, cpu)
            cpu.on_deadline = self._deadline_moved
        for device in self.devices:
            device.on_deadline = self._deadline_moved

    # What others do to it

    def end(self, reason: Reason, text: str = "") -> None:
        """End the run at the next block; from this thread, and the first reason counts."""
        if self.ended is None:
            self.ended = Ended(reason, text)
        if self._current is not None:
            self._current.engine.attend()

    def post(self, work: Callable[[], object]) -> None:
        """Have `work` done between two slices, soon; from any thread."""
        self._posted.append(work)
        self._awake.set()
        current = self._current
        if current is not None:
            current.engine.attend()

    def start(self, entry: int, context: int) -> None:
        """Power on the first vCPU, at `entry`, with `context` in x0; the others wait for PSCI."""
        for cpu in self.cpus[1:]:
            cpu.vcpu.power_off()
        self.cpus[0].reset(entry, context)

    def close(self) -> None:
        """Take the vCPUs off this thread."""
        for cpu in self.cpus:
            cpu.vcpu.on_kick = cpu.vcpu.on_wake = None
        self._stack.close()

    # What PSCI asks of it

    def cpu_on(self, vcpu_index: int, entry: int, context: int) -> int:
        """A vCPU begins at `entry`, with `context` in x0; 0: it will."""
        self.cpus[vcpu_index].reset(entry, context)
        return 0

    def cpu_off(self, vcpu: VCpu) -> None:
        """The vCPU that runs does not go on."""
        self.cpus[vcpu.index].engine.attend()

    def suspend(self, vcpu: VCpu) -> None:
        """The vCPU that runs waits, as in WFI."""
        self._suspending = True
        self.cpus[vcpu.index].engine.attend()

    def system_off(self) -> None:
        """The machine is powered off."""
        self.end(Reason.OFF)

    def system_reset(self) -> None:
        """The machine would begin anew; a run ends with it."""
        self.end(Reason.RESET)

    # Running

    def run(self, timeout: float | None = None) -> Ended:
        """Run until the run is ended.

        Args:
            timeout: seconds of the host; None: no limit.

        Returns:
            Why it ended.
        """
        self._thread = threading.get_ident()
        limit = None if timeout is None else time.monotonic() + timeout
        while self.ended is None:
            if limit is not None and time.monotonic() >= limit:
                self.ended = Ended(Reason.TIMEOUT, f"{timeout:g} s are over")
                break
            self._round()
        return self.ended

    def _round(self) -> None:
        self._settle()
        ran = 0
        for cpu in self.cpus:
            if self._is_ready(cpu):
                ran += 1
                self._turn(cpu, ran == 1 and self._is_alone(cpu))
                if self.ended is not None:
                    return
        if ran:
            return
        if all(cpu.vcpu.powered_off for cpu in self.cpus):
            self.end(Reason.DIED, "every vCPU is off")
        else:
            self._sleep()

    def _settle(self) -> None:
        """Do what was posted and what time has brought."""
        posted = self._posted
        while posted:
            posted.popleft()()
        for device in self.devices:
            device.update()
        for cpu in self.cpus:
            cpu.update()

    def _is_ready(self, cpu: Cpu) -> bool:
        vcpu = cpu.vcpu
        if vcpu.blocked:
            if not vcpu.runnable:
                return False
            vcpu.unblock()
        return not (vcpu.powered_off or vcpu.paused)

    def _is_alone(self, cpu: Cpu) -> bool:
        return all(other is cpu or other.vcpu.powered_off or other.vcpu.blocked for other in self.cpus)

    def _turn(self, cpu: Cpu, alone: bool) -> None:
        cpu.update()
        if not cpu.enter():
            return
        self._current = cpu
        try:
            stop = self._execute(cpu, alone)
        finally:
            self._current = None
        cpu.vcpu.leave()
        if stop is Stop.WFI or self._suspending:
            self._suspending = False
            cpu.vcpu.block()
        elif stop is Stop.FAULT:
            self.end(Reason.DIED, f"CPU {cpu.vcpu.index}: {cpu.engine.fault}")

    def _execute(self, cpu: Cpu, alone: bool) -> Stop:
        clock = self._clock
        now = clock.now()
        virtual = isinstance(clock, InstructionClock)
        self._until = now + ((ALONE if alone else SLICE) if virtual else (ALONE_NS if alone else SLICE_NS))
        first = self._deadline()
        if first is not None:
            self._until = min(self._until, first)
        limit = clock.limit(self._until)
        cpu.engine.counter_base = now - cpu.engine.executed
        return cpu.engine.run(limit) if virtual else cpu.engine.run(LOOK, limit)

    def _deadline_moved(self) -> None:
        """The guest programmed a timer, or a device: if that ends before the slice does, so does the slice."""
        first = self._deadline()
        if self._current is not None and first is not None and first < self._until:
            self._until = first
            self._current.engine.shorten(self._clock.limit(first))

    def _deadline(self) -> int | None:
        found = [device.deadline() for device in self.devices]
        found += [cpu.deadline for cpu in self.cpus if not cpu.vcpu.powered_off]
        return min((each for each in found if each is not None), default=None)

    def _sleep(self) -> None:
        first = self._deadline()
        clock = self._clock
        if isinstance(clock, InstructionClock):
            if first is None or first > LAST:
                self.end(Reason.DIED, "every vCPU sleeps, and nothing will wake one")
            else:
                clock.skip_to(first)
            return
        nap = NAP if first is None else min(max(first - clock.now(), 0) / 1e9, NAP)
        if nap and not self._posted:
            self._awake.wait(nap)
        self._awake.clear()

    def _kicked(self, cpu: Cpu) -> None:
        """A vCPU was kicked: whoever runs now gives the turn on; if it is a vCPU's own doing, it looks itself."""
        self._awake.set()
        current = self._current
        if current is not None and (current is not cpu or threading.get_ident() != self._thread):
            current.engine.attend()
