"""The rules of what names CPUs: affinity lists, and the CPU masks of GIC specifiers.

1. `affinity` of a PPI partition and `interrupt-affinity` of a performance monitor are phandles of CPUs (E0620).
2. `interrupt-affinity` says which CPU each interrupt belongs to, so it has as many entries (E0621; Linux, pmu.yaml and
   pmu_parse_irqs).
3. Bits 15:8 of the third cell of a GICv2 PPI have a bit for each CPU interface that has the line (Linux, arm,gic.yaml).
   No operating system needs them; more bits than CPUs say that the node was copied (W0617). Which bits they are is not
   compared, for clusters can leave interfaces out. CPUs that are disabled count as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from irqframe.dt import InterruptRef, Node, Property, Tree, bounded, enabled
from irqframe.errors import Finding

_GICV2 = frozenset(
    {
        "arm,arm11mp-gic",
        "arm,cortex-a15-gic",
        "arm,cortex-a5-gic",
        "arm,cortex-a7-gic",
        "arm,cortex-a9-gic",
        "arm,gic-400",
        "arm,pl390",
        "arm,tc11mp-gic",
        "qcom,msm-8660-qgic",
        "qcom,msm-qgic2",
    }
)
_PPI = 1
_MAX_CPUS = 8


def check_cpu_lists(tree: Tree, refs: Sequence[InterruptRef]) -> list[Finding]:
    """What is wrong with lists and masks of CPUs.

    Args:
        tree: the tree.
        refs: its interrupts.
    """
    by_phandle = tree.by_phandle()
    cpus = {id(node) for node in _cpu_nodes(tree)}
    listed: dict[int, int] = {}
    for ref in refs:
        if not ref.unit:
            listed[id(ref.node)] = max(listed.get(id(ref.node), 0), ref.index + 1)
    return bounded(chain(_lists(tree, by_phandle, cpus, listed), _masks(refs, len(cpus))))


def _lists(tree: Tree, by_phandle: Mapping[int, Node], cpus: set[int], listed: Mapping[int, int]) -> Iterator[Finding]:
    for node in enabled(tree):
        if node.parent is not None and node.parent.name == "ppi-partitions" and node.has("affinity"):
            yield from _are_cpus(node, node.properties["affinity"], by_phandle, cpus)
        prop = node.properties.get("interrupt-affinity")
        if prop is not None:
            yield from _are_cpus(node, prop, by_phandle, cpus)
            yield from _one_each(node, prop, listed.get(id(node), 0))


def _cpu_nodes(tree: Tree) -> Iterator[Node]:
    parent = tree.root.children.get("cpus")
    for node in () if parent is None else parent.children.values():
        if node.basename == "cpu" or node.strings("device_type") == ("cpu",):
            yield node


def _are_cpus(node: Node, prop: Property, by_phandle: Mapping[int, Node], cpus: set[int]) -> Iterator[Finding]:
    for index, phandle in enumerate(prop.cells):
        target = by_phandle.get(phandle)
        if target is None or id(target) not in cpus:
            yield Finding(
                "E0620",
                f"`{prop.name}` of {node.path} names {'no node' if target is None else target.path}, which is no CPU",
                prop.span_at(4 * index),
                node.path,
                expected="the phandle of a child of /cpus",
                found=f"{phandle:#x}",
                related=() if target is None else ((target.span, "the node that is named"),),
            )


def _one_each(node: Node, prop: Property, interrupts: int) -> Iterator[Finding]:
    # With one interrupt it is a per-CPU one, whose list may name those CPUs that have it.
    if interrupts > 1 and len(prop.cells) != interrupts:
        own = node.properties.get("interrupts") or node.properties.get("interrupts-extended")
        yield Finding(
            "E0621",
            f"`interrupt-affinity` of {node.path} does not name a CPU for each of {interrupts} interrupts",
            prop.span,
            node.path,
            expected=f"{interrupts} phandles, in the order of the interrupts",
            found=str(len(prop.cells)),
            related=() if own is None else ((own.span, "the interrupts"),),
        )


def _masks(refs: Sequence[InterruptRef], cpus: int) -> Iterator[Finding]:
    """One finding for each node: its specifiers were written together."""
    if not 0 < cpus < _MAX_CPUS:
        return
    found: set[int] = set()
    for ref in refs:
        cells = ref.specifier
        if len(cells) != 3 or cells[0] != _PPI or _GICV2.isdisjoint(ref.controller.compatible):
            continue
        mask = cells[2] >> 8 & 0xFF
        if mask.bit_count() > cpus and id(ref.node) not in found:
            found.add(id(ref.node))
            yield Finding(
                "W0617",
                f"the CPU mask of PPI {cells[1]} names more CPUs than the machine has",
                ref.spans[2],
                ref.node.path,
                expected=f"at most {cpus} of bits 15:8, as there are {cpus} CPUs" if cpus > 1 else "one of bits 15:8",
                found=f"{mask.bit_count()}, {mask:#x}, in {cells[2]:#x}",
            )
