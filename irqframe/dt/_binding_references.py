"""Where the references in a schema lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

Schema = dict[str, Any]
Path = tuple[str | int, ...]


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each `$ref` in a schema, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield (*path, key), item
            else:
                yield from references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))


def referring(value: Any) -> Iterator[Schema]:
    """Each schema with a `$ref`."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value
        for item in value.values():
            yield from referring(item)
    elif isinstance(value, list):
        for item in value:
            yield from referring(item)


def address(base: str, reference: str) -> tuple[str, str]:
    """The document that a `$ref` in the document `base` is to, and the place in it."""
    try:
        found, _, fragment = urljoin(base, reference).partition("#")
    except ValueError:
        # What looks like the address of a computer, but is none.
        return reference, ""
    return found, fragment


def leads_nowhere(base: str, reference: str, known: Callable[[str], Schema | None]) -> bool:
    """Whether a `$ref` has no schema at its other end.

    Args:
        base: the `$id` of the document it stands in.
        reference: what it says.
        known: schemas by `$id`.
    """
    document, fragment = address(base, reference)
    content = known(document)
    if content is None or (fragment and not fragment.startswith("/")):
        return True
    try:
        return not isinstance(part_at(content, fragment), dict | bool)
    except (LookupError, TypeError, ValueError):
        return True


def part_at(content: Any, fragment: str) -> Any:
    """What a JSON pointer leads to.

    Raises:
        LookupError, TypeError or ValueError: nothing.
    """
    for part in fragment.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        content = content[int(name)] if isinstance(content, list) else content[name]
    return content
