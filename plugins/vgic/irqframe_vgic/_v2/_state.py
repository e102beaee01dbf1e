"""Saved state: plain data with a version, and the check of everything that comes back."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from irqframe.errors import VmError
from irqframe.flow import Injected
from irqframe_vgic._block import BITMAPS, Block
from irqframe_vgic._intids import SGIS
from irqframe_vgic._lifecycle import Counts
from irqframe_vgic._v2._distributor import CTLR_MASK as GICD_CTLR_MASK
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CTLR_MASK as GICC_CTLR_MASK
from irqframe_vgic._v2._interface import CpuInterface
from irqframe_vgic._v2._parameters import Parameters

VERSION: Final = 1

_COUNTS: Final = ("raised", "delivered", "coalesced", "withdrawn", "resampled")
_SGI_BITS: Final = (1 << SGIS) - 1


def save_shared(gic: Distributor) -> dict[str, Any]:
    """The distributor's state."""
    return {
        "version": VERSION,
        "intids": gic.parameters.intids,
        "ctlr": gic.ctlr,
        "spis": [block.save() for block in gic.blocks.values()],
    }


def save_cpu(cpu: CpuInterface) -> dict[str, Any]:
    """A CPU interface's state."""
    return {
        "version": VERSION,
        "private": cpu.private.save(),
        "sources": cpu.sources.hex(),
        "ctlr": cpu.ctlr,
        "pmr": cpu.pmr,
        "bpr": cpu.bpr,
        "abpr": cpu.abpr,
        "active": [f"{active:x}" for active in cpu.active],
        "counts": {name: getattr(cpu.counts, name) for name in _COUNTS},
        "dropped": {reason.name: count for reason, count in cpu.counts.dropped.items()},
    }


def restore_shared(gic: Distributor, saved: Mapping[str, Any]) -> None:
    """Take over the distributor's state.

    Raises:
        VmError: EINVAL for data that does not fit; nothing has changed then.
    """
    _check_version(saved)
    parameters = gic.parameters
    intids = saved.get("intids")
    if type(intids) is not int or intids != parameters.intids:
        raise _refuse("intids", str(parameters.intids), intids)
    ctlr = _number(saved, "ctlr", GICD_CTLR_MASK)
    blocks = saved.get("spis")
    if not isinstance(blocks, list) or len(blocks) != len(gic.blocks):
        raise _refuse("spis", f"a list of {len(gic.blocks)} blocks", type(blocks).__name__)
    present = (1 << len(gic.cpus)) - 1
    for one, block in zip(blocks, gic.blocks.values(), strict=True):
        _checked_block(one, block, parameters, present)
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
    _check_version(saved)
    parameters = cpu.gic.parameters
    present = (1 << len(cpu.gic.cpus)) - 1
    private = _checked_block(saved.get("private"), cpu.private, parameters, present)
    sources = _bytes(saved, "sources", SGIS, present)
    waiting = sum(1 << sgi for sgi, byte in enumerate(sources) if byte)
    if private["latch"] & _SGI_BITS != waiting or private["edge"] & _SGI_BITS != _SGI_BITS:
        raise _refuse("private", "SGIs that are edge-triggered and pending as 'sources' says", private["latch"])
    if (private["line"] | private["owed"]) & _SGI_BITS:
        raise _refuse("private", "no lines of SGIs", private["line"])
    if bytes.fromhex(private["targets"]) != bytes(cpu.private.targets):
        raise _refuse("targets", "the CPU itself", private["targets"])
    ctlr = _number(saved, "ctlr", GICC_CTLR_MASK)
    pmr = _number(saved, "pmr", parameters.priority_mask)
    bpr, abpr = _number(saved, "bpr", 7), _number(saved, "abpr", 7)
    if bpr < parameters.min_bpr or abpr <= parameters.min_bpr:
        raise _refuse("bpr", f"{parameters.min_bpr} or more, and 'abpr' above that", (bpr, abpr))
    active = _active(saved, parameters)
    counts = _counts(saved)
    cpu.private.take(private)
    cpu.sources[:] = sources
    cpu.pmr, cpu.bpr, cpu.abpr = pmr, bpr, abpr
    cpu.active = active
    cpu.counts = counts
    cpu.write_ctlr(ctlr)
    cpu.refresh_all()


def _check_version(saved: object) -> None:
    if not isinstance(saved, Mapping):
        raise _refuse("state", "a mapping", type(saved).__name__)
    version = saved.get("version")
    if type(version) is not int or version != VERSION:
        raise _refuse("version", str(VERSION), version)


def _checked_block(saved: object, block: Block, parameters: Parameters, present: int) -> Mapping[str, Any]:
    if not isinstance(saved, Mapping):
        raise _refuse("block", "a mapping", type(saved).__name__)
    bitmaps = {name: _number(saved, name, block.valid) for name in BITMAPS}
    pending = bitmaps["latch"] | bitmaps["line"] & ~bitmaps["edge"]
    wanted = pending & ~bitmaps["active"] & (~_SGI_BITS if block.first == 0 else -1)
    if bitmaps["owed"] & ~pending or wanted & ~bitmaps["owed"]:
        raise _refuse("owed", "pending interrupts, and all of them that are not active", bitmaps["owed"])
    priorities = _bytes(saved, "priority", 32, parameters.priority_mask)
    targets = _bytes(saved, "targets", 32, present)
    for n in range(32):
        if not block.valid >> n & 1 and (priorities[n] or targets[n]):
            raise _refuse("priority", f"nothing for INTID {block.first + n}", priorities[n])
    return saved


def _number(saved: Mapping[str, Any], name: str, mask: int) -> int:
    value = saved.get(name)
    if type(value) is not int or value < 0 or value & ~mask:
        raise _refuse(name, f"a number within {mask:#x}", value)
    return value


def _bytes(saved: Mapping[str, Any], name: str, count: int, mask: int) -> bytes:
    text = saved.get(name)
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if len(data) != count or any(byte & ~mask for byte in data):
        raise _refuse(name, f"{count} bytes in hexadecimal, each within {mask:#x}", text)
    return data


def _active(saved: Mapping[str, Any], parameters: Parameters) -> list[int]:
    levels = 1 << parameters.group_bits
    texts = saved.get("active")
    found = []
    if isinstance(texts, list) and len(texts) == 2:
        for text in texts:
            if isinstance(text, str) and 0 < len(text) <= levels // 4 and set(text) <= set("0123456789abcdef"):
                found.append(int(text, 16))
    if len(found) != 2:
        raise _refuse("active", f"two hexadecimal numbers of {levels} bits", texts)
    return found


def _counts(saved: Mapping[str, Any]) -> Counts:
    counts = Counts()
    numbers, dropped = saved.get("counts"), saved.get("dropped")
    if not isinstance(numbers, Mapping) or not isinstance(dropped, Mapping):
        raise _refuse("counts", "a mapping, and 'dropped' too", type(numbers).__name__)
    for name in _COUNTS:
        setattr(counts, name, _number(numbers, name, (1 << 64) - 1))
    for name in dropped:
        if name not in Injected.__members__:
            raise _refuse("dropped", "reasons of Injected", name)
        counts.dropped[Injected[name]] = _number(dropped, name, (1 << 64) - 1)
    return counts


def _refuse(name: str, expected: str, found: object) -> VmError:
    return VmError(errno.EINVAL, f"saved state: {name!r} must be {expected}, not {str(found)[:60]!r}")
