"""What a scripted guest does whatever its script: it boots, a CPU goes off and on, and at the end the accounts agree.

1. What happens between the boot and the accounts is the script's, a class below this one.
2. Every raise is accounted for by the devices' side and the guest's side, and by the irqchip's counters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from irqframe.errors import GuestError, PluginError
from irqframe.flow import Counters, SourceKind
from irqframe.guest._account import Account
from irqframe.guest._driver import Driver
from irqframe.guest._floor import Floor, Watcher, word
from irqframe.guest._outcome import Outcome
from irqframe.guest._traps import count_traps
from irqframe.guest._wiring import wire
from irqframe.machine import Machine
from irqframe.vm import VCpu, Vm

LOOKS: Final = 32
"""Once in so many bursts a CPU's wake-up test is compared with its IRQ line, and the CPU executes WFI."""


class Script:
    """One run of a scripted guest.

    Args:
        machine: the machine.
        vm: made of it, with a `VirtualClock`; the calling thread must own every vCPU while the script runs.
        driver: the irqchip's scripted driver.
        watch: told what happens; None: nobody watches.

    Attributes:
        outcome: what was found so far; whole once the script has run.
        up: whether the guest came up: its driver has probed, every CPU has started, and every interrupt is requested.
    """

    def __init__(self, machine: Machine, vm: Vm, driver: Driver, watch: Watcher | None) -> None:
        self._machine = machine
        self._vm = vm
        self._driver = driver
        self._watch = watch
        self._bursts = 0
        self._delivered_before_reset = 0
        self.outcome = Outcome([])
        self.up = False

    def _perform(self, floor: Floor, script: Callable[[], None]) -> Outcome:
        """Boot, do what the script says, and compare the accounts."""
        try:
            self._boot(floor)
            self.up = True
            self.outcome.setup_traps = count_traps(self._vm)
            script()
            self._check_accounts()
        except GuestError as error:
            self.outcome.fault = str(error)
            raise
        finally:
            self.outcome.spurious = self._driver.spurious
            self.outcome.traps = count_traps(self._vm).since(self.outcome.setup_traps)
        floor.close()
        return self.outcome

    def _boot(self, floor: Floor) -> None:
        self._driver.probe(floor.cpus[0])
        for cpu in floor.cpus:
            self._driver.starting(cpu)
        floor.connect(wire(self._machine, self._vm, self._driver, floor.cpus, floor.outcome, floor.other_cpu))
        if not floor.wiring.devices:
            self.outcome.notes.append("nothing was raised: the machine has no devices, and the irqchip no IPIs")

    # What scripts are made of

    def _serve(self, floor: Floor) -> None:
        self._bursts += 1
        if self._bursts % LOOKS:
            floor.serve()
        else:
            self._look(floor)

    def _look(self, floor: Floor) -> None:
        cpu = floor.any_cpu()
        floor.compare_wake_up(cpu)
        floor.serve()
        floor.let_sleep(cpu)

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

    def _pulse_unused(self, floor: Floor, gsi: int, account: Account) -> None:
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


def unused_input(machine: Machine, vm: Vm, floor: Floor, gsi: int | None = None) -> int | None:
    """An input that no device of the machine has: `gsi` if it is such a one, the first for None.

    Returns:
        Its number, None if there is none.
    """
    used = {source.source.number for source in machine.sources if source.source.kind is SourceKind.SPI}
    used |= floor.wiring.message_lines
    return next((one.gsi for one in vm.routing.entries if one.gsi not in used and gsi in (None, one.gsi)), None)


def unused_name(gsi: int) -> str:
    """What the account of such an input is called."""
    return f"input {gsi} (unused)"


def unused_account(floor: Floor, gsi: int) -> Account:
    """Its account, which is new."""
    account = Account(unused_name(gsi), "", len(floor.cpus))
    account.route = "nowhere"
    floor.outcome.accounts.append(account)
    return account
