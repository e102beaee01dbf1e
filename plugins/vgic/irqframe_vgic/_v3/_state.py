"""Saved state of a GICv3: plain data with a version, and the check of everything that comes back.

Tables in guest memory are not in it: whoever saves a machine saves its memory too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from irqframe_vgic import _saved
from irqframe_vgic._intids import SGIS
from irqframe_vgic._v3 import _lpi_state
from irqframe_vgic._v3._distributor import CTLR_MASK as GICD_CTLR_MASK
from irqframe_vgic._v3._distributor import ROUTE_MASK, Distributor
from irqframe_vgic._v3._interface import CTLR_MASK as ICC_CTLR_MASK
from irqframe_vgic._v3._interface import DPG, CpuInterface

_SGI_BITS: Final = (1 << SGIS) - 1
_DPG: Final = DPG[0] | DPG[1]


def save_shared(gic: Distributor) -> dict[str, Any]:
    """The distributor's state, and that of every ITS."""
    return {
        "version": _saved.VERSION,
        "lines": list(gic.parameters.counts),
        "ctlr": gic.ctlr,
        "spis": [block.save() for block in gic.blocks.values()],
        "routes": {str(intid): route for intid, route in gic.routes.items() if route},
        "its": [its.save() for its in gic.its],
    }


def save_cpu(cpu: CpuInterface) -> dict[str, Any]:
    """The state of a redistributor and its CPU interface."""
    return {
        "version": _saved.VERSION,
        "private": [block.save() for block in cpu.own.values()],
        "asleep": cpu.asleep,
        "left_out": cpu.left_out,
        "lpis": _lpi_state.save(cpu.lpis),
        "ctlr": cpu.ctlr,
        "groups": cpu.groups,
        "pmr": cpu.pmr,
        "bpr": cpu.bpr,
        "abpr": cpu.abpr,
        "active": _saved.save_active(cpu.active),
        **_saved.save_counts(cpu.counts),
    }


def restore_shared(gic: Distributor, saved: Mapping[str, Any]) -> None:
    """Take over the distributor's state, and that of every ITS.

    Raises:
        VmError: EINVAL for data that does not fit; nothing has changed then.
    """
    _saved.mapping(saved)
    if saved.get("lines") != list(gic.parameters.counts):
        raise _saved.refusal("lines", str(list(gic.parameters.counts)), saved.get("lines"))
    ctlr = _saved.number(saved, "ctlr", GICD_CTLR_MASK)
    blocks, services = _saved.items(saved, "spis"), _saved.items(saved, "its")
    if len(blocks) != len(gic.blocks) or len(services) != len(gic.its):
        raise _saved.refusal("spis", f"{len(gic.blocks)} blocks, and {len(gic.its)} ITSs", (len(blocks), len(services)))
    for one, block in zip(blocks, gic.blocks.values(), strict=True):
        _saved.block(one, block, gic.parameters.priority_mask, 0)
    routes = _routes(gic, saved.get("routes"))
    before = [its.save() for its in gic.its]
    try:
        for its, one in zip(gic.its, services, strict=True):
            its.restore(one)
    except BaseException:
        for its, one in zip(gic.its, before, strict=True):
            its.restore(one)
        raise
    gic.ctlr = ctlr
    for one, block in zip(blocks, gic.blocks.values(), strict=True):
        block.take(one)
    gic.routes = dict.fromkeys(gic.routes, 0) | routes
    gic.rehome()
    for cpu in gic.cpus:
        cpu.vcpu.call(cpu.refresh_all)


def _routes(gic: Distributor, saved: object) -> dict[int, int]:
    if not isinstance(saved, Mapping):
        raise _saved.refusal("routes", "a mapping", type(saved).__name__)
    known = {str(intid): intid for intid in gic.routes}
    for name in saved:
        if name not in known:
            raise _saved.refusal("routes", "INTIDs of SPIs", name)
        if not _saved.number(saved, name, ROUTE_MASK):
            raise _saved.refusal(f"routes[{name}]", "a route that is not 0, which is left out", 0)
    return {known[name]: saved[name] for name in saved}


def restore_cpu(cpu: CpuInterface, saved: Mapping[str, Any]) -> None:
    """Take over the state of a redistributor and its CPU interface.

    Raises:
        VmError: EINVAL for data that does not fit; nothing has changed then.
    """
    _saved.mapping(saved)
    parameters = cpu.gic.parameters
    blocks = _saved.items(saved, "private")
    if len(blocks) != len(cpu.own):
        raise _saved.refusal("private", f"{len(cpu.own)} blocks", f"{len(blocks)} blocks")
    for one, block in zip(blocks, cpu.own.values(), strict=True):
        _saved.block(one, block, parameters.priority_mask, 0)
    if blocks[0]["line"] & _SGI_BITS or blocks[0]["edge"] & _SGI_BITS != _SGI_BITS:
        raise _saved.refusal("private", "SGIs that are edge-triggered and have no lines", blocks[0]["line"])
    asleep = _saved.flag(saved, "asleep")
    left_out = _saved.number(saved, "left_out", _DPG if parameters.one_of_n else 0)
    lpis = _lpi_state.checked(saved.get("lpis"))
    if lpis.enabled and not parameters.lpis:
        raise _saved.refusal("lpis", "disabled: there is no ITS", "enabled")
    ctlr, groups = _saved.number(saved, "ctlr", ICC_CTLR_MASK), _saved.number(saved, "groups", 0b11)
    pmr = _saved.number(saved, "pmr", parameters.pmr_mask)
    bpr, abpr = _saved.number(saved, "bpr", 7), _saved.number(saved, "abpr", 7)
    if bpr < parameters.min_bpr or abpr <= parameters.min_bpr:
        raise _saved.refusal("bpr", f"{parameters.min_bpr} or more, and 'abpr' above that", (bpr, abpr))
    active, counts = _saved.active(saved, parameters.group_bits), _saved.counts(saved)
    for one, block in zip(blocks, cpu.own.values(), strict=True):
        block.take(one)
    _lpi_state.take(cpu.lpis, lpis)
    cpu.pmr, cpu.bpr, cpu.abpr, cpu.groups = pmr, bpr, abpr, groups
    cpu.active, cpu.account, cpu.left_out = active, counts, left_out
    cpu.take_ctlr(ctlr)
    cpu.fall_asleep(asleep)
    cpu.refresh_all()
    cpu.gic.participation_changed(restored=True)
