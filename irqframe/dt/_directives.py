"""Which lines are directives of the C preprocessor."""

from __future__ import annotations

import re
from typing import NamedTuple

_COMMENT = r"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/"
_DIRECTIVE = re.compile(
    rf"#(?:[ \t]|{_COMMENT})*+"
    r"(include|include_next|import|define|undef|ifdef|ifndef|if|elif|else|endif|pragma|error|warning)"
    # `#if-cells` and `#define = <1>;` are properties.
    r"(?![A-Za-z0-9,._+*#?@-])(?![ \t]*(?:=(?!=)|;))"
)
_LINE = re.compile(rf"^(?:[ \t]|{_COMMENT})*+" + _DIRECTIVE.pattern, re.MULTILINE)


class Directive(NamedTuple):
    """A directive: its name, and where that ends."""

    name: str
    end: int


def has_directives(text: str) -> bool:
    """Whether a line of `text` looks like a directive."""
    return _LINE.search(text) is not None


def directive_at(text: str, at: int) -> Directive | None:
    """The directive whose `#` stands at `at`; None if it is none, because something stands before it on its line."""
    found = _DIRECTIVE.match(text, at)
    return Directive(found[1], found.end(1)) if found is not None and is_first(text, at) else None


def is_first(text: str, at: int) -> bool:
    """Whether nothing but blanks and comments stands before `at` on its line."""
    while at and text[at - 1] != "\n":
        if text[at - 1] in " \t\r\f\v":
            at -= 1
        elif text.endswith("*/", 0, at):
            at = text.rfind("/*", 0, at - 2)
            if at < 0:
                return False
        else:
            return False
    return True
