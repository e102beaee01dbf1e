"""What must be known of all documents of a set before one of them is read: who is for which node, and all types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._select_gate import Gate, Gates, gate_of

Schema = dict[str, Any]

# In so many bindings that they select none.
_SHARED_COMPATIBLES = frozenset({"syscon", "simple-mfd", "simple-bus"})


@dataclass(slots=True)
class Index:
    """Documents by what selects them; `$id`s stand for documents.

    Attributes:
        by_compatible: who is for a `compatible`; the first document that names it.
        gates: before each document that has a `select`.
        types: what they say of properties.
    """

    by_compatible: dict[str, str] = field(default_factory=dict)
    gates: Gates = field(default_factory=Gates)
    types: PropertyTypes = field(default_factory=PropertyTypes)

    def put(self, schema: Schema, *, selects: bool = True) -> None:
        """Take in a prepared schema; unless it `selects`, only what it says of types."""
        name = str(schema["$id"])
        select = schema.get("select") if selects else False
        if select is None:
            for compatible in compatibles_of(schema):
                self.by_compatible.setdefault(compatible, name)
        elif select is not False:
            self.gates.by_document[name] = gate_of(schema)
        self.types.add(PropertyTypes([schema]))

    def __contains__(self, compatible: str) -> bool:
        return compatible in self.by_compatible or any(
            compatible in gate.compatibles for gate in self.gates.by_document.values() if gate.compatibles is not None
        )

    def as_plain(self) -> list[Any]:
        """All of it in lists and dicts, for `from_plain`."""
        gates = {
            name: [gate.required, gate.compatibles, gate.name, gate.start, gate.speaks_of]
            for name, gate in self.gates.by_document.items()
        }
        return [self.by_compatible, gates, self.types.as_plain()]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Index:
        """What `as_plain` gave, after a way through JSON."""
        by_compatible, gates, types = plain
        made = {
            str(name): Gate(
                tuple(required),
                compatibles and tuple(compatibles),
                str(whole),
                str(start),
                speaks_of and (tuple(speaks_of[0]), tuple(speaks_of[1])),
            )
            for name, (required, compatibles, whole, start, speaks_of) in gates.items()
        }
        return cls(dict(by_compatible), Gates(made), PropertyTypes.from_plain(types))


def compatibles_of(schema: Schema) -> tuple[str, ...]:
    """All strings that the schema's `compatible` names, in order."""
    found = dict.fromkeys(named_strings(schema.get("properties", {}).get("compatible")))
    return tuple(name for name in found if len(found) == 1 or name not in _SHARED_COMPATIBLES)


def named_strings(schema: Any) -> Iterator[str]:
    """All strings that a schema names, by `const` or `enum`."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "const" and isinstance(value, str):
                yield value
            elif key == "enum" and isinstance(value, list):
                yield from (item for item in value if isinstance(item, str))
            else:
                yield from named_strings(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from named_strings(item)
