"""What a guest needs to boot and a tree may lack: memory, PSCI, the generic timer, a console in /chosen.

Nothing that the tree says is changed, but for what the caller names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from irqframe import dt
from irqframe.dt import Node, Tree
from irqframe.errors import IrqframeError, SpecifierError
from irqframe.flow import DescribeRequest, Flow, Source, blaming
from irqframe.machine._describe import ask_describe, ask_encode
from irqframe.machine._guest_nodes import (
    RAM_BASE,
    RAM_SIZE,
    TIMER,
    TIMER_SOURCES,
    memory_node,
    per_cpu_node,
    psci_node,
    set_chosen,
    wide,
)
from irqframe.machine._model import Machine
from irqframe.machine._translate import default_translate

_ADDRESS_CELLS = 2
_SIZE_CELLS = 1


@dataclass(frozen=True, slots=True)
class Boot:
    """How a guest is booted, as far as its tree says it.

    Attributes:
        bootargs: the kernel's command line; None: as it is.
        initrd: address and size of the initial RAM disk; None: as it is.
        memory: how many bytes of RAM; None: as it is.
        complete: whether to add what a guest needs and the tree lacks.
    """

    bootargs: str | None = None
    initrd: tuple[int, int] | None = None
    memory: int | None = None
    complete: bool = False


def lacks(machine: Machine) -> tuple[str, ...]:
    """What a guest needs to boot and the tree does not have, in a word or two each."""
    tree = machine.tree
    found = []
    if not machine.memory:
        found.append("memory")
    if _without_method(machine):
        found.append("an enable-method of its CPUs")
    if _lacks_psci(machine):
        found.append("a psci node")
    if not _has_timer(tree):
        found.append("a generic timer")
    if _console(tree) is not None and not _has_console(tree):
        found.append("stdout-path in /chosen")
    return tuple(found)


def boot_tree(machine: Machine, boot: Boot) -> Tree:
    """The tree that a guest boots from; the machine's own if nothing is asked for.

    Raises:
        IrqframeError: the machine has several ranges of memory, so a size says nothing; or its irqchip does not say
            how it would name the timer's interrupts.
        PluginError: the irqchip breaks the hook spec.
    """
    if boot == Boot():
        return machine.tree
    tree = dt.copy_tree(machine.tree)
    if boot.memory is not None:
        _set_memory(machine, tree, boot.memory)
    elif boot.complete and not machine.memory:
        _set_memory(machine, tree, RAM_SIZE)
    if boot.complete:
        _complete(machine, tree)
    set_chosen(tree, boot.bootargs, boot.initrd)
    return tree


def _complete(machine: Machine, tree: Tree) -> None:
    root = tree.root
    for path in _without_method(machine):
        cpu = tree.node(path)
        if cpu is not None:
            cpu.set_strings("enable-method", "psci")
    if _lacks_psci(machine):
        _add(tree, psci_node(root.span))
    if not _has_timer(tree):
        _add(tree, _timer(machine, tree))
    console = _console(tree)
    if console is not None and not _has_console(tree):
        chosen = root.children.get("chosen") or root.add(Node("chosen", root.span))
        chosen.set_strings("stdout-path", console)


def _add(tree: Tree, node: Node) -> None:
    if node.name in tree.root.children:
        raise IrqframeError(f"{tree.file} has a node /{node.name} already, and it is not what a guest needs there")
    tree.root.add(node)


# Memory


def _memory(tree: Tree, size: int) -> Node:
    root = tree.root
    cells = root.u32("#address-cells"), root.u32("#size-cells")
    address_cells = _ADDRESS_CELLS if cells[0] is None else cells[0]
    size_cells = _SIZE_CELLS if cells[1] is None else cells[1]
    if size >> 32 * size_cells or RAM_BASE >> 32 * address_cells:
        raise IrqframeError(f"{size:#x} bytes of memory do not fit into the cells of {tree.file}")
    return memory_node(RAM_BASE, size, address_cells, size_cells, root.span)


def _set_memory(machine: Machine, tree: Tree, size: int) -> None:
    nodes = [node for node in tree.root.children.values() if node.strings("device_type") == ("memory",)]
    if not nodes:
        _add(tree, _memory(tree, size))
        return
    if len(nodes) > 1 or len(machine.memory) > 1 or len(dt.reg(nodes[0])) != 1:
        raise IrqframeError(f"{tree.file} has memory in several ranges; one size does not say how to share it out")
    size_cells = tree.root.u32("#size-cells")
    width = _SIZE_CELLS if size_cells is None else size_cells
    if size >> 32 * width:
        raise IrqframeError(f"{size:#x} bytes of memory do not fit into the cells of {tree.file}")
    nodes[0].set_cells("reg", *nodes[0].cells("reg")[:-width], *wide(size, width))


# CPUs


def _without_method(machine: Machine) -> tuple[str, ...]:
    """Paths of the CPUs that nobody could start; the one CPU of a machine runs already."""
    if len(machine.cpus) < 2:
        return ()
    return tuple(cpu.node.path for cpu in machine.cpus if not cpu.enable_method)


def _lacks_psci(machine: Machine) -> bool:
    """Whether a CPU is started by PSCI, or will be, and there is none."""
    by_psci = _without_method(machine) or any(cpu.enable_method == "psci" for cpu in machine.cpus)
    there = any(text.startswith("arm,psci") for node in dt.enabled(machine.tree) for text in node.compatible)
    return bool(by_psci) and not there


# Timer


def _has_timer(tree: Tree) -> bool:
    timers = ("arm,armv8-timer", "arm,armv7-timer")
    return any(text in timers for node in tree.walk() for text in node.compatible)


def _timer(machine: Machine, tree: Tree) -> Node:
    """The timer, with specifiers for the node of the irqchip's that reads them as the timer's interrupts."""
    flow = Flow()
    flow.register_chip(machine.chip(), machine.irqchip)
    wired = (*(one.source for one in machine.sources), *TIMER_SOURCES)
    request = DescribeRequest(
        tuple(cpu.mpidr for cpu in machine.cpus),
        tuple(dict.fromkeys(wired)),
        bool(machine.msis),
        address_cells=tree.root.u32("#address-cells") or _ADDRESS_CELLS,
        size_cells=tree.root.u32("#size-cells") or _SIZE_CELLS,
    )
    try:
        # What it encodes is for the nodes that it described last.
        described = ask_describe(flow, request, tree)
        listed = [ask_encode(flow, described, source)[1] for source in TIMER_SOURCES]
    except SpecifierError as error:
        raise IrqframeError(f"{tree.file}: a timer cannot be added: {error}") from error
    for node in machine.controllers:
        phandle = node.phandle
        if phandle is not None and _reads(flow, node, listed):
            cells = [cell for specifier in listed for cell in specifier]
            made = per_cpu_node("timer", TIMER, phandle, cells, tree.root.span)
            made.set("always-on", b"")
            return made
    raise IrqframeError(
        f"{tree.file}: a timer cannot be added: no controller with a phandle serves the interrupts "
        f"{', '.join(str(source.number) for source in TIMER_SOURCES)} of each CPU"
    )


def _reads(flow: Flow, node: Node, listed: Sequence[tuple[int, ...]]) -> bool:
    """Whether specifiers mean the timer's interrupts to a node of the irqchip's."""
    width = node.u32("#interrupt-cells")
    return all(
        len(cells) == width and _read(flow, node, cells)[:2] == source[:2]
        for cells, source in zip(listed, TIMER_SOURCES, strict=True)
    )


def _read(flow: Flow, node: Node, cells: tuple[int, ...]) -> tuple[object, ...]:
    try:
        with blaming(flow.chip, flow.chip_name):
            source = flow.call("translate", node, cells) if flow.has("translate") else default_translate(cells)
    except SpecifierError:
        return ()
    return source if isinstance(source, Source) else ()


# Console


def _has_console(tree: Tree) -> bool:
    chosen = tree.root.children.get("chosen")
    return chosen is not None and (chosen.has("stdout-path") or chosen.has("linux,stdout-path"))


def _console(tree: Tree) -> str | None:
    """What serial0 names, else the first serial port; None if there is none."""
    aliases = tree.root.children.get("aliases")
    named = aliases.strings("serial0") if aliases is not None else ()
    return named[0] if named else next(_serial_ports(tree), None)


def _serial_ports(tree: Tree) -> Iterator[str]:
    return (node.path for node in dt.enabled(tree) if node.basename in ("serial", "pl011", "uart"))
