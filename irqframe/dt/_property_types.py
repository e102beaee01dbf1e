"""What type each property has, by its name: collected from all schemas at hand, as dt-schema does.

1. A property's type is what `$ref: /schemas/types.yaml#/definitions/TYPE` names, `flag` for `type: boolean`, and
   `string-array` where strings constrain it. The types of all schemas that name a property hold together.
2. An exact name counts before any pattern.
3. For rows (`-matrix`, `phandle-array`) the schemas' item counts are kept too, as the widest range.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]

# Lowest and highest count; the highest is 0 if there is no limit.
Range = tuple[int, int]

_TYPE = re.compile(r"(address|flag|u?int(8|16|32|64)(-(array|matrix))?|string(-array)?|phandle(-array)?)$")
_ALTERNATIVES = ("allOf", "oneOf", "anyOf")
_NODE_KEYWORDS = {"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}

# Matches any name: no information.
_TOO_GENERIC = ("^[a-z][a-z0-9\\-]*$", "^[a-zA-Z0-9][a-zA-Z0-9#,+\\-._]{0,63}$", ".*")


@dataclass(slots=True)
class PropertyType:
    """What is known of a property.

    Attributes:
        types: names out of types.yaml.
        rows: how many rows, if some schema says.
        columns: how many cells per row, likewise.
    """

    types: set[str] = field(default_factory=set)
    rows: Range | None = None
    columns: Range | None = None

    def widen(self, rows: Range, columns: Range) -> None:
        """Allow these counts as well."""
        self.rows = rows if self.rows is None else _wider(self.rows, rows)
        self.columns = columns if self.columns is None else _wider(self.columns, columns)


class PropertyTypes:
    """The types of all properties that a set of prepared schemas names."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._exact: dict[str, PropertyType] = {}
        self._patterns: dict[str, PropertyType] = {}
        self._named_after: dict[str, str] = {}
        for schema in schemas:
            self._read_node(schema, schema, set())
        for name, other in self._named_after.items():
            if other in self._exact:
                self._exact[name].types |= self._exact[other].types
        self._compiled = [(re.compile(pattern), found) for pattern, found in self._patterns.items() if found.types]

    def of(self, name: str) -> PropertyType:
        """What is known of the property `name`; nothing known is no types."""
        exact = self._exact.get(name)
        if exact is not None and exact.types:
            return exact
        matching = [found for pattern, found in self._compiled if pattern.search(name)]
        if not matching:
            return exact or PropertyType()
        types = set().union(*(found.types for found in matching))
        with_rows = next((found for found in matching if found.rows is not None), PropertyType())
        return PropertyType(types, with_rows.rows, with_rows.columns)

    def _read_node(self, schema: Any, root: Schema, seen: set[tuple[str, str]]) -> None:
        if not isinstance(schema, dict):
            return
        self._read_node(schema.get("additionalProperties"), root, seen)
        for part in _alternatives(schema):
            self._read_node(part, root, seen)
        for key, table in (("properties", self._exact), ("patternProperties", self._patterns)):
            for name, part in schema.get(key, {}).items():
                if not name.startswith("$") and name not in _TOO_GENERIC:
                    self._read_property(table.setdefault(name, PropertyType()), name, part, root, seen)

    def _read_property(
        self, known: PropertyType, name: str, schema: Any, root: Schema, seen: set[tuple[str, str]]
    ) -> None:
        if not isinstance(schema, dict):
            return
        reference = str(schema.get("$ref", ""))
        if reference.startswith("#/"):
            # Definitions may refer to themselves.
            if (name, reference) in seen:
                return
            seen.add((name, reference))
            self._read_property(known, name, _local(root, reference), root, seen)
        elif "#/properties/" in reference and reference.rpartition("/")[2] != name:
            self._named_after[name] = reference.rpartition("/")[2]
        for part in _alternatives(schema):
            self._read_property(known, name, part, root, seen)
        if schema.get("type") == "object" or schema.keys() & _NODE_KEYWORDS:
            self._read_node(schema, root, seen)
            return
        found = _type_of(schema, reference)
        if found:
            known.types.add(found)
            if (found == "phandle-array" or found.endswith("-matrix")) and schema.keys() & {
                "items",
                "minItems",
                "maxItems",
            }:
                known.widen(_counts(schema), _inner_counts(schema))


def _alternatives(schema: Schema) -> Iterator[Any]:
    for key in _ALTERNATIVES:
        yield from schema.get(key, ())


def _local(root: Schema, reference: str) -> Any:
    found: Any = root
    for part in reference.split("/")[1:]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _type_of(schema: Schema, reference: str) -> str | None:
    match = _TYPE.search(reference) if "/definitions/" in reference else None
    if match:
        return match.group()
    if schema.get("type") == "boolean":
        return "flag"
    items = schema.get("items")
    first = items[0] if isinstance(items, list) and items else items
    if isinstance(first, dict) and any(
        isinstance(value[0] if isinstance(value, list) and value else value, str)
        for value in (first.get(key) for key in ("const", "enum", "pattern"))
    ):
        return "string-array"
    return None


def _counts(schema: Any) -> Range:
    if not isinstance(schema, dict):
        return (0, 0)
    items = schema.get("items")
    if isinstance(items, list):
        return (schema.get("minItems", len(items)), schema.get("maxItems", len(items)))
    return (schema.get("minItems", 1), schema.get("maxItems", 0))


def _inner_counts(schema: Schema) -> Range:
    items = schema.get("items")
    if isinstance(items, list):
        return _counts(items[0]) if items else (0, 0)
    return (0, 0) if items is None else _counts(items)


def _wider(one: Range, other: Range) -> Range:
    highest = 0 if 0 in (one[1], other[1]) else max(one[1], other[1])
    return (min(one[0], other[0]), highest)
