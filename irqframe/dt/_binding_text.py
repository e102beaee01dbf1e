"""A binding document as its author sees it: what it is about, and its examples with their place in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from irqframe.dt._binding_file import Document, read_document
from irqframe.dt._binding_index import named_strings
from irqframe.errors import Span


@dataclass(frozen=True, slots=True)
class Example:
    """One of a document's examples.

    Attributes:
        number: from 0.
        text: the device-tree source; of an example in a block, as it stands in the file, with its indentation.
        line: of its first line in the file.
        exact: whether each line of it is one of the file's.
        is_text: whether it is text at all.
    """

    number: int
    text: str
    line: int
    exact: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class BindingText:
    """A document.

    Attributes:
        name: what findings call the file.
        id: its `$id`, without the trailing #.
        title: its title, "" if it has none.
        compatibles: the strings that it names for `compatible`, in order.
        content: all of it, as plain dicts and lists.
    """

    name: str
    id: str
    title: str
    compatibles: tuple[str, ...]
    content: dict[str, Any]
    _document: Document

    def span(self, *path: str | int) -> Span:
        """Where the value at a path begins."""
        return self._document.span(path)

    @property
    def examples(self) -> tuple[Example, ...]:
        """Its examples, in order."""
        listed = self.content.get("examples")
        every = listed if isinstance(listed, list) else ()
        return tuple(self._example(number, text) for number, text in enumerate(every))

    def _example(self, number: int, text: object) -> Example:
        # The scalar begins at the sign of its block, its text on the next line.
        start = self.span("examples", number).line
        if not isinstance(text, str):
            return Example(number, "", start, exact=False, is_text=False)
        lines = self._document.text.split("\n")
        raw = lines[start : start + text.rstrip("\n").count("\n") + 1]
        if [line.strip() for line in raw] == [line.strip() for line in text.rstrip("\n").split("\n")]:
            return Example(number, "\n".join(line.rstrip("\r") for line in raw), start + 1, exact=True, is_text=True)
        return Example(number, text, start, exact=False, is_text=True)


def read_binding(name: str, text: str) -> BindingText:
    """Read a binding document.

    Args:
        name: what findings call the file.
        text: the YAML.

    Raises:
        InputError: it is not YAML (E0510) or not a binding (E0511).
    """
    document = read_document(name, text)
    content = document.content
    properties = content.get("properties")
    compatible = properties.get("compatible") if isinstance(properties, dict) else None
    compatibles = tuple(dict.fromkeys(named_strings(compatible)))
    return BindingText(name, document.id, str(content.get("title", "")), compatibles, content, document)
