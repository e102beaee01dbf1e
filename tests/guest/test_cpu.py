"""A CPU of the scripted guest: instructions trap, and the IRQ exception is taken while the line is asserted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from irqframe import GuestError, Irqchip, hookimpl
from irqframe.flow import Hypercall, HypercallClaim, Injected, MmioClaim, SysregClaim, SysregEncoding, TrapClaim
from irqframe.guest import ScriptedCpu
from irqframe.guest._cpu import STORM
from irqframe.vm import Vm

BASE = 0x1000_0000
REGISTER = SysregEncoding(3, 0, 12, 12, 0)
FUNCTION = 0xC500_0000


class Latch(Irqchip):
    """Counts injections per vCPU; a store to its frame takes one away."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.log: list[tuple[Any, ...]] = []

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: Any) -> None:
        vcpu.chip = 0

    @hookimpl
    def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        vm.vcpus[cpu].chip += level
        vm.vcpus[cpu].kick()
        return Injected.LATCHED

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: Any) -> None:
        vcpu.irq_line = vcpu.chip > 0

    @hookimpl
    def irqchip_trap_claims(self, vm: Any) -> tuple[TrapClaim, ...]:
        return (
            MmioClaim("LATCH", BASE, 0x1000, self._load, self._store),
            HypercallClaim(FUNCTION, FUNCTION, {FUNCTION: Hypercall("LATCH_CALL", self._call)}),
            SysregClaim("LATCH_EL1", REGISTER, self._mrs, self._msr),
        )

    def _load(self, vcpu: Any, offset: int, size: int) -> int:
        self.log.append(("load", vcpu.index, offset, size))
        return 0x1122_3344_5566_7788 & (1 << 8 * size) - 1

    def _store(self, vcpu: Any, offset: int, size: int, value: int) -> None:
        self.log.append(("store", vcpu.index, offset, size, value))
        vcpu.chip -= 1

    def _call(self, vcpu: Any, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
        self.log.append(("call", vcpu.index, x1, x2, x3))
        return (0, x3, x2, x1)

    def _mrs(self, vcpu: Any) -> int:
        return 7 + int(vcpu.index)

    def _msr(self, vcpu: Any, value: int) -> None:
        self.log.append(("msr", vcpu.index, value))


@pytest.fixture
def vm() -> Iterator[Vm]:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Latch(), "latch")
    vm.create_vcpu()
    vm.create_vcpu()
    vm.finalize()
    with vm.adopted():
        for vcpu in vm.vcpus:
            vcpu.load()
        yield vm
        for vcpu in vm.vcpus:
            vcpu.put()


def taker(cpu: ScriptedCpu) -> None:
    cpu.write(BASE, 1)


def log(vm: Vm) -> list[tuple[Any, ...]]:
    assert isinstance(vm.flow.chip, Latch)
    return vm.flow.chip.log


def test_instructions_trap_to_the_irqchip(vm: Vm) -> None:
    cpu = ScriptedCpu(vm.vcpus[1], taker)
    cpu.vcpu.enter()
    assert (cpu.index, cpu.mpidr) == (1, vm.vcpus[1].mpidr)
    assert [cpu.read(BASE + 8, size) for size in (1, 2, 4, 8)] == [0x88, 0x7788, 0x5566_7788, 0x1122_3344_5566_7788]
    cpu.write(BASE + 4, 0xABCD, 2)
    assert cpu.hvc(FUNCTION, 1, 2, 3) == (0, 3, 2, 1)
    assert cpu.mrs(REGISTER) == 8
    cpu.msr(REGISTER, 9)
    assert log(vm)[-3:] == [("store", 1, 4, 2, 0xABCD), ("call", 1, 1, 2, 3), ("msr", 1, 9)]


def test_every_interrupt_that_waits_is_taken(vm: Vm) -> None:
    cpu = ScriptedCpu(vm.vcpus[0], taker)
    cpu.vcpu.enter()
    assert not cpu.irq_asserted
    for _ in range(3):
        vm.inject(0, 1, 1)
    assert cpu.take_irqs() == 3
    assert not cpu.irq_asserted
    assert cpu.take_irqs() == 0
    assert cpu.exceptions == 3


def test_another_cpu_takes_nothing(vm: Vm) -> None:
    cpus = [ScriptedCpu(vcpu, taker) for vcpu in vm.vcpus]
    for cpu in cpus:
        cpu.vcpu.enter()
    vm.inject(1, 1, 1)
    assert [cpu.take_irqs() for cpu in cpus] == [0, 1]


def test_a_cpu_that_is_off_takes_nothing(vm: Vm) -> None:
    cpu = ScriptedCpu(vm.vcpus[1], taker)
    cpu.vcpu.enter()
    cpu.vcpu.power_off()
    vm.inject(1, 1, 1)
    assert cpu.take_irqs() == 0
    assert not [entry for entry in log(vm) if entry[0] == "store"]
    cpu.vcpu.power_on()
    assert cpu.take_irqs() == 1


def test_interrupts_are_masked_outside(vm: Vm) -> None:
    """Code runs with IRQs masked: an interrupt that comes meanwhile waits for `take_irqs`."""
    cpu = ScriptedCpu(vm.vcpus[0], taker)
    cpu.vcpu.enter()
    vm.inject(0, 1, 1)
    cpu.hvc(FUNCTION)
    assert cpu.irq_asserted
    assert cpu.exceptions == 0
    assert cpu.take_irqs() == 1


def test_a_line_that_never_falls_is_a_fault(vm: Vm) -> None:
    cpu = ScriptedCpu(vm.vcpus[0], lambda cpu: None)
    cpu.vcpu.enter()
    vm.inject(0, 1, 1)
    with pytest.raises(GuestError, match=rf"CPU 0 took {STORM} exceptions in a row and its IRQ line is still asserted"):
        cpu.take_irqs()
    vm.vcpus[0].chip = 0


def test_it_says_who_it_is(vm: Vm) -> None:
    assert repr(ScriptedCpu(vm.vcpus[1], taker)) == "<ScriptedCpu 1>"
