"""Whether a schema is one, without its meta-schema: a hundred times as fast, and never more lenient.

What is not plainly right here may still be right; the meta-schema of draft 2019-09 decides, and words what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def is_plainly_a_schema(value: Any) -> bool:
    """Whether each keyword in `value`, and in all schemas below, has a value that it may have."""
    if not isinstance(value, dict):
        return isinstance(value, bool)
    return all(_SHAPES[key](item) for key, item in value.items() if key in _SHAPES)


def is_kept_schema(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether `value`, out of a file that anyone may have written, is a schema with an `$id`."""
    if not isinstance(value, dict) or not isinstance(value.get("$id"), str):
        return False
    try:
        return is_plainly_a_schema({key: item for key, item in value.items() if key not in ("$id", "$schema")})
    except RecursionError:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_factor(value: Any) -> bool:
    return type(value) in (int, float) and value > 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_set_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TYPES
    return bool(value) and _is_set_of_texts(value) and _TYPES.issuperset(value)


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_plainly_a_schema, value))


def _is_items(value: Any) -> bool:
    return _is_schemas(value) if isinstance(value, list) else is_plainly_a_schema(value)


def _is_map_of_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_plainly_a_schema, value.values()))


def _is_map_of_names(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_set_of_texts, value.values()))


def _is_dependencies(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_set_of_texts(item) if isinstance(item, list) else is_plainly_a_schema(item) for item in value.values()
    )


def _is_nothing(value: Any) -> bool:
    return False


def _shapes(shapes: Mapping[Callable[[Any], bool], str]) -> Mapping[str, Callable[[Any], bool]]:
    return MappingProxyType({keyword: shape for shape, keywords in shapes.items() for keyword in keywords.split()})


# By keyword; the last line has those whose values are texts of a form that is not looked at here.
_SHAPES = _shapes(
    {
        _is_text: "$ref $comment title description pattern format contentEncoding contentMediaType",
        _is_flag: "uniqueItems deprecated readOnly writeOnly",
        _is_count: "minItems maxItems minContains maxContains minLength maxLength minProperties maxProperties",
        _is_number: "minimum maximum exclusiveMinimum exclusiveMaximum",
        _is_factor: "multipleOf",
        _is_list: "enum examples",
        _is_set_of_texts: "required",
        _is_type: "type",
        _is_schemas: "allOf anyOf oneOf",
        _is_items: "items",
        is_plainly_a_schema: "not if then else select contains propertyNames contentSchema additionalItems"
        " unevaluatedItems additionalProperties unevaluatedProperties",
        _is_map_of_schemas: "properties patternProperties dependentSchemas $defs definitions",
        _is_map_of_names: "dependentRequired",
        _is_dependencies: "dependencies",
        _is_nothing: "$id $schema $anchor $recursiveRef $recursiveAnchor $vocabulary",
    }
)
