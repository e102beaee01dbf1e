"""The bare-metal guest on every irqchip: not one interrupt is lost, doubled, or taken by the wrong vCPU.

The guest counts what it sends and what each CPU takes, and fails if they differ; QEMU is the witness that its drivers
are right (`tests/guests/test_on_qemu.py`). The counts that it prints are compared with what the test device saw.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from irqframe.flow import Trigger
from irqframe.guest.aarch64 import Ended, Make, Reason, available_make, launch
from irqframe.guest.devices import TestDevice
from irqframe.machine import Device, Machine
from irqframe.vm import VCpu, Vm

IRQCHIPS = ("rvic", "gicv2", "gicv3")
TIMEOUT = 300
TESTDEV = Device(
    "testdev",
    ("irqframe,testdev",),
    lines=((None, Trigger.EDGE_RISING), (None, Trigger.LEVEL_HIGH)),
    msi=True,
)

needs_compiled = pytest.mark.skipif(
    available_make() is not Make.COMPILED, reason="the engine in C is not built, or not wanted"
)


class Printed:
    """A console nobody types at."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, most: int) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        self.data += data


@dataclass
class Run:
    """A run of the guest that has ended; `marks` are its phases, and when each began."""

    ended: Ended
    lines: list[str]
    testdev: TestDevice
    marks: list[tuple[int, int]] = field(default_factory=list)
    traps: list[tuple[int, int, str, str]] = field(default_factory=list)

    def counts(self) -> dict[str, list[int]]:
        """Of each test that passed, how many interrupts each CPU took."""
        found = [re.fullmatch(r"ok (\w+)((?: \d+)+)", line) for line in self.lines]
        return {match[1]: [int(number) for number in match[2].split()] for match in found if match}


def run(
    image: Path,
    irqchip: str,
    cpus: int,
    options: str,
    *,
    virtual: bool = True,
    make: Make | None = None,
    trace: bool = False,
) -> Run:
    """Boot the guest, and wait until it has ended; its CPUs are in clusters of four."""
    affinities = [cpu // 4 << 8 | cpu % 4 for cpu in range(cpus)]
    machine = Machine.build(irqchip, affinities, devices=("pl011", TESTDEV), memory=64 << 20)
    traps: list[tuple[int, int, str, str]] = []

    def prepare(vm: Vm) -> None:
        def observe(vcpu: VCpu, what: str, name: str) -> None:
            traps.append((vm.clock.now(), vcpu.index, what, name))

        vm.trap_observer = observe if trace else None

    console = Printed()
    guest = launch(machine, image, append=options, virtual=virtual, make=make, console=console, prepare=prepare)
    testdev = next(device for device in guest.devices if isinstance(device, TestDevice))
    marks: list[tuple[int, int]] = []
    testdev.on_mark = lambda phase: marks.append((phase, guest.vm.clock.now()))
    try:
        ended = guest.runner.run(TIMEOUT)
    finally:
        guest.close()
    return Run(ended, console.data.decode().splitlines(), testdev, marks, traps)


@pytest.mark.parametrize("cpus", [1, 4, 8])
@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_every_interrupt_is_taken_once_on_its_cpu(bare_metal: Path, irqchip: str, cpus: int) -> None:
    """Two lines, one of which is level-triggered and comes again each fourth time; 8 messages; both lines move."""
    done = run(bare_metal / "tests.img", irqchip, cpus, "n=40 handled")
    assert done.ended == Ended(Reason.TEST), done.lines
    assert done.lines[0] == f"guest: {irqchip}, {cpus} CPUs, n 40"
    assert done.lines[-1] == "passed"
    assert done.testdev.status == 0
    kick = [0, *(1 for _ in range(1, cpus))]
    passed = done.counts()
    assert list(passed) == ["timer", "ipi", "wired", "msi", "move", "hotplug", "spurious"]
    assert passed["timer"] == [40 + more for more in kick]
    assert passed["ipi"] == [40 * cpus + more for more in kick]
    assert passed["wired"] == ([40 + 50] if cpus == 1 else [40, 50, *(0 for _ in range(2, cpus))])
    assert passed["msi"] == [8 * 40 // cpus for _ in range(cpus)]
    assert sum(passed["move"]) == 2 * 40
    assert passed["hotplug"] == [40 * cpus + 2 * more for more in kick]
    assert passed["spurious"] == kick
    total = [sum(test[cpu] for test in passed.values()) for cpu in range(cpus)]
    assert done.lines[-2] == f"total INTERRUPTS taken={sum(total)} spurious=0, per CPU {' '.join(map(str, total))}"
    handled: Counter[int] = Counter()
    for (cpu, _), times in done.testdev.counts.items():
        handled[cpu] += times
    assert [handled[cpu] for cpu in range(cpus)] == total


@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_in_real_time_too(bare_metal: Path, irqchip: str) -> None:
    done = run(bare_metal / "tests.img", irqchip, 4, "n=40 patience=60", virtual=False)
    assert done.lines[-1] == "passed", done.lines


@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_two_runs_are_the_same_trap_by_trap(bare_metal: Path, irqchip: str) -> None:
    first, second = (run(bare_metal / "tests.img", irqchip, 4, "n=10", trace=True) for _ in range(2))
    assert first.lines == second.lines
    assert first.lines[-1] == "passed"
    assert len(first.traps) > 1000
    assert first.traps == second.traps


@needs_compiled
@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_both_makes_of_the_engine_are_the_same_trap_by_trap(bare_metal: Path, irqchip: str) -> None:
    makes = (run(bare_metal / "tests.img", irqchip, 2, "n=3", make=make, trace=True) for make in Make)
    compiled, python = makes
    assert compiled.lines[-1] == "passed"
    assert python.lines == compiled.lines
    assert python.traps == compiled.traps


@needs_compiled
@pytest.mark.slow
@pytest.mark.parametrize(("cpus", "n"), [(1, 6600), (4, 2100), (8, 680)])
def test_of_a_hundred_thousand_interrupts_not_one_is_lost(bare_metal: Path, cpus: int, n: int) -> None:
    done = run(bare_metal / "tests.img", "rvic", cpus, f"n={n}")
    assert done.lines[-1] == "passed", done
    match = re.match(r"total INTERRUPTS taken=(\d+) spurious=0,", done.lines[-2])
    assert match is not None and int(match[1]) >= 100_000


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_the_workload_has_its_phases_in_order(bare_metal: Path, irqchip: str, cpus: int) -> None:
    done = run(bare_metal / "workload.img", irqchip, cpus, "n=30 handled")
    assert done.lines[-1] == "workload done"
    assert [phase for phase, _ in done.marks] == [1, 2, 3, 4, 5, 0]
    assert sorted(done.testdev.counts.values()) == ([30] * 5 if cpus == 1 else [10] * 3 + [30] * 4)


@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_a_cpu_that_is_woken_runs_next(bare_metal: Path, irqchip: str) -> None:
    """An IPI from one CPU to another that sleeps takes no slice of the sender, who waits for it."""
    done = run(bare_metal / "workload.img", irqchip, 4, "n=30")
    began = dict(done.marks)
    assert (began[3] - began[2]) / 30 < 5_000
