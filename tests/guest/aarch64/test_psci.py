"""PSCI and SMCCC; ids and numbers are those of Linux's uapi/linux/psci.h and linux/arm-smccc.h."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.flow import discover
from irqframe.guest.aarch64._psci import Psci, Status
from irqframe.machine import Machine, build
from irqframe.vm import VCpu, Vm

ENTRY = 0x4020_0000
MASK64 = (1 << 64) - 1

VERSION, SUSPEND, OFF, ON, INFO, MIGRATE, MIGRATE_TYPE, _, SYS_OFF, SYS_RESET, FEATURES = (
    0x8400_0000 + number for number in range(11)
)
SUSPEND64, ON64, INFO64, RESET2, RESET2_64 = 0xC400_0001, 0xC400_0003, 0xC400_0004, 0x8400_0012, 0xC400_0012
SMCCC_VERSION, ARCH_FEATURES = 0x8000_0000, 0x8000_0001


class Runner:
    """Remembers what it was told, and answers as told."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.answer = 0

    def cpu_on(self, vcpu_index: int, entry: int, context: int) -> int:
        self.log.append(("on", vcpu_index, entry, context))
        return self.answer

    def cpu_off(self, vcpu: VCpu) -> None:
        self.log.append(("off", vcpu.index))

    def suspend(self, vcpu: VCpu) -> None:
        self.log.append(("suspend", vcpu.index))

    def system_off(self) -> None:
        self.log.append(("system off",))

    def system_reset(self) -> None:
        self.log.append(("system reset",))


class Guest:
    """CPU 0, which runs, and the others, which are off."""

    def __init__(self, vm: Vm) -> None:
        self.runner = Runner()
        self.vm = vm
        self.vcpus = vm.vcpus
        Psci(vm, self.runner)
        for vcpu in vm.vcpus[1:]:
            vcpu.power_off()

    def call(self, fid: int, *arguments: int, cpu: int = 0) -> int:
        """x0 as a signed number."""
        x0, *others = self.vcpus[cpu].hypercall(fid, *arguments)
        assert others == [0, 0, 0]
        return x0 - (1 << 64) if x0 >> 63 else x0


@pytest.fixture
def guest(vm: Vm) -> Guest:
    return Guest(vm)


@pytest.mark.parametrize("irqchip", ["rvic", "gicv3"])
def test_it_lies_on_no_irqchips_functions(irqchip: str) -> None:
    vm = build(Machine.build(irqchip, 2, plugins=discover({})))
    with vm.adopted():
        assert Guest(vm).call(VERSION) == 0x10001


def test_versions(guest: Guest) -> None:
    assert guest.call(VERSION) == 0x10001
    assert guest.call(SMCCC_VERSION) == 0x10001
    assert guest.call(MIGRATE_TYPE) == 2


@pytest.mark.parametrize("fid", [ON, ON64])
def test_a_cpu_is_started(guest: Guest, fid: int) -> None:
    assert guest.call(INFO64, 2, 0) == 1
    assert guest.call(fid, 2, ENTRY, 0x1_0000_0007) == Status.SUCCESS
    assert guest.runner.log == [("on", 2, ENTRY, 7 if fid == ON else 0x1_0000_0007)]
    assert not guest.vcpus[2].powered_off
    assert guest.vcpus[1].powered_off
    assert guest.call(INFO64, 2, 0) == 0
    assert guest.call(fid, 2, ENTRY, 0) == Status.ALREADY_ON
    assert guest.call(fid, 0, ENTRY, 0) == Status.ALREADY_ON
    assert len(guest.runner.log) == 1


def test_a_32_bit_call_sees_the_low_halves(guest: Guest) -> None:
    high = 0xABCD << 32
    assert guest.call(ON, high | 1, high | ENTRY, high) == Status.SUCCESS
    assert guest.runner.log == [("on", 1, ENTRY, 0)]
    assert guest.call(INFO, high | 1, high) == 0
    assert guest.call(ON64, high | 1, ENTRY, 0) == Status.INVALID_PARAMETERS


@pytest.mark.parametrize("target", [4, 0x100, 1 << 31, 1 << 40, MASK64])
@pytest.mark.parametrize("fid", [ON64, INFO64])
def test_an_unknown_cpu_is_an_invalid_parameter(guest: Guest, fid: int, target: int) -> None:
    """As KVM has it: kvm_psci_valid_affinity, then the look-up."""
    assert guest.call(fid, target, ENTRY if fid == ON64 else 0) == Status.INVALID_PARAMETERS
    assert guest.runner.log == []


@pytest.mark.parametrize("entry", [0, 0x3FFF_FFFC, ENTRY + 2, 0x4800_0000, MASK64 - 3])
def test_an_entry_outside_of_memory_is_an_invalid_address(guest: Guest, entry: int) -> None:
    assert guest.call(ON64, 1, entry, 0) == Status.INVALID_ADDRESS
    assert guest.vcpus[1].powered_off
    assert guest.runner.log == []


def test_an_entry_at_either_end_of_memory(guest: Guest) -> None:
    assert guest.call(ON64, 1, 0x4000_0000, 0) == Status.SUCCESS
    assert guest.call(ON64, 2, 0x47FF_FFFC, 0) == Status.SUCCESS


@pytest.mark.parametrize("status", [Status.ON_PENDING, Status.INTERNAL_FAILURE, Status.DENIED])
def test_a_cpu_that_the_runner_does_not_start_stays_off(guest: Guest, status: Status) -> None:
    guest.runner.answer = status
    assert guest.call(ON64, 1, ENTRY, 0) == status
    assert guest.vcpus[1].powered_off


def test_a_cpu_stops_and_is_started_again(guest: Guest) -> None:
    guest.call(ON64, 1, ENTRY, 0)
    guest.call(OFF, cpu=1)
    assert guest.runner.log[1:] == [("off", 1)]
    assert guest.vcpus[1].powered_off
    assert not guest.vcpus[1].enter()
    assert guest.call(INFO64, 1, 0) == 1
    assert guest.call(ON64, 1, ENTRY, 0) == Status.SUCCESS


def test_starting_a_cpu_resets_its_interrupts(guest: Guest) -> None:
    timer = guest.vcpus[1].timers[0]
    timer.program(5)
    guest.call(ON64, 1, ENTRY, 0)
    assert not timer.enabled


@pytest.mark.parametrize("level", [1, 2, 3, 4, MASK64])
def test_affinity_levels_above_a_cpu_are_invalid(guest: Guest, level: int) -> None:
    assert guest.call(INFO64, 0, level) == Status.INVALID_PARAMETERS


@pytest.mark.parametrize("fid", [SUSPEND, SUSPEND64])
def test_suspend_is_standby(guest: Guest, fid: int) -> None:
    assert guest.call(fid, 1 << 16, ENTRY, 0) == Status.SUCCESS
    assert guest.runner.log == [("suspend", 0)]


@pytest.mark.parametrize(
    ("fid", "arguments", "told"),
    [
        (SYS_OFF, (), "system off"),
        (SYS_RESET, (), "system reset"),
        (RESET2, (0, 5), "system reset"),
        (RESET2_64, (0, 5), "system reset"),
        (RESET2_64, (1 << 31, 0), "system reset"),
        (RESET2, (0x8000_0001, 0), "system reset"),
    ],
)
def test_the_machine_ends_or_begins_anew(guest: Guest, fid: int, arguments: tuple[int, ...], told: str) -> None:
    assert guest.call(fid, *arguments) == Status.INTERNAL_FAILURE
    assert guest.runner.log == [(told,)]


@pytest.mark.parametrize("reset_type", [1, 0x7FFF_FFFF])
def test_other_kinds_of_reset_are_invalid(guest: Guest, reset_type: int) -> None:
    assert guest.call(RESET2, reset_type, 0) == Status.INVALID_PARAMETERS
    assert guest.runner.log == []


HERE = (VERSION, SUSPEND, OFF, ON, INFO, MIGRATE_TYPE, SYS_OFF, SYS_RESET, FEATURES, RESET2)
HERE_64 = (SUSPEND64, ON64, INFO64, RESET2_64)


def test_features_say_what_is_there(guest: Guest) -> None:
    """As kvm_psci_1_x_call answers, in which nothing that is there has flags."""
    for base in (0x8400_0000, 0xC400_0000):
        for fid in range(base, base + 0x20):
            expected = 0 if fid in HERE + HERE_64 else -1
            assert guest.call(FEATURES, fid) == expected, hex(fid)
    assert guest.call(FEATURES, SMCCC_VERSION) == 0
    assert guest.call(FEATURES, ARCH_FEATURES) == -1
    assert guest.call(FEATURES, 0xC000_0000) == -1


def test_what_is_not_there_is_not_supported(guest: Guest) -> None:
    missing = [MIGRATE, 0x8400_0007, 0x8400_000E, 0xC400_000E, 0xC400_0000, 0xC400_0002, 0xC400_0008, 0xC400_001F]
    for fid in [*missing, 0x8400_0050, 0xC000_0000, 0x8000_3FFF, 0]:
        assert guest.call(fid) == -1, hex(fid)
    assert guest.runner.log == []
    assert guest.vcpus[0].unknown_hypercalls == len(missing) + 4


def test_the_conventions_features(guest: Guest) -> None:
    assert guest.call(ARCH_FEATURES, SMCCC_VERSION) == 0
    assert guest.call(ARCH_FEATURES, ARCH_FEATURES) == 0
    for fid in (0x8000_8000, 0x8000_7FFF, 0x8000_3FFF, 0xC000_0000, VERSION):
        assert guest.call(ARCH_FEATURES, fid) == -1


def test_functions_are_named_for_trap_counts(guest: Guest) -> None:
    assert guest.vm.hypercalls.name(ON64) == "CPU_ON"
    assert guest.vm.hypercalls.name(SMCCC_VERSION) == "SMCCC_VERSION"
