"""The JSON-Schema validator of the dialect: draft 2019-09 with dt-schema's `typeSize`.

Some of its keywords are done anew, with the same verdicts: those with patterns, because the library compiles a pattern
whenever it has seen 512 others since, and matches it in whatever time that takes; and `$ref`, because the library looks
for the other end each time, and does not ask whether there is an end at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from irqframe.dt._linear_patterns import compiled
from irqframe.dt._name_patterns import NamePatterns
from irqframe.dt._schema_evaluated import unevaluated_properties

if TYPE_CHECKING:
    from jsonschema import ValidationError

Schema = dict[str, Any]
Keyword = Callable[[Any, Any, Any, Any], "Iterator[ValidationError]"]


def validator_class(follow: Callable[[Schema], tuple[Any, Any]]) -> Any:
    """A validator class.

    Args:
        follow: from a schema with a `$ref` to the one that it means, and the resolver for that; what it raises ends the
            validation.
    """
    from jsonschema import Draft201909Validator, validators

    extend: Any = validators.extend
    keywords = {
        "typeSize": _type_size,
        "pattern": _pattern(),
        "patternProperties": _pattern_properties(),
        "additionalProperties": _additional_properties(),
        "unevaluatedProperties": unevaluated_properties(follow),
        "$ref": _reference(follow),
    }
    return extend(Draft201909Validator, keywords)


def _type_size(validator: Any, bits: int, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """How many bits an integer has."""
    from jsonschema import ValidationError

    size = getattr(instance, "size", 32)
    if isinstance(instance, int) and size != bits:
        yield ValidationError(f"{size} bits")


def _reference(follow: Callable[[Schema], tuple[Any, Any]]) -> Keyword:
    def keyword(validator: Any, target: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
        meant, resolver = follow(schema)
        yield from validator.descend(instance, meant, resolver=resolver)

    return keyword


def _pattern() -> Keyword:
    from jsonschema import ValidationError

    def keyword(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not compiled(pattern).search(instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")

    return keyword


def _pattern_properties() -> Keyword:
    def keyword(validator: Any, patterns: Schema, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if not isinstance(instance, dict):
            return
        for pattern, part in patterns.items():
            # Most of them only allow a name.
            if part is True or part == {}:
                continue
            search = compiled(pattern).search
            for name, value in instance.items():
                if search(name):
                    yield from validator.descend(value, part, path=name, schema_path=pattern)

    return keyword


def _additional_properties() -> Keyword:
    from jsonschema import ValidationError

    # By the identity of a schema, which is kept so that it stays its own.
    known: dict[int, tuple[Schema, NamePatterns]] = {}

    def keyword(validator: Any, allowed: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        if not isinstance(instance, dict) or allowed is True:
            return
        if id(schema) not in known:
            known[id(schema)] = (schema, NamePatterns(schema.get("patternProperties", ())))
        named, patterns = schema.get("properties", {}), known[id(schema)][1]
        extras = [name for name in instance if name not in named and not patterns.match(name)]
        if isinstance(allowed, dict):
            for name in extras:
                yield from validator.descend(instance[name], allowed, path=name)
        elif extras:
            # `_schema_errors` takes the names from there.
            yield ValidationError("\0".join(extras))

    return keyword
