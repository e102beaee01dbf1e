"""KVM_SIGNAL_MSI."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.vm import Vm


def test_message_reaches_the_irqchip_with_its_device(chip: Any, vm: Vm) -> None:
    with vm.adopted():
        assert vm.signal_msi(0x8020040, 7, devid=0x10) is Injected.LATCHED
    assert ("set_msi", 0x8020040, 7, 0x10, 1) in chip.log


def test_message_without_device(chip: Any, vm: Vm) -> None:
    vm.signal_msi(0xBA5E0000, 7)
    assert chip.log[-1] == ("set_msi", 0xBA5E0000, 7, None, 1)


def test_from_a_thread_that_owns_nothing_it_is_posted(vm: Vm) -> None:
    assert vm.signal_msi(0, 7) is Injected.POSTED
    with vm.adopted():
        vm.drain_owned()
        assert vm.vcpus[0].chip == {39}


@pytest.mark.parametrize("finalize", [False, True])
def test_irqchip_without_messages(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None], finalize: bool
) -> None:
    refused(errno.ENODEV, make_vm(without("set_msi"), finalize=finalize).signal_msi, 0, 0)


def test_without_irqchip(refused: Callable[..., None]) -> None:
    refused(errno.ENODEV, Vm().signal_msi, 0, 0)


def test_before_finalize(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    refused(errno.EAGAIN, make_vm(chip, finalize=False).signal_msi, 0, 0)


def test_irqchips_errno_is_kept(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    chip.failures["set_msi"] = VmError(errno.EINVAL, "no such event")
    refused(errno.EINVAL, vm.signal_msi, 0, 0)


def test_messages_of_many_kinds_are_each_their_own(chip: Any, vm: Vm) -> None:
    """Their routing entries are kept, and forgotten when there are more than a routing table has."""
    kinds = [(0x8020040 + 8 * n, n % 7, n % 3 or None) for n in range(5000)]
    for address, data, devid in kinds + kinds[-3:]:
        vm.signal_msi(address, data, devid)
    seen = [call[1:4] for call in chip.log if call[0] == "set_msi"]
    assert seen == kinds + kinds[-3:]
    assert len(vm._messages) <= 4096
