"""The two ranges of hypercalls, put together, and the quirks that change how a call is answered.

A handler takes (vcpu, x1, x2, x3) and returns x0 to x3. The checks stand in the order of `Function.failures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from irqframe.flow import Hypercall, HypercallClaim, HypercallHandler
from irqframe_rvic import _abi as abi
from irqframe_rvic._abi import FID, MPIDR_AFFINITY, SUCCESS, Result
from irqframe_rvic._rvic_calls import MakeOperation, rvic_handlers, rvic_operations
from irqframe_rvic._rvid_calls import rvid_handlers

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm
    from irqframe_rvic._vm_data import VmData

REFUSED: Final = frozenset({"K9", "K14"})
"""Quirks that change what ACKNOWLEDGE, CLEAR_MASKED or SIGNAL do; with one of them Python serves all three."""

NONE: Final[Mapping[str, MakeOperation]] = MappingProxyType({})


def claims(vm: Vm, data: VmData, quirks: frozenset[str]) -> tuple[HypercallClaim, HypercallClaim]:
    """The two ranges of function ids, with their handlers.

    Args:
        vm: the VM; all its vCPUs have an instance.
        data: its data.
        quirks: those that are on.
    """
    rvic = rvic_handlers(vm, data)
    rvid = rvid_handlers(vm, data, quirks)
    operations = {} if quirks & REFUSED else rvic_operations(vm)
    if "K11" in quirks:
        rvic["RVIC_RESAMPLE"] = _resampling_anyway(rvic["RVIC_RESAMPLE"], data)
    if "K14" in quirks:
        rvic = {name: _truncating(name, handler) for name, handler in rvic.items()}
        rvid = {name: _truncating(name, handler) for name, handler in rvid.items()}
    return claim(rvic, operations), claim(rvid)


def claim(handlers: Mapping[str, HypercallHandler], operations: Mapping[str, MakeOperation] = NONE) -> HypercallClaim:
    """The claim of a range; the functions have no holes between them."""
    functions = {FID[name]: Hypercall(name, handler, operations.get(name)) for name, handler in handlers.items()}
    return HypercallClaim(min(functions), max(functions), functions)


# Quirks K11 and K14


def _resampling_anyway(handler: HypercallHandler, data: VmData) -> HypercallHandler:
    """K11: a disabled instance looks at the level too, and loses what it finds."""

    def resample(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        answer = handler(vcpu, x1, x2, x3)
        if answer != abi.DISABLED:
            return answer
        if x1 < data.trusted:
            vcpu.chip.sample(x1)
        return SUCCESS

    return resample


_MASKS: Final[Mapping[str, int]] = {
    "target MPIDR": MPIDR_AFFINITY,
    "INTID": 0xFFFF_FFFF,
}


def _truncating(name: str, handler: HypercallHandler) -> HypercallHandler:
    """K14: read INTIDs as 32 bits, and of an MPIDR the affinity fields only."""
    masks = [_MASKS.get(argument, -1) for argument in abi.FUNCTIONS[name].arguments]
    if all(mask == -1 for mask in masks):
        return handler
    m1, m2, m3 = (*masks, -1, -1, -1)[:3]

    def truncate(vcpu: VCpu, x1: int, x2: int, x3: int) -> Result:
        return handler(vcpu, x1 & m1, x2 & m2, x3 & m3)

    return truncate
