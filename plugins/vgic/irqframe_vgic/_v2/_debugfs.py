"""The GIC's state as text, in the columns of KVM's debugfs file vgic-state."""

from __future__ import annotations

from typing import Final

from irqframe_vgic._block import Block, bits
from irqframe_vgic._intids import PRIVATE, SGIS
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface

_LEGEND: Final = """\
P=pending_latch, L=line_level, A=active
E=enabled, H=hw, C=config (level=1, edge=0)
G=group
"""


def vgic_state(gic: Distributor) -> str:
    """The distributor, then every CPU's SGIs and PPIs, then the SPIs."""
    lines = [
        "Distributor",
        "===========",
        "vgic_model:\tGICv2",
        f"nr_spis:\t{gic.parameters.spis}",
        f"enabled:\t{int(bool(gic.ctlr))}",
        "",
        _LEGEND,
    ]
    for cpu in gic.cpus:
        lines += [_header(f"VCPU {cpu.vcpu.index}"), "-" * 68]
        lines += [_row(cpu.private, n, cpu) for n in bits(cpu.private.valid)]
        lines.append("")
    lines += [_header("SPI   "), "-" * 68]
    lines += [_row(block, n, None) for block in gic.blocks.values() for n in bits(block.valid)]
    return "\n".join(lines) + "\n"


def _header(who: str) -> str:
    return f"{who} TYP   ID TGT_ID PLAEHCG     HWID   TARGET SRC PRI VCPU_ID"


def _row(block: Block, n: int, cpu: CpuInterface | None) -> str:
    intid = block.first + n
    kind = "SGI" if intid < SGIS else "PPI" if intid < PRIVATE else "SPI"
    link = cpu.links.get(intid) if cpu is not None else None
    targets = block.targets[n]
    home = (targets & -targets).bit_length() - 1 if targets else 0
    flags = (
        "".join(str(value >> n & 1) for value in (block.latch, block.line, block.active, block.enabled))
        + f"{int(link is not None)}{1 - (block.edge >> n & 1)}{block.group >> n & 1}"
    )
    source = cpu.sources[intid] if cpu is not None and intid < SGIS else 0
    return (
        f"       {kind} {intid:4d} {home:6d} {flags} {link.host_irq if link else 0:8d} {targets:8x} {source:3x} "
        f"{block.priority[n]:3d} {home:7d}"
    )
