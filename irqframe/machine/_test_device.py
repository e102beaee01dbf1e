"""A test device for a machine that has none, so that a guest can raise interrupts of every kind.

1. It has an edge-triggered and a level-triggered line that nobody uses, written as the machine's own irqchip encodes
   them, for the controller that takes the machine's wired interrupts; the first alone if that knows no levels.
2. It sends messages if the machine has somebody who takes them, as a device that the tree does not have yet.
3. Its registers lie where nothing of the tree lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import Final

from irqframe import dt
from irqframe.dt import Node, Tree
from irqframe.errors import IrqframeError, SpecifierError
from irqframe.flow import DescribeRequest, Flow, Source, SourceKind, Trigger
from irqframe.machine._describe import ask_describe, ask_encode
from irqframe.machine._device import ANYWHERE
from irqframe.machine._guest_nodes import wide
from irqframe.machine._line_rules import lines_of
from irqframe.machine._model import Machine

COMPATIBLE: Final = "irqframe,testdev"
SIZE: Final = 0x1000
TRIGGERS: Final = (Trigger.EDGE_RISING, Trigger.LEVEL_HIGH)

# What a root has that does not say (Devicetree Specification v0.4, 2.3.5).
_ADDRESS_CELLS: Final = 2
_SIZE_CELLS: Final = 1


def with_test_device(machine: Machine) -> Tree:
    """The machine's tree with a test device.

    Args:
        machine: whose irqchip encodes sources; its tree is left as it is.

    Returns:
        A new tree, or the machine's own if that has one.

    Raises:
        IrqframeError: the machine's irqchip cannot give a device two lines more.
        PluginError: it breaks the hook spec.
    """
    if any(COMPATIBLE in node.compatible for node in dt.enabled(machine.tree)):
        return machine.tree
    tree = dt.copy_tree(machine.tree)
    address = _free_address(tree)
    root = tree.root
    node = root.add(Node(f"testdev@{address:x}", root.span))
    node.set_strings("compatible", COMPATIBLE)
    address_cells, size_cells = root.u32("#address-cells"), root.u32("#size-cells")
    where = wide(address, _ADDRESS_CELLS if address_cells is None else address_cells)
    node.set_cells("reg", *where, *wide(SIZE, _SIZE_CELLS if size_cells is None else size_cells))
    _wire(machine, tree, node)
    _let_send(machine, tree, node)
    return tree


def _free_address(tree: Tree) -> int:
    """The first frame from `ANYWHERE` on that has nothing of the tree in it."""
    address = ANYWHERE
    taken = sorted(place for node in tree.walk() for place in dt.addresses(node))
    for start, size in taken:
        if start < address + SIZE and address < start + size:
            address = -(-(start + size) // SIZE) * SIZE
    return address


def _wire(machine: Machine, tree: Tree, node: Node) -> None:
    """Give the device its lines."""
    controller = _controller(machine, tree)
    numbers = _free_lines(machine)
    sources = [Source(SourceKind.SPI, number, trigger) for number, trigger in zip(numbers, TRIGGERS, strict=True)]
    width = controller.u32("#interrupt-cells")
    for wanted in (sources, sources[:1]):
        specifiers = _encode(machine, tree, wanted)
        if all(len(specifier) == width for specifier in specifiers):
            node.set_cells("interrupt-parent", _phandle(tree, controller))
            node.set_cells("interrupts", *(cell for specifier in specifiers for cell in specifier))
            return
    raise _refusal(machine, f"{machine.irqchip} does not write specifiers of {width} cells, as {controller.path} has")


def _controller(machine: Machine, tree: Tree) -> Node:
    """Who takes the machine's wired interrupts, in the copy of its tree."""
    nodes = [one.ref.controller for one in machine.sources if one.source.kind is SourceKind.SPI]
    nodes += [node for node in reversed(machine.controllers) if node.has("interrupt-controller")]
    found = tree.node(nodes[0].path) if nodes else None
    if found is None:
        raise _refusal(machine, "nobody takes wired interrupts")
    return found


def _free_lines(machine: Machine) -> list[int]:
    """Lines that no device and no message has, one for each trigger."""
    flow = _flow(machine)
    lines = lines_of(flow, machine.controllers)
    taken = {one.source.number for one in machine.sources if one.source.kind is SourceKind.SPI}
    for messages in lines.messages if lines is not None else ():
        taken.update(messages.lines)
    numbers: Iterable[int] = count() if lines is None else range(lines.count)
    free = list(islice((number for number in numbers if number not in taken), len(TRIGGERS)))
    if len(free) < len(TRIGGERS):
        raise _refusal(machine, f"{machine.irqchip} has no line that is free")
    return free


def _encode(machine: Machine, tree: Tree, sources: Sequence[Source]) -> list[tuple[int, ...]]:
    """Specifiers, as the machine's irqchip writes them in nodes of its own making."""
    flow = _flow(machine)
    request = DescribeRequest(tuple(cpu.mpidr for cpu in machine.cpus), tuple(sources), False)
    try:
        described = ask_describe(flow, request, tree)
        return [ask_encode(flow, described, source)[1] for source in sources]
    except SpecifierError as error:
        raise _refusal(machine, str(error)) from error


def _flow(machine: Machine) -> Flow:
    flow = Flow()
    flow.register_chip(machine.chip(), machine.irqchip)
    return flow


def _let_send(machine: Machine, tree: Tree, node: Node) -> None:
    """Have the device send messages, if the machine has somebody who takes them."""
    nodes = [one.ref.controller for one in machine.msis]
    nodes += [each for each in machine.controllers if each.has("msi-controller") and dt.is_enabled(each)]
    receiver = tree.node(nodes[0].path) if nodes else None
    if receiver is None:
        return
    taken = {one.devid for one in machine.msis}
    devid = next(number for number in count(1) if number not in taken)
    width = receiver.u32("#msi-cells") or 0
    node.set_cells("msi-parent", _phandle(tree, receiver), *wide(devid, width))


def _phandle(tree: Tree, node: Node) -> int:
    """The node's phandle, given to it if it has none."""
    if node.phandle is None:
        node.set_cells("phandle", tree.free_phandle())
    return node.phandle or 0


def _refusal(machine: Machine, why: str) -> IrqframeError:
    return IrqframeError(f"{machine.tree.file}: no test device can be added: {why}")
