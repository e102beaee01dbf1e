"""Which names a schema speaks of, in itself and in all that it refers to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from irqframe.dt._binding_references import address, part_at
from irqframe.dt._name_patterns import NamePatterns

Schema = dict[str, Any]

_PARTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("if", "then", "else")


@dataclass
class Names:
    """Names of properties and children: exact ones and patterns."""

    exact: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)

    @cached_property
    def _compiled(self) -> NamePatterns:
        return NamePatterns(self.patterns)

    def match(self, name: str) -> bool:
        """Whether `name` is one of them."""
        return name in self.exact or self._compiled.match(name)


def names_in(schema: Schema, known: Callable[[str], Schema | None]) -> Names:
    """The names in a prepared schema.

    Args:
        schema: where to begin; it has an `$id`.
        known: all others by `$id`.
    """
    names = Names()
    seen: set[tuple[str, str]] = set()
    todo: list[tuple[Any, str]] = [(schema, str(schema["$id"]))]
    while todo:
        part, base = todo.pop()
        if not isinstance(part, dict):
            continue
        names.exact |= part.get("properties", {}).keys()
        names.patterns |= part.get("patternProperties", {}).keys()
        todo += [(inner, base) for key in _PARTS for inner in part.get(key, ())]
        todo += [(part[key], base) for key in _SINGLE if key in part]
        todo += [(inner, base) for inner in part.get("dependentSchemas", {}).values()]
        place = address(base, str(part.get("$ref", "")))
        if "$ref" in part and place not in seen:
            seen.add(place)
            todo.append((part_at(known(place[0]), place[1]), place[0]))
    return names
