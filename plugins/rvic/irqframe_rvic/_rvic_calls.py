"""The rVIC's hypercalls, bound to a VM ahead of time: each function here makes one handler.

What is answered is made beforehand: a handler on the path of every interrupt allocates nothing.

An operation on the caller's own instance sets the IRQ line at once. One on another's is done under that vCPU's
ownership, and its line is left to its next entry: only the owner writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from irqframe.bits import Directory, Operation, Priority, Target, acknowledging, directory, pending, unmasking
from irqframe.flow import HypercallHandler
from irqframe_rvic import _abi as abi
from irqframe_rvic._abi import MPIDR_AFFINITY, SUCCESS, InfoKey, Result
from irqframe_rvic._instance import Instance

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm
    from irqframe_rvic._vm_data import VmData

MakeOperation = Callable[["VCpu"], Operation | None]


class TargetCpu(NamedTuple):
    """What a handler needs of the vCPU that an MPIDR names."""

    vcpu: VCpu
    rvic: Instance
    target: Target
    operate: Callable[[int], object]


def rvic_handlers(vm: Vm, data: VmData) -> dict[str, HypercallHandler]:
    """Handlers of the rVIC, by name."""
    total = data.total

    def on_target(operation: Callable[[Instance], Callable[[int], object]]) -> HypercallHandler:
        targets = {v.mpidr: TargetCpu(v, v.chip, v.chip.target, operation(v.chip)) for v in vm.vcpus}
        return _on_target(targets, total)

    rvics: dict[int, Instance] = {vcpu.mpidr: vcpu.chip for vcpu in vm.vcpus}
    handlers = {
        "RVIC_VERSION": version,
        "RVIC_INFO": _info(data),
        "RVIC_ENABLE": _enable,
        "RVIC_DISABLE": _disable,
        "RVIC_SET_MASKED": on_target(lambda rvic: rvic.mask),
        "RVIC_CLEAR_MASKED": on_target(lambda rvic: rvic.unmask),
        "RVIC_IS_PENDING": _is_pending(rvics, total),
        "RVIC_SIGNAL": _signal(rvics, total),
        "RVIC_CLEAR_PENDING": on_target(lambda rvic: rvic.clear_pending),
        "RVIC_ACKNOWLEDGE": _acknowledge(total),
        "RVIC_RESAMPLE": _resample(data, data.total if data.extensions.level_inputs else data.trusted),
    }
    if data.extensions.priorities:
        handlers["RVIC_SET_PRIORITY"] = _set_priority(rvics, total)
    return handlers


def rvic_operations(vm: Vm) -> dict[str, MakeOperation]:
    """The functions that the compiled core serves by itself, by name: what makes the operation of a vCPU.

    Each does what the handler of that name does, as long as no quirk changes it.
    """

    @cache
    def targets() -> Directory | None:
        return directory({vcpu.mpidr: vcpu.chip.target for vcpu in vm.vcpus})

    def acknowledge(vcpu: VCpu) -> Operation | None:
        rvic: Instance = vcpu.chip
        if rvic.acknowledging is None:
            rvic.acknowledging = acknowledging(rvic.target, disabled=abi.DISABLED, nothing=abi.NO_INTERRUPTS)
        return rvic.acknowledging

    return {
        "RVIC_ACKNOWLEDGE": acknowledge,
        "RVIC_CLEAR_MASKED": lambda vcpu: unmasking(vcpu.chip.target, targets()),
        "RVIC_SIGNAL": lambda vcpu: pending(vcpu.chip.target, targets(), disabled=abi.DISABLED),
    }


# rVIC: the caller's own instance


def version(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
    """RVIC_VERSION, and RVID_VERSION too."""
    return (0, abi.VERSION, 0, 0)


def _enable(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
    rvic: Instance = vcpu.chip
    rvic.enable()
    vcpu.irq_line = rvic.can_signal
    return SUCCESS


def _disable(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
    vcpu.chip.disable()
    vcpu.irq_line = False
    return SUCCESS


def _info(data: VmData) -> HypercallHandler:
    values = {InfoKey.NR_TRUSTED_INTERRUPTS: data.trusted, InfoKey.NR_UNTRUSTED_INTERRUPTS: data.inputs}
    if data.extensions.priorities:
        values[InfoKey.NR_PRIORITIES] = abi.PRIORITIES
    answers: dict[int, Result] = {int(key): (0, value, 0, 0) for key, value in values.items()}

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return answers.get(x1, abi.BAD_X1)

    return handler


def _acknowledge(total: int) -> HypercallHandler:
    answers: tuple[Result, ...] = tuple((0, intid, 0, 0) for intid in range(total))
    disabled = abi.DISABLED
    nothing = abi.NO_INTERRUPTS

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        rvic: Instance = vcpu.chip
        target = rvic.target
        if not target.enabled:
            return disabled
        intid = rvic.acknowledge()
        if intid < 0:
            return nothing
        rvic.acknowledged[intid] += 1
        vcpu.irq_line = target.deliverable > 0
        return answers[intid]

    return handler


def _resample(data: VmData, limit: int) -> HypercallHandler:
    trusted = data.trusted
    rvid = data.rvid

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        if x1 >= limit:
            return abi.BAD_X1
        rvic: Instance = vcpu.chip
        if not rvic.enabled:
            return abi.DISABLED
        if x1 >= trusted:
            rvid.end(rvic, x1)
        rvic.resample(x1)
        vcpu.irq_line = rvic.target.deliverable > 0
        return SUCCESS

    return handler


# rVIC: the instance of the vCPU that x1 names


def _refusal(found: object, mpidr: int) -> Result:
    """What is wrong with an MPIDR and an INTID, in that order; `found` is what the MPIDR names, or None."""
    if found is not None:
        return abi.BAD_X2
    return abi.BAD_X1 if mpidr & ~MPIDR_AFFINITY else abi.NO_CPU_X1


def _on_target(targets: Mapping[int, TargetCpu], total: int) -> HypercallHandler:
    find = targets.get
    success = SUCCESS

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        found = find(x1)
        if found is None or x2 >= total:
            return _refusal(found, x1)
        owner, rvic, target, operate = found
        if owner is vcpu:
            operate(x2)
            vcpu.irq_line = target.enabled and target.deliverable > 0
        else:
            owner.call(rvic.remotely, operate, x2)
        return success

    return handler


def _signal(rvics: Mapping[int, Instance], total: int) -> HypercallHandler:
    find = rvics.get

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        rvic = find(x1)
        if rvic is None or x2 >= total:
            return _refusal(rvic, x1)
        if rvic.vcpu is not vcpu:
            return SUCCESS if rvic.vcpu.call(rvic.signal_remotely, x2) else abi.DISABLED
        target = rvic.target
        if not target.enabled:
            return abi.DISABLED
        rvic.signal(x2)
        vcpu.irq_line = target.deliverable > 0
        return SUCCESS

    return handler


def _is_pending(rvics: Mapping[int, Instance], total: int) -> HypercallHandler:
    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        rvic = rvics.get(x1)
        if rvic is None or x2 >= total:
            return _refusal(rvic, x1)
        return abi.TRUE if rvic.vcpu.call(rvic.is_pending, x2) else SUCCESS

    return handler


def _set_priority(rvics: Mapping[int, Instance], total: int) -> HypercallHandler:
    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        rvic = rvics.get(x1)
        if rvic is None or x2 >= total:
            return _refusal(rvic, x1)
        if x3 >= abi.PRIORITIES:
            return abi.BAD_X3
        target = rvic.target
        assert isinstance(target, Priority)
        # The order changes, whether something is deliverable does not: no line and no kick.
        rvic.vcpu.call(target.set_priority, x2, x3)
        return SUCCESS

    return handler
