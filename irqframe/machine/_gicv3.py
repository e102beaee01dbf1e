"""The rules of GICv3 nodes, which need the tree alone: no irqchip has to serve them (Linux, arm,gic-v3.yaml).

1. `reg` is the distributor, then `#redistributor-regions` (1 if absent) regions of redistributors, then at most three
   more. A CPU finds its redistributor by walking these regions; one that finds none does not start (E0618, E0619).
2. Redistributors are 128 KiB apart unless `redistributor-stride` says more. A GICv4's are 256 KiB apart, which its
   registers say and its node need not: so the count here is the most there can be.
3. With `ppi-partitions` a specifier has a fourth cell: 0, or for a PPI, plain or extended, the phandle of a partition
   (E0629). Each partition names its CPUs in `affinity` (E0620), and they alone have that device on the PPI.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irqframe.dt import Cpu, InterruptRef, Node, Tree, bounded, enabled, reg
from irqframe.errors import Finding, Span

_COMPATIBLE = "arm,gic-v3"
_STRIDE = 0x2_0000
_PPIS = (1, 3)
_PARTITION = 3


def check_gicv3(tree: Tree, refs: Sequence[InterruptRef], cpus: int) -> list[Finding]:
    """What is wrong with the tree's GICv3s.

    Args:
        tree: the tree.
        refs: its interrupts.
        cpus: how many CPUs the machine has.
    """
    sent: dict[int, list[InterruptRef]] = {}
    for ref in refs:
        sent.setdefault(id(ref.controller), []).append(ref)
    gics = (node for node in enabled(tree) if _COMPATIBLE in node.compatible)
    rules = ((_redistributors(tree, gic, cpus), _partitions(gic, sent.get(id(gic), []))) for gic in gics)
    return bounded(finding for both in rules for found in both for finding in found)


def partition(ref: InterruptRef) -> Node | None:
    """The partition of CPUs that an interrupt belongs to; None if it names none."""
    if not _names_one(ref):
        return None
    parent = ref.controller.children.get("ppi-partitions")
    every = parent.children.values() if parent is not None else ()
    return next((node for node in every if node.phandle == ref.specifier[_PARTITION]), None)


def names_none(ref: InterruptRef) -> bool:
    """Whether a PPI's fourth cell names a partition that is not there (E0629)."""
    return _names_one(ref) and ref.specifier[0] in _PPIS and partition(ref) is None


def _names_one(ref: InterruptRef) -> bool:
    cells = ref.specifier
    return len(cells) > _PARTITION and cells[_PARTITION] != 0 and _COMPATIBLE in ref.controller.compatible


def cpus_of(ref: InterruptRef, cpus: Sequence[Cpu]) -> frozenset[int] | None:
    """Which CPUs have an interrupt, by index, if it belongs to a partition; None: all."""
    node = partition(ref)
    if node is None:
        return None
    named = set(node.cells("affinity"))
    return frozenset(index for index, cpu in enumerate(cpus) if cpu.node.phandle in named)


def _redistributors(tree: Tree, gic: Node, cpus: int) -> Iterator[Finding]:
    frames = reg(gic)
    prop = gic.properties.get("reg")
    if prop is None or not frames:
        return
    wanted = gic.u32("#redistributor-regions") if gic.has("#redistributor-regions") else 1
    if wanted is None:
        return
    regions = frames[1 : 1 + wanted]
    if len(regions) < wanted:
        said = gic.properties.get("#redistributor-regions")
        yield Finding(
            "E0619",
            f"`reg` of {gic.path} has {len(regions)} of {wanted} regions of redistributors",
            prop.span,
            gic.path,
            expected=f"the distributor, {wanted} regions of redistributors, then what else there is",
            found=f"{len(frames)} entries",
            related=() if said is None else ((said.span, "the number of regions"),),
        )
        return
    stride = _stride(gic)
    room = sum(size // stride for _, size in regions)
    if room < cpus:
        cells = len(prop.cells) // len(frames)
        yield Finding(
            "E0618",
            f"{gic.path} has redistributors for {room} of {cpus} CPUs",
            prop.span_at(4 * cells),
            gic.path,
            expected=f"{cpus} times {stride:#x} bytes, or further regions (#redistributor-regions)",
            found=" and ".join(f"{size:#x} bytes" for _, size in regions[:4]),
            related=_place_of_cpus(tree),
        )


def _stride(gic: Node) -> int:
    cells = gic.cells("redistributor-stride")
    given = int.from_bytes(b"".join(cell.to_bytes(4, "big") for cell in cells[:2]), "big")
    return max(given, _STRIDE)


def _place_of_cpus(tree: Tree) -> tuple[tuple[Span, str], ...]:
    cpus = tree.root.children.get("cpus")
    return () if cpus is None else ((cpus.span, "the CPUs"),)


def _partitions(gic: Node, refs: Sequence[InterruptRef]) -> Iterator[Finding]:
    parent = gic.children.get("ppi-partitions")
    known = {} if parent is None else {node.phandle: node for node in parent.children.values()}
    cells = gic.properties.get("#interrupt-cells")
    if parent is not None and cells is not None and gic.u32("#interrupt-cells") == _PARTITION:
        yield Finding(
            "E0629",
            f"{gic.path} has PPI partitions, and its specifiers have no cell to name one",
            cells.span_at(0),
            gic.path,
            expected="#interrupt-cells = <4>",
            found="<3>",
            related=((parent.span, "the partitions"),),
        )
    for ref in refs:
        if len(ref.specifier) > _PARTITION and (named := ref.specifier[_PARTITION]):
            is_ppi = ref.specifier[0] in _PPIS
            if is_ppi and named in known:
                continue
            yield Finding(
                "E0629",
                "the fourth cell names no PPI partition" if is_ppi else "only a PPI can have a partition",
                ref.spans[_PARTITION],
                ref.node.path,
                expected=f"0, or a child of {gic.path}/ppi-partitions" if is_ppi else "0",
                found=f"{named:#x}",
                related=(
                    (gic.span if parent is None else parent.span, "the controller" if parent is None else "them"),
                ),
            )
