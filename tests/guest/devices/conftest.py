"""QEMU's virt board on a GICv2, and a guest CPU's way to its devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from irqframe.dt import load
from irqframe.flow import discover
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import VirtualClock, Vm

VIRT = Path(__file__).parents[3] / "docs/examples/virt-gicv2.dts"


class Cpu:
    """CPU 0 of a VM: loads and stores, and what the distributor says of a shared line."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.clock = vm.clock

    def read(self, gpa: int, size: int = 4) -> int:
        return self.vm.mmio.read(self.vm.vcpus[0], gpa, size)

    def write(self, gpa: int, value: int, size: int = 4) -> None:
        self.vm.mmio.write(self.vm.vcpus[0], gpa, size, value)

    def advance(self, nanoseconds: int) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(nanoseconds)

    def pending(self, line: int) -> bool:
        """GICD_ISPENDR: a level input shows its line there."""
        intid = 32 + line
        return bool(self.read(0x0800_0200 + intid // 32 * 4) >> intid % 32 & 1)


class Typist:
    """A console: what is typed waits in `typed`, what is printed is in `printed`."""

    def __init__(self) -> None:
        self.typed = b""
        self.printed = b""

    def read(self, most: int) -> bytes:
        assert most >= 0
        taken, self.typed = self.typed[:most], self.typed[most:]
        return taken

    def write(self, data: bytes) -> None:
        self.printed += data


@pytest.fixture(scope="session")
def virt() -> Machine:
    return load_machine(load(str(VIRT)), discover({}))


@pytest.fixture
def cpu_of() -> Iterator[Callable[[Machine], Cpu]]:
    """CPU 0 of a VM that is made of a machine, and lives as long as the test."""
    with ExitStack() as stack:

        def made(machine: Machine) -> Cpu:
            vm = build(machine)
            stack.callback(vm.destroy)
            stack.enter_context(vm.adopted())
            return Cpu(vm)

        yield made


@pytest.fixture
def cpu(virt: Machine, cpu_of: Callable[[Machine], Cpu]) -> Cpu:
    return cpu_of(virt)


@pytest.fixture
def console() -> Typist:
    return Typist()
