"""The state of a VM's irqchip as plain data: every vCPU's part apart, and one for what belongs to no vCPU.

1. Each vCPU's part is saved and restored under the vCPU's ownership, after what was posted to it is done.
2. A saved state comes from a file. Its shape is checked before anything changes; if the irqchip then refuses a part, a
   state saved before is put back.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from irqframe.errors import PluginError, VmError

if TYPE_CHECKING:
    from irqframe.vm._vcpu import VCpu
    from irqframe.vm._vm import Vm

VERSION: Final = 1

SETTLE: Final = 1000
"""Rounds of posted work before a state is saved all the same: a VM that does not run comes to rest within a few."""

_Part = tuple["VCpu | None", Mapping[str, Any]]


def save(vm: Vm) -> dict[str, Any]:
    """What `Vm.save_state` returns; the irqchip has `irqchip_save_state`.

    Raises:
        PluginError: if the irqchip returns something else than a mapping.
    """
    _settle(vm)
    vcpus = [
        {"vcpu_id": vcpu.vcpu_id, "mpidr": vcpu.mpidr, "state": vcpu.call(_save_owned, vm, vcpu)} for vcpu in vm.vcpus
    ]
    return {"version": VERSION, "irqchip": vm.flow.chip_name, "shared": _save_part(vm, None), "vcpus": vcpus}


def restore(vm: Vm, state: object) -> None:
    """What `Vm.restore_state` does; the irqchip has `irqchip_restore_state`.

    Raises:
        VmError: EINVAL if the state is of another machine or damaged.
    """
    parts = _checked(vm, state)
    before = _checked(vm, save(vm)) if vm.flow.has("save_state") else None
    try:
        _restore_parts(vm, parts)
    except VmError:
        if before is not None:
            _restore_parts(vm, before)
        raise


def _settle(vm: Vm) -> None:
    """Do what was posted, and what that posts to others: a part that is saved later may not change an earlier one."""
    for _ in range(SETTLE):
        if not any(vcpu.inbox for vcpu in vm.vcpus):
            return
        for vcpu in vm.vcpus:
            vcpu.call(vcpu.drain)


def _save_owned(vm: Vm, vcpu: VCpu) -> Mapping[str, Any]:
    vcpu.drain()
    return _save_part(vm, vcpu)


def _save_part(vm: Vm, vcpu: VCpu | None) -> Mapping[str, Any]:
    part = vm.flow.call("save_state", vm, vcpu)
    if not isinstance(part, Mapping):
        raise PluginError(vm.flow.chip_name, f"irqchip_save_state returned {part!r}, expected a mapping")
    return part


def _checked(vm: Vm, state: object) -> list[_Part]:
    name = vm.flow.chip_name
    if not isinstance(state, Mapping) or state.get("version") != VERSION or state.get("irqchip") != name:
        raise VmError(errno.EINVAL, f"the state is not a version {VERSION} state of {name}")
    saved = state.get("vcpus")
    if not isinstance(saved, list) or not all(isinstance(one, Mapping) for one in saved):
        raise VmError(errno.EINVAL, "the state's vCPUs are not a list of mappings")
    here = [(vcpu.vcpu_id, vcpu.mpidr) for vcpu in vm.vcpus]
    if [(one.get("vcpu_id"), one.get("mpidr")) for one in saved] != here:
        raise VmError(errno.EINVAL, "the state is of a machine with other vCPUs")
    owners = (None, *vm.vcpus)
    parts = (state.get("shared"), *(one.get("state") for one in saved))
    if not all(isinstance(part, Mapping) for part in parts):
        raise VmError(errno.EINVAL, "a part of the state is no mapping")
    return [(owner, part) for owner, part in zip(owners, parts, strict=True) if isinstance(part, Mapping)]


def _restore_parts(vm: Vm, parts: list[_Part]) -> None:
    for vcpu, part in parts:
        if vcpu is None:
            vm.flow.call("restore_state", vm, None, part)
        else:
            vcpu.call(_restore_owned, vm, vcpu, part)


def _restore_owned(vm: Vm, vcpu: VCpu, part: Mapping[str, Any]) -> None:
    vcpu.drain()
    vm.flow.call("restore_state", vm, vcpu, part)
    vcpu.kick()
