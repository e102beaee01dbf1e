"""Saved state of a GICv2: plain data with a version, and the check of everything that comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from irqframe_vgic import _saved
from irqframe_vgic._intids import SGIS
from irqframe_vgic._v2._distributor import CTLR_MASK as GICD_CTLR_MASK
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CTLR_MASK as GICC_CTLR_MASK
from irqframe_vgic._v2._interface import CpuInterface

_SGI_BITS: Final = (1 << SGIS) - 1


def save_shared(gic: Distributor) -> dict[str, Any]:
    """The distributor's state."""
    return {
        "version": _saved.VERSION,
        "intids": gic.parameters.intids,
        "ctlr": gic.ctlr,
        "spis": [block.save() for block in gic.blocks.values()],
    }


def save_cpu(cpu: CpuInterface) -> dict[str, Any]:
    """A CPU interface's state."""
    return {
        "version": _saved.VERSION,
        "private": cpu.private.save(),
        "sources": cpu.sources.hex(),
        "ctlr": cpu.ctlr,
        "pmr": cpu.pmr,
        "bpr": cpu.bpr,
        "abpr": cpu.abpr,
        "active": _saved.save_active(cpu.active),
        **_saved.save_counts(cpu.counts),
    }


def restore_shared(gic: Distributor, saved: Mapping[str, Any]) -> None:
    """Take over the distributor's state.

    Raises:
        VmError: EINVAL for data that does not fit; nothing has changed then.
    """
    _saved.mapping(saved)
    parameters = gic.parameters
    intids = saved.get("intids")
    if type(intids) is not int or intids != parameters.intids:
        raise _saved.refusal("intids", str(parameters.intids), intids)
    ctlr = _saved.number(saved, "ctlr", GICD_CTLR_MASK)
    blocks = _saved.items(saved, "spis")
    if len(blocks) != len(gic.blocks):
        raise _saved.refusal("spis", f"a list of {len(gic.blocks)} blocks", f"{len(blocks)} blocks")
    present = (1 << len(gic.cpus)) - 1
    for one, block in zip(blocks, gic.blocks.values(), strict=True):
        targets = _saved.block(one, block, parameters.priority_mask, present)["targets"]
        if len(gic.cpus) == 1 and bytes.fromhex(targets) != bytes(block.targets):
            raise _saved.refusal("targets", "the one CPU", targets)
    gic.ctlr = ctlr
    for one, block in zip(blocks, gic.blocks.values(), strict=True):
        block.take(one)
    gic.rehome()
    for cpu in gic.cpus:
        cpu.vcpu.call(cpu.refresh_all)


def restore_cpu(cpu: CpuInterface, saved: Mapping[str, Any]) -> None:
    """Take over a CPU interface's state.

    Raises:
        VmError: EINVAL for data that does not fit; nothing has changed then.
    """
    _saved.mapping(saved)
    parameters = cpu.gic.parameters
    present = (1 << len(cpu.gic.cpus)) - 1
    private = _saved.block(saved.get("private"), cpu.private, parameters.priority_mask, present, apart=_SGI_BITS)
    sources = _saved.octets(saved, "sources", SGIS, present)
    _check_sgis(private, sources)
    if bytes.fromhex(private["targets"]) != bytes(cpu.private.targets):
        raise _saved.refusal("targets", "the CPU itself", private["targets"])
    ctlr = _saved.number(saved, "ctlr", GICC_CTLR_MASK)
    pmr = _saved.number(saved, "pmr", parameters.priority_mask)
    bpr, abpr = _saved.number(saved, "bpr", 7), _saved.number(saved, "abpr", 7)
    if bpr < parameters.min_bpr or abpr <= parameters.min_bpr:
        raise _saved.refusal("bpr", f"{parameters.min_bpr} or more, and 'abpr' above that", (bpr, abpr))
    active = _saved.active(saved, parameters.group_bits)
    counts = _saved.counts(saved)
    cpu.private.take(private)
    cpu.sources[:] = sources
    cpu.pmr, cpu.bpr, cpu.abpr = pmr, bpr, abpr
    cpu.active = active
    cpu.account = counts
    cpu.write_ctlr(ctlr)
    cpu.refresh_all()


def _check_sgis(private: Mapping[str, Any], sources: bytes) -> None:
    waiting = sum(1 << sgi for sgi, byte in enumerate(sources) if byte)
    if private["latch"] & _SGI_BITS != waiting or private["edge"] & _SGI_BITS != _SGI_BITS:
        raise _saved.refusal("private", "SGIs that are edge-triggered and pending as 'sources' says", private["latch"])
    if (private["line"] | private["owed"]) & _SGI_BITS:
        raise _saved.refusal("private", "no lines of SGIs", private["line"])
