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

from irqframe.dt._linear_patterns import compiled

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

    def add(self, name: str) -> None:
        """Allow a type as well; a list of strings may hold just one."""
        if name != "string" or "string-array" not in self.types:
            self.types.add(name)
        if name == "string-array":
            self.types.discard("string")

    def take(self, other: PropertyType) -> None:
        """Allow what another one does as well."""
        for name in other.types:
            self.add(name)
        if other.rows is not None and other.columns is not None:
            self.widen(other.rows, other.columns)

    def widen(self, rows: Range, columns: Range) -> None:
        """Allow these counts as well."""
        self.rows = rows if self.rows is None else _wider(self.rows, rows)
        self.columns = columns if self.columns is None else _wider(self.columns, columns)


class PropertyTypes:
    """The types of all properties that a set of prepared schemas names."""

    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self._exact: dict[str, PropertyType] = {}
        self._patterns: dict[str, PropertyType] = {}
        self._named_after: dict[str, str] = {}
        self._found: dict[str, PropertyType] = {}
        for schema in schemas:
            self._read_node(schema, schema, set())

    def of(self, name: str) -> PropertyType:
        """What is known of the property `name`; nothing known is no types."""
        if name not in self._found:
            self._found[name] = self._look_up(name)
        return self._found[name]

    def add(self, others: PropertyTypes) -> None:
        """Take in what the schemas of another set say."""
        for mine, theirs in ((self._exact, others._exact), (self._patterns, others._patterns)):
            for name, found in theirs.items():
                mine.setdefault(name, PropertyType()).take(found)
        self._named_after.update(others._named_after)
        self._found.clear()

    def as_plain(self) -> list[Any]:
        """All of it in lists and dicts, for `from_plain`."""
        tables = [
            {name: [sorted(known.types), known.rows, known.columns] for name, known in table.items()}
            for table in (self._exact, self._patterns)
        ]
        return [*tables, self._named_after]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> PropertyTypes:
        """What `as_plain` gave, after a way through JSON."""
        made = cls()
        exact, patterns, named_after = plain
        for table, stored in ((made._exact, exact), (made._patterns, patterns)):
            for name, (types, rows, columns) in stored.items():
                table[name] = PropertyType(
                    set(types), rows and (rows[0], rows[1]), columns and (columns[0], columns[1])
                )
        made._named_after.update(named_after)
        return made

    def _look_up(self, name: str) -> PropertyType:
        exact = self._exact.get(name)
        other = self._exact.get(self._named_after.get(name, ""))
        types = {*(exact.types if exact is not None else ()), *(other.types if exact and other else ())}
        if exact is not None and types:
            return PropertyType(types, exact.rows, exact.columns)
        typed = ((pattern, found) for pattern, found in self._patterns.items() if found.types)
        matching = [found for pattern, found in typed if compiled(pattern).search(name)]
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
        found = _type_of(name, schema, reference)
        if found:
            known.add(found)
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


def _type_of(name: str, schema: Schema, reference: str) -> str | None:
    match = _TYPE.search(reference) if "definitions/" in reference else None
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
    return None if items is None else _type_of_unit(name)


def _type_of_unit(name: str) -> str | None:
    """Rows that only their unit tells, as in property-units.yaml."""
    if name.endswith("-microvolt"):
        return "int32-matrix"
    return "uint32-matrix" if name.endswith("-hz") and not name.startswith("opp") else None


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
