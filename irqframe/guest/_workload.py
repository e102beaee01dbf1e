"""The workload of `irqframe run`: a scripted guest that takes interrupts from every device of a machine.

1. Boot: probe, start every CPU, request every interrupt.
2. Events: sources picked at random, in bursts, so that some coalesce, and some again while their handler runs; after
   each burst the CPUs that were kicked take what is theirs, and nothing may be left waiting. In between, interrupts are
   moved to other CPUs, some while they wait, and CPUs sleep.
3. Half-way, one CPU goes off and comes back. An interrupt still routed to it, and an input that nobody routed, are
   raised on purpose: what the irqchip drops then is the only thing it may drop.
4. At the end, every raise is accounted for by the devices' side and the guest's side, and by the irqchip's counters.

One thread runs every CPU, so the same seed gives the same run.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from math import floor as whole
from typing import Final

from irqframe.guest._devices import Device, EdgeOutput, MessageOutput
from irqframe.guest._driver import Driver
from irqframe.guest._floor import Floor, Watcher
from irqframe.guest._outcome import Outcome
from irqframe.guest._script import LOOKS, Script, unused_account, unused_input
from irqframe.machine import Machine
from irqframe.vm import Vm

BURST: Final = 4
"""Most raises before the guest gets to run."""
BURSTS: Final = tuple(range(1 + most) for most in range(BURST))
"""What is gone through for a burst of each length."""
MOVES: Final = 200
"""How many affinity moves a run has, at most one per 50 events."""
PROGRESS: Final = 100
"""How often progress is told."""


class Workload(Script):
    """One run.

    Args:
        machine: the machine.
        vm: made of it, with a `VirtualClock`; the calling thread must own every vCPU while the workload runs.
        driver: the irqchip's scripted driver.
        seed: of the random choices.
        watch: told what happens; None: nobody watches.
    """

    def __init__(self, machine: Machine, vm: Vm, driver: Driver, seed: int, watch: Watcher | None = None) -> None:
        super().__init__(machine, vm, driver, watch)
        self._chance = random.Random(seed).random

    def run(self, events: int, progress: Callable[[int], None] | None = None) -> Outcome:
        """Do it all.

        Args:
            events: how many raises, at least; a burst is finished.
            progress: told now and then how many are done.

        Returns:
            The outcome.

        Raises:
            GuestError: at the first interrupt that is lost, doubled, dropped without cause, or on the wrong CPU.
            PluginError: if the irqchip or its driver does not return what it must.
        """
        floor = Floor(self._vm, self._driver, self._chance, self._watch, self.outcome)
        return self._perform(floor, partial(self._script, floor, events, progress))

    def _script(self, floor: Floor, events: int, progress: Callable[[int], None] | None) -> None:
        self._every_source_once(floor)
        self._some(floor, events // 2, events, progress)
        self._off_and_on(floor)
        self._some(floor, events, events, progress)
        floor.serve()

    # Events

    def _every_source_once(self, floor: Floor) -> None:
        for device in floor.wiring.devices:
            for cpu in floor.online_of(device) if device.per_cpu else (device.target,):
                floor.fire(device, cpu)
                floor.serve()

    def _some(self, floor: Floor, until: int, events: int, progress: Callable[[int], None] | None) -> None:
        chance = self._chance
        fire, serve = floor.fire, floor.serve
        devices = floor.wiring.devices
        count = len(devices)
        if not count:
            return
        every = max(events // MOVES, 50)
        step = max(events // PROGRESS, 1)
        outcome = floor.outcome
        move_at = outcome.events + every
        tell_at = outcome.events + step
        while outcome.events < until:
            for _ in BURSTS[whole(chance() * BURST)]:
                device = devices[whole(chance() * count)]
                fire(device, floor.any_cpu_of(device) if device.per_cpu else device.target)
            if outcome.events >= move_at:
                move_at += every
                self._move_one(floor)
            # As `_serve`, which is a call more for every burst.
            self._bursts += 1
            if self._bursts % LOOKS:
                serve()
            else:
                self._look(floor)
            if progress is not None and outcome.events >= tell_at:
                tell_at += step
                progress(outcome.events)

    def _move_one(self, floor: Floor) -> None:
        movable = floor.wiring.movable
        if not self._driver.movable or len(floor.online) < 2 or not movable:
            return
        device = movable[whole(self._chance() * len(movable))]
        if self._chance() < 0.5:
            floor.fire(device, device.target)
        floor.move(device, floor.other_cpu(device.target))

    # A CPU off and on

    def _off_and_on(self, floor: Floor) -> None:
        if len(floor.cpus) < 2 or not self._driver.movable:
            floor.outcome.notes.append(
                "no CPU was switched off: that needs two CPUs and a driver that moves interrupts"
            )
            return
        floor.serve()
        last = len(floor.cpus) - 1
        victim = self._left_behind(floor, last)
        for device in floor.wiring.movable:
            if device.target == last and device is not victim:
                floor.move(device, floor.other_cpu(last))
        floor.serve()
        self._switch_off(floor, last)
        if victim is not None:
            floor.fire(victim, last, provoked=True)
        self._raise_unused(floor)
        self._switch_on(floor, last)
        if victim is not None:
            floor.waiting += victim.account.pending
            floor.move(victim, floor.other_cpu(last))
        floor.serve()

    def _left_behind(self, floor: Floor, cpu: int) -> Device | None:
        """An edge or a message to leave routed to the CPU that goes off, moved there if none is."""
        candidates = [d for d in floor.wiring.devices if isinstance(d.output, EdgeOutput | MessageOutput)]
        if not candidates:
            return None
        victim = next((device for device in candidates if device.target == cpu), candidates[-1])
        if victim.target != cpu:
            floor.move(victim, cpu)
        return victim

    def _raise_unused(self, floor: Floor) -> None:
        """Raise an input that no device has and the guest never set up."""
        gsi = unused_input(self._machine, self._vm, floor)
        if gsi is None:
            floor.outcome.notes.append("no unused input was raised: every line has a device")
            return
        self._pulse_unused(floor, gsi, unused_account(floor, gsi))
