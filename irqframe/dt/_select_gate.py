"""What a node must have for a document with a `select` to say anything of it: a quick look before the schema is asked.

1. A gate never turns away a node that `select` accepts and in which the document would find something.
2. What it lets in, `select` decides.
3. A document that only says how some properties look has nothing to say of a node without them. Most of those that are
   for all nodes are of this kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from irqframe.dt._name_patterns import NamePatterns

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """Necessary conditions.

    Attributes:
        required: properties that the node has.
        compatibles: strings one of which is in its `compatible`; None: any.
        name: the node's name, "" for any.
        start: what the node's name begins with.
        speaks_of: properties and children one of which the node has, and patterns for them; None: any.
    """

    required: tuple[str, ...] = ()
    compatibles: tuple[str, ...] | None = None
    name: str = ""
    start: str = ""
    speaks_of: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def admits(self, instance: Schema, compatible: Set[str]) -> bool:
        """Whether a node may be selected.

        Args:
            instance: its value.
            compatible: the strings of its `compatible`.
        """
        if self.compatibles is not None and compatible.isdisjoint(self.compatibles):
            return False
        name = instance["$nodename"][0]
        if self.name and name != self.name:
            return False
        return name.startswith(self.start) and all(name in instance for name in self.required)


class Gates:
    """The gates of some documents.

    Attributes:
        by_document: the gate of each.
    """

    def __init__(self, by_document: dict[str, Gate] | None = None) -> None:
        self.by_document = by_document or {}
        self._patterns: dict[tuple[str, ...], NamePatterns] = {}

    def admitting(self, instance: Schema, compatible: Set[str]) -> Iterator[str]:
        """Documents whose gate lets a node in.

        Args:
            instance: its value.
            compatible: the strings of its `compatible`.
        """
        for document, gate in self.by_document.items():
            if gate.admits(instance, compatible) and (
                gate.speaks_of is None or self._has_any(instance, gate.speaks_of)
            ):
                yield document

    def _has_any(self, instance: Schema, named: tuple[tuple[str, ...], tuple[str, ...]]) -> bool:
        names, patterns = named
        if not instance.keys().isdisjoint(names):
            return True
        if not patterns:
            return False
        if patterns not in self._patterns:
            self._patterns[patterns] = NamePatterns(patterns)
        return any(map(self._patterns[patterns].match, instance))


def gate_of(schema: Schema) -> Gate:
    """The gate before a prepared schema that has a `select`."""
    select = schema["select"]
    if isinstance(select, bool):
        return Gate(speaks_of=_only_speaks_of(schema))
    required = select.get("required", ())
    properties = select.get("properties", {})
    compatibles = None
    if "compatible" in required:
        compatibles = _wanted_compatibles(properties.get("compatible"))
    name, start = _wanted_name(properties.get("$nodename"))
    return Gate(tuple(required), compatibles, name, start, _only_speaks_of(schema))


# What says nothing of a node that has none of the properties in question.
_OF_PROPERTIES = frozenset({"properties", "patternProperties", "dependentRequired", "dependentSchemas"})
_SAYS_NOTHING = frozenset({"$id", "select", "type", "definitions", "$defs", "$comment", "default", "deprecated"})


def _only_speaks_of(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The properties that a document is about, and patterns for them, if it is about nothing else."""
    names: dict[str, None] = {}
    patterns: dict[str, None] = {}
    for part in (schema, *schema.get("allOf", ())):
        others = part.keys() - _OF_PROPERTIES - _SAYS_NOTHING if isinstance(part, dict) else {"a schema"}
        if others - ({"allOf"} if part is schema else set()) or part.get("type", "object") != "object":
            return None
        for key in _OF_PROPERTIES:
            (patterns if key == "patternProperties" else names).update(dict.fromkeys(part.get(key, ())))
    return tuple(names), tuple(patterns)


def _wanted_compatibles(schema: Any) -> tuple[str, ...] | None:
    """The strings one of which must be in the list, if the schema says so by `contains` or by its first item."""
    if not isinstance(schema, dict):
        return None
    items = schema.get("items")
    first = items[0] if isinstance(items, list) and items and schema.get("minItems", 0) > 0 else None
    for part in (schema.get("contains"), first):
        found = _strings(part)
        if found is not None:
            return tuple(found)
    return None


def _strings(part: Any) -> Iterable[str] | None:
    """The strings that a schema of a string accepts, if it lists them."""
    if not isinstance(part, dict):
        return None
    if isinstance(part.get("const"), str):
        return [part["const"]]
    values = part.get("enum")
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else None


def _wanted_name(schema: Any) -> tuple[str, str]:
    """The name, or what it begins with, as far as the schema says so without alternatives."""
    items = schema.get("items") if isinstance(schema, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, dict):
        return "", ""
    if isinstance(first.get("const"), str):
        return first["const"], ""
    pattern = first.get("pattern")
    return "", "".join(_literal_start(pattern)) if isinstance(pattern, str) else ""


def _literal_start(pattern: str) -> Iterator[str]:
    """The characters that each match of an anchored pattern begins with."""
    if not pattern.startswith("^") or "|" in pattern:
        return
    for character, following in zip(pattern[1:], pattern[2:] + " ", strict=True):
        if not (character.isalnum() or character in "-@,") or following in "?*{":
            return
        yield character
