"""The GICv3 in a device tree: the nodes it is set up from, and those it describes itself by (Linux, arm,gic-v3.yaml).

1. `reg` of the GIC is the distributor, then `#redistributor-regions` regions (1 if absent) of redistributors; what
   comes behind is the CPUs' own and not served.
2. Redistributors of a region are `redistributor-stride` bytes apart, 128 KiB if that is absent or 0. The CPUs have the
   places in the order of the regions.
3. Every enabled node `arm,gic-v3-its` is an ITS, wherever it stands. Some trees give its first frame alone; its second
   one follows it all the same.
4. `mbi-alias` is where the two doorbells of the distributor are once more, in a page of their own, for a GIC that takes
   messages.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast

from irqframe.dt import Node, is_enabled
from irqframe.errors import NodeError, SpecifierError, VmError
from irqframe.flow import DescribeRequest, NodeRef, NodeSpec, PropertyValue, SourceKind
from irqframe_vgic._placed import Frame, check_size, frames_of
from irqframe_vgic._v3 import _beside, _mbis
from irqframe_vgic._v3._beside import Beside
from irqframe_vgic._v3._lines import GIC_COMPATIBLE, mbis

ITS_COMPATIBLE: Final = "arm,gic-v3-its"

FRAME: Final = 0x1_0000
"""Bytes of each frame: the distributor's, the two of a redistributor, the two of an ITS."""
REDISTRIBUTOR: Final = 2 * FRAME

_MAX_CPUS: Final = 512
_REGIONS: Final = "#redistributor-regions"
_STRIDE: Final = "redistributor-stride"
_SECOND_FRAME: Final = "`reg` has the control frame only, and the frame for messages follows it"

# Where QEMU's virt board has its GICv3; the described nodes are for a root with 2 address and 2 size cells.
GICD_DEFAULT: Final = (0x0800_0000, FRAME)
ITS_DEFAULT: Final = (0x0808_0000, 2 * FRAME)
GICR_DEFAULT: Final = (0x080A_0000, 123 * REDISTRIBUTOR)
FURTHER_GICR_DEFAULT: Final = (0x40_0000_0000, 512 * REDISTRIBUTOR)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the GIC's frames are: (guest physical address, size in bytes) each.

    Attributes:
        gicd: the distributor.
        redistributors: the regions of redistributors.
        stride: bytes from one redistributor to the next.
        its: the ITSs.
        mbis: the INTIDs of SPIs that messages to the distributor raise.
        alias: where the distributor's doorbells are once more; None: nowhere.
    """

    gicd: tuple[int, int]
    redistributors: tuple[tuple[int, int], ...]
    stride: int = REDISTRIBUTOR
    its: tuple[tuple[int, int], ...] = ()
    mbis: tuple[range, ...] = ()
    alias: int | None = None

    @property
    def doorbells(self) -> int:
        """Address that the offsets of the distributor's doorbells are added to: the alias is there to be used."""
        return self.gicd[0] if self.alias is None else self.alias

    def places(self, cpus: int) -> tuple[int, ...]:
        """The addresses of the redistributors of that many CPUs, fewer if there are no more."""
        return tuple(islice(self._places(), cpus))

    def ends(self, places: Iterable[int]) -> frozenset[int]:
        """Those of the places that are the highest of their region (GICR_TYPER page, Last)."""
        taken = sorted(places)
        regions = ([place for place in taken if base <= place < base + size] for base, size in self.redistributors)
        return frozenset(region[-1] for region in regions if region)

    def _places(self) -> Iterator[int]:
        for base, size in self.redistributors:
            yield from range(base, base + size - self.stride + 1, self.stride)


def layout(nodes: Sequence[NodeRef]) -> Layout:
    """Where the nodes say that the frames are.

    Args:
        nodes: the GIC, and its ITSs.

    Raises:
        NodeError: for a GIC without a distributor and redistributors, an ITS without its frame, or a frame
            that no `reg` has and that lies on something.
        VmError: EINVAL unless there is one GIC.
    """
    # The nodes that the core hands over are those of its own trees.
    own = [cast("Node", node) for node in nodes if is_enabled(cast("Node", node))]
    gics = [node for node in own if GIC_COMPATIBLE in node.compatible]
    if len(gics) != 1:
        found = ", ".join(node.path for node in gics) or "none"
        raise VmError(errno.EINVAL, f"the machine must have one GIC, and has {found}")
    gic = gics[0]
    stride = _stride(gic)
    gicd, *regions = _frames(gic, stride)
    its = [(node, *its_frame(node)) for node in own if ITS_COMPATIBLE in node.compatible]
    messages = mbis((gic,))
    alias = _mbis.alias(gic, gicd[0]) if messages else None
    beside = [Beside(node, "reg", base + FRAME, FRAME, _SECOND_FRAME) for node, base, size in its if size < 2 * FRAME]
    if alias is not None:
        beside.append(Beside(gic, _mbis.MBI_ALIAS, alias, _mbis.ALIAS))
    _beside.check(beside)
    return Layout(gicd, tuple(regions), stride, tuple((base, size) for _, base, size in its), messages, alias)


def _frames(gic: Node, stride: int) -> tuple[Frame, ...]:
    """The distributor, and the regions of redistributors."""
    count = gic.u32(_REGIONS) if gic.has(_REGIONS) else 1
    frames = frames_of(gic)
    if not count or len(frames) <= count:
        raise NodeError(
            f"`reg` of {gic.path} lacks regions of redistributors",
            gic.path,
            "reg",
            expected=f"the distributor, then {count or 1} region{'s' if (count or 1) > 1 else ''} of redistributors",
            found=f"{len(frames)} entr{'y' if len(frames) == 1 else 'ies'}",
        )
    check_size(gic, 0, FRAME, "the distributor")
    for entry in range(1, count + 1):
        check_size(gic, entry, stride, "a region of redistributors")
    return frames[: count + 1]


def _stride(gic: Node) -> int:
    cells = gic.cells(_STRIDE)
    stride = (cells[0] << 32 | cells[1]) if len(cells) == 2 else sum(cells[:1])
    if stride and (stride < REDISTRIBUTOR or stride % FRAME):
        raise NodeError(
            f"the redistributors of {gic.path} would lie on each other",
            gic.path,
            _STRIDE,
            expected=f"{REDISTRIBUTOR:#x} or more, and a multiple of {FRAME:#x}",
            found=f"{stride:#x}",
        )
    return stride or REDISTRIBUTOR


def its_frame(node: Node) -> Frame:
    """Where an ITS is.

    Raises:
        NodeError: if the node does not say, or it is too small.
    """
    frames = frames_of(node)
    check_size(node, 0, FRAME, "the control frame")
    return frames[0]


def describe(request: DescribeRequest) -> tuple[NodeSpec, ...]:
    """The nodes of a GICv3 for a machine, at the addresses of QEMU's virt board.

    Raises:
        SpecifierError: for more CPUs than a GICv3 here has redistributors, or a root whose cells are too few.
    """
    cpus = len(request.mpidrs)
    if cpus > _MAX_CPUS:
        raise SpecifierError(f"a GICv3 has {_MAX_CPUS} redistributors, not {cpus}", expected=f"1..{_MAX_CPUS} CPUs")
    first = GICR_DEFAULT[1] // REDISTRIBUTOR
    regions = (GICR_DEFAULT,) if cpus <= first else (GICR_DEFAULT, FURTHER_GICR_DEFAULT)
    properties: dict[str, PropertyValue] = {
        "compatible": (GIC_COMPATIBLE,),
        "#interrupt-cells": (3,),
        "interrupt-controller": (),
        "reg": tuple(cell for frame in (GICD_DEFAULT, *regions) for cell in request.reg(*frame)),
        _REGIONS: (len(regions),),
        "#address-cells": (request.address_cells,),
        "#size-cells": (request.size_cells,),
        "ranges": (),
    }
    children = (_describe_its(request),) if request.msis else ()
    serves = frozenset({SourceKind.SPI, SourceKind.PPI})
    return (NodeSpec(f"intc@{GICD_DEFAULT[0]:x}", properties, children, serves),)


def _describe_its(request: DescribeRequest) -> NodeSpec:
    properties: Mapping[str, PropertyValue] = {
        "compatible": (ITS_COMPATIBLE,),
        "msi-controller": (),
        "#msi-cells": (1,),
        "reg": request.reg(*ITS_DEFAULT),
    }
    # QEMU calls the node "its"; the binding has no such name.
    return NodeSpec(f"msi-controller@{ITS_DEFAULT[0]:x}", properties, serves=frozenset({"msi"}))
