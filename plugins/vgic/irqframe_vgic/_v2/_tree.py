"""The GIC in a device tree: interrupt specifiers, the nodes it is set up from, and the nodes it describes itself by.

Specifier: <type number flags>; type 0 is an SPI, 1 a PPI; flags [3:0] are the trigger, [15:8] of a PPI its CPUs, which
nobody uses (Linux, Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

from irqframe.dt import Node
from irqframe.errors import NodeError, SpecifierError, VmError
from irqframe.flow import DescribeRequest, Lines, MessageLines, NodeRef, NodeSpec, Source, SourceKind
from irqframe_vgic._intids import PRIVATE, SGIS
from irqframe_vgic._placed import check_size, frames_of
from irqframe_vgic._triggers import trigger_of
from irqframe_vgic._v2._parameters import MAX_CPUS, Parameters
from irqframe_vgic._v2._spis import BASE_SPI, NUM_SPIS, V2M_COMPATIBLE, Division
from irqframe_vgic._v2._v2m import DEFAULT_BASE, DEFAULT_SPIS, V2mFrame

_SPI: Final = 0
_PPI: Final = 1

# Least sizes: the distributor's 4 KiB, and the CPU interface without GICC_DIR, as on a GICv1.
_GICD_SIZE: Final = 0x1000
_GICC_SIZE: Final = 0x100
_V2M_SIZE: Final = 0x1000

# Where QEMU's virt board has its GICv2; the described nodes are for a root with 2 address and 2 size cells.
GICD_DEFAULT: Final = (0x0800_0000, 0x1_0000)
GICC_DEFAULT: Final = (0x0801_0000, 0x1_0000)
V2M_DEFAULT: Final = (0x0802_0000, 0x1000)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the GIC's frames are: (guest physical address, size in bytes) each.

    Attributes:
        gicd: the distributor.
        gicc: the CPU interface.
        v2m: the MSI frames.
    """

    gicd: tuple[int, int]
    gicc: tuple[int, int]
    v2m: tuple[V2mFrame, ...] = ()


def translate(parameters: Parameters, cells: tuple[int, ...], gic: str = "the GIC") -> Source:
    """The source that a specifier names.

    Args:
        parameters: how many SPIs there are.
        cells: the specifier.
        gic: name of the node that it is for, for the errors.

    Raises:
        SpecifierError: for a type or a number that the GIC does not serve.
        TriggerError: for a trigger that it does not serve.
    """
    if len(cells) != 3:
        raise SpecifierError(f"a GIC specifier has 3 cells, not {len(cells)}", expected="<type number flags>")
    kind, number, flags = cells
    if kind not in (_SPI, _PPI):
        raise SpecifierError(f"{kind} is no type of a GICv2 interrupt", cell=0, expected="0 (SPI) or 1 (PPI)")
    is_spi = kind == _SPI
    _check_number("SPI" if is_spi else "PPI", number, parameters.spis if is_spi else PRIVATE - SGIS, gic)
    if is_spi:
        return Source(SourceKind.SPI, number, trigger_of(flags, SourceKind.SPI, "an SPI"))
    return Source(SourceKind.PPI, number + SGIS, trigger_of(flags, SourceKind.PPI, "a PPI"))


def _check_number(kind: str, number: int, count: int, gic: str) -> None:
    if number < count:
        return
    intid = f" (interrupt {number + PRIVATE})" if kind == "SPI" else ""
    # No GIC has such a PPI, but one may have more SPIs.
    meant = kind == "PPI" and number < PRIVATE
    raise SpecifierError(
        f"{kind} {number}{intid} is outside what {gic} serves ({kind} 0..{count - 1})",
        cell=1,
        hint=f"an interrupt ID is no PPI number: interrupt {number} is PPI {number - SGIS}" if meant else "",
    )


def lines(division: Division, nodes: Sequence[NodeRef]) -> Lines:
    """The SPIs, and those that the frames raise."""
    messages = []
    for node in nodes:
        if node.path in division.frames:
            first, count = division.frames[node.path]
            said = next((name for name in (BASE_SPI, NUM_SPIS) if node.has(name)), "")
            messages.append(MessageLines(node.path, range(first - PRIVATE, first - PRIVATE + count), said))
    return Lines(division.count, tuple(messages))


def encode(parameters: Parameters, source: Source, ppi_cpus: int) -> tuple[int, ...]:
    """The specifier that names a source; `ppi_cpus` is the bitmap of CPUs that a PPI's flags carry.

    Raises:
        SpecifierError: if the GIC does not serve the source.
    """
    if source.kind is SourceKind.SPI:
        cells = (_SPI, source.number, int(source.trigger))
    else:
        if not SGIS <= source.number < PRIVATE:
            raise SpecifierError(f"PPIs have no INTID {source.number}", cell=1, expected="an INTID of 16..31")
        cells = (_PPI, source.number - SGIS, ppi_cpus << 8 | int(source.trigger))
    translate(parameters, cells)
    return cells


def layout(nodes: Sequence[NodeRef], division: Division) -> Layout:
    """Where the nodes say that the frames are.

    Args:
        nodes: the GIC, and its v2m frames.
        division: what these raise.

    Raises:
        NodeError: for a GIC without a distributor and a CPU interface, or MSI frames that contradict each other.
        VmError: EINVAL unless there is one GIC.
    """
    gics = [node for node in nodes if V2M_COMPATIBLE not in node.compatible]
    frames = [node for node in nodes if node.path in division.frames]
    if len(gics) != 1:
        found = ", ".join(node.path for node in gics) or "none"
        raise VmError(errno.EINVAL, f"the machine must have one GIC, and has {found}")
    gic = cast("Node", gics[0])
    regions = frames_of(gic)
    if len(regions) < 2:
        expected = "the distributor, then the CPU interface"
        raise NodeError(f"`reg` of {gic.path} lacks the CPU interface", gic.path, "reg", expected=expected)
    check_size(gic, 0, _GICD_SIZE, "the distributor")
    check_size(gic, 1, _GICC_SIZE, "the CPU interface")
    v2m = [(cast("Node", node), _v2m(cast("Node", node), *division.frames[node.path])) for node in frames]
    _check_disjoint(v2m)
    return Layout(regions[0], regions[1], tuple(frame for _, frame in v2m))


def _v2m(node: Node, first: int, count: int) -> V2mFrame:
    regions = frames_of(node)
    check_size(node, 0, _V2M_SIZE, "the frame")
    return V2mFrame(*regions[0], first, count)


def _check_disjoint(frames: Iterable[tuple[Node, V2mFrame]]) -> None:
    ordered = sorted(frames, key=lambda frame: frame[1].first)
    for (one, before), (other, behind) in pairwise(ordered):
        if behind.first < before.first + before.count:
            reason = f"{one.path} and {other.path} share SPIs"
            raise NodeError(reason, other.path, BASE_SPI, expected=f"INTIDs from {before.first + before.count} on")


def describe(parameters: Parameters, request: DescribeRequest) -> tuple[NodeSpec, ...]:
    """The nodes of a GICv2 for a machine, at the addresses of QEMU's virt board.

    Raises:
        SpecifierError: for more vCPUs than a GICv2 has interfaces, or no room for MSIs.
    """
    cpus = len(request.mpidrs)
    if cpus > MAX_CPUS:
        raise SpecifierError(f"a GICv2 has {MAX_CPUS} CPU interfaces, not {cpus}", expected=f"1..{MAX_CPUS} CPUs")
    children = (_describe_v2m(parameters, request),) if request.msis else ()
    properties: dict[str, tuple[()] | tuple[str, ...] | tuple[int, ...]] = {
        "compatible": ("arm,cortex-a15-gic",),
        "#interrupt-cells": (3,),
        "interrupt-controller": (),
        "reg": (*request.reg(*GICD_DEFAULT), *request.reg(*GICC_DEFAULT)),
        "#address-cells": (request.address_cells,),
        "#size-cells": (request.size_cells,),
        "ranges": (),
    }
    serves = frozenset({SourceKind.SPI, SourceKind.PPI})
    return (NodeSpec(f"intc@{GICD_DEFAULT[0]:x}", properties, children, serves),)


def _describe_v2m(parameters: Parameters, request: DescribeRequest) -> NodeSpec:
    first, count = _free_spis(parameters, request.sources)
    properties: dict[str, tuple[()] | tuple[str, ...] | tuple[int, ...]] = {
        "compatible": (V2M_COMPATIBLE,),
        "msi-controller": (),
        "reg": request.reg(*V2M_DEFAULT),
    }
    if (first, count) != (DEFAULT_BASE, DEFAULT_SPIS):
        properties |= {BASE_SPI: (first,), NUM_SPIS: (count,)}
    return NodeSpec(f"v2m@{V2M_DEFAULT[0]:x}", properties, serves=frozenset({"msi"}))


def _free_spis(parameters: Parameters, sources: Iterable[Source]) -> tuple[int, int]:
    """(first INTID, count) of SPIs that no source has: the default ones, else the highest run that is long enough."""
    taken = {PRIVATE + source.number for source in sources if source.kind is SourceKind.SPI}
    count = DEFAULT_SPIS
    while count:
        for first in (DEFAULT_BASE, *range(parameters.intids - count, PRIVATE - 1, -1)):
            if first + count <= parameters.intids and taken.isdisjoint(range(first, first + count)):
                return first, count
        count //= 2
    raise SpecifierError("no SPI is free for messages", expected="a source less than the GIC has SPIs")
