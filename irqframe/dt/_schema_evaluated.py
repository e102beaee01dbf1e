"""`unevaluatedProperties`, with the verdicts of the `jsonschema` library: what no part of a schema has spoken of.

The library keeps a list of the names that were spoken of, in which it looks for each name, matches patterns without a
bound, and follows references without asking whether there is an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from irqframe.dt._linear_patterns import compiled

if TYPE_CHECKING:
    from jsonschema import ValidationError

Schema = dict[str, Any]
Follow = Callable[[Schema], tuple[Any, Any]]

_LISTS = ("allOf", "anyOf", "oneOf")
_FOR_OTHERS = ("additionalProperties", "unevaluatedProperties")


def unevaluated_properties(follow: Follow) -> Callable[[Any, Any, Any, Any], Iterator[ValidationError]]:
    """The keyword.

    Args:
        follow: from a schema with a `$ref` to the one that it means, and the resolver for that.
    """
    from jsonschema import ValidationError

    def keyword(validator: Any, wanted: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        if not isinstance(instance, dict) or wanted is True:
            return
        known = _evaluated(validator, instance, schema, follow)
        wrong = [name for name in instance if name not in known and not _fits(validator, instance[name], wanted)]
        if wrong:
            # `_schema_errors` takes the names from there.
            names = ", ".join(repr(name) for name in sorted(wrong))
            yield ValidationError(f"Unevaluated properties are not allowed ({names})")

    return keyword


def _fits(validator: Any, value: Any, schema: Any) -> bool:
    return next(validator.descend(value, schema), None) is None


def _evaluated(validator: Any, instance: Schema, schema: Any, follow: Follow) -> set[str]:
    """The names in `instance` that a schema, and all parts of it that accept `instance`, speak of."""
    if not isinstance(schema, dict):
        return set()
    found = {name for name in schema.get("properties", ()) if name in instance}
    patterns = [compiled(pattern) for pattern in schema.get("patternProperties", ())]
    found.update(name for name in instance if name not in found and any(each.search(name) for each in patterns))
    for key in _FOR_OTHERS:
        if key in schema:
            found.update(name for name, value in instance.items() if _fits(validator, value, schema[key]))
    for part in _accepting(validator, instance, schema):
        found |= _evaluated(validator, instance, part, follow)
    if "$ref" in schema:
        found |= _evaluated(validator, instance, follow(schema)[0], follow)
    return found


def _accepting(validator: Any, instance: Schema, schema: Schema) -> Iterator[Any]:
    """The parts of a schema that have their say about `instance`."""
    for key in _LISTS:
        yield from (part for part in schema.get(key, ()) if _fits(validator, instance, part))
    yield from (part for name, part in schema.get("dependentSchemas", {}).items() if name in instance)
    if "if" in schema:
        met = _fits(validator, instance, schema["if"])
        yield from (schema[key] for key in (("if", "then") if met else ("else",)) if key in schema)
