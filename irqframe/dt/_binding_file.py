"""Reads one binding document: YAML, in the dt-schema dialect, with the place of every fault.

A document comes from whoever wrote the plugin, or from a folder that the user names. What it holds is bounded: aliases
cannot blow it up, and a pattern that is no regular expression is found here and not while a tree is checked.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from irqframe.dt._linear_patterns import compiled
from irqframe.dt._names import FINDINGS_MAX
from irqframe.dt._report import more_than_these
from irqframe.dt._schema_shape import is_plainly_a_schema
from irqframe.errors import Finding, InputError, Span

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

# Linux's largest binding has some 60 kB and 3,000 values.
MAX_BYTES = 1 << 20
MAX_VALUES = 200_000
MAX_DEPTH = 100
_NUMBERS = 1 << 64

# The YAML reader takes in what a merge key names each time that it is named.
_MERGE = re.compile(r"<<(?:\s|#.*)*:|!!merge|:merge>")

_META_SCHEMAS = re.compile(r"http://devicetree\.org/meta-schemas/(core|base)\.yaml#?$")
_ID = re.compile(r"http://[^\s#[\]]+\.yaml#?\Z")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A binding document as it was written.

    Attributes:
        name: what findings call the file.
        text: the YAML.
        content: the same as plain dicts and lists.
    """

    name: str
    text: str
    content: dict[str, Any]

    @property
    def id(self) -> str:
        """Its `$id`, without the trailing #."""
        return str(self.content["$id"]).rstrip("#")

    def span(self, path: Path) -> Span:
        """Where the value at `path` begins; the nearest enclosing one that has a place."""
        return _place(self.name, _composed(self.text), path)


def read_document(name: str, text: str) -> Document:
    """Read a binding document.

    Args:
        name: what findings call the file.
        text: its content.

    Raises:
        InputError: it is not YAML (E0510) or not a binding (E0511).
    """
    document = parse_document(name, text)
    faults = _faults(document.content)
    listed = [
        _finding("E0511", message, document.span(path)) for message, path in itertools.islice(faults, FINDINGS_MAX)
    ]
    if next(faults, None) is not None:
        listed.append(more_than_these(Span(name)))
    if listed:
        raise InputError(listed)
    return document


def parse_document(name: str, text: str) -> Document:
    """Read a document that is known to be a binding, because it comes with irqframe.

    Raises:
        InputError: it is not YAML (E0510), or no mapping (E0511).
    """
    return Document(name, text, _load(name, text))


def _finding(code: str, message: str, span: Span, expected: str = "") -> Finding:
    return Finding(code, message, span, expected=expected)


def _load(name: str, text: str) -> dict[str, Any]:
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MAX_BYTES:
        raise InputError([_finding("E0510", f"the document has more than {MAX_BYTES} characters", Span(name))])
    if _too_deep().search(text):
        raise InputError([_finding("E0510", "the document is nested too deeply", Span(name))])
    if _MERGE.search(text):
        raise InputError([_finding("E0510", "merge keys (`<<`) have no place in a binding", Span(name))])
    try:
        plain = _plain(_loaded(text), [MAX_VALUES], 0)
    except MarkedYAMLError as error:
        raise InputError([_marked(name, error)]) from None
    except (YAMLError, ValueError) as error:
        raise InputError([_finding("E0510", f"the document is no YAML: {error}", Span(name))]) from None
    except RecursionError:
        raise InputError([_finding("E0510", "the document is nested too deeply", Span(name))]) from None
    if not isinstance(plain, dict):
        raise InputError([_finding("E0511", "the document is no binding", Span(name), "a mapping with `$id`")])
    return plain


# Opening brackets, or signs of lists and keys, without anything in between; the YAML reader takes long to find out that
# it cannot go so deep, and the one in C may not survive it.
@cache
def _too_deep() -> re.Pattern[str]:
    return re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH}}}|(?:[-?:][ \t]+){{{MAX_DEPTH}}}")


def _loaded(text: str) -> Any:
    """The document, by the YAML reader in C if `ruamel.yaml.clib` is there; the other one words faults better."""
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe").load(text)
    except Exception:
        return _worded(lambda: YAML(typ="safe", pure=True).load(text))


def _worded(load: Callable[[], Any]) -> Any:
    """What `load` returns, or a ValueError for what the YAML reader itself does not expect in a document.

    It asserts that it knows a document's version, looks at the first character of an empty `!!int`, and so on.
    """
    from ruamel.yaml.error import YAMLError

    try:
        return load()
    except (YAMLError, ValueError, RecursionError):
        raise
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _marked(name: str, error: MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    message = " ".join(str(error.problem or error.context or "not YAML").split())
    span = Span(name, line, column, line, column + 1) if line else Span(name)
    return _finding("E0510", f"the document is no YAML: {message}", span)


def _plain(value: Any, budget: list[int], depth: int) -> Any:
    """A copy in plain containers; an alias is a copy of its own and counts each time."""
    budget[0] -= 1
    if budget[0] < 0 or depth > MAX_DEPTH:
        raise ValueError("it holds too many values, or is nested too deeply")
    if isinstance(value, dict):
        return {_key(key): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    if value is None or isinstance(value, bool | str):
        return value
    raise ValueError(f"{type(value).__name__} values have no place in a binding")


def _number(value: int | float) -> int | float:
    """A number that a cell may be compared with; a whole one is an `int`, however it was written."""
    if not -_NUMBERS < value < _NUMBERS:
        raise ValueError("it holds a number of more than 64 bits")
    return int(value) if value == int(value) else value


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no string")
    return key


def _faults(content: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """What keeps a document from being a binding, each with the path of its value."""
    if not _ID.match(str(content.get("$id", ""))):
        yield "`$id` is no address of a binding, http://devicetree.org/schemas/NAME.yaml#", ("$id",)
    if not _META_SCHEMAS.match(str(content.get("$schema", ""))):
        wanted = "http://devicetree.org/meta-schemas/core.yaml#"
        yield f"`$schema` does not name dt-schema's meta-schema, {wanted}", ("$schema",)
    yield from _pattern_faults(content, ())
    yield from _schema_faults(content)


def _pattern_faults(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    for step, item in _items(value):
        here = (*path, step)
        # Beside `properties` a "pattern" is a keyword; in it, the name of a property.
        names_properties = path[-1:] in (("properties",), ("patternProperties",))
        if step == "pattern" and isinstance(item, str) and not names_properties:
            yield from _regex_faults(item, here)
        if step == "patternProperties" and isinstance(item, dict) and not names_properties:
            for pattern in item:
                yield from _regex_faults(pattern, (*here, pattern))
        yield from _pattern_faults(item, here)


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _regex_faults(pattern: str, path: Path) -> Iterator[tuple[str, Path]]:
    try:
        compiled(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"{pattern!r} is no regular expression: {error}", path


def _schema_faults(content: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    schema = {key: value for key, value in content.items() if key not in ("$id", "$schema")}
    if is_plainly_a_schema(schema):
        return
    from jsonschema import Draft201909Validator

    # The one keyword of dt-schema's that has a schema.
    meta = copy.deepcopy(dict(Draft201909Validator.META_SCHEMA))
    meta["properties"]["select"] = {"$recursiveRef": "#"}
    for error in Draft201909Validator(meta).iter_errors(schema):
        yield f"the schema is not valid: {error.message[:200]}", tuple(error.absolute_path)


# Whoever asks for one place in a document asks for more.
@lru_cache(maxsize=1)
def _composed(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="rt").compose(text)


def _place(name: str, root: Any, path: Path) -> Span:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    span = Span(name)
    node = root
    for step in path:
        found = None
        if isinstance(node, MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        if found is None:
            break
        start, end = found[0].start_mark, found[0].end_mark
        span = Span(name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        node = found[1]
    return span
