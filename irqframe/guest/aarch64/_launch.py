"""From a machine and a program to a guest that is ready to run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from irqframe.errors import IrqframeError
from irqframe.guest.aarch64._clocks import InstructionClock, RealClock
from irqframe.guest.aarch64._cpu import Cpu
from irqframe.guest.aarch64._ended import Reason
from irqframe.guest.aarch64._loader import load
from irqframe.guest.aarch64._make import Make, available_make, connect, engine_maker
from irqframe.guest.aarch64._psci import Psci
from irqframe.guest.aarch64._runner import Runner
from irqframe.guest.devices import EPOCH, Console, Device, TestDevice, Unconnected, devices_of
from irqframe.machine import Machine, build
from irqframe.vm import Vm


@dataclass(frozen=True, slots=True)
class Launched:
    """A guest that is ready to run.

    Attributes:
        machine: as the guest finds it.
        vm: made of it.
        devices: of it.
        runner: runs it.
        make: what drives its CPUs.
        hidden: nodes that are disabled in its tree, because nothing serves them.
    """

    machine: Machine
    vm: Vm
    devices: tuple[Device, ...]
    runner: Runner
    make: Make
    hidden: tuple[str, ...]

    def close(self) -> None:
        """Take it apart."""
        self.runner.close()
        self.vm.destroy()


def launch(
    machine: Machine,
    kernel: Path,
    *,
    initrd: Path | None = None,
    append: str | None = None,
    virtual: bool = False,
    make: Make | None = None,
    operations: bool = True,
    console: Console | None = None,
    quirks: Iterable[str] = (),
    options: Mapping[str, str] | None = None,
    wrappers: Iterable[Callable[[Vm], object]] = (),
    prepare: Callable[[Vm], None] | None = None,
    seed: int = 1,
    record: int = 0,
) -> Launched:
    """Make a machine and load a program into it.

    Args:
        machine: what to make.
        kernel: file of the program: an arm64 Image, an ELF file or a raw binary whose name ends in .bin.
        initrd: file of its initial RAM disk.
        append: its command line; None: that of the tree.
        virtual: whether time is counted in instructions, which makes runs repeatable; else it is the host's.
        make: what drives the CPUs; None: what is there.
        operations: whether compiled operations of the irqchip serve exits; nothing that can be seen depends on it but
            the time that the run takes.
        console: the other end of the serial port; None: nobody.
        quirks: of the irqchip and of the core.
        options: of the irqchip.
        wrappers: as for `irqframe.machine.build`.
        prepare: likewise.
        seed: of what a test device draws.
        record: how many runs of handlers a test device keeps.

    Returns:
        The guest; close it afterwards.

    Raises:
        IrqframeError: the program cannot be loaded, the irqchip cannot be built, or Unicorn is not installed.
        VmError: the host does not give the RAM.
        PluginError: the irqchip breaks the hook spec.
    """
    _need_unicorn()
    clock = InstructionClock() if virtual else RealClock()
    vm = build(machine, quirks=quirks, options=options, clock=clock, wrappers=wrappers, prepare=prepare)
    made = make if make is not None else available_make()
    # Real time is the host's, to the clock on the wall.
    epoch = EPOCH if virtual else int(time.time())
    line = console if console is not None else Unconnected()
    devices = devices_of(machine, vm, line, epoch=epoch, seed=seed, record=record)
    runner = Runner(vm, devices, clock)
    Psci(vm, runner)
    loaded = load(machine, vm, kernel, initrd, append)
    make_engine = engine_maker(vm, clock, made, smc=_calls_by_smc(machine), operations=operations)
    runner.begin([Cpu(vcpu, clock, make_engine) for vcpu in vm.vcpus])
    connect([cpu.engine for cpu in runner.cpus])
    for device in devices:
        if isinstance(device, TestDevice):
            device.on_exit = lambda status: runner.end(Reason.TEST, "" if not status else f"status {status}")
    runner.start(loaded.entry, loaded.x0)
    return Launched(loaded.machine, vm, devices, runner, made, loaded.hidden)


def _need_unicorn() -> None:
    try:
        from irqframe.guest.aarch64 import _setup  # noqa: F401
    except ModuleNotFoundError as error:
        raise IrqframeError(f"running code needs {error.name}: install irqframe[guest]") from error


def _calls_by_smc(machine: Machine) -> bool:
    nodes = (node for node in machine.tree.walk() if any(text.startswith("arm,psci") for text in node.compatible))
    return any(node.strings("method") == ("smc",) for node in nodes)
