"""`irqframe run`: the main job."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from irqframe.cli._findings import json_of, show_findings
from irqframe.cli._machines import MACHINE, irqchip_option, machine_of
from irqframe.cli._reading import Reading, reading_options
from irqframe.cli._replay import (
    print_replay,
    recording,
    refuse_bare,
    refuse_nothing,
    refuse_options,
    replay_json,
    size_of,
)
from irqframe.cli._report import print_report, report_json
from irqframe.cli._vm_options import names, pairs, recorder, vm_options
from irqframe.cli._words import counted
from irqframe.errors import GuestError, InputError, PluginError

if TYPE_CHECKING:
    from irqframe.guest import Driver, Outcome, Replay, Script, Watcher
    from irqframe.machine import Machine
    from irqframe.observe import Recorder, Steps
    from irqframe.vm import Vm


@click.command()
@MACHINE
@irqchip_option
@reading_options
@vm_options
@click.option(
    "--events",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="How many raises at least; every source is raised.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random choices.")
@click.option(
    "--wrap",
    type=click.Choice(["trace"]),
    help="Wrap the flow: record every call of a callback, to --trace or standard error.",
)
@click.option("--trace", metavar="FILE", help="Record raises, deliveries, moves, CPUs off and on, traps as JSON lines.")
@click.option("--replay", metavar="FILE", help="Raise again what --trace recorded, on this or another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run(
    machine: str,
    irqchip: str | None,
    quirks: str,
    options: tuple[str, ...],
    events: int,
    seed: int,
    wrap: str | None,
    trace: str | None,
    replay: str | None,
    as_json: bool,
    reading: Reading,
) -> int:
    """Run a scripted guest on a machine and account for every interrupt.

    The guest is the driver that the machine's irqchip brings: it probes, starts every CPU, takes IPIs, timers, wired
    and message-signalled interrupts from every device in the tree, moves interrupts between CPUs, and switches a CPU
    off and on. Exits with 0 only if every raised interrupt is accounted for. The same seed gives the same output; rates
    and times go to standard error.

    With --replay, the guest takes what was recorded, in the recorded order, in place of what is picked at random; a
    source is known by its name. How often each was raised and delivered is compared with the recording; a difference
    fails nothing, for another irqchip may coalesce otherwise.
    """
    if replay is not None:
        refuse_options(replay, machine, trace)
    target = machine_of(machine, irqchip, reading)
    chosen = names(quirks)
    with ExitStack() as stack:
        # The recording first: the trace's file is emptied when it is opened.
        steps = None if replay is None else stack.enter_context(recording(replay))
        record = recorder(stack, trace) if trace or wrap else None
        vm = _vm(target, chosen, pairs(options), record, wrap)
        started = time.perf_counter()
        if steps is None:
            again, outcome = None, _work(target, vm, events, seed, record)
        else:
            again = _replay(target, vm, steps, record)
            outcome = again.outcome
        seconds = time.perf_counter() - started
    if as_json:
        report = report_json(target, outcome, seed if again is None else None, chosen, seconds)
        if again is not None:
            findings = () if again.cut is None else again.cut.findings
            report |= {"recording": replay_json(again, str(replay)), "findings": [json_of(one) for one in findings]}
        click.echo(json.dumps(report, indent=2))
    else:
        print_report(target, outcome, chosen)
        if again is not None:
            print_replay(again)
    cut = None if again is None else again.cut
    if outcome.fault:
        click.echo(f"irqframe: error: {outcome.fault}", err=True)
    elif not as_json and not cut:
        rate = f"{outcome.events / seconds:,.0f} events/s"
        click.echo(f"{counted(outcome.events, 'event')} in {seconds:.2f} s: {rate}", err=True)
    if cut is not None:
        show_findings(cut.findings)
    return int(bool(outcome.fault or cut))


def _vm(machine: Machine, quirks: list[str], options: dict[str, str], record: Recorder | None, wrap: str | None) -> Vm:
    from irqframe.machine import build

    def observe_traps(vm: Vm) -> None:
        if record is not None:
            vm.trap_observer = lambda vcpu, what, name: record(vm.clock.now(), vcpu.index, what, -1, name)

    wrappers: list[Callable[[Vm], object]] = []
    if wrap is not None and record is not None:
        from irqframe.observe import FlowTracer

        to = record
        wrappers.append(lambda vm: FlowTracer(vm, to))
    return build(machine, quirks=quirks, options=options, wrappers=wrappers, prepare=observe_traps)


def _work(machine: Machine, vm: Vm, events: int, seed: int, record: Recorder | None) -> Outcome:
    from irqframe.flow import blaming
    from irqframe.guest import Workload, run_bare

    with vm.adopted(), blaming(machine.chip, machine.irqchip):
        if not vm.flow.has("guest_driver"):
            return run_bare(machine, vm, events)
        workload = Workload(machine, vm, _driver(machine, vm), seed, _watcher(vm, record))
        # What is not accounted for is in the outcome, beside everything that is.
        with _progress(events) as tell, suppress(GuestError):
            workload.run(events, tell)
        _end(machine, vm, workload)
        return workload.outcome


def _replay(machine: Machine, vm: Vm, steps: Steps, record: Recorder | None) -> Replay:
    from irqframe.flow import blaming
    from irqframe.guest import Replay

    if not vm.flow.has("guest_driver"):
        refuse_bare(machine.irqchip)
    with vm.adopted(), blaming(machine.chip, machine.irqchip):
        replay = Replay(machine, vm, _driver(machine, vm), _watcher(vm, record))
        with _progress(size_of(steps.file), in_bytes=True) as tell, suppress(GuestError):
            replay.run(steps, tell and (lambda: tell(steps.read)))
        _end(machine, vm, replay)
        refuse_nothing(replay, steps.file)
        return replay


def _watcher(vm: Vm, record: Recorder | None) -> Watcher | None:
    if record is None:
        return None
    to = record

    def watch(vcpu: int, kind: str, intid: int, source: str) -> None:
        to(vm.clock.now(), vcpu, kind, intid, source)

    return watch


def _end(machine: Machine, vm: Vm, script: Script) -> None:
    from irqframe.machine import guest_finding

    if not script.up:
        raise InputError([guest_finding(machine, script.outcome.fault)])
    vm.destroy()


def _driver(machine: Machine, vm: Vm) -> Driver:
    from irqframe.guest import Driver
    from irqframe.machine import guest_finding

    try:
        driver = vm.flow.call("guest_driver", vm)
    except GuestError as error:
        raise InputError([guest_finding(machine, error)]) from error
    if not isinstance(driver, Driver):
        raise PluginError(machine.irqchip, f"irqchip_guest_driver returned {driver!r}, which is no Driver")
    return driver


@contextmanager
def _progress(total: int | None, *, in_bytes: bool = False) -> Iterator[Callable[[int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    done_of = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns: tuple[Any, ...] = (TextColumn("running"), BarColumn(), done_of, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("running", total=total)
        yield lambda done: progress.update(task, completed=done)
