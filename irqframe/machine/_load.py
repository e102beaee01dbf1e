"""From a tree to a machine: everything that can be wrong is looked for, and all of it is reported together."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.resources import files

from irqframe import dt
from irqframe.dt import BindingFolders, InterruptRef, MsiRef, Node, Tree
from irqframe.errors import Finding, InputError, PluginError
from irqframe.flow import Flow, Irqchip, Lines, Plugin, Source, SourceKind, discover
from irqframe.machine._build import check_build
from irqframe.machine._cpu_lists import check_cpu_lists
from irqframe.machine._gicv3 import check_gicv3, cpus_of
from irqframe.machine._line_rules import check_exclusive, check_lines, lines_of
from irqframe.machine._model import Default, Machine, MachineSource, MsiSource
from irqframe.machine._msi_rows import check_msi_rows
from irqframe.machine._names import source_names
from irqframe.machine._node_rules import check_nodes
from irqframe.machine._select import nodes_of, select
from irqframe.machine._sources import check_sources
from irqframe.machine._survey import Survey, survey
from irqframe.machine._translate import translate


def load_machine(tree: Tree, plugins: Sequence[Plugin] | None = None) -> Machine:
    """Check a tree and make a machine of it.

    Args:
        tree: as read.
        plugins: the irqchips to choose from; None: the installed ones.

    Returns:
        The machine.

    Raises:
        InputError: with every finding of the interrupt tree, the bindings, the irqchip and the machine's own rules.
        PluginError: if the irqchip breaks the hook spec.
    """
    machine, findings = examine(tree, plugins)
    if machine is None or any(finding.is_error for finding in findings):
        raise InputError(findings)
    return machine


def examine(
    tree: Tree, plugins: Sequence[Plugin] | None = None, folders: BindingFolders | None = None
) -> tuple[Machine | None, tuple[Finding, ...]]:
    """As `load_machine`, but the findings are returned, warnings among them.

    Args:
        tree: as read.
        plugins: as for `load_machine`.
        folders: binding documents that count before irqframe's and the irqchip's.

    Returns:
        The machine, as far as it could be made, or None; and the findings.
    """
    return examine_surveyed(survey(tree), discover() if plugins is None else plugins, folders)


def examine_surveyed(
    seen: Survey, plugins: Sequence[Plugin], folders: BindingFolders | None = None
) -> tuple[Machine | None, tuple[Finding, ...]]:
    """As `examine`, of a tree that was looked at already."""
    tree = seen.tree
    plugin, of_chip = select(tree, seen.refs, seen.messages, plugins)
    controllers = nodes_of(tree, plugin) if plugin is not None else ()
    found = [*tree.warnings, *seen.findings, *of_chip]
    found += _of_nodes(seen, controllers, {finding.path for finding in found})
    bindings = _binding_set((*dt.machine_bindings(), *_bindings(plugin)), folders).anew()
    by_schema = dt.validate(tree, bindings)
    found += dt.document_findings(tree, bindings)
    machine = None
    if plugin is not None and plugin.chip is not None:
        machine, more = _machine(seen, plugin, plugin.chip, controllers, by_schema)
        found += more
    every = tuple(dt.bounded(dt.distinct(found, by_schema)))
    if machine is None or any(finding.is_error for finding in every):
        return machine, every
    unused, of_build = check_build(machine)
    return replace(machine, defaults=machine.defaults + unused), every + of_build


def _of_nodes(seen: Survey, controllers: Sequence[Node], reported: Container[str]) -> Iterator[Finding]:
    """What the machine's rules find in the tree alone."""
    yield from check_gicv3(seen.tree, seen.refs, len(seen.cpus))
    yield from check_cpu_lists(seen.tree, seen.refs)
    yield from check_msi_rows(seen.tree)
    yield from check_nodes(seen.tree, controllers, seen.refs, seen.messages, reported)


def _machine(
    seen: Survey, plugin: Plugin, chip: type[Irqchip], controllers: tuple[Node, ...], by_schema: Sequence[Finding]
) -> tuple[Machine, list[Finding]]:
    """The machine, and what its irqchip finds in it."""
    own = [ref for ref in own_sources(seen.refs) if plugin_serves(plugin, ref)]
    flow = Flow()
    flow.register_chip(chip(), plugin.name)
    sources, refused = translate(flow, own)
    # What a controller serves cannot be said by a node that is wrong itself, unless it only says too much (E0505).
    wrong = {finding.path for finding in by_schema if finding.is_error and finding.code != "E0505"}
    found = [finding for ref, finding in refused if ref.controller.path not in wrong]
    found += check_exclusive(own, sources)
    found += check_sources(own, sources, len(seen.cpus))
    lines = lines_of(flow, controllers)
    if lines is not None and wrong.isdisjoint(node.path for node in controllers):
        found += check_lines(seen.tree, lines, own, sources, seen.messages)
    found += _too_many(seen.cpus, chip, plugin.name)
    machine = Machine(
        seen.tree,
        plugin.name,
        chip,
        seen.cpus,
        seen.memory,
        controllers,
        _named(own, sources, seen.cpus),
        _messages(seen.messages),
        _timer(seen.tree, own, sources),
        _pmu(seen.tree, own, sources),
        _defaults(seen.tree, own, seen.memory) + _message_lines(lines),
    )
    return machine, found


def own_sources(refs: Sequence[InterruptRef]) -> list[InterruptRef]:
    """The interrupts that are a source of their own: not a map's row that a device, or another row, goes through."""
    through = {
        (hop.node.path, hop.row) for ref in refs for hop in (ref.hops[1:] if ref.unit else ref.hops) if hop.row >= 0
    }
    return [ref for ref in refs if not (ref.unit and (ref.node.path, ref.index) in through)]


def plugin_serves(plugin: Plugin, ref: InterruptRef) -> bool:
    """Whether an interrupt goes to a node of the plugin."""
    chip = plugin.chip
    return chip is not None and not set(chip.compatible).isdisjoint(ref.controller.compatible)


def plugin_bindings(chip: type[Irqchip], name: str) -> tuple[tuple[str, str], ...]:
    """The binding documents of an irqchip: (file name, text) of each.

    Raises:
        PluginError: if a file that the class names is not in the folder `bindings` of its package.
    """
    package = import_module(chip.__module__.partition(".")[0])
    documents = []
    for file in chip.bindings:
        try:
            documents.append((file, (files(package) / "bindings" / file).read_text(encoding="utf-8")))
        # TypeError: a distribution that is one module has no folder to look in.
        except (OSError, UnicodeDecodeError, TypeError) as error:
            raise PluginError(name, f"binding {file}: {error}") from error
    return tuple(documents)


def _bindings(plugin: Plugin | None) -> tuple[tuple[str, str], ...]:
    return plugin_bindings(plugin.chip, plugin.name) if plugin is not None and plugin.chip is not None else ()


# To read them takes longer than to check a tree by them. The key is their text: a changed file is read anew.
@lru_cache(maxsize=8)
def _binding_set(documents: tuple[tuple[str, str], ...], folders: BindingFolders | None) -> dt.BindingSet:
    return dt.load_bindings(documents, folders)


def _named(
    refs: Sequence[InterruptRef], sources: Sequence[Source | None], cpus: Sequence[dt.Cpu]
) -> tuple[MachineSource, ...]:
    names = source_names(refs)
    return tuple(
        MachineSource(name, ref, source, cpus_of(ref, cpus))
        for name, ref, source in zip(names, refs, sources, strict=True)
        if source is not None
    )


def _messages(refs: Sequence[MsiRef]) -> tuple[MsiSource, ...]:
    # One MSI per PCI host; its first route is as good as any.
    hosts: dict[str, MsiRef] = {}
    for ref in refs:
        hosts.setdefault(ref.node.path, ref)
    return tuple(MsiSource(f"{ref.node.name} MSI", ref, ref.msi_base) for ref in hosts.values())


def _per_cpu(ref: InterruptRef | None, refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> Source | None:
    for candidate, source in zip(refs, sources, strict=True):
        if candidate is ref and source is not None and source.kind is SourceKind.PPI:
            return source
    return None


def _timer(
    tree: Tree, refs: Sequence[InterruptRef], sources: Sequence[Source | None]
) -> tuple[Source | None, Source | None]:
    node = dt.timer(tree, tuple(refs))
    if node is None:
        return None, None
    return _per_cpu(node.virt, refs, sources), _per_cpu(node.phys, refs, sources)


def _pmu(tree: Tree, refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> Source | None:
    node = dt.pmu(tree, tuple(refs))
    return None if node is None or not node.interrupts else _per_cpu(node.interrupts[0], refs, sources)


def _too_many(cpus: Sequence[dt.Cpu], chip: type[Irqchip], name: str) -> list[Finding]:
    if len(cpus) <= chip.vcpu_limit:
        return []
    first = cpus[chip.vcpu_limit]
    message = f"the machine has {len(cpus)} CPUs, and {name} serves at most {chip.vcpu_limit}"
    return [Finding("E0606", message, first.node.span, first.node.path, hint="this is the first one too many")]


def _defaults(tree: Tree, refs: Sequence[InterruptRef], memory: Sequence[object]) -> tuple[Default, ...]:
    said = []
    if dt.timer(tree, tuple(refs)) is None:
        said.append(Default("timer", "none: the tree has no arm,armv8-timer node"))
    if dt.pmu(tree, tuple(refs)) is None:
        said.append(Default("PMU", "none: the tree has no PMU node"))
    if not memory:
        said.append(Default("memory", "none: the tree has no memory node"))
    said.append(Default("counter frequency", "1 GHz: one tick of the VM's clock is a nanosecond"))
    return tuple(said)


def _message_lines(lines: Lines | None) -> tuple[Default, ...]:
    """Which lines messages raise at controllers whose nodes do not say it."""
    return tuple(
        Default(f"lines for messages to {one.node}", f"{one.lines[0]}..{one.lines[-1]}")
        for one in (lines.messages if lines is not None else ())
        if one.lines and not one.property
    )
