"""Writing trees, as DTB and as DTS, through the `fdt` package."""

from __future__ import annotations

from typing import Any

from irqframe.dt._collected import Collected
from irqframe.dt._names import node_name_fault, property_name_fault
from irqframe.dt._tree import Tree

VERSION = 17


def to_dtb(tree: Tree) -> bytes:
    """Write a tree as a DTB of version 17 (DTSpec 5).

    Returns:
        The bytes; `read_dtb` gives the same tree back: order, values, reservations and boot CPU.

    Raises:
        InputError: a node or property has a name that is not legal (E0207, E0208).
    """
    blob: bytes = _prepared(tree).to_dtb(version=VERSION, boot_cpuid_phys=tree.boot_cpu)
    return blob


def to_dts(tree: Tree) -> str:
    """Write a tree as device-tree source, in ASCII.

    A value is written as it was in the source it came from; out of a DTB, as strings, cells or bytes by the property's
    name, and a phandle as a reference to its node where the name says that it is one. Labels are kept on nodes.
    Source has no place for the boot CPU: it is a comment only.

    Returns:
        The text; dtc and `parse_dts` make of it the same nodes, values and reservations in the same order, except a
        `name` property that repeats its node's name, which both leave out.

    Raises:
        InputError: a node or property has a name that is not legal (E0207, E0208).
    """
    made = _prepared(tree)
    made.header.version = VERSION
    made.header.boot_cpuid_phys = tree.boot_cpu
    text: str = made.to_dts()
    # The first block of the root cannot carry labels, and a later one carries one; the last one is the first in order.
    return text + "".join(f"{label}: &{{/}} {{ }};\n" for label in reversed(tree.root.labels))


def _prepared(tree: Tree) -> Any:
    """The tree in fdt's classes, its names checked, for fdt only asserts that they can be printed."""
    from irqframe.dt._fdt_nodes import fdt_tree

    report = Collected()
    report.sources = tree.sources
    for node in tree.walk():
        fault = node_name_fault(node.name) if node.parent is not None else ""
        if fault:
            report.add("E0207", f"node name {node.name[:40]!r} {fault}", node.span, path=node.path)
        for prop in node.properties.values():
            fault = property_name_fault(prop.name)
            if fault:
                report.add("E0208", f"property name {prop.name[:40]!r} {fault}", prop.span, path=node.path)
    report.stop_if_any()
    return fdt_tree(tree)
