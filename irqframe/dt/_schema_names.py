"""Which names a schema speaks of, in itself and in all that it refers to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

Schema = dict[str, Any]

_PARTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("if", "then", "else")


@dataclass(slots=True)
class Names:
    """Names of properties and children: exact ones and patterns."""

    exact: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)

    def match(self, name: str) -> bool:
        """Whether `name` is one of them."""
        return name in self.exact or any(re.search(pattern, name) for pattern in self.patterns)


def names_in(schema: Schema, known: Mapping[str, Schema]) -> Names:
    """The names in a prepared schema.

    Args:
        schema: where to begin; it has an `$id`.
        known: all schemas by `$id`.
    """
    names = Names()
    seen: set[str] = set()
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
        address = urljoin(base, str(part.get("$ref", "")))
        if "$ref" in part and address not in seen:
            seen.add(address)
            document, _, fragment = address.partition("#")
            todo.append((_part(known.get(document), fragment), document))
    return names


def _part(schema: Any, fragment: str) -> Any:
    for step in fragment.split("/")[1:]:
        schema = schema.get(step) if isinstance(schema, dict) else None
    return schema
