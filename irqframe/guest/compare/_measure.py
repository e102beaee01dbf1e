"""Runs a guest on a machine in virtual time, and says what its interrupts took."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from irqframe.guest._interrupts import interrupt_rows
from irqframe.guest._traps import TrapCounts
from irqframe.guest.aarch64 import Ended, Launched, Runner, launch
from irqframe.guest.compare._own_traps import own_traps
from irqframe.guest.compare._spread import Spread, spread
from irqframe.guest.compare._watch import PHASES, PhaseData, Watch
from irqframe.guest.devices import Line, TestDevice, nobody
from irqframe.machine import Machine

WORKLOAD: Final = "workload.img"
"""The program that is run if no other is named; its sources are in tests/guests."""

SECOND: Final = 1_000_000_000

TAIL: Final = 2048
"""So much of the console is kept."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run.

    Attributes:
        kernel: file of the program; None: the workload.
        initrd: file of its initial RAM disk.
        append: its command line.
        seconds: of virtual time that it may take.
    """

    kernel: Path | None = None
    initrd: Path | None = None
    append: str | None = None
    seconds: float = 60


@dataclass(frozen=True, slots=True)
class Phase:
    """What one kind of interrupt took.

    Attributes:
        name: one of `PHASES`.
        interrupts: how many the guest handled.
        instructions: that all vCPUs executed meanwhile.
        ns: of virtual time that passed.
        traps: the irqchip's.
        latency: nanoseconds of virtual time from raise to handler; None if no raise was seen.
    """

    name: str
    interrupts: int
    instructions: int
    ns: int
    traps: TrapCounts
    latency: Spread | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a guest took on an irqchip.

    Attributes:
        irqchip: which.
        ended: why the run ended.
        phases: that the guest announced, in its order.
        interrupts: that the guest acknowledged in the whole run.
        instructions: of all vCPUs in the whole run.
        ns: of virtual time in the whole run.
        traps: the irqchip's in the whole run.
        console: the end of what the guest printed.
    """

    irqchip: str
    ended: Ended
    phases: tuple[Phase, ...]
    interrupts: int
    instructions: int
    ns: int
    traps: TrapCounts
    console: str

    @property
    def passed(self) -> bool:
        """Whether the guest ended by itself, and says that all went well."""
        return self.ended.reason.value in ("off", "reset", "test") and not self.ended.text


def measure(machine: Machine, program: Program, count: int = 100) -> Measured:
    """Run a guest and see what its interrupts take.

    Args:
        machine: with the irqchip to measure.
        program: what to run.
        count: how many interrupts of each kind the workload takes.

    Returns:
        What was measured; the same each time.

    Raises:
        IrqframeError: the program cannot be loaded, the irqchip cannot be built, or what executes code is not
            installed.
        VmError: the host does not give the RAM.
        PluginError: the irqchip breaks the hook spec.
    """
    watch, tail = Watch(), _Tail()
    with ExitStack() as stack:
        kernel, append = program.kernel, program.append
        if kernel is None:
            image = files("irqframe.guest.compare") / WORKLOAD
            kernel = stack.enter_context(as_file(image))
            append = f"n={count} handled" if append is None else append
        guest = _launch(machine, kernel, program.initrd, append, watch, tail)
        stack.callback(guest.close)
        ended = _run(guest, watch, program.seconds)
        rows = interrupt_rows(guest.machine, guest.vm, [line for device in guest.devices for line in device.lines])
        return Measured(
            machine.irqchip,
            ended,
            tuple(_phase(number, data) for number, data in watch.phases.items()),
            sum(sum(row.delivered) for row in rows),
            _executed(guest),
            guest.vm.clock.now(),
            own_traps(guest.vm, guest.devices).since(TrapCounts()),
            tail.text,
        )


def _launch(
    machine: Machine, kernel: Path, initrd: Path | None, append: str | None, watch: Watch, tail: _Tail
) -> Launched:
    return launch(machine, kernel, initrd=initrd, append=append, virtual=True, console=tail, prepare=watch.prepare)


def _run(guest: Launched, watch: Watch, seconds: float) -> Ended:
    watch.begin(guest.devices, lambda: _executed(guest))
    for device in guest.devices:
        if isinstance(device, TestDevice):
            device.on_mark = watch.mark
    guest.runner.devices = (*guest.devices, _Limit(guest.runner, seconds))
    return guest.runner.run()


def _executed(guest: Launched) -> int:
    return sum(cpu.engine.executed for cpu in guest.runner.cpus)


def _phase(number: int, data: PhaseData) -> Phase:
    return Phase(PHASES[number], data.interrupts, data.instructions, data.ns, data.traps, spread(data.latencies))


class _Limit:
    """Ends a run when so many seconds of virtual time are over; a device without registers, for the runner's loop."""

    name = "limit"
    lines: tuple[Line, ...] = ()

    def __init__(self, runner: Runner, seconds: float) -> None:
        self._runner = runner
        self._seconds = seconds
        self._end = int(seconds * SECOND)
        self.on_deadline: Callable[[], None] = nobody

    def deadline(self) -> int | None:
        return self._end

    def update(self) -> None:
        from irqframe.guest.aarch64 import Reason

        if self._runner.vm.clock.now() >= self._end:
            self._runner.end(Reason.TIMEOUT, f"{self._seconds:g} s of virtual time are over")


class _Tail:
    """A console that nobody types at, whose end is kept."""

    def __init__(self) -> None:
        self._data = b""

    @property
    def text(self) -> str:
        return self._data.decode("utf-8", "replace")

    def read(self, most: int) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        self._data = (self._data + data)[-TAIL:]
