"""What a callback of the sealed flow costs, as ratios in one run: `make bench`.

Cases are interleaved and each is measured many times; the median of its CPU times counts, so that a busy machine
changes the figures but hardly the ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from _rows import Row, tell

from irqframe import Injected, Irqchip, hookimpl
from irqframe.vm import Vm

CALLS = 50_000
ROUNDS = 21


class Chip(Irqchip):
    """Injects nothing, at once."""

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object) -> Injected:
        """As the specification says."""
        return Injected.LATCHED


class Wrapper:
    """Wraps the injection and does nothing."""

    @hookimpl(wrapper=True)
    def irqchip_inject_irq(self) -> Generator[None, Any, Any]:
        """As the specification says."""
        return (yield)


def vm_of(*wrappers: object) -> Vm:
    """A finalized VM of one vCPU."""
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Chip(), "chip")
    for wrapper in wrappers:
        vm.flow.register(wrapper)
    vm.create_vcpu()
    vm.finalize()
    return vm


def injecting(table: Any) -> Callable[[], None]:
    """A loop that injects through `table`, a sealed flow or anything else with that attribute."""

    def loop() -> None:
        for _ in range(CALLS):
            table.inject_irq(None, 0, 33, 1, None)

    return loop


def bound() -> Callable[[], None]:
    """A loop that calls a bound method, without a table."""
    inject = Chip().irqchip_inject_irq

    def loop() -> None:
        for _ in range(CALLS):
            inject(None, 0, 33, 1, None)  # type: ignore[arg-type]

    return loop


def measure(cases: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Nanoseconds per call of each case."""
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, loop in cases.items():
            start = time.process_time()
            loop()
            samples[name].append((time.process_time() - start) / CALLS * 1e9)
    return {name: statistics.median(times) for name, times in samples.items()}


def rows() -> list[Row]:
    """What a callback costs, watched and not."""
    times = measure(
        {
            "bound": bound(),
            "sealed": injecting(vm_of().flow.table),
            "wrapped": injecting(vm_of(Wrapper()).flow.table),
        }
    )
    told: tuple[tuple[str, str, str, float | None], ...] = (
        ("sealed callback, nobody watching, to a bound method", "sealed", "bound", 1.5),
        ("the same callback, wrapped, to a bound method", "wrapped", "bound", None),
    )
    return [
        Row(what, times[case] / times[to], bar, f"{times[case]:.0f} ns to {times[to]:.0f} ns")
        for what, case, to, bar in told
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
