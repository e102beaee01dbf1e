"""Exits that compiled operations serve: nothing can be seen of it, neither by the guest nor by anybody else.

The same guest runs with operations and without, in virtual time, and everything that it leaves behind is compared; so
is what Python sees of the vCPUs whenever the guest prints or asks for it.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from irqframe.bits import LowestFirst, acknowledging
from irqframe.errors import PluginError
from irqframe.flow import (
    Hypercall,
    HypercallClaim,
    MmioClaim,
    SysregClaim,
    SysregEncoding,
    TrapClaim,
    Trigger,
    hookimpl,
)
from irqframe.guest.aarch64 import Ended, Launched, Make, Reason, available_make, launch
from irqframe.guest.aarch64._bound import HYPERCALL, MMIO_READ, MMIO_WRITE, SYSREG_READ, UNSETTLED, Bound
from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import IRQ, Exits
from irqframe.guest.devices import TestDevice
from irqframe.machine import Device, Machine, build
from irqframe.vm import VCpu, Vm

pytestmark = pytest.mark.skipif(available_make() is not Make.COMPILED, reason="the engine in C is not built")

TESTDEV = Device(
    "testdev",
    ("irqframe,testdev",),
    lines=((None, Trigger.EDGE_RISING), (None, Trigger.LEVEL_HIGH)),
    msi=True,
)
IMPDEF = SysregEncoding(3, 7, 15, 0, 0)
RAM = 64 << 20
TIMEOUT = 300
LOOK = 0x8600_0001
"""A hypercall by which a guest has itself looked at."""


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
    looks: list[list[tuple[Any, ...]]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def compare(self, other: Left) -> None:
        for name in ("ended", "console", "vcpus", "cpus", "state", "ram", "looks", "marks"):
            assert getattr(self, name) == getattr(other, name), name


def run(machine: Machine, image: Path, *, operations: bool, append: str = "", **how: Any) -> Left:
    """Run a guest until it ends."""
    console = Printed()
    made: list[Bound] = []

    def bound(vcpu: VCpu) -> Bound:
        made.append(Bound(vcpu))
        return made[-1]

    looks: list[list[tuple[Any, ...]]] = []

    def look(vcpu: VCpu, *_: int) -> tuple[int, int, int, int]:
        looks.append([seen(each) for each in vcpu.vm.vcpus])
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
    return Machine.build(
        irqchip, [cpu // 4 << 8 | cpu % 4 for cpu in range(cpus)], devices=("pl011", TESTDEV), memory=RAM
    )


def both(machine: Machine, image: Path, append: str = "", **how: Any) -> tuple[Left, Left]:
    with_operations, without = (
        run(machine, image, operations=operations, append=append, **how) for operations in (True, False)
    )
    with_operations.compare(without)
    return with_operations, without


@pytest.mark.parametrize("order", ["lowest", "fifo"])
@pytest.mark.parametrize("cpus", [1, 4, 8])
@pytest.mark.parametrize(("image", "append"), [("tests.img", "n=40 handled"), ("workload.img", "n=30 handled")])
def test_a_guest_leaves_the_same_behind(bare_metal: Path, image: str, append: str, cpus: int, order: str) -> None:
    one, _ = both(machine_of("rvic", cpus), bare_metal / image, append, options={"order": order})
    assert one.ended == Ended(Reason.TEST)
    assert b"passed" in one.console or b"workload done" in one.console
    assert len(one.looks) > 10
    assert one.native > 30


# A hostile guest

CALLS = 1500
RVIC, RVID = 0xC500_0200, 0xC500_0100
ENABLE, CLEAR_MASKED, SIGNAL, ACKNOWLEDGE = 2, 5, 7, 9
CPU_ON, SYSTEM_OFF = 0xC400_0003, 0x8400_0008
PAGE = 0x1000
CPUS = 3
HOSTILE = PAGE * 64
"""Bytes of the code of one CPU."""


class Writer:
    """Writes the code of one CPU: calls with arguments that make sense, and with others."""

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

    def address(self, register: int, offset: int) -> None:
        """ADR of a place that is `offset` bytes from the beginning of this code."""
        away = offset - 4 * len(self.words)
        self.words.append(0x10000000 | (away & 3) << 29 | (away >> 2 & 0x7FFFF) << 5 | register)

    def argument(self) -> int:
        chance = self.chance
        return chance.choice(
            (
                lambda: chance.randrange(CPUS),
                lambda: chance.randrange(CPUS),
                lambda: chance.randrange(CPUS),
                lambda: chance.randrange(8),
                lambda: chance.randrange(64),
                lambda: chance.choice((511, 512, 513, 1 << 31, 1 << 32, (1 << 64) - 1, 1 << 63, 0x80000000)),
                lambda: chance.randrange(1 << 40) & ~0xFF | chance.randrange(CPUS),
                lambda: chance.randrange(1 << 64),
            )
        )()

    def function(self) -> int:
        chance = self.chance
        return chance.choice(
            (
                lambda: RVIC + ACKNOWLEDGE,
                lambda: RVIC + SIGNAL,
                lambda: RVIC + CLEAR_MASKED,
                lambda: RVIC + CLEAR_MASKED | chance.randrange(1 << 32) << 32,
                lambda: RVIC + chance.randrange(13),
                lambda: RVIC + ENABLE,
                lambda: RVID + chance.randrange(5),
                lambda: LOOK,
                lambda: chance.randrange(1 << 64) & ~(0xFF00_0000),
            )
        )()

    def act(self) -> None:
        a64, chance = self.a64, self.chance
        kind = chance.randrange(40)
        if kind < 34:
            intid = chance.randrange(8) if kind & 1 else self.argument()
            self.call(self.function(), self.argument(), intid, self.argument())
        elif kind < 36:
            self.words.append(a64.daifclr(2))
        elif kind < 37:
            self.words.append(a64.daifset(2))
        elif kind < 38:
            self.words.append(a64.mrs(5, *a64.ISR_EL1))
        else:
            self.words += a64.mrs(5, *a64.CNTVCT_EL0), a64.add(5, 5, chance.randrange(200))
            self.words += a64.msr(a64.CNTV_CVAL_EL0, 5), a64.movz(5, chance.randrange(4)), a64.msr(a64.CNTV_CTL_EL0, 5)

    def write(self) -> bytes:
        a64 = self.a64
        vectors = HOSTILE - 2 * PAGE
        self.address(6, vectors)
        self.words += a64.msr(a64.VBAR_EL1, 6), a64.ISB
        if not self.cpu:
            for other in range(1, CPUS):
                self.address(2, other * HOSTILE)
                self.words.append(a64.mov(7, 2))
                self.load(0, CPU_ON)
                self.load(1, other)
                self.words += a64.mov(2, 7), a64.hvc()
        self.call(RVIC + ENABLE)
        for intid in (0, 1, 2, 27):
            self.call(RVIC + CLEAR_MASKED, self.cpu, intid)
        for _ in range(CALLS):
            self.act()
        if self.cpu:
            self.words.append(a64.b(0))
        else:
            # Until the others are through.
            self.words += a64.movz(9, 8, 16), a64.sub(9, 9, 1), a64.cbnz(9, -4)
            self.call(SYSTEM_OFF)
        code = struct.pack(f"<{len(self.words)}I", *self.words)
        assert len(code) <= vectors
        self.words = []
        self.call(RVIC + ACKNOWLEDGE)
        self.words += a64.ERET, 0
        handler = struct.pack(f"<{len(self.words)}I", *self.words)
        # Whatever arrives, from IRQ to SError: the next interrupt is acknowledged.
        return (
            code.ljust(vectors, b"\0") + b"".join(handler.ljust(0x80, b"\0") for _ in range(16)) + bytes(PAGE + 0x800)
        )


@pytest.mark.parametrize("quirk", ["", "K2", "K9", "K11", "K12", "K14"])
@pytest.mark.parametrize("seed", range(4))
def test_a_hostile_guest_leaves_the_same_behind(tmp_path: Path, a64: Any, seed: int, quirk: str) -> None:
    image = tmp_path / "hostile.bin"
    image.write_bytes(b"".join(Writer(a64, seed, cpu).write() for cpu in range(CPUS)))
    one, _ = both(machine_of("rvic", CPUS), image, quirks=[quirk] if quirk else ())
    assert one.ended.reason is Reason.OFF, one.ended
    assert all(cpu[0] > 4 * CALLS for cpu in one.cpus)
    assert len(one.looks) > 100
    assert (one.native > 500) is (quirk not in ("K2", "K9", "K14"))


# Who hears of every exit


class Wraps:
    @hookimpl(wrapper=True)
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> Any:
        return (yield)


def observe(vm: Vm) -> None:
    vm.trap_observer = lambda *_: None


@pytest.mark.parametrize(
    ("irqchip", "how", "served"),
    [
        ("rvic", {}, 3),
        ("rvic", {"wrappers": [lambda _: Wraps()]}, 0),
        ("rvic", {"prepare": observe}, 0),
        ("rvic", {"quirks": ["K9"]}, 0),
        ("gicv2", {}, 0),
        ("gicv3", {}, 0),
    ],
)
def test_who_watches_hears_of_every_exit(irqchip: str, how: dict[str, Any], served: int) -> None:
    vm = build(machine_of(irqchip, 2), **how)
    rows = [Bound(vcpu).rows for vcpu in vm.vcpus]
    assert [len(each) for each in rows] == [served, served]
    names = {vm.hypercalls.name(key) for each in rows for _, key, _ in each}
    assert names == ({"RVIC_ACKNOWLEDGE", "RVIC_CLEAR_MASKED", "RVIC_SIGNAL"} if served else set())
    vm.destroy()


def claims(operation: Any) -> dict[str, TrapClaim]:
    """One of each kind, with an operation for everything it could have one for, and more."""

    def read(*_: int) -> int:
        return 0

    def write(*_: int) -> None: ...

    pair = operation, operation
    both_ends = {0: pair, 0xC: (operation, None), 0xD: pair, 0x10: pair, -4: pair, 8: (None, None)}
    return {
        "hypercall": HypercallClaim(
            LOOK, LOOK, {LOOK: Hypercall("LOOK", lambda *_: (0, 0, 0, 0), lambda vcpu: operation)}
        ),
        "frame": MmioClaim("FRAME", 0x0D00_0000, 0x10, read, write, operations=lambda vcpu: both_ends),
        "register": SysregClaim("S3_7_C15_C0_0", IMPDEF, read, None, operations=lambda vcpu: pair),
    }


def test_what_claims_bring_is_bound_where_python_would_serve_it() -> None:
    target = LowestFirst(8)
    operation = acknowledging(target, disabled=(1,), nothing=(2,))

    def prepare(vm: Vm) -> None:
        for claim in claims(operation).values():
            vm.claim(claim)

    vm = build(machine_of("gicv2", 1), prepare=prepare)
    bound = Bound(vm.vcpus[0])
    assert [row[:2] for row in bound.rows] == [
        (HYPERCALL, LOOK),
        (MMIO_READ, 0x0D00_0000),
        (MMIO_WRITE, 0x0D00_0000),
        (MMIO_READ, 0x0D00_000C),
        (SYSREG_READ, pack(*IMPDEF)),
    ]
    vcpu = vm.vcpus[0]
    vcpu.left, vcpu.mmio_counts[0x0D00_0000] = 5, 2
    bound.tell(2, [(0, 3), (1, 1), (2, 4), (4, 7)])
    assert (vcpu.exits, vcpu.irq_line, vcpu.fiq_line) == (20, False, True)
    assert vcpu.hypercall_counts == {LOOK: 3}
    assert vcpu.mmio_counts == {0x0D00_0000: 7}
    assert vcpu.sysreg_counts == {IMPDEF: 7}
    vm.destroy()


@pytest.mark.parametrize("kind", ["hypercall", "frame", "register"])
def test_what_is_no_operation_is_the_plugins_fault(kind: str) -> None:
    vm = build(machine_of("gicv2", 1), prepare=lambda vm: vm.claim(claims("no")[kind]))
    with pytest.raises(PluginError, match=r"'gicv2': 'no' is no operation"):
        Bound(vm.vcpus[0])
    vm.destroy()


def test_lines_say_whether_the_vcpu_is_settled() -> None:
    vm = build(machine_of("rvic", 1))
    vcpu = vm.vcpus[0]
    exits = Exits(*[lambda *_: None] * 5, lambda: IRQ)  # type: ignore[arg-type]
    lines = Bound(vcpu).watch(exits).lines
    with vm.adopted():
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        assert lines() == IRQ
        vcpu.kick()
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        vcpu.inbox.append(lambda: None)
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        assert lines() == IRQ
    vm.destroy()
