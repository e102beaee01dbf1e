"""A GSI that a device holds: the same as `Vm.set_irq`, whatever happens to routing meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import Vm

PIN, MSI = RoutingKind.IRQCHIP, RoutingKind.MSI


def calls(chip: Any, name: str) -> list[tuple[Any, ...]]:
    return [entry for entry in chip.log if entry[0] == name]


def test_a_line_does_what_set_irq_does(chip: Any, vm: Vm) -> None:
    line = vm.line(3)
    with vm.adopted():
        assert [line.raise_(), line.raise_(), line.lower()] == [Injected.LATCHED, Injected.COALESCED, Injected.NOTHING]
        held = calls(chip, "irqfd_set_irq")
        chip.log.clear()
        vm.vcpus[0].chip.clear()
        for level in (1, 1, 0):
            vm.set_irq(3, level)
    assert held == calls(chip, "irqfd_set_irq")


def test_there_is_one_line_per_gsi(vm: Vm) -> None:
    assert vm.line(3) is vm.line(3)
    assert vm.line(3) is not vm.line(2)


def test_a_line_follows_the_table(chip: Any, vm: Vm) -> None:
    line = vm.line(3)
    vm.routing.replace([RoutingEntry(3, PIN, pin=1)])
    with vm.adopted():
        line.raise_()
        assert calls(chip, "irqfd_set_irq")[-1][1] == 1
        vm.routing.replace([RoutingEntry(3, PIN, pin=2), RoutingEntry(3, MSI, data=9)])
        vm.vcpus[0].chip.clear()
        line.raise_()
        assert vm.vcpus[0].chip == {34, 41}
        vm.routing.replace([])
        assert line.raise_() is Injected.DROPPED_UNROUTED
        assert line.lower() is Injected.NOTHING
    assert vm.dropped == {Injected.DROPPED_UNROUTED: 1}


@pytest.mark.parametrize("operation", ["raise_", "lower"])
def test_a_line_works_between_finalizing_and_the_end(
    chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None], operation: str
) -> None:
    vm = make_vm(chip, finalize=False)
    line = vm.line(3)
    refused(errno.EAGAIN, getattr(line, operation))
    vm.finalize()
    vm.routing.set_default(4)
    with vm.adopted():
        getattr(line, operation)()
    assert len(calls(chip, "irqfd_set_irq")) == 1
    vm.destroy()
    refused(errno.EAGAIN, getattr(line, operation))
