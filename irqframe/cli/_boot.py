"""`irqframe boot`: real code on the machine, with its console on the terminal."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from irqframe.cli._boot_console import BootConsole
from irqframe.cli._boot_report import boot_json, print_counts, print_interrupts, print_remains
from irqframe.cli._machines import MACHINE, irqchip_option, machine_from
from irqframe.cli._reading import Reading, load_tree, reading_options
from irqframe.cli._seconds import Seconds
from irqframe.cli._terminal import Terminal
from irqframe.cli._vm_options import names, pairs, recorder, vm_options
from irqframe.cli._words import counted

if TYPE_CHECKING:
    from irqframe.dt import Tree
    from irqframe.flow import Counters
    from irqframe.guest import DeadCpu, InterruptRow, TrapCounts
    from irqframe.guest.aarch64 import Ended, Launched, Reason
    from irqframe.machine import Machine
    from irqframe.observe import Recorder
    from irqframe.vm import Vm

DIED: Final = 4
"""Exit code: the guest died."""
NOT_SEEN: Final = 5
"""Exit code: the time was over, or the text of --until did not come."""

INTERRUPTED: Final = 130

TRACED: Final = ("inject_irq", "irqfd_set_irq", "set_msi")
"""Callbacks that --trace records, beside the traps."""

HIDDEN: Final = 4
"""How many nodes that the guest does not see are named."""

_WORDS: Final = {
    "off": "the guest switched the machine off",
    "reset": "the guest asked for a reset",
    "test": "the guest ended its test",
    "until": "the text of --until was printed",
    "died": "the guest died",
    "timeout": "timeout",
    "interrupted": "interrupted",
}


@click.command()
@MACHINE
@irqchip_option
@reading_options
@click.option("--kernel", metavar="FILE", required=True, help="The program: an arm64 Image, an ELF file or a raw .bin.")
@click.option("--initrd", metavar="FILE", help="The initial RAM disk.")
@click.option("--append", metavar="TEXT", help="The command line, in place of the tree's.")
@click.option("--smp", metavar="N", type=click.IntRange(1), help="Give the machine so many CPUs.")
@click.option("--virtual-time", "virtual", is_flag=True, help="Count time in instructions: each run is the same.")
@click.option("--until", metavar="TEXT", default="", help="End the run when the console shows this text.")
@click.option("--timeout", metavar="SECONDS", type=Seconds(), help="End the run after so many seconds.")
@click.option("--console", metavar="FILE", help="Write the guest's console to a file, `-` for standard error.")
@click.option("--trace", metavar="FILE", help="Record injections and traps as JSON lines.")
@vm_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the console goes to standard error then.")
def boot(
    machine: str,
    irqchip: str | None,
    kernel: str,
    initrd: str | None,
    append: str | None,
    smp: int | None,
    virtual: bool,
    until: str,
    timeout: float | None,
    console: str | None,
    trace: str | None,
    quirks: str,
    options: tuple[str, ...],
    as_json: bool,
    reading: Reading,
) -> int:
    """Boot real AArch64 code on a machine; the irqchip serves every interrupt.

    The guest's serial port is standard output, and what is typed on a terminal is its input. Ctrl-C ends the run, and
    so does Ctrl-A x; Ctrl-A before any other key sends that key to the guest: Ctrl-A Ctrl-C a Ctrl-C, Ctrl-A Ctrl-A a
    Ctrl-A. At the end the interrupts that the guest took and its traps are printed.

    Exits with 0 when the guest switches the machine off or the text of --until is seen, with 4 when it dies, with 5
    when the time is over or the text was not seen.
    """
    target = _machine(machine, irqchip, reading, smp)
    chosen, values = names(quirks), pairs(options)
    with ExitStack() as stack:
        show = _output(stack, console, as_json)
        record = recorder(stack, trace) if trace is not None else None
        guest: Launched | None = None

        def end(reason: str, text: str) -> None:
            if guest is not None:
                guest.runner.end(_reason(reason), text)

        shown = BootConsole(show, end, until=until)
        with _blaming(target):
            guest = _launch(target, shown, record, Path(kernel), initrd, append, virtual, chosen, values)
            stack.callback(guest.close)
            if console is None:
                shown.keys = _keys(stack, guest)
            started = time.perf_counter()
            ended = _run(guest, timeout)
            seconds = time.perf_counter() - started
            shown.flush()
            found = _found(guest, ended)
        if shown.begun:
            show(b"\n")
    code = _code(ended, until)
    if as_json:
        about = {"reason": ended.reason.value, "text": ended.text, "exit": code}
        timing = {"seconds": seconds}
        report = boot_json(target, chosen, found.rows, found.traps, about, found.remains, timing)
        click.echo(json.dumps(report | {"hidden": list(guest.hidden), "instructions": found.instructions}, indent=2))
    else:
        _print(target, chosen, found, guest.hidden, ended)
        click.echo(f"{found.instructions} instructions in {seconds:.2f} s", err=True)
    return code


def _machine(path: str, irqchip: str | None, reading: Reading, smp: int | None) -> Machine:
    from irqframe.machine import with_cpus

    def read() -> Tree:
        tree = load_tree(path, reading)
        return tree if smp is None else with_cpus(tree, smp)

    return machine_from(read, irqchip)


# The console


def _output(stack: ExitStack, console: str | None, as_json: bool) -> Callable[[bytes], object]:
    """Where the guest's console goes."""
    if console is None or console == "-":
        stream = sys.stderr.buffer if as_json or console else sys.stdout.buffer
    else:
        stream = stack.enter_context(click.open_file(console, "wb"))

    def show(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return show


def _keys(stack: ExitStack, guest: Launched) -> Terminal | None:
    """The guest's input: the terminal, if there is one, and a serial port that looks at it."""
    from irqframe.guest.devices import Pl011

    if not sys.stdin.isatty() or not any(isinstance(device, Pl011) for device in guest.devices):
        return None
    return stack.enter_context(Terminal(sys.stdin.fileno()))


# The run


def _launch(
    machine: Machine,
    console: BootConsole,
    record: Recorder | None,
    kernel: Path,
    initrd: str | None,
    append: str | None,
    virtual: bool,
    quirks: list[str],
    options: dict[str, str],
) -> Launched:
    from irqframe.guest.aarch64 import launch

    wrappers: list[Callable[[Vm], object]] = []

    def observe_traps(vm: Vm) -> None:
        if record is not None:
            vm.trap_observer = lambda vcpu, what, name: record(vm.clock.now(), vcpu.index, what, -1, name)

    if record is not None:
        from irqframe.observe import FlowTracer

        to = record
        wrappers.append(lambda vm: FlowTracer(vm, to, TRACED))
    return launch(
        machine,
        kernel,
        initrd=Path(initrd) if initrd is not None else None,
        append=append,
        virtual=virtual,
        console=console,
        quirks=quirks,
        options=options,
        wrappers=wrappers,
        prepare=observe_traps,
    )


def _run(guest: Launched, timeout: float | None) -> Ended:
    """Run; SIGINT ends it like Ctrl-C on the terminal, with everything that a run prints."""
    before = signal.signal(signal.SIGINT, lambda number, frame: guest.runner.end(_reason("interrupted"), ""))
    try:
        return guest.runner.run(timeout)
    finally:
        signal.signal(signal.SIGINT, before)


def _reason(word: str) -> Reason:
    from irqframe.guest.aarch64 import Reason

    return Reason(word)


def _blaming(machine: Machine) -> AbstractContextManager[None]:
    from irqframe.flow import blaming

    return blaming(machine.chip, machine.irqchip)


def _code(ended: Ended, until: str) -> int:
    reason = ended.reason.value
    if reason == "interrupted":
        return INTERRUPTED
    if reason == "died" or (reason == "test" and ended.text):
        return DIED
    return NOT_SEEN if reason == "timeout" or (until and reason != "until") else 0


# What it leaves


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is to tell when the guest has ended."""

    rows: list[InterruptRow]
    traps: TrapCounts
    counters: list[Counters]
    remains: tuple[DeadCpu, ...]
    instructions: int


def _found(guest: Launched, ended: Ended) -> _Found:
    from irqframe.guest import TrapCounts, autopsy, count_traps, interrupt_rows

    vm, machine = guest.vm, guest.machine
    lines = [line for device in guest.devices for line in device.lines]
    engines = [cpu.engine for cpu in guest.runner.cpus]
    names_of = {one.source[:2]: one.name for one in machine.sources}
    counted = [vm.flow.call("counters", vcpu) for vcpu in vm.vcpus] if vm.flow.has("counters") else []
    return _Found(
        interrupt_rows(machine, vm, lines),
        count_traps(vm).since(TrapCounts()),
        counted,
        autopsy(vm, engines, names_of) if ended.reason.value == "timeout" or _code(ended, "") == DIED else (),
        sum(engine.executed for engine in engines),
    )


def _print(machine: Machine, quirks: list[str], found: _Found, hidden: tuple[str, ...], ended: Ended) -> None:
    click.echo()
    print_interrupts(machine, found.rows, quirks)
    print_counts(found.traps, found.rows, found.counters)
    if hidden:
        click.echo(f"hidden from the guest, because nothing serves them: {_listed(hidden)}")
    why = _WORDS[ended.reason.value] + (f": {ended.text}" if ended.text else "")
    if found.remains:
        print_remains(why, found.remains)
    else:
        click.echo(f"ended: {why}")


def _listed(paths: tuple[str, ...]) -> str:
    rest = len(paths) - HIDDEN
    return ", ".join(paths[:HIDDEN]) + (f" and {counted(rest, 'other')}" if rest > 0 else "")
