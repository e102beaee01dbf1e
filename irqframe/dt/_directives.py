"""Which lines are directives of the C preprocessor."""

from __future__ import annotations

import re

_DIRECTIVE = re.compile(
    r"#[ \t]*(include|include_next|import|define|undef|ifdef|ifndef|if|elif|else|endif|pragma|error|warning)"
    # `#if-cells` and `#define = <1>;` are properties.
    r"(?![A-Za-z0-9,._+*#?@-])(?![ \t]*(?:=(?!=)|;))"
)
_LINE = re.compile(r"^[ \t]*" + _DIRECTIVE.pattern, re.MULTILINE)


def has_directives(text: str) -> bool:
    """Whether a line of `text` looks like a directive."""
    return _LINE.search(text) is not None


def directive_at(text: str, at: int) -> str:
    """Name of the directive whose `#` stands at `at`, "" if it is none: something stands before it on its line."""
    found = _DIRECTIVE.match(text, at)
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return found[1] if found is not None and not before.strip() else ""
