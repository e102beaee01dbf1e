"""The rVID's hypercalls, bound to a VM ahead of time: each function here makes one handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from irqframe.flow import HypercallHandler, Trigger
from irqframe_rvic import _abi as abi
from irqframe_rvic._abi import MPIDR_AFFINITY, SUCCESS, Result
from irqframe_rvic._rvic_calls import version
from irqframe_rvic._rvid import LevelRvid, Rvid

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm
    from irqframe_rvic._vm_data import VmData

_TRIGGERS: Final = {int(Trigger.EDGE_RISING): False, int(Trigger.LEVEL_HIGH): True}


def rvid_handlers(vm: Vm, data: VmData, quirks: frozenset[str]) -> dict[str, HypercallHandler]:
    """Handlers of the rVID, by name."""
    rvid = data.rvid
    limit = data.inputs + 1 if "K1" in quirks else data.inputs
    unknown = abi.BAD_X2 if "V1" in quirks else abi.NO_CPU_X2
    handlers = {
        "RVID_VERSION": version,
        "RVID_MAP": _map(vm, rvid, limit, range(data.trusted, data.total), unknown),
        "RVID_UNMAP": _unmap(rvid, limit),
    }
    if isinstance(rvid, LevelRvid):
        handlers["RVID_SET_TRIGGER"] = _set_trigger(rvid, limit)
    return handlers


def _map(vm: Vm, rvid: Rvid, limit: int, intids: range, unknown: Result) -> HypercallHandler:
    vcpus = {vcpu.mpidr: vcpu for vcpu in vm.vcpus}

    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        if x1 >= limit:
            return abi.BAD_X1
        target = vcpus.get(x2)
        if target is None:
            return abi.BAD_X2 if x2 & ~MPIDR_AFFINITY else unknown
        if x3 not in intids:
            return abi.BAD_X3
        rvid.map_input(x1, target, x3)
        return SUCCESS

    return handler


def _unmap(rvid: Rvid, limit: int) -> HypercallHandler:
    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        if x1 >= limit:
            return abi.BAD_X1
        rvid.unmap_input(x1)
        return SUCCESS

    return handler


def _set_trigger(rvid: LevelRvid, limit: int) -> HypercallHandler:
    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        if x1 >= limit:
            return abi.BAD_X1
        level_triggered = _TRIGGERS.get(x2)
        if level_triggered is None:
            return abi.BAD_X2
        rvid.set_trigger(x1, level_triggered)
        return SUCCESS

    return handler
