"""From a tree to a machine: everything that can be wrong is looked for, and all of it is reported together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.resources import files

from irqframe import dt
from irqframe.dt import BindingFolders, InterruptRef, MsiRef, Tree
from irqframe.errors import Finding, InputError, PluginError
from irqframe.flow import Flow, Irqchip, Lines, Plugin, Source, SourceKind, discover
from irqframe.machine._build import check_build
from irqframe.machine._cpu_lists import check_cpu_lists
from irqframe.machine._gicv3 import check_gicv3
from irqframe.machine._line_rules import check_exclusive, check_lines, lines_of
from irqframe.machine._model import Default, Machine, MachineSource, MsiSource
from irqframe.machine._msi_rows import check_msi_rows
from irqframe.machine._names import source_names
from irqframe.machine._node_rules import check_nodes
from irqframe.machine._select import nodes_of, select
from irqframe.machine._sources import check_sources
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
    known = discover() if plugins is None else plugins
    refs, findings = dt.interrupts(tree)
    msis, more = dt.msi_routes(tree)
    ranges, of_ranges = dt.msi_ranges(tree)
    cascades = dt.upstreams(tree, refs, ranges, msis)[1]
    found = [*tree.warnings, *findings, *more, *of_ranges, *cascades, *dt.intx_routes(tree)[1]]
    cpus, more = dt.cpus(tree)
    found += more
    memory, more = dt.memory(tree)
    found += more
    plugin, more = select(tree, refs, msis, known)
    found += more
    controllers = nodes_of(tree, plugin) if plugin is not None else ()
    found += (
        *check_gicv3(tree, refs, len(cpus)),
        *check_cpu_lists(tree, refs),
        *check_msi_rows(tree),
        *check_nodes(tree, controllers, refs, msis, {finding.path for finding in found}),
    )
    documents = (*dt.machine_bindings(), *_bindings(plugin))
    bindings = _binding_set(documents, folders).anew()
    schema_findings = dt.validate(tree, bindings)
    found += dt.document_findings(tree, bindings)
    if plugin is None or plugin.chip is None:
        return None, tuple(dt.bounded(dt.distinct(found, schema_findings)))
    own = [ref for ref in own_sources(refs) if plugin_serves(plugin, ref)]
    flow = Flow()
    flow.register_chip(plugin.chip(), plugin.name)
    sources, refused = translate(flow, own)
    # What a controller serves cannot be said by a node that is wrong itself, unless it only says too much (E0505).
    wrong = {finding.path for finding in schema_findings if finding.is_error and finding.code != "E0505"}
    found += [finding for ref, finding in refused if ref.controller.path not in wrong]
    found += check_exclusive(own, sources)
    found += check_sources(own, sources, len(cpus))
    lines = lines_of(flow, controllers)
    if lines is not None and wrong.isdisjoint(node.path for node in controllers):
        found += check_lines(tree, lines, own, sources, msis)
    found += _too_many(cpus, plugin.chip, plugin.name)
    machine = Machine(
        tree,
        plugin.name,
        plugin.chip,
        cpus,
        memory,
        controllers,
        _named(own, sources),
        _messages(msis),
        _timer(tree, own, sources),
        _pmu(tree, own, sources),
        _defaults(tree, own, memory) + _message_lines(lines),
    )
    every = tuple(dt.bounded(dt.distinct(found, schema_findings)))
    if any(finding.is_error for finding in every):
        return machine, every
    unused, more = check_build(machine)
    return replace(machine, defaults=machine.defaults + unused), every + more


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


def _named(refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> tuple[MachineSource, ...]:
    names = source_names(refs)
    return tuple(
        MachineSource(name, ref, source)
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
