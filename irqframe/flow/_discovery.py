"""Discovery: which irqchips are installed, found through the entry-point group `irqframe` and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import pluggy

from irqframe.errors import PluginError
from irqframe.flow._flow import plugin_manager, refusal
from irqframe.flow._irqchip import Irqchip
from irqframe.flow._markers import PREFIX, PROJECT

LOAD_PLUGINS: Final = "IRQFRAME_LOAD_PLUGINS"
"""Environment variable: unset, every plugin is loaded; empty, none; else only these keys, separated by commas."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point of the group, loaded or not.

    Attributes:
        name: its key, the irqchip's name everywhere.
        distribution: the installed distribution it belongs to, "" if unknown.
        version: of that distribution.
        value: what the entry point names, "package:Class".
        chip: the irqchip class; None if the plugin is broken.
        hooks: the callbacks it implements, without prefix, sorted.
        error: why it is broken, "" if it is not.
    """

    name: str
    distribution: str
    version: str
    value: str
    chip: type[Irqchip] | None = None
    hooks: tuple[str, ...] = ()
    error: str = ""


def discover(environ: Mapping[str, str] = os.environ) -> tuple[Plugin, ...]:
    """Load every installed plugin that the environment allows.

    Args:
        environ: where `IRQFRAME_LOAD_PLUGINS` is looked up.

    Returns:
        The plugins by name, broken ones with their error. A name in `IRQFRAME_LOAD_PLUGINS` that is not installed, and
        a name that two distributions claim, comes as a broken plugin.
    """
    wanted = _wanted(environ)
    found: dict[str, Plugin] = {}
    for point in sorted(entry_points(group=PROJECT), key=lambda point: point.name):
        if wanted is not None and point.name not in wanted:
            continue
        plugin = _load(point)
        first = found.get(point.name)
        if first is not None and (first.value, first.distribution) != (plugin.value, plugin.distribution):
            clash = f"{first.distribution} and {plugin.distribution} both claim the name"
            plugin = Plugin(point.name, plugin.distribution, plugin.version, plugin.value, error=clash)
        found[point.name] = plugin
    for name in sorted((wanted or frozenset()) - found.keys()):
        found[name] = Plugin(name, "", "", "", error=f"{LOAD_PLUGINS} names it, but it is not installed")
    return tuple(found[name] for name in sorted(found))


def check(chip: type[Irqchip], name: str) -> tuple[str, ...]:
    """Check an irqchip class against the specification.

    Args:
        chip: the class.
        name: what errors call it.

    Returns:
        The callbacks it implements, without prefix, sorted.

    Raises:
        PluginError: if it is no irqchip, cannot be made, or has a hook that the specification does not know.
    """
    if not (isinstance(chip, type) and issubclass(chip, Irqchip)):
        raise PluginError(name, f"the entry point must name a subclass of irqframe.Irqchip, not {chip!r}")
    manager = plugin_manager()
    try:
        manager.register(chip(), name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(name, refusal(error)) from error
    # Its constructor may raise anything.
    except Exception as error:
        raise PluginError(name, f"cannot be made: {type(error).__name__}: {error}") from error
    plugin = manager.get_plugin(name)
    callers = manager.get_hookcallers(plugin) or []
    return tuple(sorted(caller.name.removeprefix(PREFIX) for caller in callers))


def find(name: str, plugins: Iterable[Plugin]) -> type[Irqchip]:
    """The irqchip class of the plugin called `name`.

    Args:
        name: an entry-point key.
        plugins: where to look.

    Returns:
        The class.

    Raises:
        PluginError: if there is none of that name, or it is broken.
    """
    known = {plugin.name: plugin for plugin in plugins}
    plugin = known.get(name)
    if plugin is None:
        have = ", ".join(known) or "none"
        raise PluginError(name, f"not installed; the installed irqchips are: {have}")
    if plugin.chip is None:
        raise PluginError(name, f"{plugin.distribution or 'no distribution'}: {plugin.error}")
    return plugin.chip


def _wanted(environ: Mapping[str, str]) -> frozenset[str] | None:
    listed = environ.get(LOAD_PLUGINS)
    if listed is None:
        return None
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def _load(point: EntryPoint) -> Plugin:
    # Damaged metadata gives None for either.
    distribution = (point.dist.name or "") if point.dist is not None else ""
    version = (point.dist.version or "") if point.dist is not None else ""
    made = Plugin(point.name, distribution, version, point.value)
    # A plugin is a stranger's code: whatever it raises while it is imported or made must not take the others down.
    try:
        chip = point.load()
        hooks = check(chip, point.name)
    except PluginError as error:
        reason = str(error).removeprefix(f"plugin {point.name!r}: ")
        return Plugin(made.name, distribution, version, point.value, error=reason)
    except (Exception, SystemExit) as error:
        return Plugin(made.name, distribution, version, point.value, error=f"{type(error).__name__}: {error}")
    return Plugin(made.name, distribution, version, point.value, chip, hooks)
