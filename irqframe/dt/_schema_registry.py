"""Schemas that refer to each other, ready to be applied.

1. A schema is loaded when one that is applied refers to it, and not before.
2. A `$ref` that leads nowhere is taken out: what it stands for accepts everything, and the fault is remembered.
3. Schemas that refer to each other in a circle without going down into the tree, or that branch without end, cannot be
   applied: such a schema is replaced by one that accepts everything, and that is remembered too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from irqframe.dt._binding_references import address, leads_nowhere, part_at, referring
from irqframe.dt._schema_keywords import validator_class
from irqframe.dt._schema_weight import Weights

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Schema = dict[str, Any]
Load = Callable[[str], Schema | None]


LOOKS_MAX: Final = 200_000
"""How many references are followed for one node."""


class TooMuchError(Exception):
    """A schema needs more work than any honest one."""


class SchemaRegistry:
    """Schemas by `$id`, with what they refer to.

    Attributes:
        broken: by `$id`, the `$ref`s that lead nowhere, of the schemas that were loaded.
        endless: `$id`s of schemas that cannot be applied.
    """

    def __init__(self, load: Load) -> None:
        self.broken: dict[str, tuple[str, ...]] = {}
        self.endless: dict[str, None] = {}
        self._load = load
        self._schemas: dict[str, Schema | None] = {}
        self._validators: dict[tuple[str, str], Validator | None] = {}
        self._referred: dict[str, tuple[str, ...]] = {}
        # What the registry has; it is replaced when it grows, and the validators made before keep theirs.
        self._known: set[str] = set()
        self._registry: Any = None
        self._weights = Weights(self.schema)
        self._looks = 0
        # Of each schema with a `$ref`, by its identity: the document it stands in, and what it means. The schemas are
        # kept above, so an identity stays that of one schema.
        self._bases: dict[int, str] = {}
        self._targets: dict[int, tuple[Any, Any]] = {}

    def schema(self, name: str) -> Schema | None:
        """The schema with an `$id`; None if there is none."""
        if name not in self._schemas:
            self._schemas[name] = schema = self._load(name)
            if schema is not None:
                self._schemas[name] = self._mended(name, schema)
        return self._schemas[name]

    def _mended(self, name: str, schema: Schema) -> Schema:
        found = list(referring(schema))
        names = dict.fromkeys(part["$ref"] for part in found)
        broken = tuple(each for each in names if leads_nowhere(name, each, self._load))
        if broken:
            self.broken[name] = broken
            schema = _without(schema, frozenset(broken))
            found = list(referring(schema))
        self._bases.update((id(part), name) for part in found)
        self._referred[name] = tuple({address(name, part["$ref"])[0]: None for part in found})
        return schema

    def reach(self, name: str) -> Iterator[str]:
        """The schema with an `$id`, and all that it refers to, directly or not."""
        seen = {name}
        todo = [name]
        while todo:
            current = todo.pop()
            if self.schema(current) is None:
                continue
            yield current
            new = [document for document in self._referred[current] if document not in seen]
            seen.update(new)
            todo += new

    def errors(self, name: str, part: str, instance: Any) -> list[ValidationError]:
        """What a schema finds in a value; nothing if it cannot be applied.

        Args:
            name: its `$id`.
            part: "" for all of it, or the keyword whose schema is meant.
            instance: the value.
        """
        if (name, part) not in self._validators:
            self._validators[name, part] = self._validator(name, part)
        validator = self._validators[name, part]
        if validator is None:
            return []
        from referencing.exceptions import Unresolvable

        self._looks = 0
        try:
            return list(validator.iter_errors(instance))
        # The last one: by a `$recursiveRef`, or below an `$id` in the middle of a document; dt-schema has neither.
        except (RecursionError, TooMuchError, Unresolvable):
            self._validators[name, part] = None
            self.endless[name] = None
            return []

    def _validator(self, name: str, part: str) -> Validator | None:
        root = self.schema(name) or {}
        schema = root[part] if part else root
        self._register(name)
        if self._weights.is_endless(schema, name):
            self.endless[name] = None
            return None
        made: Validator = self._class(root, registry=self._registry)
        return made.evolve(schema=schema) if part else made

    def _register(self, name: str) -> None:
        from referencing import Registry
        from referencing.jsonschema import DRAFT201909

        if name in self._known:
            return
        new = [each for each in self.reach(name) if each not in self._known]
        pairs = [(each, DRAFT201909.create_resource(self.schema(each))) for each in new]
        self._known.update(new)
        self._registry = (Registry() if self._registry is None else self._registry).with_resources(pairs)

    @cached_property
    def _class(self) -> Any:
        return validator_class(self._follow)

    def _follow(self, schema: Schema) -> tuple[Any, Any]:
        self._looks += 1
        if self._looks > LOOKS_MAX:
            raise TooMuchError
        if id(schema) not in self._targets:
            document, fragment = address(self._bases[id(schema)], schema["$ref"])
            self._targets[id(schema)] = (part_at(self.schema(document), fragment), self._registry.resolver(document))
        return self._targets[id(schema)]


def _without(value: Any, broken: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _without(item, broken)
            for key, item in value.items()
            if key != "$ref" or not isinstance(item, str) or item not in broken
        }
    return [_without(item, broken) for item in value] if isinstance(value, list) else value
