"""Re-targeting: another irqchip takes the place of a machine's own, in the tree itself.

1. The machine's sources are named without regard to any irqchip; the new one says which nodes it wants to serve them.
2. The nodes of the old irqchip go, the new ones stand where the first of them stood.
3. Every specifier that ended at an old node is written anew, in the place where it was written: in the device, or in
   the row of the interrupt map that led to it. So are `interrupt-parent`, `msi-parent` and `msi-map`.
4. What is disabled is written anew too, because a guest may enable it.
"""

from __future__ import annotations

from collections.abc import Sequence

from irqframe import dt
from irqframe.dt import InterruptRef, Node, Property, Tree
from irqframe.errors import Finding, InputError, PluginError, SpecifierError
from irqframe.flow import DescribeRequest, Flow, NodeSpec, Plugin, Source, SourceKind, blaming
from irqframe.machine._describe import Described
from irqframe.machine._load import plugin_serves
from irqframe.machine._model import Machine
from irqframe.machine._translate import translate

# What a node's children have if it does not say (Devicetree Specification v0.4, 2.3.5).
_ADDRESS_CELLS = 2
_SIZE_CELLS = 1


def retarget(machine: Machine, plugin: Plugin) -> Tree:
    """Write the tree of the same machine with another irqchip.

    Args:
        machine: the machine.
        plugin: the irqchip it shall have.

    Returns:
        A new tree; the machine's own is left as it is.

    Raises:
        InputError: with a finding (E0608) for each source that the irqchip cannot serve, or one if it cannot serve the
            machine or describes no nodes.
        PluginError: if the irqchip breaks the hook spec.
    """
    return _Retargeting(machine, plugin).tree


class _Retargeting:
    def __init__(self, machine: Machine, plugin: Plugin) -> None:
        if plugin.chip is None:
            raise InputError([_refusal(machine, f"the plugin {plugin.name!r} is broken: {plugin.error}")])
        self.machine = machine
        self.tree = copy_tree(machine.tree)
        self.flow = Flow()
        self.flow.register_chip(plugin.chip(), plugin.name)
        if not (self.flow.has("describe") and self.flow.has("encode")):
            raise InputError([_refusal(machine, f"{plugin.name} does not describe its nodes to other machines")])
        self.findings: list[Finding] = []
        old = [node for path in _paths(machine) if (node := self.tree.node(path)) is not None]
        self.old_phandles = {node.phandle for node in old if node.phandle is not None}
        refs, sources = self._interrupts()
        self.described = self._describe(sources)
        self._rewrite(refs, sources)
        if self.findings:
            raise InputError(self.findings)
        self._messages()
        self._parents()
        self._replace(old)

    def _interrupts(self) -> tuple[list[InterruptRef], list[Source | None]]:
        """Every interrupt of the copy that ends at an old node, the disabled devices' too."""
        everything = copy_tree(self.tree)
        for node in everything.walk():
            node.properties.pop("status", None)
        own = Plugin(self.machine.irqchip, "", "", "", self.machine.chip)
        refs = [ref for ref in dt.interrupts(everything)[0] if plugin_serves(own, ref)]
        flow = Flow()
        flow.register_chip(self.machine.chip(), self.machine.irqchip)
        sources, _ = translate(flow, refs)
        return refs, sources

    def _describe(self, sources: Sequence[Source | None]) -> Described:
        wired = tuple(dict.fromkeys(source for source in sources if source is not None))
        root = self.tree.root
        request = DescribeRequest(
            tuple(cpu.mpidr for cpu in self.machine.cpus),
            wired,
            bool(self.machine.msis),
            address_cells=root.u32("#address-cells") or _ADDRESS_CELLS,
            size_cells=root.u32("#size-cells") or _SIZE_CELLS,
        )
        try:
            with blaming(self.flow.chip, self.flow.chip_name):
                specs = self.flow.call("describe", request)
        except SpecifierError as error:
            raise InputError([_refusal(self.machine, str(error))]) from error
        return Described(self.tree, _node_specs(specs, self.flow.chip_name), self.tree.root.span, self.flow.chip_name)

    # Specifiers

    def _rewrite(self, refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> None:
        devices: dict[str, list[tuple[InterruptRef, Source]]] = {}
        maps: dict[str, list[tuple[InterruptRef, Source]]] = {}
        old = set(_paths(self.machine))
        for ref, source in zip(refs, sources, strict=True):
            if source is None or len(ref.hops) != 1 or ref.node.path in old:
                continue
            (maps if ref.unit else devices).setdefault(ref.node.path, []).append((ref, source))
        for path, entries in devices.items():
            self._device(path, entries)
        for path, entries in maps.items():
            self._map(path, entries)

    def _encode(self, ref: InterruptRef, source: Source) -> tuple[int, tuple[int, ...]]:
        """Phandle and specifier of a source in the new nodes."""
        node = self.described.serves.get(source.kind)
        try:
            if node is None:
                raise SpecifierError(f"no node of {self.flow.chip_name} serves a {source.kind.value}")
            with blaming(self.flow.chip, self.flow.chip_name):
                cells = _encoded(self.flow.call("encode", source), self.flow.chip_name)
        except SpecifierError as error:
            message = f"{ref.node.path}: {error}"
            self.findings.append(Finding("E0608", message, ref.span, ref.node.path, expected=error.expected))
            return 0, ()
        return node.phandle or 0, cells

    def _device(self, path: str, entries: list[tuple[InterruptRef, Source]]) -> None:
        node = self.tree.node(path)
        if node is None:
            return
        encoded = [self._encode(ref, source) for ref, source in entries]
        parents = {phandle for phandle, _ in encoded}
        if "interrupts-extended" in node.properties or len(parents) > 1:
            name = _renamed(node, "interrupts", "interrupts-extended")
            node.set_cells(name, *(cell for phandle, cells in encoded for cell in (phandle, *cells)))
            node.properties.pop("interrupt-parent", None)
            return
        node.set_cells("interrupts", *(cell for _, cells in encoded for cell in cells))
        self._inherit(node, parents.pop())

    def _inherit(self, node: Node, phandle: int) -> None:
        """Say who a node's interrupt parent is, unless it would inherit that one anyway."""
        shared = self._default_parent()
        above = [n for n in _ancestors(node) if "interrupt-parent" in n.properties]
        inherited = not above or above[0].u32("interrupt-parent") in self.old_phandles
        if "interrupt-parent" in node.properties or phandle != shared or not inherited:
            node.set_cells("interrupt-parent", phandle)

    def _map(self, path: str, entries: list[tuple[InterruptRef, Source]]) -> None:
        node = self.tree.node(path)
        if node is None:
            return
        cells: list[int] = []
        for ref, source in entries:
            phandle, specifier = self._encode(ref, source)
            # The new nodes have #address-cells = <0>, or their address is told as zeros.
            parent = next((n for n in self.described.serves.values() if n.phandle == phandle), None)
            width = (parent.u32("#address-cells") or 0) if parent is not None else 0
            cells += (*ref.unit, phandle, *(0 for _ in range(width)), *specifier)
        node.set_cells("interrupt-map", *cells)

    # Parents and messages

    def _default_parent(self) -> int:
        serves = self.described.serves
        node = serves.get(SourceKind.SPI) or serves.get(SourceKind.PPI)
        return (node.phandle or 0) if node is not None else 0

    def _parents(self) -> None:
        """Who named an old node as interrupt parent, and was not written anew, names the new default one."""
        for node in self.tree.walk():
            if node.u32("interrupt-parent") in self.old_phandles:
                node.set_cells("interrupt-parent", self._default_parent())

    def _messages(self) -> None:
        target = self.described.serves.get("msi")
        for node in self.tree.walk():
            for name in ("msi-parent", "msi-map"):
                if name in node.properties and self._names_old(node.properties[name], name):
                    self._message(node, name, target)

    def _names_old(self, prop: Property, name: str) -> bool:
        cells = prop.cells
        phandles = cells[1::4] if name == "msi-map" else cells
        return any(cell in self.old_phandles for cell in phandles)

    def _message(self, node: Node, name: str, target: Node | None) -> None:
        if target is None or target.phandle is None:
            del node.properties[name]
            node.properties.pop("msi-map-mask", None)
        elif name == "msi-map":
            cells = list(node.cells(name))
            cells[1::4] = [target.phandle if cell in self.old_phandles else cell for cell in cells[1::4]]
            node.set_cells(name, *cells)
        else:
            node.set_cells(name, target.phandle)

    # Nodes

    def _replace(self, old: Sequence[Node]) -> None:
        tops = [node for node in old if node.parent is self.tree.root] or list(old)
        gone = {node.path for node in old}
        children = list(self.tree.root.children.values())
        at = min((children.index(node) for node in tops if node in children), default=len(children))
        for node in old:
            if node.parent is not None:
                node.parent.children.pop(node.name, None)
        kept = list(self.tree.root.children.values())
        for node in self.described.nodes:
            if node.name in self.tree.root.children:
                message = f"the machine has a node {node.name!r} already, which {self.flow.chip_name} wants to add"
                raise InputError([Finding("E0608", message, self.tree.root.children[node.name].span, node.path)])
        before = sum(1 for node in children[:at] if node in kept)
        self.tree.root.children = {}
        for node in (*kept[:before], *self.described.nodes, *kept[before:]):
            self.tree.root.add(node)
        for name in ("aliases", "__symbols__"):
            table = self.tree.root.children.get(name)
            for prop in list(table.properties.values()) if table is not None else ():
                if table is not None and prop.strings and any(_inside(prop.strings[0], path) for path in gone):
                    del table.properties[prop.name]


def _encoded(cells: object, plugin: str) -> tuple[int, ...]:
    """What `irqchip_encode` returned, if it is a specifier."""
    if isinstance(cells, tuple | list) and all(isinstance(cell, int) and 0 <= cell < 1 << 32 for cell in cells):
        return tuple(cells)
    raise PluginError(plugin, f"irqchip_encode returned {cells!r}, expected a tuple of 32-bit cells")


def _node_specs(specs: object, plugin: str) -> tuple[NodeSpec, ...]:
    """What `irqchip_describe` returned, if it is nodes; the nodes that it says no more of are looked at later."""
    if isinstance(specs, tuple | list) and specs and all(isinstance(spec, NodeSpec) for spec in specs):
        return tuple(specs)
    raise PluginError(plugin, f"irqchip_describe returned {specs!r}, expected a tuple of NodeSpec")


def copy_tree(tree: Tree) -> Tree:
    """A tree of its own, equal in everything."""
    root = _copy_node(tree.root)
    stack = [(tree.root, root)]
    while stack:
        before, after = stack.pop()
        for child in before.children.values():
            stack.append((child, after.add(_copy_node(child))))
    return Tree(root, tree.file, list(tree.reservations), tree.boot_cpu)


def _copy_node(node: Node) -> Node:
    properties = {p.name: Property(p.name, p.data, p.span, p.pieces, p.labels) for p in node.properties.values()}
    return Node(node.name, node.span, None, properties, {}, list(node.labels))


def _paths(machine: Machine) -> list[str]:
    return [node.path for node in machine.controllers]


def _ancestors(node: Node) -> list[Node]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def _renamed(node: Node, before: str, after: str) -> str:
    """Give property `before` the name `after`, in its place."""
    if before in node.properties:
        node.properties = {after if name == before else name: prop for name, prop in node.properties.items()}
        node.properties[after].name = after
    return after


def _inside(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent + "/")


def _refusal(machine: Machine, message: str) -> Finding:
    node = machine.controllers[0] if machine.controllers else machine.tree.root
    return Finding("E0608", message, node.span, node.path)
