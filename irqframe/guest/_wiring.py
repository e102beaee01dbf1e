"""The wiring of a workload: which devices a machine has, and by which hwirq the guest knows each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from irqframe.errors import PluginError
from irqframe.flow import Source, SourceKind
from irqframe.guest._account import Account
from irqframe.guest._cpu import ScriptedCpu
from irqframe.guest._devices import (
    Device,
    EdgeOutput,
    IpiOutput,
    LevelLine,
    LevelOutput,
    MessageOutput,
    Output,
    PerCpuOutput,
    PmuOutput,
    TimerOutput,
)
from irqframe.guest._driver import Driver, Msi
from irqframe.guest._outcome import Outcome
from irqframe.machine import Machine, MachineSource, MsiSource
from irqframe.vm import Vm

IPIS: Final = 4
"""How many of the driver's IPIs are used; as many as an operating system has kinds of cross-calls, about."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What raises interrupts, and who hears of them.

    Attributes:
        devices: everything that can be raised: per-CPU devices, shared ones, messages, IPIs.
        by_hwirq: the devices behind each interrupt that the guest may take.
        percpu: sources that a CPU must request again when it comes back.
        message_lines: shared lines that are the interrupts of messages.
    """

    devices: list[Device] = field(default_factory=list)
    by_hwirq: dict[int, list[Device]] = field(default_factory=dict)
    percpu: list[MachineSource] = field(default_factory=list)
    message_lines: set[int] = field(default_factory=set)

    @property
    def movable(self) -> list[Device]:
        """The devices whose interrupt the guest can route to another CPU."""
        return [device for device in self.devices if device.hwirq >= 0]


def wire(
    machine: Machine,
    vm: Vm,
    driver: Driver,
    cpus: Sequence[ScriptedCpu],
    outcome: Outcome,
    other_cpu: Callable[[int], int],
) -> Wiring:
    """Request every interrupt of a machine, shared ones for one CPU after the other.

    Args:
        machine: the machine.
        vm: made of it.
        driver: probed, and started on every CPU.
        cpus: the guest's CPUs; the first one makes the requests.
        outcome: gets an account per source, and a note for what is left out.
        other_cpu: (index) -> a CPU that may send it an IPI.

    Returns:
        The wiring.

    Raises:
        GuestError: what the driver raises.
        PluginError: if the driver does not return what its interface says.
    """
    return _Wirer(machine, vm, driver, cpus, outcome, other_cpu).wiring


class _Wirer:
    def __init__(
        self,
        machine: Machine,
        vm: Vm,
        driver: Driver,
        cpus: Sequence[ScriptedCpu],
        outcome: Outcome,
        other_cpu: Callable[[int], int],
    ) -> None:
        self._machine = machine
        self._vm = vm
        self._driver = driver
        self._cpus = cpus
        self._outcome = outcome
        self._requested = 0
        self.wiring = Wiring()
        for machine_source in machine.sources:
            if machine_source.source.kind is SourceKind.PPI:
                self._add_percpu(machine_source)
        self._add_shared()
        self._add_messages()
        for ipi in range(min(driver.ipis, IPIS)):
            self._add_ipi(ipi, other_cpu)

    def _account(self, name: str, controller: str, route: str) -> Account:
        account = Account(name, controller, len(self._cpus))
        account.route = route
        self._outcome.accounts.append(account)
        return account

    def _add(self, device: Device, hwirq: int) -> None:
        self.wiring.devices.append(device)
        self.wiring.by_hwirq.setdefault(hwirq, []).append(device)

    # What each CPU has for itself

    def _add_percpu(self, machine_source: MachineSource) -> None:
        source = machine_source.source
        own = machine_source.cpus
        cpus = [cpu for cpu in self._cpus if own is None or cpu.index in own]
        if not cpus:
            self._outcome.notes.append(f"{machine_source.name} was not raised: the machine has none of its CPUs")
            return
        route = f"PPI {source.number}, per CPU, {_kind(source)}"
        account = self._account(machine_source.name, machine_source.ref.controller.path, route)
        device = Device(account, self._percpu_output(source))
        device.cpus = own
        hwirqs = {self._hwirq("request_percpu", self._driver.request_percpu(cpu, source)) for cpu in cpus}
        self.wiring.devices.append(device)
        for hwirq in hwirqs:
            self.wiring.by_hwirq.setdefault(hwirq, []).append(device)
        self.wiring.percpu.append(machine_source)

    def _percpu_output(self, source: Source) -> Output:
        vcpus = self._vm.vcpus
        timers = [timer for vcpu in vcpus for timer in vcpu.timers if timer.intid == source.number]
        pmus = [vcpu.pmu for vcpu in vcpus if vcpu.pmu is not None and vcpu.pmu.intid == source.number]
        if len(timers) == len(vcpus):
            return TimerOutput(timers)
        if len(pmus) == len(vcpus):
            return PmuOutput(pmus)
        return PerCpuOutput(self._vm, source)

    def _add_ipi(self, ipi: int, other_cpu: Callable[[int], int]) -> None:
        def send(sender: int, target: int) -> None:
            self._driver.send_ipi(self._cpus[sender], (target,), ipi)

        account = self._account(f"IPI {ipi}", self._machine.irqchip, "CPU to CPU, edge")
        self._add(Device(account, IpiOutput(account, send, other_cpu)), self._driver.ipi_hwirq(ipi))

    # What the machine has once

    def _add_shared(self) -> None:
        lines: dict[int, tuple[LevelLine, int, int]] = {}
        for machine_source in self._machine.sources:
            source = machine_source.source
            if source.kind is not SourceKind.SPI:
                continue
            if not source.trigger.is_level:
                hwirq, target = self._request(source)
                account = self._shared_account(machine_source, hwirq)
                self._add_routed(account, EdgeOutput(self._vm, source.number), hwirq, target)
                continue
            if source.number not in lines:
                lines[source.number] = (LevelLine(self._vm, source.number), *self._request(source))
            line, hwirq, target = lines[source.number]
            self._add_routed(self._shared_account(machine_source, hwirq), LevelOutput(line), hwirq, target)

    def _shared_account(self, machine_source: MachineSource, hwirq: int) -> Account:
        source = machine_source.source
        route = f"SPI {source.number} -> {hwirq}, {_kind(source)}"
        return self._account(machine_source.name, machine_source.ref.controller.path, route)

    def _add_routed(self, account: Account, output: Output, hwirq: int, target: int) -> None:
        device = Device(account, output)
        device.target = target
        device.hwirq = hwirq
        self._add(device, hwirq)

    def _add_messages(self) -> None:
        if self._machine.msis and not self._driver.msis:
            self._outcome.notes.append(f"no MSIs: {type(self._driver).__name__} has none")
            return
        for msi_source in self._machine.msis:
            target = self._next_target()
            msi = self._message(msi_source, target)
            self.wiring.message_lines.add(msi.line)
            route = f"MSI {msi.address:#x} data {msi.data} -> {msi.hwirq}"
            account = self._account(msi_source.name, msi_source.ref.controller.path, route)
            self._add_routed(account, MessageOutput(self._vm, msi, msi_source.devid), msi.hwirq, target)

    # What the driver answers

    def _next_target(self) -> int:
        self._requested += 1
        return (self._requested - 1) % len(self._cpus)

    def _request(self, source: Source) -> tuple[int, int]:
        target = self._next_target()
        return self._hwirq("request", self._driver.request(self._cpus[0], source, target)), target

    def _hwirq(self, method: str, answer: object) -> int:
        """What a method of the driver returned, if it is an interrupt."""
        if isinstance(answer, int):
            return answer
        raise PluginError(self._machine.irqchip, f"its driver's {method} returned {answer!r}, which is no hwirq")

    def _message(self, source: MsiSource, target: int) -> Msi:
        driver, controller = self._driver, source.ref.controller
        answer: object = driver.alloc_msis_at(self._cpus[0], controller, source.devid, 1, target)
        if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], Msi):
            return answer[0]
        asked = "alloc_msis" if type(driver).alloc_msis_at is Driver.alloc_msis_at else "alloc_msis_at"
        raise PluginError(
            self._machine.irqchip, f"its driver's {asked} returned {answer!r}, expected a list of one Msi"
        )


def _kind(source: Source) -> str:
    return "level" if source.trigger.is_level else "edge"
