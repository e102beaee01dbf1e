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
from math import floor as whole
from typing import Final

from irqframe.errors import GuestError, PluginError
from irqframe.flow import Counters, SourceKind
from irqframe.guest._account import Account
from irqframe.guest._devices import Device, EdgeOutput, MessageOutput
from irqframe.guest._driver import Driver
from irqframe.guest._floor import Floor, Watcher, word
from irqframe.guest._outcome import Outcome
from irqframe.guest._traps import count_traps
from irqframe.guest._wiring import wire
from irqframe.machine import Machine
from irqframe.vm import VCpu, Vm

BURST: Final = 4
"""Most raises before the guest gets to run."""
MOVES: Final = 200
"""How many affinity moves a run has, at most one per 50 events."""
PROGRESS: Final = 100
"""How often progress is told."""
LOOKS: Final = 32
"""Once in so many bursts a CPU's wake-up test is compared with its IRQ line, and the CPU executes WFI."""


class Workload:
    """One run.

    Args:
        machine: the machine.
        vm: made of it, with a `VirtualClock`; the calling thread must own every vCPU while the workload runs.
        driver: the irqchip's scripted driver.
        seed: of the random choices.
        watch: told what happens; None: nobody watches.

    Attributes:
        outcome: what was found so far; whole once `run` returns.
        up: whether the guest came up: its driver has probed, every CPU has started, and every interrupt is requested.
    """

    def __init__(self, machine: Machine, vm: Vm, driver: Driver, seed: int, watch: Watcher | None = None) -> None:
        self._machine = machine
        self._vm = vm
        self._driver = driver
        self._chance = random.Random(seed).random
        self._watch = watch
        self._bursts = 0
        self._delivered_before_reset = 0
        self.outcome = Outcome([])
        self.up = False

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
        try:
            self._script(floor, events, progress)
        except GuestError as error:
            self.outcome.fault = str(error)
            raise
        finally:
            self.outcome.spurious = self._driver.spurious
            self.outcome.traps = count_traps(self._vm).since(self.outcome.setup_traps)
        floor.close()
        return self.outcome

    def _script(self, floor: Floor, events: int, progress: Callable[[int], None] | None) -> None:
        self._boot(floor)
        self.up = True
        self.outcome.setup_traps = count_traps(self._vm)
        self._every_source_once(floor)
        self._some(floor, events // 2, events, progress)
        self._off_and_on(floor)
        self._some(floor, events, events, progress)
        floor.serve()
        self._check_accounts()

    def _boot(self, floor: Floor) -> None:
        self._driver.probe(floor.cpus[0])
        for cpu in floor.cpus:
            self._driver.starting(cpu)
        floor.connect(wire(self._machine, self._vm, self._driver, floor.cpus, floor.outcome, floor.other_cpu))
        if not floor.wiring.devices:
            self.outcome.notes.append("nothing was raised: the machine has no devices, and the irqchip no IPIs")

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
            for _ in range(1 + whole(chance() * BURST)):
                device = devices[whole(chance() * count)]
                fire(device, floor.any_cpu_of(device) if device.per_cpu else device.target)
            if outcome.events >= move_at:
                move_at += every
                self._move_one(floor)
            self._bursts += 1
            if self._bursts % LOOKS:
                serve()
            else:
                self._look(floor)
            if progress is not None and outcome.events >= tell_at:
                tell_at += step
                progress(outcome.events)

    def _look(self, floor: Floor) -> None:
        cpu = floor.any_cpu()
        floor.compare_wake_up(cpu)
        floor.serve()
        floor.let_sleep(cpu)

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

    def _switch_off(self, floor: Floor, index: int) -> None:
        cpu = floor.cpus[index]
        self._driver.dying(cpu)
        cpu.vcpu.power_off()
        floor.set_online(index, False)
        if self._watch is not None:
            self._watch(index, "off", -1, "")

    def _switch_on(self, floor: Floor, index: int) -> None:
        cpu = floor.cpus[index]
        # A reset may or may not clear what the irqchip has counted.
        before = self._delivered()
        cpu.vcpu.power_on()
        self._delivered_before_reset += before - self._delivered()
        cpu.vcpu.enter()
        floor.set_online(index, True)
        if self._watch is not None:
            self._watch(index, "on", -1, "")
        self._driver.starting(cpu)
        for machine_source in floor.wiring.percpu:
            if machine_source.cpus is None or index in machine_source.cpus:
                self._driver.request_percpu(cpu, machine_source.source)

    def _raise_unused(self, floor: Floor) -> None:
        """Raise an input that no device has and the guest never set up."""
        used = {source.source.number for source in self._machine.sources if source.source.kind is SourceKind.SPI}
        used |= floor.wiring.message_lines
        gsi = next((entry.gsi for entry in self._vm.routing.entries if entry.gsi not in used), None)
        if gsi is None:
            floor.outcome.notes.append("no unused input was raised: every line has a device")
            return
        account = Account(f"input {gsi} (unused)", "", len(floor.cpus))
        account.route = "nowhere"
        floor.outcome.accounts.append(account)
        outcome = self._vm.set_irq(gsi, 1)
        self._vm.set_irq(gsi, 0)
        floor.outcome.events += 1
        if self._watch is not None:
            self._watch(-1, "raise", -1, f"{account.name} {word(outcome)}")
        account.raise_(outcome, 0, provoked=True)

    # The end

    def _check_accounts(self) -> None:
        for account in self.outcome.accounts:
            if account.balance:
                raise GuestError(f"{account.name}: {account.balance} raises are not accounted for")
        self._check_counters(self.outcome)

    def _check_counters(self, outcome: Outcome) -> None:
        """The irqchip must have handed out as many as the guest handled."""
        if not self._vm.flow.has("counters"):
            outcome.notes.append("the irqchip counts nothing: devices and guest were compared alone")
            return
        delivered = self._delivered_before_reset + self._delivered()
        if delivered != outcome.handled:
            raise GuestError(f"the irqchip delivered {delivered} interrupts, the guest handled {outcome.handled}")

    def _delivered(self) -> int:
        """What the irqchip says it has handed out, since the last reset of each CPU."""
        return sum(self._counters(vcpu).delivered for vcpu in self._vm.vcpus)

    def _counters(self, vcpu: VCpu) -> Counters:
        answer = self._vm.flow.call("counters", vcpu) if self._vm.flow.has("counters") else Counters(0, 0, 0, {})
        if not isinstance(answer, Counters):
            raise PluginError(self._machine.irqchip, f"irqchip_counters returned {answer!r}, which is no Counters")
        return answer
