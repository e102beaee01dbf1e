"""From an error of a JSON-Schema validator to what is wrong with a device tree, in its own words.

1. Every keyword has a function that words its errors; one that has none is worded by its value.
2. An error of `oneOf` or `anyOf` is that of the alternative that came closest; demands for one of several properties
   are put together.
3. `path` leads from the checked node through its children to a property and to an element of its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from irqframe.dt._report import count

if TYPE_CHECKING:
    from jsonschema import ValidationError

MISSING, WRONG_TYPE, WRONG_VALUE, WRONG_COUNT = "E0501", "E0502", "E0503", "E0504"
NOT_ALLOWED, NEEDS_ANOTHER, NO_ALTERNATIVE = "E0505", "E0506", "E0507"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, before it has a place.

    Attributes:
        code: E0501 to E0507.
        path: the node's child names, then the property, then the element.
        what: predicate to the thing that `path` leads to: "is required", "has too few entries".
        expected: what would have been right.
        found: what stands there.
        name: the property that is missing; "" if `path` names it.
        inferred: whether it is what was left over when all parts of a schema had their say, and so is certain only if
            all of them passed.
        of_number: whether a number has a wrong value.
    """

    code: str
    path: tuple[str | int, ...]
    what: str
    expected: str = ""
    found: str = ""
    name: str = ""
    inferred: bool = False
    of_number: bool = False

    @property
    def for_missing(self) -> bool:
        """Whether something is missing: no fault of a node that is disabled."""
        return self.code in (MISSING, NEEDS_ANOTHER)


def faults(error: ValidationError) -> Iterator[Fault]:
    """What an error means; several faults where one error names several properties."""
    path = tuple(error.absolute_path)
    if error.context:
        yield from _closest(error, path)
        return
    worded = _WORDED.get(str(error.validator))
    if worded is not None:
        yield from worded(error, path)
    else:
        yield Fault(NO_ALTERNATIVE, path, "does not fit its binding", f"{error.validator}", shown(error.instance))


def shown(value: Any) -> str:
    """A decoded value as a device tree would show it, shortened."""
    text = _shown(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(value: Any) -> str:
    if value is True:
        return "no value"
    if isinstance(value, bytes):
        return f"[{value[:16].hex(' ')}{' ...' if len(value) > 16 else ''}]"
    if isinstance(value, int):
        return str(value) if value < 4096 else f"{value:#x}"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "a node"
    if isinstance(value, list):
        parts = [_shown(item) for item in value[:16]]
        return ", ".join(parts) if value and isinstance(value[0], list | str) else f"<{' '.join(parts)}>"
    return str(value)


def _closest(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    demands = [branch[0] for branch in branches.values() if len(branch) == 1 and branch[0].validator == "required"]
    if len(demands) == len(branches):
        names = [_first_missing(demand) for demand in demands]
        yield Fault(MISSING, path, "is required", name=" or ".join(f"`{name}`" for name in dict.fromkeys(names)))
        return
    # What got furthest into the value, with the fewest errors; a wrong type is the furthest from right.
    # What is no node was not meant to be one.
    best = min(
        branches.values(),
        key=lambda branch: (_wants_node(branch), _is_of_type(branch), -_depth(branch), len(branch)),
    )
    alike = [branch for branch in branches.values() if not _is_of_type(branch)]
    if len(alike) > 1 and all(_same_place(branch, best) for branch in alike):
        inner = best[0]
        wanted = " or ".join(dict.fromkeys(_expected(branch[0]) for branch in alike))
        for fault in faults(inner):
            yield replace(fault, expected=wanted)
        return
    for inner in best:
        yield from faults(inner)


def _wants_node(branch: list[ValidationError]) -> bool:
    return any(inner.validator == "type" and inner.validator_value == "object" for inner in branch)


def _is_of_type(branch: list[ValidationError]) -> bool:
    return any(inner.validator == "type" for inner in branch)


def _depth(branch: list[ValidationError]) -> int:
    return max(len(inner.absolute_path) for inner in branch)


def _same_place(branch: list[ValidationError], other: list[ValidationError]) -> bool:
    places = {(inner.validator, tuple(inner.absolute_path)) for inner in (*branch, *other)}
    return len(branch) == len(other) == 1 and len(places) == 1


def _expected(error: ValidationError) -> str:
    return next((fault.expected for fault in faults(error)), "")


# Wording, keyword by keyword. All of these take the error and its path.

Worded = Callable[["ValidationError", tuple["str | int", ...]], Iterator[Fault]]


def _first_missing(error: ValidationError) -> str:
    # One error for each missing property, with the name only in its text: 'NAME' is a required property.
    match = re.match(r"'(.*)' is a (?:required property|dependency of)", error.message)
    return match[1] if match else str(error.validator_value)


def _required(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    yield Fault(MISSING, path, "is required", name=f"`{_first_missing(error)}`")


def _dependent(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    match = re.match(r"'(.*)' is a dependency of '(.*)'", error.message)
    needed, by = (match[1], match[2]) if match else ("another property", "")
    yield Fault(NEEDS_ANOTHER, (*path, by) if by else path, f"needs `{needed}`", f"`{needed}` in the same node", "none")


def _additional(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    # Our own keyword has the names in its text, see `_schema_keywords`.
    for name in error.message.split("\0"):
        yield Fault(NOT_ALLOWED, (*path, name), "is not known here")


def _unevaluated(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    # "Unevaluated properties are not allowed ('a', 'b' were unexpected)": the names stand only there.
    for name in re.findall(r"'([^']*)'", error.message.partition("(")[2]):
        yield Fault(NOT_ALLOWED, (*path, name), "is not known here", inferred=True)


def _never(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    yield Fault(NOT_ALLOWED, path, "is not allowed here")


def _type(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if error.validator_value == "object":
        yield Fault(NOT_ALLOWED, path, "is not known here", "a node", "a property")
        return
    yield Fault(WRONG_TYPE, path, "has the wrong type", _kinds(error.validator_value), shown(error.instance))


def _type_size(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    yield Fault(WRONG_TYPE, path, "has the wrong size", f"{error.validator_value} bits", error.message)


_KINDS = MappingProxyType(
    {
        "boolean": "no value",
        "null": "no value",
        "object": "a node",
        "array": "a list",
        "string": "a string",
        "integer": "one number",
    }
)


def _kinds(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    return " or ".join(dict.fromkeys(_KINDS.get(str(name), str(name)) for name in names))


def _value(expected: Callable[[Any], str]) -> Worded:
    def worded(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
        text = expected(error.validator_value)
        number = isinstance(error.instance, int)
        yield Fault(WRONG_VALUE, path, "has a wrong value", text, shown(error.instance), of_number=number)

    return worded


def _one_of(values: Any) -> str:
    texts = [shown(value) for value in values]
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}"


def _amount(word: str) -> Worded:
    def worded(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
        value: Any = error.instance
        limit: Any = error.validator_value
        noun = _noun(value)
        text = f"{word} {count(limit, noun)}"
        yield Fault(WRONG_COUNT, path, f"has the wrong number of {noun}s", text, count(len(value), noun))

    return worded


def _not_more(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    value: Any = error.instance
    yield Fault(WRONG_COUNT, path, "has too many entries", "fewer entries", count(len(value), _noun(value)))


_INTEGERS = MappingProxyType({8: "byte", 32: "cell"})


def _noun(value: Any) -> str:
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, str):
        return "string"
    if isinstance(first, int):
        return _INTEGERS.get(getattr(first, "size", 32), "number")
    return "row" if isinstance(first, list) else "value"


def _contains(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    wanted: Any = error.validator_value
    schema = wanted if isinstance(wanted, dict) else {}
    keyword = next((key for key in ("const", "enum", "pattern") if key in schema), "")
    text = f"{shown(schema[keyword])} among them" if keyword else "another entry"
    yield Fault(WRONG_VALUE, path, "has a wrong value", text, shown(error.instance))


def _not(error: ValidationError, path: tuple[str | int, ...]) -> Iterator[Fault]:
    yield Fault(NO_ALTERNATIVE, path, "has a value that its binding excludes", found=shown(error.instance))


_WORDED: Mapping[str, Worded] = MappingProxyType(
    {
        "None": _never,
        "required": _required,
        "dependentRequired": _dependent,
        "additionalProperties": _additional,
        "unevaluatedProperties": _unevaluated,
        "type": _type,
        "typeSize": _type_size,
        "const": _value(shown),
        "enum": _value(_one_of),
        "minimum": _value(lambda limit: f"at least {shown(limit)}"),
        "maximum": _value(lambda limit: f"at most {shown(limit)}"),
        "multipleOf": _value(lambda factor: f"a multiple of {shown(factor)}"),
        "pattern": _value(lambda pattern: f"text like {pattern}"),
        "uniqueItems": _value(lambda _: "entries that all differ"),
        "minItems": _amount("at least"),
        "maxItems": _amount("at most"),
        "additionalItems": _not_more,
        "contains": _contains,
        "not": _not,
    }
)
