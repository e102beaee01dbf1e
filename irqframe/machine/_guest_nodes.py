"""The nodes that every arm64 virtual machine has beside its irqchip and its devices, made from nothing.

They are what the bindings of Linux and QEMU's `virt` machine have: arm/cpus.yaml, arm/psci.yaml,
timer/arm,arch_timer.yaml, arm/pmu.yaml, the Devicetree Specification v0.4, 3.3 to 3.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from irqframe.dt import Node, Tree
from irqframe.errors import Span
from irqframe.flow import Source, SourceKind, Trigger

PSCI: Final = ("arm,psci-1.0", "arm,psci-0.2")
PSCI_METHOD: Final = "hvc"
"""How guests call: in a VM without EL3 or EL2 of its own, there is nothing else."""

TIMER: Final = "arm,armv8-timer"
TIMER_SOURCES: Final = tuple(Source(SourceKind.PPI, intid, Trigger.LEVEL_HIGH) for intid in (29, 30, 27, 26))
"""Secure physical, physical, virtual, hypervisor physical: the order of the binding, the INTIDs of Arm's BSA."""

PMU: Final = "arm,armv8-pmuv3"
PMU_SOURCE: Final = Source(SourceKind.PPI, 23, Trigger.LEVEL_HIGH)

CPU: Final = "arm,armv8"
RAM_BASE: Final = 0x4000_0000
RAM_SIZE: Final = 512 << 20

#: CPUs of one cluster, whose Aff0 counts: as many as an SGI reaches by its target list.
_CLUSTER: Final = 16


def mpidrs(count: int) -> tuple[int, ...]:
    """Affinities of so many CPUs, as KVM numbers them."""
    return tuple(index // _CLUSTER << 8 | index % _CLUSTER for index in range(count))


def wide(number: int, cells: int) -> tuple[int, ...]:
    """A number in so many cells."""
    return tuple(number >> 32 * place & 0xFFFFFFFF for place in reversed(range(cells)))


def cpus_node(affinities: Sequence[int], span: Span) -> Node:
    """/cpus, every CPU started by PSCI."""
    made = Node("cpus", span)
    cells = 2 if max(affinities) >> 32 else 1
    made.set_cells("#address-cells", cells)
    made.set_cells("#size-cells", 0)
    for affinity in affinities:
        cpu = made.add(Node(f"cpu@{affinity:x}", span))
        cpu.set_strings("device_type", "cpu")
        cpu.set_strings("compatible", CPU)
        cpu.set_cells("reg", *wide(affinity, cells))
        cpu.set_strings("enable-method", "psci")
    return made


def memory_node(address: int, size: int, address_cells: int, size_cells: int, span: Span) -> Node:
    """A range of RAM."""
    made = Node(f"memory@{address:x}", span)
    made.set_strings("device_type", "memory")
    made.set_cells("reg", *wide(address, address_cells), *wide(size, size_cells))
    return made


def psci_node(span: Span) -> Node:
    """/psci."""
    made = Node("psci", span)
    made.set_strings("compatible", *PSCI)
    made.set_strings("method", PSCI_METHOD)
    return made


def per_cpu_node(name: str, compatible: str, parent: int, cells: Sequence[int], span: Span) -> Node:
    """The timer or the performance monitor: a node of per-CPU interrupts.

    Args:
        name: of the node.
        compatible: likewise.
        parent: phandle of the controller.
        cells: its specifiers, one after the other.
        span: where findings say it is.
    """
    made = Node(name, span)
    made.set_strings("compatible", compatible)
    made.set_cells("interrupt-parent", parent)
    made.set_cells("interrupts", *cells)
    return made


def child(tree: Tree, name: str) -> Node:
    """The root's child of that name, made if it is not there."""
    root = tree.root
    return root.children.get(name) or root.add(Node(name, root.span))


def set_chosen(tree: Tree, bootargs: str | None, initrd: tuple[int, int] | None) -> None:
    """Say in /chosen what a boot loader does.

    Args:
        tree: to write in.
        bootargs: the command line; None: as it is.
        initrd: address and size of the initial RAM disk; None: as it is.
    """
    if bootargs is not None:
        child(tree, "chosen").set_strings("bootargs", bootargs)
    if initrd is not None:
        # Linux takes either width; 64 bits are what QEMU and EDK II write.
        address, size = initrd
        chosen = child(tree, "chosen")
        chosen.set_cells("linux,initrd-start", *wide(address, 2))
        chosen.set_cells("linux,initrd-end", *wide(address + size, 2))
