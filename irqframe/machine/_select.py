"""Which irqchip a machine has: the one plugin whose `compatible` its interrupt controllers have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irqframe.dt import InterruptRef, MsiRef, Node, Tree, enabled
from irqframe.errors import Finding
from irqframe.flow import Plugin


def serving(node: Node, plugins: Iterable[Plugin]) -> Plugin | None:
    """The plugin that serves a node: the first string of its `compatible` that any plugin has decides."""
    usable = [plugin for plugin in plugins if plugin.chip is not None]
    for compatible in node.compatible:
        for plugin in usable:
            if plugin.chip is not None and compatible in plugin.chip.compatible:
                return plugin
    return None


def select(
    tree: Tree, refs: Sequence[InterruptRef], msis: Sequence[MsiRef], plugins: Sequence[Plugin]
) -> tuple[Plugin | None, tuple[Finding, ...]]:
    """Find the machine's irqchip.

    Args:
        tree: the tree.
        refs: its interrupts.
        msis: its MSI routes.
        plugins: the installed irqchips.

    Returns:
        The plugin, or None; and a finding for each controller in use that no plugin serves (E0601), or that is of
        another irqchip than those before it (E0602), and for a machine without devices in
        which no enabled node is served by a plugin either (E0605).
    """
    users: dict[int, tuple[Node, list[str]]] = {}
    every: tuple[InterruptRef | MsiRef, ...] = (*refs, *msis)
    for ref in every:
        users.setdefault(id(ref.controller), (ref.controller, []))[1].append(ref.node.path)
    if not users:
        # A machine without devices still has CPUs that signal each other.
        lone = next((plugin for node in enabled(tree) if (plugin := serving(node, plugins)) is not None), None)
        return lone, () if lone is not None else (_unused(tree),)
    chosen: Plugin | None = None
    first: Node | None = None
    findings = []
    for node, devices in users.values():
        plugin = serving(node, plugins)
        if plugin is None:
            findings.append(_unknown(node, devices, plugins))
        elif chosen is None:
            chosen, first = plugin, node
        elif plugin.name != chosen.name and first is not None:
            findings.append(_second(node, plugin, first, chosen))
    return chosen, tuple(findings)


def nodes_of(tree: Tree, plugin: Plugin) -> tuple[Node, ...]:
    """Every node of the tree that the plugin serves, in order."""
    return tuple(node for node in tree.walk() if serving(node, (plugin,)) is not None)


def _unknown(node: Node, devices: list[str], plugins: Sequence[Plugin]) -> Finding:
    known = sorted({text for plugin in plugins if plugin.chip is not None for text in plugin.chip.compatible})
    prop = node.properties.get("compatible")
    found = ", ".join(node.compatible) or "no compatible"
    several = f" and {len(devices) - 1} more" if len(devices) > 1 else ""
    return Finding(
        "E0601",
        f"no installed irqchip serves {node.path}, where the interrupts of {devices[0]}{several} go",
        prop.span if prop is not None else node.span,
        node.path,
        expected="one of " + ", ".join(known) if known else "an installed irqchip; there is none",
        found=found,
        hint="`irqframe plugins` lists what is installed",
    )


def _second(node: Node, plugin: Plugin, first: Node, chosen: Plugin) -> Finding:
    return Finding(
        "E0602",
        f"{node.path} is served by the irqchip {plugin.name!r}, {first.path} by {chosen.name!r}; a machine has one",
        node.span,
        node.path,
        related=((first.span, f"{chosen.name!r} serves this node"),),
    )


def _unused(tree: Tree) -> Finding:
    return Finding(
        "E0605",
        "the machine has no interrupt controller",
        tree.root.span,
        "/",
        expected="a node that an installed irqchip serves",
        hint="`irqframe plugins` lists what is installed",
    )
