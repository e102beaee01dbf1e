"""A recording made again: the scripted guest of any machine takes what the guest of another one took.

1. The guest boots as always, with its own driver and its own hwirqs. Sources are known by their names, CPUs by index.
2. Raises, moves, and CPUs off and on are made in the recorded order. Where the recording has deliveries in between, the
   guest runs, until nothing waits. So it does after a CPU came back, and before one goes.
3. A raise right behind a delivery of the same source, with no trap between, was made while the handler ran: it is made
   in the same run of the handler, counted from where the guest last stood still; or, if there is no such run, after it.
4. A raise for another CPU than the one its source is routed to moves it there first, if that CPU is on. One that stayed
   routed to a CPU that was off and came back is moved to another before it is raised.
5. What cannot be made is counted, by source and reason, and the rest goes on.
6. Nothing is random: on the machine that was recorded it happens as it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle
from typing import Final

from irqframe.errors import InputError
from irqframe.guest._cpu import ScriptedCpu
from irqframe.guest._devices import Device, EdgeOutput, MessageOutput
from irqframe.guest._driver import Driver
from irqframe.guest._floor import Floor, Watcher
from irqframe.guest._outcome import Outcome
from irqframe.guest._recorded import BATCH, Compared
from irqframe.guest._script import Script
from irqframe.guest._steps import Act, Do, Meanings, Run, Step, run_of
from irqframe.machine import Machine
from irqframe.vm import Vm

PROGRESS: Final = 1 << 10
"""Progress is told once in so many bursts."""
DELIVERIES: Final = 1 << 8
"""After so many deliveries without a step between, the guest runs; a recorded burst has fewer."""
UNMADE: Final = 1 << 6
"""How many sources are named that raises could not be made of."""

NO_SOURCE: Final = "the machine has no such source"
NO_CPU: Final = "the machine has no such CPU for it"
CPU_OFF: Final = "its CPU is off, or was and no other is on"
LINE_HIGH: Final = "its line was high already"
NOBODY: Final = "nobody takes it, and it was raised already"

_BYTES: Final = 8 * BATCH
_CHANCES: Final = tuple((2 * place + 3) / 32 for place in range(14))
"""What the floor takes for chance: any CPU in turn, and no device raises its interrupt again by itself."""


class Replay(Script):
    """One replay.

    Args:
        machine: the machine.
        vm: made of it, with a `VirtualClock`; the calling thread must own every vCPU while the replay runs.
        driver: the irqchip's scripted driver.
        watch: told what happens; None: nobody watches.

    Attributes:
        raises: how many the recording has.
        moves: how many it has, and how many of these were made.
        switches: likewise, CPUs off and on.
        unmade: raises that could not be made, by source and reason; None stands for further sources.
        cut: why the recording could not be read to its end (an error of `steps`), or None; what stood before was made.
    """

    def __init__(self, machine: Machine, vm: Vm, driver: Driver, watch: Watcher | None = None) -> None:
        super().__init__(machine, vm, driver, watch)
        self.raises = 0
        self.moves = [0, 0]
        self.switches = [0, 0]
        self.unmade: Counter[tuple[str | None, str]] = Counter()
        self.cut: InputError | None = None
        self._floor = Floor(vm, driver, cycle(_CHANCES).__next__, watch, self.outcome)
        # From the boot on, which finds the devices.
        self._meanings: Meanings | None = None
        # The floor's, before it is ours.
        self._take = driver.handler
        driver.handler = self._handle
        self._does = {
            Do.RAISE: self._raise,
            Do.RAISE_UNUSED: self._raise_unused,
            Do.MOVE: self._move,
            Do.OFF: self._off,
            Do.ON: self._on,
        }
        self._heard: list[Act] = []
        self._planned: dict[Run, list[int]] = {}
        self._runs: Counter[Run] = Counter()
        self._due = False
        self._stale: set[int] = set()

    def run(self, steps: Iterable[Step], progress: Callable[[], None] | None = None) -> Outcome:
        """Do it all.

        Args:
            steps: of the recording; they are taken one by one, when they are due.
            progress: called now and then.

        Returns:
            The outcome.

        Raises:
            GuestError: as for `Workload.run`.
            PluginError: likewise.
        """
        return self._perform(self._floor, partial(self._follow, steps, progress))

    @property
    def contradictions(self) -> int:
        """Recorded raises whose outcome does not follow from what was raised and delivered before them."""
        return 0 if self._meanings is None else self._meanings.recordings.contradictions

    def compared(self) -> list[Compared]:
        """Every source that the recording or the replay has raised, in the order of the accounts."""
        if self._meanings is None:
            return []
        unused = (recorded for _, _, recorded in self._meanings.unused.values())
        said = {one.name: one for one in (*self._meanings.recordings.sources, *unused)}
        rows = []
        for account in self.outcome.accounts:
            recorded = said.get(account.name)
            if recorded is not None and (recorded.raised or account.raised):
                delivered = sum(account.delivered)
                rows.append(Compared(account.name, (recorded.raised, account.raised), (recorded.delivered, delivered)))
        return rows

    def _follow(self, steps: Iterable[Step], progress: Callable[[], None] | None) -> None:
        meanings = self._meanings = Meanings(self._machine, self._vm, self._floor)
        try:
            try:
                self._make(steps, meanings, progress)
            except InputError as error:
                self.cut = error
            self._let_run()
            self._floor.serve()
        finally:
            meanings.recordings.replay()

    def _make(self, steps: Iterable[Step], meanings: Meanings, progress: Callable[[], None] | None) -> None:
        meaning, recordings = meanings.of, meanings.recordings
        records, heard = recordings.records, self._heard
        last: Act | None = None
        hear, does = Do.HEAR, self._does
        for step in steps:
            act = meaning(step)
            do = act.do
            records += act.records
            if do is hear:
                heard.append(act)
                last = act
                if len(heard) == DELIVERIES:
                    self._let_run()
            elif last is not None and act.within and act.run == last.run and act.cpu == last.cpu:
                self._plan(act)
                last = None
            else:
                if heard:
                    self._let_run()
                    if progress is not None and not self._bursts % PROGRESS:
                        progress()
                does[do](act)
                last = None
            if len(records) >= _BYTES:
                recordings.replay()

    # The guest runs

    def _let_run(self) -> None:
        """Let the guest take everything, and make what was to be raised meanwhile and was not."""
        self._heard.clear()
        self._due = False
        self._serve(self._floor)
        while self._planned:
            (device, cpu), left = self._planned.popitem()
            for _ in left:
                self._fire(device, device.target if cpu < 0 else cpu)
                self._floor.serve()
        self._runs.clear()

    def _plan(self, act: Act) -> None:
        """A raise in the run of the handler that was heard of last."""
        assert act.run is not None and act.recorded is not None
        self.raises += 1
        act.recorded.raised += 1
        self._planned.setdefault(act.run, []).append(sum(1 for heard in self._heard if heard.run == act.run))

    def _handle(self, cpu: ScriptedCpu, hwirq: int) -> None:
        self._take(cpu, hwirq)
        if self._planned:
            self._raise_within(cpu.index, hwirq)

    def _raise_within(self, cpu: int, hwirq: int) -> None:
        devices = self._floor.wiring.by_hwirq[hwirq]
        run = run_of(devices[0], cpu)
        planned = self._planned.get(run)
        if planned is None or len(devices) > 1:
            return
        self._runs[run] += 1
        if planned[0] == self._runs[run]:
            planned.pop(0)
            if not planned:
                del self._planned[run]
            self._fire(devices[0], cpu)

    # Steps

    def _raise(self, act: Act) -> None:
        device, recorded = act.device, act.recorded
        self.raises += 1
        if device is None or recorded is None:
            self._leave_out(act.name, NO_SOURCE)
            return
        recorded.raised += 1
        if self._due:
            self._let_run()
        cpu = act.cpu
        if device.per_cpu:
            if cpu < 0:
                self._leave_out(act.name, NO_CPU)
                return
        elif cpu != device.target:
            self._reroute(device, cpu)
            cpu = device.target
        self._fire(device, cpu)

    def _fire(self, device: Device, cpu: int) -> None:
        """Raise a device's interrupt; for a CPU that is off, only what is gone when it was raised."""
        floor = self._floor
        if device.hwirq in self._stale:
            cpu = floor.other_cpu(cpu)
            self._reroute(device, cpu)
        on = len(floor.online) == len(floor.cpus) or cpu in floor.online
        if device.hwirq in self._stale or not (on or isinstance(device.output, EdgeOutput | MessageOutput)):
            self._leave_out(device.account.name, CPU_OFF)
            return
        before = self.outcome.events
        floor.fire(device, cpu, not on)
        if self.outcome.events == before:
            self._leave_out(device.account.name, LINE_HIGH)

    def _raise_unused(self, act: Act) -> None:
        self.raises += 1
        assert self._meanings is not None
        gsi, account, recorded = self._meanings.unused[act.name]
        recorded.raised += 1
        if account.raised:
            self._leave_out(act.name, NOBODY)
        else:
            self._pulse_unused(self._floor, gsi, account)

    def _move(self, act: Act) -> None:
        self.moves[0] += 1
        if act.device is not None:
            self.moves[1] += self._reroute(act.device, act.cpu)

    def _reroute(self, device: Device, cpu: int) -> bool:
        """Move a device's interrupt to a CPU, if that is on; whether it was moved."""
        floor = self._floor
        if device.hwirq < 0 or not self._driver.movable or cpu not in floor.online:
            return False
        if device.target != cpu:
            self._stale.discard(device.hwirq)
        floor.move(device, cpu)
        if len(floor.online) != len(floor.cpus):
            self._recount()
        return True

    def _off(self, act: Act) -> None:
        self.switches[0] += 1
        floor = self._floor
        if act.cpu in floor.online and len(floor.online) > 1:
            self.switches[1] += 1
            self._let_run()
            self._switch_off(floor, act.cpu)
            self._recount()

    def _on(self, act: Act) -> None:
        self.switches[0] += 1
        if act.cpu >= 0 and act.cpu not in self._floor.online:
            self.switches[1] += 1
            self._switch_on(self._floor, act.cpu)
            self._recount()
            self._due = True
            # A guest moves interrupts away from a CPU that goes; what stayed behind is set up for it no more.
            self._stale.update(one.hwirq for one in self._floor.wiring.movable if one.target == act.cpu)

    def _recount(self) -> None:
        """For what waits on a CPU that is off nobody waits."""
        floor = self._floor
        devices = floor.wiring.devices
        floor.waiting = sum(device.waiting[cpu] for device in devices for cpu in floor.online)

    def _leave_out(self, name: str, reason: str) -> None:
        key: tuple[str | None, str] = (name, reason)
        if key not in self.unmade and len(self.unmade) >= UNMADE:
            key = (None, reason)
        self.unmade[key] += 1
