"""What `irqframe run` costs beside the irqchip's own work, start-up excluded, as ratios in one run: `make bench`.

The same events on the same machine in two processes that take turns, a hundredth of them each: in one the run as it is;
in the other a run whose flow and trap calls are recorded, which are then made again in a bare loop, on another VM. The
hundredths of the run and of the loop are compared pair by pair, and the median counts.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from _recorded import Recorder
from _rows import Row, tell

from irqframe.dt import load
from irqframe.guest import Outcome, Workload
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import Vm

ROOT = Path(__file__).parents[1]
CHIPS = ("rvic", "gicv2", "gicv3")
EVENTS = int(os.environ.get("IRQFRAME_BENCH_EVENTS", 1_000_000))
SEED = 1
BAR = 2.0
COLLECT_AFTER = 100_000  # as the command does


def workload(machine: Machine, vm: Vm) -> Workload:
    """What `irqframe run` runs."""
    return Workload(machine, vm, vm.flow.call("guest_driver", vm), SEED)


def repeat(machine: Machine, turns: Connection) -> None:
    """The process that records and makes the calls again: it sends the seconds that these take, and how many they are.

    What the irqchips have handed out must be the same at the end, or it was not the same work.
    """
    vm, twin = build(machine), build(machine)
    count = 0

    def replay(_: int = 0) -> None:
        nonlocal count
        count += len(recorder.calls)
        start = time.process_time()
        recorder.replay()
        turns.send(time.process_time() - start)
        recorder.calls.clear()
        turns.recv()

    with vm.adopted(), twin.adopted():
        recorder = Recorder(vm, twin)
        turns.recv()
        workload(machine, vm).run(EVENTS, replay)
        replay()
        counters = [[one.flow.call("counters", vcpu) for vcpu in one.vcpus] for one in (vm, twin)]
        turns.send(count if counters[0] == counters[1] else 0)


def compared(machine: Machine, turns: Connection) -> tuple[Outcome, list[tuple[float, float]]]:
    """The run, and the seconds that each hundredth of it and its calls have taken."""
    vm = build(machine)
    pairs = []
    start = 0.0

    def told(_: int = 0) -> None:
        nonlocal start
        seconds = time.process_time() - start
        turns.send(None)
        pairs.append((seconds, turns.recv()))
        start = time.process_time()

    with vm.adopted():
        outcome = workload(machine, vm).run(EVENTS, told)
        told()
    # The first has the guest's own start in it, and the last is no hundredth.
    return outcome, pairs[1:-1]


def row(chip: str) -> Row:
    """The ratio of one machine."""
    machine = load_machine(load(ROOT / f"docs/examples/virt-{chip}.dts"))
    context = get_context("fork")
    turns, its = context.Pipe()
    other = context.Process(target=repeat, args=(machine, its), daemon=True)
    other.start()
    outcome, pairs = compared(machine, turns)
    turns.send(None)
    calls = turns.recv()
    other.join()
    if not calls:
        raise SystemExit(f"what was made again on {chip} is not what the run did")
    mine, again = (statistics.median(times) / outcome.events * 1e8 for times in zip(*pairs, strict=True))
    return Row(
        f"irqframe run on virt-{chip}, to its flow and trap calls in a bare loop",
        statistics.median(one / other for one, other in pairs),
        BAR,
        f"{mine:.1f} us to {again:.1f} us and {calls / outcome.events:.1f} calls per event",
    )


def rows() -> list[Row]:
    """A row per irqchip."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    return [row(chip) for chip in CHIPS]


if __name__ == "__main__":
    sys.exit(tell(rows))
