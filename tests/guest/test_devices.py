"""The device side: what raises a line, what keeps it high, what the handler ends."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.flow import Injected, Source, SourceKind, Trigger
from irqframe.guest import Account, Msi
from irqframe.guest._devices import (
    HIGH,
    Device,
    EdgeOutput,
    IpiOutput,
    LevelLine,
    LevelOutput,
    MessageOutput,
    PerCpuOutput,
)
from irqframe.vm import GsiLine

LATCHED, COALESCED = Injected.LATCHED, Injected.COALESCED


class Lines:
    """Stands for a VM: remembers what was set, and answers as told."""

    def __init__(self) -> None:
        self.vcpus = (object(), object())
        self.log: list[tuple[Any, ...]] = []
        self.answer = LATCHED

    def set_irq(self, gsi: int, level: int) -> Injected:
        self.log.append((gsi, level))
        return self.answer if level else Injected.NOTHING

    def line(self, gsi: int) -> GsiLine:
        return GsiLine(lambda: self.set_irq(gsi, 1), lambda: self.set_irq(gsi, 0))

    def inject(self, cpu: int, intid: int, level: int) -> Injected:
        self.log.append((cpu, intid, level))
        return self.answer if level else Injected.NOTHING

    def signal_msi(self, address: int, data: int, devid: int) -> Injected:
        self.log.append((address, data, devid))
        return self.answer


@pytest.fixture
def vm() -> Any:
    return Lines()


@pytest.fixture
def account() -> Account:
    return Account("device", "/intc", 2)


def test_an_edge_is_a_pulse(vm: Any, account: Account) -> None:
    device = Device(account, EdgeOutput(vm, 5))
    assert device.fire(0) is LATCHED
    assert device.service is None
    assert vm.log == [(5, 1), (5, 0)]


def test_what_becomes_of_the_pulse_is_what_became_of_its_rise(vm: Any, account: Account) -> None:
    vm.answer = COALESCED
    assert Device(account, EdgeOutput(vm, 5)).fire(0) is COALESCED


def test_a_level_line_is_high_while_any_device_asserts_it(vm: Any) -> None:
    line = LevelLine(vm, 3)
    first, second = LevelOutput(line), LevelOutput(line)
    assert first.fire(0) is LATCHED
    assert second.fire(0) is LATCHED
    assert vm.log == [(3, 1)]
    first.service(0)
    assert vm.log == [(3, 1)]
    second.service(0)
    assert vm.log == [(3, 1), (3, 0)]


def test_a_level_device_that_asserts_raises_nothing_more(vm: Any, account: Account) -> None:
    device = Device(account, LevelOutput(LevelLine(vm, 3)))
    assert device.service is not None
    device.fire(0)
    assert device.fire(0) is HIGH
    assert vm.log == [(3, 1)]
    device.service(0)
    device.service(0)
    assert vm.log == [(3, 1), (3, 0)]


@pytest.mark.parametrize(
    ("trigger", "after_fire", "after_service"),
    [
        (Trigger.LEVEL_HIGH, [(1, 26, 1)], [(1, 26, 1), (1, 26, 0)]),
        (Trigger.EDGE_RISING, [(1, 26, 1), (1, 26, 0)], [(1, 26, 1), (1, 26, 0)]),
    ],
)
def test_a_per_cpu_line_is_that_of_its_cpu(
    vm: Any, account: Account, trigger: Trigger, after_fire: list[Any], after_service: list[Any]
) -> None:
    device = Device(account, PerCpuOutput(vm, Source(SourceKind.PPI, 26, trigger)))
    assert device.per_cpu and device.service is not None
    assert device.fire(1) is LATCHED
    assert vm.log == after_fire
    assert (device.fire(1) is HIGH) is trigger.is_level
    vm.log[len(after_fire) :] = []
    device.service(0)
    device.service(1)
    assert vm.log == after_service


def test_a_message_carries_its_device(vm: Any, account: Account) -> None:
    device = Device(account, MessageOutput(vm, Msi(0x8020040, 80, 80), 0x100))
    assert device.fire(0) is LATCHED
    assert device.service is None
    assert vm.log == [(0x8020040, 80, 0x100)]


def test_an_ipi_that_waits_is_sent_again_by_the_same_cpu(account: Account) -> None:
    """From another CPU it would be another interrupt on a GIC, and the same one elsewhere."""
    sent: list[tuple[int, int]] = []
    senders = iter([0, 1])
    device = IpiOutput(account, lambda sender, target: sent.append((sender, target)), lambda cpu: next(senders))
    assert device.fire(1) is LATCHED
    account.raise_(LATCHED, 1)
    assert device.fire(1) is COALESCED
    account.raise_(COALESCED, 1)
    account.deliver(1)
    assert device.fire(1) is LATCHED
    assert sent == [(0, 1), (0, 1), (1, 1)]
