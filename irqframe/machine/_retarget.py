"""Re-targeting: another irqchip takes the place of a machine's own, in the tree itself.

1. The machine's sources are named without regard to any irqchip; the new one says which nodes it wants to serve them.
2. The nodes of the old irqchip go, the new ones stand where the first of them stood.
3. Every specifier that ended at an old node is written anew, in the place where it was written: in the device, or in
   the row of the interrupt map that led to it. So are `interrupt-parent`, `msi-parent` and `msi-map`. An entry of such
   a list that names another node stays as it is.
4. What is disabled is written anew too, because a guest may enable it.
5. The new nodes may not lie on addresses that the machine uses.
6. The new irqchip is not told of partitions of CPUs: sources that they keep apart would have one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irqframe import dt
from irqframe.dt import InterruptRef, Node, Tree
from irqframe.errors import Finding, InputError, SpecifierError
from irqframe.flow import DescribeRequest, Flow, Plugin, Source, SourceKind
from irqframe.machine._describe import Described, ask_describe, ask_encode
from irqframe.machine._entries import Cells, Entry, extended, map_rows
from irqframe.machine._load import plugin_serves
from irqframe.machine._messages import rewrite_messages
from irqframe.machine._model import Machine, MachineSource
from irqframe.machine._overlap import overlaps
from irqframe.machine._translate import translate

# What a node's children have if it does not say (Devicetree Specification v0.4, 2.3.5).
_ADDRESS_CELLS = 2
_SIZE_CELLS = 1

# The interrupts of one node, by their place in its list or map; None for one that the old irqchip refuses.
_Found = dict[int, tuple[InterruptRef, Source | None]]


def retarget(machine: Machine, plugin: Plugin) -> Tree:
    """Write the tree of the same machine with another irqchip.

    Args:
        machine: the machine.
        plugin: the irqchip it shall have.

    Returns:
        A new tree; the machine's own is left as it is.

    Raises:
        InputError: with a finding (E0608) for each source that the irqchip cannot serve, one if it cannot serve the
            machine or describes no nodes, or one for each node that its own would lie on; or with one (E0604) for each
            source that only a partition of CPUs keeps apart from another.
        PluginError: if the irqchip breaks the hook spec.
    """
    return _Retargeting(machine, plugin).tree


class _Retargeting:
    def __init__(self, machine: Machine, plugin: Plugin) -> None:
        if plugin.chip is None:
            raise InputError([_refusal(machine, f"the plugin {plugin.name!r} is broken: {plugin.error}")])
        self.machine = machine
        self.tree = dt.copy_tree(machine.tree)
        self.flow = Flow()
        self.flow.register_chip(plugin.chip(), plugin.name)
        self.findings = list(_partitioned(machine, plugin.name))
        old = [node for path in _paths(machine) if (node := self.tree.node(path)) is not None]
        self.old_phandles = {node.phandle for node in old if node.phandle is not None}
        self.nodes = self.tree.by_phandle()
        refs, sources = self._interrupts()
        self.described = self._describe(sources)
        self._rewrite(refs, sources)
        if self.findings:
            raise InputError(self.findings)
        rewrite_messages(self.tree, self.old_phandles, self.described.serves.get("msi"))
        self._parents()
        self._replace(old)
        self.findings += overlaps(self.tree, self.described.nodes, self.flow.chip_name)
        if self.findings:
            raise InputError(self.findings)

    def _interrupts(self) -> tuple[list[InterruptRef], list[Source | None]]:
        """Every interrupt of the copy that ends at an old node, the disabled devices' too."""
        everything = dt.copy_tree(self.tree)
        for node in everything.walk():
            node.properties.pop("status", None)
        own = Plugin(self.machine.irqchip, "", "", "", self.machine.chip)
        # A row to what is disabled counts for nothing, and hides a later one once it is enabled: both are wanted.
        every = {_place(ref): ref for tree in (everything, self.tree) for ref in dt.interrupts(tree)[0]}
        refs = [ref for ref in every.values() if plugin_serves(own, ref)]
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
            return ask_describe(self.flow, request, self.tree)
        except SpecifierError as error:
            raise InputError([_refusal(self.machine, str(error))]) from error

    # Specifiers

    def _rewrite(self, refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> None:
        listed: dict[str, _Found] = {}
        mapped: dict[str, _Found] = {}
        for ref, source in zip(refs, sources, strict=True):
            found = mapped if _is_row(ref) else listed
            found.setdefault(ref.node.path, {})[ref.index] = (ref, source)
        old = set(_paths(self.machine))
        for node in self.tree.walk():
            path = node.path
            if path in old:
                continue
            if "interrupts-extended" in node.properties:
                self._extended(node, listed.get(path, {}))
            elif path in listed:
                self._plain(node, listed[path])
            if "interrupt-map" in node.properties:
                self._map(node, mapped.get(path, {}))

    def _anew(self, found: _Found, index: int) -> tuple[int, Cells]:
        """Phandle and specifier in place of an old one; a zero phandle if there was nothing to be served."""
        ref, source = found.get(index, (None, None))
        return (0, ()) if ref is None or source is None else self._encode(ref, source)

    def _encode(self, ref: InterruptRef, source: Source) -> tuple[int, Cells]:
        """Phandle and specifier of a source in the new nodes."""
        try:
            return ask_encode(self.flow, self.described, source)
        except SpecifierError as error:
            message = f"{ref.node.path}: {error}"
            self.findings.append(Finding("E0608", message, ref.span, ref.node.path, expected=error.expected))
            return 0, ()

    def _extended(self, node: Node, found: _Found) -> None:
        entries, rest = extended(node, self.nodes)
        if not self._any_old(entries):
            return
        cells: list[int] = []
        for index, entry in enumerate(entries):
            if entry.phandle in self.old_phandles:
                phandle, specifier = self._anew(found, index)
                cells += (phandle, *specifier)
            else:
                cells += entry.cells
        self._set_extended(node, (*cells, *rest))

    def _plain(self, node: Node, found: _Found) -> None:
        """`interrupts` has one parent: either all go to an old node, or none does."""
        old = set(_paths(self.machine))
        if not any(len(ref.hops) == 1 or ref.hops[1].node.path in old for ref, _ in found.values()):
            return
        encoded = [self._anew(found, index) for index in range(max(found) + 1)]
        parents = {phandle for phandle, _ in encoded}
        if len(parents) > 1 or 0 in parents:
            self._set_extended(node, tuple(cell for phandle, cells in encoded for cell in (phandle, *cells)))
            return
        node.set_cells("interrupts", *(cell for _, cells in encoded for cell in cells))
        self._inherit(node, parents.pop())

    def _set_extended(self, node: Node, cells: Cells) -> None:
        node.set_cells(_renamed(node, "interrupts", "interrupts-extended"), *cells)
        # Children may inherit it.
        if not node.children and node.u32("interrupt-parent") in self.old_phandles:
            del node.properties["interrupt-parent"]

    def _inherit(self, node: Node, phandle: int) -> None:
        """Say who a node's interrupt parent is, unless it would inherit that one anyway."""
        shared = self._default_parent()
        above = [n for n in _ancestors(node) if "interrupt-parent" in n.properties]
        inherited = not above or above[0].u32("interrupt-parent") in self.old_phandles
        if "interrupt-parent" in node.properties or phandle != shared or not inherited:
            node.set_cells("interrupt-parent", phandle)

    def _map(self, node: Node, found: _Found) -> None:
        rows, rest = map_rows(node, self.nodes)
        if not self._any_old(rows):
            return
        cells: list[int] = []
        for index, row in enumerate(rows):
            if row.phandle not in self.old_phandles:
                cells += row.cells
                continue
            phandle, specifier = self._anew(found, index)
            # The new nodes have #address-cells = <0>, or their address is told as zeros.
            parent = next((n for n in self.described.serves.values() if n.phandle == phandle), None)
            width = (parent.u32("#address-cells") or 0) if parent is not None else 0
            # A row without a source never served: an earlier one hides it, or the old irqchip refuses it.
            cells += (*row.head, phandle, *(0 for _ in range(width)), *specifier) if phandle else ()
        node.set_cells("interrupt-map", *cells, *rest)

    def _any_old(self, entries: Sequence[Entry]) -> bool:
        return any(entry.phandle in self.old_phandles for entry in entries)

    # Parents

    def _default_parent(self) -> int:
        serves = self.described.serves
        node = serves.get(SourceKind.SPI) or serves.get(SourceKind.PPI)
        return (node.phandle or 0) if node is not None else 0

    def _parents(self) -> None:
        """Who named an old node as interrupt parent, and was not written anew, names the new default one."""
        for node in self.tree.walk():
            if node.u32("interrupt-parent") in self.old_phandles:
                node.set_cells("interrupt-parent", self._default_parent())

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


def _partitioned(machine: Machine, name: str) -> Iterator[Finding]:
    """A finding for each source on a PPI of another: the machine is sound, so they are in partitions."""
    first: dict[int, MachineSource] = {}
    for one in machine.sources:
        if one.source.kind is not SourceKind.PPI:
            continue
        other = first.setdefault(one.source.number, one)
        if other is not one:
            yield Finding(
                "E0604",
                f"{one.ref.node.path} and {other.ref.node.path} both have PPI {one.source.number}, each on a partition "
                f"of the CPUs, and {name} gets no partitions",
                one.ref.span,
                one.ref.node.path,
                expected="a PPI of its own for each",
                related=((other.ref.span, "the other"),),
            )


def _paths(machine: Machine) -> list[str]:
    return [node.path for node in machine.controllers]


def _is_row(ref: InterruptRef) -> bool:
    return ref.hops[0].property == "interrupt-map"


def _place(ref: InterruptRef) -> tuple[str, bool, int]:
    return ref.node.path, _is_row(ref), ref.index


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
