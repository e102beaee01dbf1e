"""From a binding as people write it to the JSON Schema it means: the conventions of the dt-schema dialect.

Every value in a tree is a list for a schema, of strings, of cells or of rows; bindings leave that unsaid. The rules:

1. A constraint on a string or on `reg` cells means a list of one such item.
2. A list of `items` has exactly that many entries unless `minItems` or `maxItems` say otherwise, and outside of
   conditions one of these two implies the other.
3. `dependencies` is the older name of `dependentRequired` and `dependentSchemas`; a `oneOf` of constants is an `enum`.
4. Where `interrupts` may stand, so may `interrupts-extended` and `interrupt-parent`; either of the two lists satisfies
   a demand for interrupts.
5. A schema that is closed still allows what every node may have: `status`, `phandle` and so on.
6. Without `select`, a binding is for the nodes with one of its `compatible` strings, else with its `$nodename`.
"""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]

_UNSEEN = ("examples", "maintainers", "historical", "title", "$schema")
_SCALAR_KEYWORDS = ("const", "enum", "pattern", "minimum", "maximum", "multipleOf")
_INT_KEYWORDS = ("const", "enum", "minimum", "maximum")
_STRING_KEYWORDS = ("const", "enum", "pattern")
_DESCRIBED = {"const", "description"}
_SIZES = ("minItems", "maxItems")
_ALTERNATIVES = ("allOf", "anyOf", "oneOf")
_NESTED = ("select", "if", "then", "else", "not", "additionalProperties")
_MAPS = ("dependentRequired", "dependentSchemas", "properties", "patternProperties", "$defs", "definitions")

_ANYWHERE = (
    "phandle",
    "status",
    "secure-status",
    "$nodename",
    "bootph-pre-sram",
    "bootph-verify",
    "bootph-pre-ram",
    "bootph-some-ram",
    "bootph-all",
)
_WITH_CLOCKS = (
    "assigned-clocks",
    "assigned-clock-rates-u64",
    "assigned-clock-rates",
    "assigned-clock-parents",
    "assigned-clock-sscs",
)

_ROWS_OF_ANY_WIDTH = ("fsl,pins", "qcom,board-id")
# Properties with a unit suffix are lists; rows, for the two suffixes that regulators and clocks use.
_UNIT_ARRAY = re.compile(
    "-(kBps|bits|percent|bp|db|mhz|sec|ms|us|ns|ps|mm|nanoamp|(micro-)?ohms|micro(amp|watt)(-hours)?|milliwatt"
    "|(femto|pico)farads|(milli)?celsius|kelvin|k?pascal)$"
)
_UNIT_MATRIX = re.compile("-(hz|microvolt)$")


def prepared(binding: Schema) -> Schema:
    """The schema that a binding document means.

    Args:
        binding: the document, plain dicts and lists.

    Returns:
        A new schema in draft 2019-09, without what only people read.
    """
    schema: Schema = _without(_copied(binding), _UNSEEN)
    _add_select(schema)
    _fix_node(schema, ())
    schema["type"] = "object"
    schema["$id"] = str(schema["$id"]).rstrip("#")
    return schema


def _without(schema: Schema, names: tuple[str, ...]) -> Schema:
    return {key: value for key, value in schema.items() if key not in names}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _add_select(schema: Schema) -> None:
    properties = schema.get("properties", {})
    named = properties.get("$nodename", True)
    if "select" not in schema and "compatible" not in properties and named is not True:
        schema["select"] = {"required": ["$nodename"], "properties": {"$nodename": _copied(named)}}


# Nodes


def _fix_node(schema: Any, path: tuple[str, ...]) -> None:
    """Fix a schema that applies to nodes, and all below it."""
    if not isinstance(schema, dict):
        return
    schema.pop("description", None)
    _split_dependencies(schema)
    _allow_both_interrupt_lists(schema, path)
    _allow_what_stands_anywhere(schema)
    # It would mark everything as evaluated where a schema is only a part of another one.
    if schema.get("additionalProperties") is True:
        del schema["additionalProperties"]
    for key in [key for key in _NESTED if key in schema]:
        _fix_node(schema[key], (*path, key))
    for key in [key for key in _ALTERNATIVES if key in schema]:
        for part in schema[key]:
            _fix_node(part, (*path, key))
    for key in [key for key in _MAPS if isinstance(schema.get(key), dict)]:
        for name, part in schema[key].items():
            if name in _ROWS_OF_ANY_WIDTH and isinstance(part, dict):
                schema[key][name] = {"$ref": part["$ref"]} if "$ref" in part else {}
                continue
            _fix_property(part, (*path, key, name))
            _fix_node(part, (*path, key, name))


def _split_dependencies(schema: Schema) -> None:
    for name, needed in schema.pop("dependencies", {}).items():
        keyword = "dependentRequired" if isinstance(needed, list) else "dependentSchemas"
        schema.setdefault(keyword, {})[name] = needed


def _either_list() -> list[Schema]:
    return [{"required": ["interrupts"]}, {"required": ["interrupts-extended"]}]


def _allow_both_interrupt_lists(schema: Schema, path: tuple[str, ...]) -> None:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if properties.keys() & {"interrupts", "interrupt-controller"}:
            properties.setdefault("interrupt-parent", True)
        if "interrupts" in properties:
            properties.setdefault("interrupts-extended", _copied(properties["interrupts"]))
    if "interrupts" in schema.get("required", ()) and path[-1:] != ("oneOf",):
        _require_either_list(schema)
    _depend_on_either_list(schema)


def _require_either_list(schema: Schema) -> None:
    if "oneOf" in schema:
        schema.setdefault("allOf", []).append({"oneOf": _either_list()})
    else:
        schema["oneOf"] = _either_list()
    schema["required"] = [name for name in schema["required"] if name != "interrupts"]
    if not schema["required"]:
        del schema["required"]


def _depend_on_either_list(schema: Schema) -> None:
    needed = schema.get("dependentRequired", {})
    schemas = schema.get("dependentSchemas", {})
    for table in (needed, schemas):
        if "interrupts" in table:
            table.setdefault("interrupts-extended", _copied(table["interrupts"]))
    for name in [name for name, names in needed.items() if "interrupts" in names]:
        needed[name] = [other for other in needed[name] if other != "interrupts"]
        either = {"oneOf": _either_list()}
        schemas[name] = {"allOf": [schemas[name], either]} if name in schemas else either
        schema["dependentSchemas"] = schemas
        if not needed[name]:
            del needed[name]
    if schema.get("dependentRequired") == {}:
        del schema["dependentRequired"]


def _allow_what_stands_anywhere(schema: Schema) -> None:
    if not schema.keys() & {"unevaluatedProperties", "additionalProperties"}:
        return
    properties = schema.get("properties", {})
    names = [*properties, *schema.get("patternProperties", {})]
    if "clocks" in names and "assigned-clocks" not in names:
        properties.update(dict.fromkeys(_WITH_CLOCKS, True))
    if "ranges" in names:
        properties.setdefault("dma-ranges", True)
    if schema.get("additionalProperties") is True or schema.get("unevaluatedProperties") is True:
        return
    schema["properties"] = dict.fromkeys(_ANYWHERE, True) | properties
    if not any(re.match("^pinctrl-[0-9]", name) for name in names):
        schema["properties"].setdefault("pinctrl-names", True)
        schema.setdefault("patternProperties", {})["^pinctrl-[0-9]+$"] = True


# Properties


def _fix_property(schema: Any, path: tuple[str, ...]) -> None:
    """Fix a schema that applies to a property's value."""
    if not isinstance(schema, dict):
        return
    _constants_to_enum(schema)
    for key in [key for key in _ALTERNATIVES if key in schema]:
        for part in schema[key]:
            _fix_property(part, (*path, key))
    if "then" in schema:
        _fix_property(schema["then"], (*path, "then"))
    schema.pop("description", None)
    if "reg" in path:
        _fix_reg(schema)
    _drop_empty_items(schema)
    _fix_unit_suffix(schema, path)
    if _constrains(schema, _STRING_KEYWORDS, str):
        schema["items"] = [_taken(schema, _SCALAR_KEYWORDS)]
    _fix_sizes(schema, bool({"then", "else"} & set(path)))
    _split_dependencies(schema)


def _constants_to_enum(schema: Schema) -> None:
    for key in ("anyOf", "oneOf"):
        if key in schema:
            parts = schema[key]
            if all(isinstance(part, dict) and "const" in part and not part.keys() > _DESCRIBED for part in parts):
                schema.pop(key)
                schema["enum"] = [part["const"] for part in parts]
            return
    if isinstance(schema.get("items"), dict):
        _constants_to_enum(schema["items"])


def _constrains(schema: Any, keywords: tuple[str, ...], kind: type) -> bool:
    """Whether a schema constrains a scalar of type `kind`; the first entry decides for an `enum`."""
    if not isinstance(schema, dict):
        return False
    values = [schema[key] for key in keywords if key in schema]
    firsts = [value[0] if isinstance(value, list) and value else value for value in values]
    return any(isinstance(value, kind) for value in firsts)


def _taken(schema: Schema, keywords: tuple[str, ...]) -> Schema:
    return {key: schema.pop(key) for key in keywords if key in schema}


def _fix_reg(schema: Schema) -> None:
    inner = schema.get("items", schema)
    if isinstance(inner, list):
        inner = inner[0] if inner else {}
    if _constrains(inner, _INT_KEYWORDS, int):
        schema["items"] = [{"items": [_taken(inner, _SCALAR_KEYWORDS)]}]


def _drop_empty_items(schema: Schema) -> None:
    """A list of items that only describe says how many there are, and nothing else."""
    items = schema.get("items")
    if isinstance(items, dict):
        _drop_empty_items(items)
    if not isinstance(items, list):
        return
    for item in items:
        if isinstance(item, dict):
            item.pop("description", None)
            _drop_empty_items(item)
    if all(item == {} for item in items):
        del schema["items"]
        for key, value in (("type", "array"), ("maxItems", len(items)), ("minItems", len(items))):
            schema.setdefault(key, value)


def _fix_unit_suffix(schema: Schema, path: tuple[str, ...]) -> None:
    name = next((path[at + 1] for at in range(len(path) - 2, -1, -1) if path[at] in _MAPS), "")
    if "$ref" in schema or not name:
        return
    if _UNIT_ARRAY.search(name) and _constrains(schema, _INT_KEYWORDS, int):
        schema["items"] = [_taken(schema, _SCALAR_KEYWORDS)]
    elif _UNIT_MATRIX.search(name) and not _has_rows(schema):
        if schema.keys() & {"items", *_SIZES}:
            schema["items"] = [_copied(schema)]
            _taken(schema, _SIZES)
        elif _constrains(schema, _INT_KEYWORDS, int):
            schema["items"] = [{"items": [_taken(schema, _SCALAR_KEYWORDS)]}]


def _has_rows(schema: Schema) -> bool:
    items = schema.get("items")
    inner = items if isinstance(items, list) else [items]
    return any(isinstance(item, dict) and item.keys() & {"items", *_SIZES} for item in inner)


def _fix_sizes(schema: Any, conditional: bool) -> None:
    if isinstance(schema, list):
        for part in schema:
            _fix_sizes(part, conditional)
    if not isinstance(schema, dict):
        return
    schema.pop("description", None)
    if "items" in schema:
        schema["type"] = "array"
        if isinstance(schema["items"], list):
            for key in _SIZES:
                schema.setdefault(key, len(schema["items"]))
        _fix_sizes(schema["items"], conditional)
    elif not conditional and schema.keys() & set(_SIZES):
        for key, other in (_SIZES, _SIZES[::-1]):
            if key in schema:
                schema.setdefault(other, schema[key])
