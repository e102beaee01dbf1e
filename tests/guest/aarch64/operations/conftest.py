"""Guests that run twice, with operations and without, in virtual time; and hostile ones, whose code is written here."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irqframe.flow import Hypercall, HypercallClaim, Trigger
from irqframe.guest.aarch64 import Ended, Launched, Make, available_make, launch
from irqframe.guest.aarch64._bound import Bound
from irqframe.guest.devices import TestDevice
from irqframe.machine import Device, Machine
from irqframe.vm import VCpu, Vm

TESTDEV = Device(
    "testdev",
    ("irqframe,testdev",),
    lines=((None, Trigger.EDGE_RISING), (None, Trigger.LEVEL_HIGH)),
    msi=True,
)
RAM = 64 << 20
TIMEOUT = 300
LOOK = 0x8600_0001
"""A hypercall by which a guest has itself looked at."""


@pytest.fixture(autouse=True)
def compiled() -> None:
    """There are operations."""
    if available_make() is not Make.COMPILED:
        pytest.skip("the engine in C is not built, or not wanted")


class Printed:
    """A console nobody types at; `on_write` is called before anything is printed."""

    def __init__(self) -> None:
        self.data = b""
        self.on_write: Callable[[], None] = lambda: None

    def read(self, most: int) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        self.on_write()
        self.data += data


def seen(vcpu: VCpu) -> tuple[Any, ...]:
    """What is counted of a vCPU, and its lines."""
    counts = vcpu.hypercall_counts, vcpu.mmio_counts, vcpu.sysreg_counts
    delivered, counters = vcpu.vm.flow.table.delivered, vcpu.vm.flow.table.counters
    return (
        *(dict(each) for each in counts),
        vcpu.unknown_hypercalls,
        vcpu.exits,
        vcpu.irq_line,
        vcpu.fiq_line,
        None if delivered is None else delivered(vcpu),
        None if counters is None else counters(vcpu),
    )


@dataclass
class Left:
    """What a run leaves behind; `native` is how many exits operations served."""

    ended: Ended
    console: bytes
    state: dict[str, Any]
    vcpus: list[tuple[Any, ...]]
    cpus: list[tuple[Any, ...]]
    ram: str
    native: int
    looks: list[list[Any]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def compare(self, other: Left) -> None:
        for name in ("ended", "console", "vcpus", "cpus", "state", "ram", "looks", "marks"):
            assert getattr(self, name) == getattr(other, name), name


def nothing(vcpu: VCpu) -> None:
    """Nothing more is looked at."""


def run(
    machine: Machine,
    image: Path,
    *,
    operations: bool,
    append: str = "",
    looker: Callable[[], Callable[[VCpu], Any]] = lambda: nothing,
    **how: Any,
) -> Left:
    """Run a guest until it ends; what `looker` makes is called when the guest has itself looked at."""
    console = Printed()
    more = looker()
    made: list[Bound] = []

    def bound(vcpu: VCpu) -> Bound:
        made.append(Bound(vcpu))
        return made[-1]

    looks: list[list[Any]] = []

    def look(vcpu: VCpu, *_: int) -> tuple[int, int, int, int]:
        looks.append([*(seen(each) for each in vcpu.vm.vcpus), more(vcpu)])
        return 0, 0, 0, 0

    def prepare(vm: Vm) -> None:
        vm.claim(HypercallClaim(LOOK, LOOK, {LOOK: Hypercall("LOOK", look)}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("irqframe.guest.aarch64._make.Bound", bound)
        guest = launch(
            machine, image, append=append, virtual=True, operations=operations, console=console, prepare=prepare, **how
        )
    console.on_write = lambda: look(guest.vm.vcpus[0])
    marks: list[tuple[int, int]] = []
    for device in guest.devices:
        if isinstance(device, TestDevice):
            device.on_mark = lambda phase: marks.append((phase, guest.vm.clock.now()))
    try:
        ended = guest.runner.run(TIMEOUT)
        native = sum(operation.done for bound in made for _, _, operation in bound.rows)
        return Left(ended, console.data, *left(guest), native, looks, marks)
    finally:
        guest.close()


def left(guest: Launched) -> tuple[Any, ...]:
    vm = guest.vm
    engines = [cpu.engine for cpu in guest.runner.cpus]
    base, _ = next(iter(vm.memory.regions))
    return (
        vm.save_state(),
        [seen(vcpu) for vcpu in vm.vcpus],
        [(engine.executed, engine.lines, engine.registers(), engine.recent()) for engine in engines],
        hashlib.sha256(vm.memory.block(base)).hexdigest(),
    )


def machine_of(irqchip: str, cpus: int) -> Machine:
    """A machine with an irqchip and so many CPUs."""
    return Machine.build(
        irqchip, [cpu // 4 << 8 | cpu % 4 for cpu in range(cpus)], devices=("pl011", TESTDEV), memory=RAM
    )


def both(machine: Machine, image: Path, append: str = "", **how: Any) -> tuple[Left, Left]:
    """A run with operations and one without; they leave the same behind."""
    with_operations, without = (
        run(machine, image, operations=operations, append=append, **how) for operations in (True, False)
    )
    with_operations.compare(without)
    return with_operations, without


@pytest.fixture(name="both")
def _both() -> Callable[..., tuple[Left, Left]]:
    """See `both`."""
    return both


@pytest.fixture(name="machine_of")
def _machine_of() -> Callable[[str, int], Machine]:
    """See `machine_of`."""
    return machine_of


# Hostile guests

CALLS = 1500
CPU_ON, SYSTEM_OFF = 0xC400_0003, 0x8400_0008
PAGE = 0x1000
CPUS = 3
HOSTILE = PAGE * 64
"""Bytes of the code of one CPU."""


class How(NamedTuple):
    """What a hostile guest does: each writes code of one CPU.

    Attributes:
        begin: makes the irqchip work.
        act: one thing, with x0 to x7; it may make no sense.
        handle: takes an interrupt, whatever arrives, in 31 instructions.
    """

    begin: Callable[[Writer], None]
    act: Callable[[Writer], None]
    handle: Callable[[Writer], None]


class Writer:
    """Writes the code of one CPU, with choices of its own.

    Args:
        a64: encodings.
        seed: of its choices.
        cpu: which one.

    Attributes:
        a64: as given.
        chance: where choices come from.
        cpu: as given.
        cpus: how many there are.
        words: the code so far.
    """

    cpus = CPUS

    def __init__(self, a64: Any, seed: int, cpu: int) -> None:
        self.a64 = a64
        self.chance = random.Random(seed * CPUS + cpu)
        self.cpu = cpu
        self.words: list[int] = []

    def load(self, register: int, value: int) -> None:
        parts = [(value >> shift & 0xFFFF, shift) for shift in (0, 16, 32, 48)]
        self.words.append(self.a64.movz(register, parts[0][0]))
        self.words.extend(self.a64.movk(register, part, shift) for part, shift in parts[1:] if part)

    def call(self, *x: int) -> None:
        for register, value in enumerate(x):
            self.load(register, value)
        self.words.append(self.a64.hvc())

    def timer(self, after: int, control: int) -> None:
        """The virtual timer, so many ticks from now."""
        a64 = self.a64
        self.words += a64.mrs(5, *a64.CNTVCT_EL0), a64.add(5, 5, after)
        self.words += a64.msr(a64.CNTV_CVAL_EL0, 5), a64.movz(5, control), a64.msr(a64.CNTV_CTL_EL0, 5)

    def address(self, register: int, offset: int) -> None:
        """ADR of a place that is `offset` bytes from the beginning of this code."""
        away = offset - 4 * len(self.words)
        self.words.append(0x10000000 | (away & 3) << 29 | (away >> 2 & 0x7FFFF) << 5 | register)

    def start_others(self) -> None:
        for other in range(1, CPUS):
            self.address(2, other * HOSTILE)
            self.words.append(self.a64.mov(7, 2))
            self.load(0, CPU_ON)
            self.load(1, other)
            self.words += self.a64.mov(2, 7), self.a64.hvc()

    def write(self, how: How) -> bytes:
        """The code, and its vectors."""
        a64 = self.a64
        vectors = HOSTILE - 2 * PAGE
        self.address(6, vectors)
        self.words += a64.msr(a64.VBAR_EL1, 6), a64.ISB
        if not self.cpu:
            self.start_others()
        how.begin(self)
        for _ in range(CALLS):
            how.act(self)
        if self.cpu:
            self.words.append(a64.b(0))
        else:
            # Until the others are through.
            self.words += a64.movz(9, 8, 16), a64.sub(9, 9, 1), a64.cbnz(9, -4)
            self.call(SYSTEM_OFF)
        code = struct.pack(f"<{len(self.words)}I", *self.words)
        assert len(code) <= vectors
        self.words = []
        how.handle(self)
        self.words.append(a64.ERET)
        handler = struct.pack(f"<{len(self.words)}I", *self.words)
        assert len(handler) <= 0x80
        return (
            code.ljust(vectors, b"\0") + b"".join(handler.ljust(0x80, b"\0") for _ in range(16)) + bytes(PAGE + 0x800)
        )


class Hostile:
    """Runs hostile guests.

    Attributes:
        calls: how many things each CPU does.
        cpus: how many there are.
    """

    calls = CALLS
    cpus = CPUS

    def __init__(self, folder: Path, a64: Any) -> None:
        self._folder = folder
        self._a64 = a64

    def __call__(self, how: tuple[Any, Any, Any], seed: int, irqchip: str, **given: Any) -> Left:
        """Run one both ways; what it leaves behind is the same.

        Args:
            how: as `How`.
            seed: of its choices.
            irqchip: of the machine.
            given: to `run`.
        """
        image = self._folder / "hostile.bin"
        image.write_bytes(b"".join(Writer(self._a64, seed, cpu).write(How(*how)) for cpu in range(CPUS)))
        return both(machine_of(irqchip, CPUS), image, **given)[0]


@pytest.fixture
def hostile(tmp_path: Path, a64: Any) -> Hostile:
    """See the class."""
    return Hostile(tmp_path, a64)
