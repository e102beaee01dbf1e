"""The floor of a script: devices raise, CPUs take, interrupts move; each step entered into the accounts.

1. One thread runs every CPU. A CPU takes interrupts when it was kicked, or when something is still waiting after that.
2. After `serve` nothing may wait: what does is lost.
3. What runs for every interrupt fetches a callable before it calls it (`fire = device.fire`): a call straight off the
   attribute is one that the interpreter does not specialise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import floor
from typing import Final

from irqframe.errors import GuestError
from irqframe.flow import Injected
from irqframe.guest._cpu import BoundCpu, ScriptedCpu
from irqframe.guest._devices import HIGH, Device
from irqframe.guest._driver import Driver
from irqframe.guest._outcome import Outcome
from irqframe.guest._wiring import Wiring
from irqframe.vm import VirtualClock, Vm

AGAIN: Final = 1 / 16
"""How often a device raises its interrupt again while the guest's handler for it still runs."""
BURST_NS: Final = 1000
"""Virtual time that passes between what devices raise and what the guest does about it, nanoseconds."""

_LATCHED: Final = Injected.LATCHED

#: Takes (vcpu, kind, intid, source) of what happens, when somebody watches.
Watcher = Callable[[int, str, int, str], None]


class Floor:
    """CPUs, devices and what waits between them.

    Args:
        vm: the VM; the calling thread owns every vCPU, and each is loaded here.
        driver: its handler is set here.
        chance: random numbers from 0 up to 1.
        watch: told what happens; None: nobody watches.
        outcome: where it is entered.

    Attributes:
        cpus: by index.
        online: indices of the CPUs that are on, in order.
        wiring: the devices; `connect` sets it.
        outcome: as given.
        waiting: how many interrupts are raised and neither taken nor lost.
        chance: as given.
        watch: as given.
    """

    def __init__(
        self, vm: Vm, driver: Driver, chance: Callable[[], float], watch: Watcher | None, outcome: Outcome
    ) -> None:
        self._vm = vm
        self._driver = driver
        self._advance = vm.clock.advance if isinstance(vm.clock, VirtualClock) else None
        self._kicked: deque[Callable[[], int]] = deque()
        self.cpus = [BoundCpu(vcpu, driver.handle_irq) for vcpu in vm.vcpus]
        self.online = list(range(len(self.cpus)))
        self._others: dict[int, list[int]] = {}
        self.connect(Wiring())
        self.outcome = outcome
        self.waiting = 0
        self.chance = chance
        self.watch = watch
        driver.handler = self._handle if watch is None else self._handle_watched
        for vcpu in vm.vcpus:
            vcpu.on_kick = partial(self._kicked.append, self.cpus[vcpu.index].take_irqs)
            vcpu.load()
            vcpu.enter()

    def connect(self, wiring: Wiring) -> None:
        """Take over the devices, once they are requested."""
        self.wiring = wiring
        self._by_hwirq = wiring.by_hwirq

    def close(self) -> None:
        """Put every vCPU."""
        for vcpu in self._vm.vcpus:
            vcpu.on_kick = None
            vcpu.put()

    def any_cpu(self) -> int:
        """A CPU at random that is on."""
        return self.online[floor(self.chance() * len(self.online))]

    def online_of(self, device: Device) -> list[int]:
        """The CPUs that are on and have a per-CPU device's line."""
        cpus = device.cpus
        return self.online if cpus is None else [index for index in self.online if index in cpus]

    def any_cpu_of(self, device: Device) -> int:
        """One of them at random."""
        online = self.online if device.cpus is None else self.online_of(device)
        chance = self.chance
        return online[floor(chance() * len(online))]

    def other_cpu(self, cpu: int) -> int:
        """A CPU at random that is on, another than `cpu` if there is one."""
        others = self._others.get(cpu) or self._find_others(cpu)
        chance = self.chance
        return others[floor(chance() * len(others))]

    def set_online(self, cpu: int, on: bool) -> None:
        """A CPU was switched on or off."""
        now = {*self.online, cpu} if on else {*self.online} - {cpu}
        self.online = sorted(now)
        self._others.clear()

    def _find_others(self, cpu: int) -> list[int]:
        others = self._others[cpu] = [index for index in self.online if index != cpu] or self.online
        return others

    # Raise and take

    def fire(self, device: Device, cpu: int, provoked: bool = False) -> None:
        """Let a device raise its interrupt, for CPU `cpu`, unless its line is high.

        Args:
            device: the device.
            cpu: index of the CPU it goes to.
            provoked: whether the script wants it to be dropped; then nobody waits for it either.

        Raises:
            GuestError: if it came to what it must not.
        """
        fire = device.fire
        outcome = fire(cpu)
        if outcome is HIGH:
            return
        self.outcome.events += 1
        account = device.account
        if self.watch is not None:
            self.watch(cpu, "raise", device.hwirq, f"{account.name} {word(outcome)}")
        if outcome is _LATCHED and not provoked:
            self.waiting += 1
            waiting = device.waiting
            if not waiting[cpu]:
                account.raised += 1
                waiting[cpu] = True
                return
        account.raise_(outcome, cpu, provoked)

    def serve(self) -> None:
        """Let every CPU that was kicked take what is its own.

        Raises:
            GuestError: if something waits afterwards.
        """
        advance, kicked = self._advance, self._kicked
        if advance is not None:
            advance(BURST_NS)
        while kicked:
            take_irqs = kicked.popleft()
            take_irqs()
        if self.waiting:
            self._sweep()

    def _sweep(self) -> None:
        """Something waits on a CPU that was not kicked: let every CPU look."""
        for index in self.online:
            self.cpus[index].take_irqs()
        if self.waiting:
            lost = next(account for account in self.outcome.accounts if account.pending)
            cpu = lost.waiting.index(True)
            raise GuestError(f"{lost.name} was raised for CPU {cpu}, and every CPU has taken what it had: it is lost")

    def _handle(self, cpu: ScriptedCpu, hwirq: int) -> None:
        index = cpu.index
        try:
            devices = self._by_hwirq[hwirq]
        except KeyError:
            raise GuestError(f"CPU {index} took interrupt {hwirq}, which nobody requested") from None
        self.outcome.handled += 1
        nobody = True
        # Every device on the line is asked, as an operating system does.
        for device in devices:
            waiting = device.waiting
            if waiting[index]:
                nobody = waiting[index] = False
                device.account.delivered[index] += 1
                self.waiting -= 1
                service = device.service
                if service is not None:
                    service(index)
        if nobody:
            devices[0].account.deliver(index)
        if len(devices) == 1:
            device, chance = devices[0], self.chance
            if chance() < AGAIN and device.again:
                self.fire(device, index)

    def _handle_watched(self, cpu: ScriptedCpu, hwirq: int) -> None:
        devices = self.wiring.by_hwirq.get(hwirq, [])
        if self.watch is not None:
            self.watch(cpu.index, "deliver", hwirq, ", ".join(device.account.name for device in devices))
        self._handle(cpu, hwirq)

    # Moving

    def move(self, device: Device, target: int) -> None:
        """Route a device's interrupt to CPU `target`; those that share its line go with it."""
        sharers = self.wiring.by_hwirq[device.hwirq]
        self.outcome.moves += 1
        if any(sharer.account.pending for sharer in sharers):
            self.outcome.moves_pending += 1
        self._driver.set_affinity(self.cpus[self.any_cpu()], device.hwirq, target)
        for sharer in sharers:
            sharer.account.move(sharer.target, target)
            sharer.target = target
        if self.watch is not None:
            self.watch(target, "move", device.hwirq, device.account.name)

    # Sleep and wake

    def compare_wake_up(self, cpu: int) -> None:
        """What wakes a CPU must be what interrupts it.

        Raises:
            GuestError: if the irqchip's wake-up test and its IRQ line differ.
        """
        one = self.cpus[cpu]
        pending = self._vm.flow.table.vcpu_pending_irq
        one.vcpu.leave()
        one.vcpu.enter()
        if pending is not None and bool(pending(one.vcpu)) is not one.irq_asserted:
            line = "asserted" if one.irq_asserted else "not asserted"
            raise GuestError(f"CPU {cpu}: its IRQ line is {line}, and irqchip_vcpu_pending_irq says otherwise")

    def let_sleep(self, cpu: int) -> None:
        """A CPU that has taken everything executes WFI.

        Raises:
            GuestError: if it cannot sleep.
        """
        if not self.cpus[cpu].wfi():
            raise GuestError(f"CPU {cpu} cannot sleep, although it has taken every interrupt")


def word(outcome: object) -> str:
    """An outcome's name; what is none as it is, for the account to refuse."""
    return outcome.name if isinstance(outcome, Injected) else repr(outcome)
