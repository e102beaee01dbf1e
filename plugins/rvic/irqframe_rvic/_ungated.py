"""Quirk K2: hypercalls are served from the irqchip's creation on, whether anything is behind them or not.

What the reference finds there before INIT: no vCPU has interrupts (N = 0), an instance's flag can be set all the same,
and the rVID's data is a null pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from irqframe.flow import HypercallClaim, HypercallHandler
from irqframe_rvic import _abi as abi
from irqframe_rvic._abi import MPIDR_AFFINITY, Result
from irqframe_rvic._hypercalls import claim, claims
from irqframe_rvic._quirks import host_fault
from irqframe_rvic._vm_data import VmData

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm

_BY_MPIDR = ("RVIC_SET_MASKED", "RVIC_CLEAR_MASKED", "RVIC_IS_PENDING", "RVIC_SIGNAL", "RVIC_CLEAR_PENDING")


def ungated_claims(vm: Vm, quirks: frozenset[str]) -> tuple[HypercallClaim, HypercallClaim]:
    """Claims that are made at creation; they find the real handlers once the VM is finalized.

    Args:
        vm: the VM.
        quirks: those that are on.
    """
    ready: dict[str, HypercallHandler] = {}

    def handlers() -> dict[str, HypercallHandler]:
        if not ready and vm.finalized:
            assert isinstance(vm.chip_data, VmData)
            for made in claims(vm, vm.chip_data, quirks):
                ready.update({function.name: function.handler for function in made.functions.values()})
        return ready

    before = _unready(vm)
    functions = [f for f in abi.FUNCTIONS.values() if not f.extension]
    served = {f.name: _either(handlers, f.name, before[f.name]) for f in functions}
    rvic = {name: handler for name, handler in served.items() if name.startswith("RVIC")}
    rvid = {name: handler for name, handler in served.items() if name.startswith("RVID")}
    return claim(rvic), claim(rvid)


def extension_claims(vm: Vm, data: VmData, quirks: frozenset[str]) -> tuple[HypercallClaim, ...]:
    """Claims on the functions of extensions, of which nothing is known at creation.

    Args:
        vm: the VM; all its vCPUs have an instance.
        data: its data.
        quirks: those that are on.
    """
    extended = []
    for made in claims(vm, data, quirks):
        handlers = {f.name: f.handler for f in made.functions.values() if abi.FUNCTIONS[f.name].extension}
        if handlers:
            extended.append(claim(handlers))
    return tuple(extended)


def _either(
    handlers: Callable[[], dict[str, HypercallHandler]], name: str, before: HypercallHandler
) -> HypercallHandler:
    def handler(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return handlers().get(name, before)(vcpu, x1, x2, x3)

    return handler


def _unready(vm: Vm) -> dict[str, HypercallHandler]:
    enabled: set[int] = set()

    def version(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return (0, abi.VERSION, 0, 0)

    def info(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return abi.SUCCESS if x1 in (0, 1) else abi.BAD_X1

    def enable(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        enabled.add(vcpu.index)
        return abi.SUCCESS

    def disable(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        enabled.discard(vcpu.index)
        return abi.SUCCESS

    def no_interrupts(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return abi.NO_CPU_X1 if vm.vcpu_by_mpidr(x1 & MPIDR_AFFINITY) is None else abi.BAD_X2

    def acknowledge(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        if vcpu.index not in enabled:
            return abi.DISABLED
        raise host_fault("the queue of an rVIC that was never initialised")

    def resample(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return abi.BAD_X1

    def rvid(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        raise host_fault("the map of an rVID that was never made")

    return {
        **dict.fromkeys(_BY_MPIDR, no_interrupts),
        "RVIC_VERSION": version,
        "RVIC_INFO": info,
        "RVIC_ENABLE": enable,
        "RVIC_DISABLE": disable,
        "RVIC_ACKNOWLEDGE": acknowledge,
        "RVIC_RESAMPLE": resample,
        "RVID_VERSION": version,
        "RVID_MAP": rvid,
        "RVID_UNMAP": rvid,
    }
