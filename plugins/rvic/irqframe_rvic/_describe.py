"""Device tree: interrupt specifiers of the two nodes, and the nodes of a machine that is re-targeted to rVIC.

- rVIC node: two cells, a trusted INTID and its trigger. INTIDs 0 to 15 are the guest's IPIs, and untrusted INTIDs are
  the rVID's to give: neither can be named.
- rVID node: one cell, the input, which is edge-triggered; with `irqframe,level-inputs` two, the second its trigger.
- A trigger is 1 (edge rising) or 4 (level high): the guest's driver sets no other.
- A re-targeted source keeps edge or level, and loses its polarity. That belongs to the wire between the device and a
  physical controller; what is injected here says "asserted", whichever way the wire would have gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from irqframe.errors import SpecifierError, TriggerError
from irqframe.flow import DescribeRequest, NodeRef, NodeSpec, Phandle, PropertyValue, Source, SourceKind, Trigger
from irqframe_rvic._device import RVIC_NODE, RVID_NODE
from irqframe_rvic._instance import IPIS
from irqframe_rvic._vm_data import DEFAULT_TOTAL, DEFAULT_TRUSTED, MAX_TOTAL, MIN_TRUSTED, STEP

TRIGGERS: Final = {trigger.value: trigger for trigger in (Trigger.EDGE_RISING, Trigger.LEVEL_HIGH)}
_TRIGGER_TEXT: Final = "1 (edge rising) or 4 (level high)"

MAX_INPUTS: Final = MAX_TOTAL - MIN_TRUSTED
"""Most inputs that any rVID can have."""

MSIS: Final = 128
"""How many inputs a re-targeted machine gives to messages, unless fewer are left."""
MSI_ALIGN: Final = 32
"""Alignment of their base: the largest block of vectors that a PCI device can ask for by Multiple Message MSI."""


def translate(node: NodeRef, cells: tuple[int, ...], *, untrusted: bool = False) -> Source:
    """Turn a specifier of one of the two nodes into its source.

    Args:
        node: the node.
        cells: the specifier.
        untrusted: accept an untrusted INTID on the rVIC node (quirk D3).

    Raises:
        SpecifierError: for a number that the node does not serve.
        TriggerError: for a trigger that it does not serve.
    """
    if RVID_NODE in node.compatible:
        return _translate_input(node, cells)
    _expect(cells, 2, "an INTID and a trigger")
    intid = cells[0]
    trusted = node.u32("irqframe,nr-trusted") if node.has("irqframe,nr-trusted") else DEFAULT_TRUSTED
    last = (trusted or DEFAULT_TRUSTED) - 1
    if intid < IPIS:
        raise SpecifierError(
            f"INTID {intid} is one of the guest's IPIs, 0 to {IPIS - 1}", expected=f"an INTID of {IPIS}..{last}"
        )
    if intid > last and not untrusted:
        raise SpecifierError(
            f"INTID {intid} is outside what {node.name} serves (trusted INTID {IPIS}..{last})",
            hint="only the rVID gives untrusted INTIDs to devices: a device that is not per CPU goes to an input of it",
        )
    return Source(SourceKind.PPI, intid, _trigger(cells))


def encode(source: Source, level_inputs: bool) -> tuple[int, ...]:
    """The cells that name a source.

    Args:
        source: a PPI for the rVIC node, an SPI for the rVID node.
        level_inputs: whether the rVID node has level inputs.

    Raises:
        SpecifierError: for a source that rVIC cannot serve.
    """
    trigger = Trigger.LEVEL_HIGH if source.trigger.is_level else Trigger.EDGE_RISING
    if source.kind is SourceKind.PPI:
        if not IPIS <= source.number < MAX_TOTAL - STEP:
            raise SpecifierError(
                f"a per-CPU interrupt cannot have INTID {source.number}",
                expected=f"{IPIS} or more",
            )
        return (source.number, trigger.value)
    if not 0 <= source.number < MAX_INPUTS:
        raise SpecifierError(f"there is no input {source.number}", expected=f"an input of 0..{MAX_INPUTS - 1}")
    if level_inputs:
        return (source.number, trigger.value)
    if source.trigger.is_level:
        raise TriggerError(f"input {source.number} is level-triggered, and the rVID has no level inputs", cell=1)
    return (source.number,)


def wants_level_inputs(sources: Iterable[Source]) -> bool:
    """Whether a shared source is level-triggered."""
    return any(source.kind is SourceKind.SPI and source.trigger.is_level for source in sources)


def describe(request: DescribeRequest) -> tuple[NodeSpec, NodeSpec]:
    """The rVIC and the rVID node of a machine.

    Args:
        request: its vCPUs, sources and whether it has MSIs.

    Raises:
        SpecifierError: if there are more sources than an rVIC can have.
    """
    level_inputs = wants_level_inputs(request.sources)
    for source in request.sources:
        encode(source, level_inputs)
    trusted = max(MIN_TRUSTED, _up(1 + _highest(request.sources, SourceKind.PPI), STEP))
    wired = 1 + _highest(request.sources, SourceKind.SPI)
    base = _up(wired, MSI_ALIGN)
    room = MAX_TOTAL - trusted
    msis = min(MSIS, room - base) if request.msis else 0
    if wired > room or (request.msis and msis < MSI_ALIGN):
        raise SpecifierError(
            f"{wired} wired inputs{' and MSIs' if request.msis else ''} do not fit",
            expected=f"at most {room} inputs beside {trusted} trusted INTIDs",
        )
    total = max(DEFAULT_TOTAL, trusted + _up(max(base + msis if msis else wired, 1), STEP))
    return _rvic_node(trusted, total), _rvid_node(level_inputs, range(base, base + msis))


def _rvic_node(trusted: int, total: int) -> NodeSpec:
    properties: dict[str, PropertyValue] = {
        "compatible": (RVIC_NODE,),
        "interrupt-controller": (),
        "#interrupt-cells": (2,),
        "#address-cells": (0,),
        "irqframe,nr-trusted": (trusted,),
        "irqframe,nr-total": (total,),
    }
    return NodeSpec("rvic", properties, serves=frozenset({SourceKind.PPI}))


def _rvid_node(level_inputs: bool, msis: range) -> NodeSpec:
    properties: dict[str, PropertyValue] = {
        "compatible": (RVID_NODE,),
        "interrupt-parent": (Phandle("rvic"),),
        "interrupt-controller": (),
        "#interrupt-cells": (2 if level_inputs else 1,),
        "#address-cells": (0,),
    }
    if level_inputs:
        properties["irqframe,level-inputs"] = ()
    serves: set[SourceKind | str] = {SourceKind.SPI}
    if msis:
        properties["msi-controller"] = ()
        properties["msi-range"] = (msis.start, len(msis))
        serves.add("msi")
    return NodeSpec("rvid", properties, serves=frozenset(serves))


def _translate_input(node: NodeRef, cells: tuple[int, ...]) -> Source:
    level_inputs = node.has("irqframe,level-inputs")
    _expect(cells, 2 if level_inputs else 1, "an input and a trigger" if level_inputs else "an input")
    number = cells[0]
    if number >= MAX_INPUTS:
        raise SpecifierError(f"input {number} is outside what {node.name} can serve (0..{MAX_INPUTS - 1} at most)")
    return Source(SourceKind.SPI, number, _trigger(cells) if level_inputs else Trigger.EDGE_RISING)


def _trigger(cells: tuple[int, ...]) -> Trigger:
    trigger = TRIGGERS.get(cells[1])
    if trigger is None:
        raise TriggerError(f"{cells[1]} is no trigger of rVIC", cell=1, expected=_TRIGGER_TEXT)
    return trigger


def _expect(cells: tuple[int, ...], count: int, what: str) -> None:
    if len(cells) != count:
        raise SpecifierError(f"the specifier has {len(cells)} cells", expected=f"{count}: {what}")


def _highest(sources: Iterable[Source], kind: SourceKind) -> int:
    return max((source.number for source in sources if source.kind is kind), default=-1)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
