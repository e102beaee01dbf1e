"""A tree with another number of CPUs, as a guest is booted with.

1. With fewer, the first ones of the tree stay. Those that go take /cpus/cpu-map with them, which names every one.
2. With more, the new ones are copies of the last, started by PSCI, with the next free affinities as KVM numbers them.
3. Nothing else is changed. What names a CPU that is gone, or has no room for one that came (the redistributors of a
   GICv3), is a finding when the machine is made of the tree.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from irqframe import dt
from irqframe.dt import Cpu, Node, Tree
from irqframe.errors import IrqframeError
from irqframe.machine._guest_nodes import mpidrs, wide

MOST: Final = 512
"""More than any irqchip serves, so that a number out of nowhere makes no tree without end."""


def with_cpus(tree: Tree, number: int) -> Tree:
    """The tree with so many CPUs.

    Args:
        tree: with at least one usable CPU; it is left as it is.
        number: how many.

    Raises:
        IrqframeError: the tree has no CPU to copy, or the number is none that a machine can have.
    """
    if not 1 <= number <= MOST:
        raise IrqframeError(f"a machine has 1 to {MOST} CPUs, not {number}")
    there, _ = dt.cpus(tree)
    if len(there) == number:
        return tree
    made = dt.copy_tree(tree)
    cpus, _ = dt.cpus(made)
    if not cpus:
        raise IrqframeError(f"{tree.file} has no CPU")
    if number < len(cpus):
        _remove(cpus[number:])
    else:
        _add(cpus, number - len(cpus))
    return made


def _remove(cpus: tuple[Cpu, ...]) -> None:
    for cpu in cpus:
        if cpu.node.parent is not None:
            cpu.node.parent.children.pop("cpu-map", None)
            del cpu.node.parent.children[cpu.node.name]


def _add(cpus: tuple[Cpu, ...], more: int) -> None:
    """So many copies of the last CPU, behind it."""
    taken = {cpu.mpidr for cpu in cpus}
    free = (affinity for each in count(1) if (affinity := mpidrs(each)[-1]) not in taken)
    last = cpus[-1].node
    parent = last.parent
    assert parent is not None
    children = list(parent.children.values())
    after = children[children.index(last) + 1 :]
    for node in after:
        del parent.children[node.name]
    for _ in range(more):
        parent.add(_copy(last, next(free)))
    for node in after:
        parent.add(node)


def _copy(cpu: Node, affinity: int) -> Node:
    properties = {
        prop.name: prop.copy() for prop in cpu.properties.values() if prop.name not in ("phandle", "linux,phandle")
    }
    made = Node(f"{cpu.basename}@{affinity:x}", cpu.span, None, properties)
    made.set_cells("reg", *wide(affinity, len(cpu.cells("reg"))))
    made.set_strings("enable-method", "psci")
    return made
