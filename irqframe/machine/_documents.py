"""The binding documents of what is installed: the machine's, each irqchip's, and one made for what an irqchip left out.

Where a document stands in a tree of bindings its `$id` says, as in Linux's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from irqframe import dt
from irqframe.errors import Finding, InputError
from irqframe.flow import Plugin
from irqframe.machine._binding_made import made_bindings
from irqframe.machine._load import plugin_bindings

MACHINE: Final = "irqframe"
"""Whose the documents of a machine's other nodes are."""

_ID = re.compile(r"http://[^/\s]+/(?:schemas/)?((?:[A-Za-z0-9,._+-]+/)*[A-Za-z0-9,._+-]+\.yaml)")


@dataclass(frozen=True, slots=True)
class BindingDocument:
    """A binding document that is installed.

    Attributes:
        path: in a tree of bindings: "interrupt-controller/arm,gic.yaml".
        id: its `$id`, without the trailing #.
        title: likewise.
        compatibles: that it names.
        origin: "irqframe", or the irqchip's name.
        made: whether irqframe made it from what the irqchip says of itself.
        text: the YAML.
    """

    path: str
    id: str
    title: str
    compatibles: tuple[str, ...]
    origin: str
    made: bool
    text: str


def installed_bindings(plugins: Iterable[Plugin]) -> tuple[BindingDocument, ...]:
    """The documents, the machine's first, then each irqchip's.

    Args:
        plugins: the irqchips; broken ones have none.

    Raises:
        InputError: a document is no binding (E05xx), or its `$id` is no path in a tree of bindings (E0532).
        PluginError: an irqchip names a document that it does not have, or breaks the hook spec.
    """
    listed = [(MACHINE, False, name, text) for name, text in dt.machine_bindings()]
    for plugin in plugins:
        if plugin.chip is None:
            continue
        own = plugin_bindings(plugin.chip, plugin.name)
        listed += [(plugin.name, False, f"{plugin.name}: {name}", text) for name, text in own]
        # A document may name a child's `compatible` too, deep inside.
        missing = tuple(name for name in plugin.chip.compatible if not any(_names(text, name) for _, text in own))
        for name, text in made_bindings(plugin, missing) if missing else ():
            listed.append((plugin.name, True, f"{plugin.name}: {name}", text))
    found = []
    for origin, made, name, text in listed:
        binding = dt.read_binding(name, text)
        found.append(
            BindingDocument(_path(binding), binding.id, binding.title, binding.compatibles, origin, made, text)
        )
    dt.load_bindings([(f"{one.origin}: {one.path}", one.text) for one in found])
    return tuple(found)


def _path(binding: dt.BindingText) -> str:
    found = _ID.fullmatch(binding.id)
    if found is None or ".." in found[1].split("/"):
        message = f"the `$id` {binding.id} is no path in a tree of bindings"
        raise InputError([Finding("E0532", message, binding.span("$id"))])
    return found[1]


def _names(text: str, compatible: str) -> bool:
    """Whether a document says something of a string, if only of a child that has it."""
    return re.search(rf"(?<![\w,.-]){re.escape(compatible)}(?![\w,-])", text) is not None
