"""How much work a schema can be: how often keywords are looked at for one node and all below it, at the most.

Schemas that refer to each other may branch: ten that name the next one twice are a thousand looks. What refers to
itself without going down into the tree has no end at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from irqframe.dt._binding_references import address, part_at

Schema = dict[str, Any]

MOST: Final = 20_000
"""Looks at one value; Linux's heaviest binding needs some 2,000."""

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("if", "then", "else", "not")


class Weights:
    """How heavy the schemas of some documents are."""

    def __init__(self, known: Callable[[str], Schema | None]) -> None:
        """Weigh nothing yet; `known` gives documents by `$id`, and each `$ref` in them leads to one."""
        self._known = known
        # By place of a schema that is referred to; more than the most while it is being weighed.
        self._weights: dict[tuple[str, str], int] = {}

    def is_endless(self, schema: Schema | bool, base: str) -> bool:
        """Whether a schema, in the document with the `$id` `base`, looks at one value more than `MOST` times."""
        try:
            return self._of(schema, base) > MOST
        except RecursionError:
            return True

    def _of(self, schema: Any, base: str) -> int:
        if not isinstance(schema, dict):
            return 1
        weight = 1
        for part in _parts(schema):
            weight += self._of(part, base)
            if weight > MOST:
                return weight
        weight += self._referred(base, str(schema["$ref"])) if "$ref" in schema else 0
        # To know what the parts have spoken of, each is asked again, and so are its own parts.
        return 3 * weight if "unevaluatedProperties" in schema else weight

    def _referred(self, base: str, reference: str) -> int:
        place = address(base, reference)
        if place not in self._weights:
            self._weights[place] = MOST
            self._weights[place] = self._of(part_at(self._known(place[0]), place[1]), place[0])
        return self._weights[place]


def _parts(schema: Schema) -> Iterator[Any]:
    """The schemas that are applied to the same value."""
    for key in _LISTS:
        yield from schema.get(key, ())
    for key in _SINGLE:
        if key in schema:
            yield schema[key]
    yield from schema.get("dependentSchemas", {}).values()
