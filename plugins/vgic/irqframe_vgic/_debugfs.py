"""A GIC's state as text, in the columns of KVM's debugfs file vgic-state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from irqframe_vgic._block import Block, bits
from irqframe_vgic._interface import Interface
from irqframe_vgic._intids import SGIS
from irqframe_vgic._shared import Shared

_LEGEND: Final = """\
P=pending_latch, L=line_level, A=active
E=enabled, H=hw, C=config (level=1, edge=0)
G=group
"""


class Route(NamedTuple):
    """Where an interrupt goes.

    Attributes:
        cpu: index of the vCPU, 0 if it goes to none.
        targets: GICD_ITARGETSR's byte, or the affinity.
        sources: of an SGI of a GICv2, the bitmap of CPUs that have sent it.
    """

    cpu: int
    targets: int
    sources: int = 0


#: (block, place in it, the CPU whose own it is or None) -> where it goes.
Routing = Callable[[Block, int, Any], Route]


def vgic_state(model: str, gic: Shared[Any], route: Routing) -> str:
    """The distributor, then every CPU's SGIs and PPIs, then the SPIs.

    Args:
        model: name of the architecture's version.
        gic: the distributor.
        route: where each interrupt goes.
    """
    lines = [
        "Distributor",
        "===========",
        f"vgic_model:\t{model}",
        f"nr_spis:\t{len(gic.homes)}",
        f"enabled:\t{int(bool(gic.ctlr))}",
        "",
        _LEGEND,
    ]
    for cpu in gic.cpus:
        lines += [_header(f"VCPU {cpu.vcpu.index}"), "-" * 68]
        lines += [_row(block, n, cpu, route) for block in cpu.own.values() for n in bits(block.valid)]
        lines.append("")
    lines += [_header("SPI   "), "-" * 68]
    lines += [_row(block, n, None, route) for block, n in gic.intids()]
    return "\n".join(lines) + "\n"


def _header(who: str) -> str:
    return f"{who} TYP   ID TGT_ID PLAEHCG     HWID   TARGET SRC PRI VCPU_ID"


def _row(block: Block, n: int, cpu: Interface | None, route: Routing) -> str:
    intid = block.first + n
    kind = "SPI" if cpu is None else "SGI" if intid < SGIS else "PPI"
    link = cpu.links.get(intid) if cpu is not None else None
    to = route(block, n, cpu)
    flags = (
        "".join(str(value >> n & 1) for value in (block.latch, block.line, block.active, block.enabled))
        + f"{int(link is not None)}{1 - (block.edge >> n & 1)}{block.group >> n & 1}"
    )
    return (
        f"       {kind} {intid:4d} {to.cpu:6d} {flags} {link.host_irq if link else 0:8d} {to.targets:8x} "
        f"{to.sources:3x} {block.priority[n]:3d} {to.cpu:7d}"
    )
