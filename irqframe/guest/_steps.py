"""What the steps of a recording mean on a machine: which device, for which CPU, what for the recording's account.

1. A device is known by its name, a CPU by its index. What the machine does not have is in the act as a gap.
2. Most steps are as one before, and their meaning is remembered.
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from irqframe.flow import Injected
from irqframe.guest._account import Account
from irqframe.guest._devices import Device
from irqframe.guest._floor import Floor
from irqframe.guest._recorded import Recorded, Recordings
from irqframe.guest._script import unused_account, unused_input, unused_name
from irqframe.machine import Machine
from irqframe.vm import Vm

ACTS_MAX: Final = 1 << 14
"""How many steps that differ are remembered."""
LONG: Final = 1 << 10
"""Characters of a source, beyond which its step is not remembered."""

_OUTCOMES: Final = frozenset(Injected.__members__)

#: A device's runs of the handler: with the CPU, if each CPU has its own, else with -1.
Run = tuple[Device, int]


class Step(Protocol):
    """A step of a recording, as `irqframe.observe.Steps` has them; one step equals another with the same attributes."""

    @property
    def vcpu(self) -> int:
        """Index of the CPU, -1 for none."""

    @property
    def kind(self) -> str:
        """`raise`, `deliver`, `move`, `off` or `on`."""

    @property
    def source(self) -> str:
        """Its name; for a raise with the outcome behind it, for a delivery of a shared line all names."""

    @property
    def trapped(self) -> bool:
        """Whether the guest trapped since the step before."""


class Do(IntEnum):
    """What a step takes."""

    HEAR = 0
    """The guest's handler ran."""
    RAISE = 1
    RAISE_UNUSED = 2
    """Raise an input that no device has."""
    MOVE = 3
    OFF = 4
    ON = 5


_DO: Final = MappingProxyType({"move": Do.MOVE, "off": Do.OFF, "on": Do.ON})


class Act(NamedTuple):
    """What a step means here.

    Attributes:
        do: what it takes.
        name: the step's source, without an outcome.
        cpu: the step's; -1 if the machine does not have it, or it has not the device.
        device: of that name; of a delivery, if it was for this one alone.
        recorded: the recording's account of it.
        records: what the step is for that account.
        run: the runs of the handler that the device has there.
        within: whether it may be a raise that was made while the handler ran.
    """

    do: Do
    name: str
    cpu: int
    device: Device | None = None
    recorded: Recorded | None = None
    records: bytes = b""
    run: Run | None = None
    within: bool = False


class Meanings:
    """Finds the acts of steps.

    Args:
        machine: the machine.
        vm: made of it.
        floor: its devices are connected.

    Attributes:
        recordings: what the recording says of each device.
        unused: by name, inputs that no device has: number, account, what the recording says of it.
    """

    def __init__(self, machine: Machine, vm: Vm, floor: Floor) -> None:
        self._machine = machine
        self._vm = vm
        self._floor = floor
        self._known: dict[Step, Act] = {}
        devices = floor.wiring.devices
        self._devices = {device.account.name: (number, device) for number, device in enumerate(devices)}
        self.recordings = Recordings((device.account.name for device in devices), len(floor.cpus))
        self.unused: dict[str, tuple[int, Account, Recorded]] = {}

    def of(self, step: Step) -> Act:
        """The act of a step."""
        act = self._known.get(step)
        if act is None:
            act = self._learn(step)
            if len(self._known) == ACTS_MAX:
                self._known.clear()
            if len(step.source) <= LONG:
                self._known[step] = act
        return act

    def _learn(self, step: Step) -> Act:
        cpu = step.vcpu if 0 <= step.vcpu < len(self._floor.cpus) else -1
        if step.kind == "deliver":
            return self._delivery(step.source, cpu)
        if step.kind == "raise":
            return self._raise(step, cpu)
        device = self._devices[step.source][1] if step.source in self._devices else None
        return Act(_DO[step.kind], step.source, cpu, device)

    def _delivery(self, source: str, cpu: int) -> Act:
        names = (source,) if source in self._devices else tuple(dict.fromkeys(source.split(", ")))
        found = [self._devices[name] for name in names if name in self._devices]
        records = b"".join(
            self.recordings.deliver(number, cpu if device.per_cpu else -1)
            for number, device in found
            if cpu >= 0 or not device.per_cpu
        )
        run = run_of(found[0][1], cpu) if len(found) == len(names) == 1 else None
        return Act(Do.HEAR, source, cpu, records=records, run=run)

    def _raise(self, step: Step, cpu: int) -> Act:
        name, outcome = _told(step.source)
        if name not in self._devices:
            return Act(Do.RAISE_UNUSED if self._is_unused(name) else Do.RAISE, name, cpu)
        number, device = self._devices[name]
        recorded = self.recordings.sources[number]
        if not device.per_cpu:
            records = self.recordings.raise_(number, -1, outcome)
        elif cpu < 0 or (device.cpus is not None and cpu not in device.cpus):
            return Act(Do.RAISE, name, -1, device, recorded)
        else:
            records = self.recordings.raise_(number, cpu, outcome)
        within = not step.trapped and device.again
        return Act(Do.RAISE, name, cpu, device, recorded, records, run_of(device, cpu), within)

    def _is_unused(self, name: str) -> bool:
        """Whether a name is that of an input that the machine has and no device uses; then it has an account."""
        if name in self.unused:
            return True
        number = name.removeprefix("input ").removesuffix(" (unused)")
        if not (number.isascii() and number.isdigit() and len(number) < 10 and name == unused_name(int(number))):
            return False
        gsi = unused_input(self._machine, self._vm, self._floor, int(number))
        if gsi is None:
            return False
        account = unused_account(self._floor, gsi)
        self.unused[name] = (gsi, account, Recorded(name))
        return True


def run_of(device: Device, cpu: int) -> Run:
    """The runs of the handler that a device has, on CPU `cpu` if each has its own."""
    return device, cpu if device.per_cpu else -1


def _told(source: str) -> tuple[str, Injected | None]:
    """The name in the source of a raise, and the outcome, if it has one."""
    name, _, word = source.rpartition(" ")
    return (name, Injected[word]) if word in _OUTCOMES and name else (source, None)
