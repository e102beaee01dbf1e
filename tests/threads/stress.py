"""Eight threads of devices raise, four of vCPUs drain, while masks and routes change: what becomes of every event.

    python tests/threads/stress.py IRQCHIP [--events N] [--switch SECONDS] [--quirk NAME]

An event is one raise. `make test-threads` has ten million on each irqchip, in either make; the make is the process's,
so IRQFRAME_PURE=1 chooses it. The account is printed as JSON. Exit status 1, and what is known on standard error, if an
interrupt was lost, came twice, or something hangs.

Twenty times or more, the last time at the end, all injectors stop until nothing waits: every source that waits for its
turn must then have been handled as often as it was raised, and so must the IPIs. The sum of what the irqchip has
counted as raised is the sum of the raises; what of these it did not coalesce is what was delivered; and of each
interrupt it has delivered what the guest has handled.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from guest import PATIENCE, CpuThread, ways_of
from sources import FaultError, Injector, Source, message, pulse

from irqframe import Device, Injected, Machine, Trigger
from irqframe.bits import MAKE
from irqframe.flow import Source as Wire
from irqframe.flow import SourceKind
from irqframe.guest import Driver, ScriptedCpu
from irqframe.machine import build
from irqframe.vm import Vm

INJECTORS = 8
CPUS = 4
LINES = 20
"""Lines of each injector; the last four are raised whether their last raise was handled or not."""
HASTY = 4
MESSAGES = 4
LULLS = 20
MOST = 10_000
"""Raises of each injector between two lulls: an interrupt that is lost is not found out much later."""


class Stress:
    """One run: the machine, its sources, and who raises and who takes them.

    Attributes:
        lulls: how many there were.
    """

    def __init__(self, irqchip: str, events: int, quirks: Sequence[str] = ()) -> None:
        numbers = [range(n * LINES, (n + 1) * LINES) for n in range(INJECTORS)]
        own = range(INJECTORS * LINES, INJECTORS * LINES + CPUS)
        self.lulls = 0
        self._machine = Machine.build(
            irqchip, cpus=CPUS, devices=[_device(lines) for lines in (*numbers, own)], timer=False, pmu=False
        )
        self._vm: Vm = build(self._machine, quirks=quirks)
        self._driver: Driver = self._vm.flow.call("guest_driver", self._vm)
        # LPIs are the highest numbers that any irqchip has.
        self._handled = [[0] * (8192 + INJECTORS * MESSAGES) for _ in range(CPUS)]
        self._failed = threading.Event()
        self._routes: dict[int, int] = {}
        ways = ways_of(irqchip, self._driver)
        self._cpus = [
            CpuThread(vcpu, self._driver, ways, self._routes, self._handled, self._failed) for vcpu in self._vm.vcpus
        ]
        self._driver.handler = self._handler()
        self._barrier = threading.Barrier(INJECTORS, self._lull)
        self._boot()
        self._injectors = [self._injector(lines, events // INJECTORS) for lines in numbers]
        for cpu, number in zip(self._cpus, own, strict=True):
            cpu.own = self._line(number)

    def _handler(self) -> Callable[[ScriptedCpu, int], None]:
        handled, threads = self._handled, self._cpus

        def handler(cpu: ScriptedCpu, hwirq: int) -> None:
            handled[cpu.index][hwirq] += 1
            threads[cpu.index].taken += 1

        return handler

    # Set-up, on CPU 0

    def _boot(self) -> None:
        for cpu in self._cpus:
            cpu.start()
        self._cpus[0].do([self._driver.probe])
        for cpu in self._cpus:
            cpu.do([self._driver.starting])

    def _injector(self, lines: range, events: int) -> Injector:
        wired = [self._line(number) for number in lines]
        messages = self._messages(lines.start // LINES)
        inboxes = [vcpu.inbox for vcpu in self._vm.vcpus]
        patient = [*wired[:-HASTY], *messages[1:]]
        hasty = [*wired[-HASTY:], *messages[:1]]
        every = max(min(events // LULLS, MOST), 1)
        return Injector(events, patient, hasty, self._handled, inboxes, self._barrier.wait, every, self._failed)

    def _line(self, number: int) -> Source:
        target = number % CPUS
        made: list[int] = []
        wire = Wire(SourceKind.SPI, number, Trigger.EDGE_RISING)
        self._cpus[0].do([lambda cpu: made.append(self._driver.request(cpu, wire, target))])
        self._routes[made[0]] = target
        return Source(f"line {number}", made[0], pulse(self._vm, number))

    def _messages(self, device: int) -> list[Source]:
        devid = self._machine.msis[device].devid
        target = device % CPUS
        made: list[Any] = []
        self._cpus[0].do([lambda cpu: made.extend(self._driver.alloc_msis(cpu, devid, MESSAGES, target))])
        self._routes.update((msi.hwirq, target) for msi in made)
        return [
            Source(f"message {msi.data} of device {device}", msi.hwirq, message(self._vm, msi.address, msi.data, devid))
            for msi in made
        ]

    # The run

    def run(self) -> dict[str, Any]:
        """Do it all; the account.

        Raises:
            FaultError: if an interrupt was lost or came twice.
        """
        start = time.perf_counter()
        for injector in self._injectors:
            injector.start()
        for injector in self._injectors:
            self._join(injector)
        seconds = time.perf_counter() - start
        for cpu in self._cpus:
            cpu.end()
        self._check_errors()
        return self._account(seconds)

    def _join(self, injector: Injector) -> None:
        while injector.is_alive():
            before = self._progress()
            injector.join(PATIENCE)
            self._check_errors()
            if injector.is_alive() and self._progress() == before:
                raise FaultError(f"nothing has happened for {PATIENCE} s: {self._what_waits()}")

    def _check_errors(self) -> None:
        errors = [thread.error for thread in (*self._injectors, *self._cpus) if thread.error is not None]
        refused = [error for vcpu in self._vm.vcpus for error in vcpu.inbox_errors]
        # Those that find the barrier broken only know that another has failed.
        told = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if told or refused:
            raise FaultError("; ".join(map(repr, (*told, *refused))))
        if any(self._vm.dropped.values()):
            raise FaultError(f"dropped: {self._vm.dropped}")

    def _progress(self) -> tuple[int, int]:
        return self._raised(), sum(map(sum, self._handled))

    def _sources(self) -> list[Source]:
        own = [cpu.own for cpu in self._cpus if cpu.own is not None]
        return [source for injector in self._injectors for source in _listed(injector)] + own

    def _raised(self) -> int:
        """Events so far."""
        return sum(source.raised for source in self._sources()) + sum(sum(cpu.ipis) for cpu in self._cpus)

    # Lulls

    def _lull(self) -> None:
        """All injectors wait: nobody raises, and the CPUs come to rest."""
        deadline = time.monotonic() + PATIENCE
        while unsettled := self._unsettled():
            if time.monotonic() > deadline or self._failed.is_set():
                raise FaultError(f"{unsettled}; {self._what_waits()}")
            time.sleep(0.001)
        self.lulls += 1

    def _unsettled(self) -> str:
        """What does not balance, "" if everything does."""
        counted = [self._vm.flow.call("counters", vcpu) for vcpu in self._vm.vcpus]
        raised = self._raised()
        # What a guest moves by hand it raises anew, and withdraws.
        seen = sum(c.raised - c.withdrawn for c in counted)
        if seen != raised:
            return f"{raised} were raised, {seen} came in"
        coalesced, delivered = sum(c.coalesced for c in counted), sum(c.delivered for c in counted)
        if delivered + coalesced != raised:
            return f"{raised} came in, {delivered} were delivered and {coalesced} coalesced"
        return self._unhandled()

    def _unhandled(self) -> str:
        handled: Counter[int] = Counter()
        delivered: Counter[int] = Counter()
        for vcpu, counts in zip(self._vm.vcpus, self._handled, strict=True):
            handled.update({hwirq: count for hwirq, count in enumerate(counts) if count})
            delivered.update(self._vm.flow.call("delivered", vcpu))
        if handled != delivered:
            return f"handled and delivered differ: {_difference(handled, delivered)}"
        for injector in self._injectors:
            for source in injector.patient:
                if handled[source.hwirq] != source.raised:
                    return f"{source.name}: {source.raised} were raised, {handled[source.hwirq]} handled"
        for sender, cpu in enumerate(self._cpus):
            hwirq = self._driver.ipi_hwirq(sender)
            if cpu.ipis != [counts[hwirq] for counts in self._handled]:
                return f"IPIs of CPU {sender}: {cpu.ipis} were sent, not handled"
        return ""

    def _what_waits(self) -> str:
        vcpus = self._vm.vcpus
        waiting = [self._vm.flow.call("waiting", vcpu) for vcpu in vcpus]
        return f"inboxes {[len(v.inbox) for v in vcpus]}, asleep {[v.blocked for v in vcpus]}, waiting {waiting}"

    # The end

    def _account(self, seconds: float) -> dict[str, Any]:
        counted = [self._vm.flow.call("counters", vcpu) for vcpu in self._vm.vcpus]
        outcomes: Counter[Injected] = Counter()
        chores: Counter[str] = Counter()
        for thread in (*self._injectors, *self._cpus):
            outcomes.update(thread.outcomes)
        for cpu in self._cpus:
            chores.update(cpu.chores)
        return {
            "make": MAKE,
            "events": self._raised(),
            "outcomes": {outcome.name: count for outcome, count in sorted(outcomes.items())},
            "handled": sum(map(sum, self._handled)),
            "handled in turn": sum(source.raised for injector in self._injectors for source in injector.patient),
            "coalesced": sum(c.coalesced for c in counted),
            "chores": dict(sorted(chores.items())),
            "lulls": self.lulls,
            "seconds": round(seconds, 1),
        }


def _device(lines: range) -> Device:
    wires = tuple((number, Trigger.EDGE_RISING) for number in lines)
    return Device("device", ("example,device",), size=0x100, lines=wires, msi=True)


def _listed(injector: Injector) -> tuple[Source, ...]:
    """An injector's sources, each once."""
    return tuple(dict.fromkeys((*injector.patient, *injector.hasty)))


def _difference(one: Counter[int], other: Counter[int]) -> dict[int, int]:
    return {key: one[key] - other[key] for key in one | other if one[key] != other[key]}


def main() -> int:
    """Do what the command line says; the exit status."""
    parser = argparse.ArgumentParser(description="Stress an irqchip with threads.")
    parser.add_argument("irqchip")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--switch", type=float, default=1e-5, help="seconds after which another thread gets to run")
    parser.add_argument("--quirk", action="append", default=[], help="of the irqchip")
    chosen = parser.parse_args()
    sys.setswitchinterval(chosen.switch)
    stress = Stress(chosen.irqchip, chosen.events, chosen.quirk)
    try:
        account = stress.run()
    except BaseException:
        traceback.print_exc()
        faulthandler.dump_traceback(all_threads=True)
        # A thread that hangs is not waited for.
        os._exit(1)
    print(json.dumps({"irqchip": chosen.irqchip, **account}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
