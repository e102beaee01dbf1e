"""Source text and its places: line markers of a preprocessor, and the lines that findings quote."""

from __future__ import annotations

import re

# As gcc -E writes them; the trailing numbers are flags.
_MARKER = re.compile(r'#(?:line)?[ \t]+([0-9]{1,9})[ \t]+"((?:[^\\"\n]|\\.)*)"(?:[ \t]+[0-9]+)*[ \t\r]*(?=\n|\Z)')
_DIRECTIVE = re.compile(
    r"#[ \t]*(include|include_next|import|define|undef|ifdef|ifndef|if|elif|else|endif|pragma|error|warning)"
    r"(?![A-Za-z0-9,._+*#?@-])(?![ \t]*[=;])"
)
_ESCAPED = re.compile(r"\\(.)")


def line_marker(text: str, at: int) -> tuple[str, int, int] | None:
    """A line marker that begins at `at`: the file and line of what follows, and where the marker ends."""
    found = _MARKER.match(text, at)
    if found is None:
        return None
    return _ESCAPED.sub(r"\1", found[2]), int(found[1]), found.end()


def directive(text: str, at: int) -> str:
    """Name of the preprocessor directive that begins at `at`, "" if it is none: `#if = <1>` is a property."""
    found = _DIRECTIVE.match(text, at)
    return found[1] if found is not None else ""


def index_lines(text: str, file: str, into: dict[str, dict[int, str]]) -> None:
    """Enter every line of `text` under the file and number that its line markers give it."""
    number = 1
    lines = into.setdefault(file, {})
    for line in text.split("\n"):
        marker = line_marker(line, 0) if line.startswith("#") else None
        if marker is not None:
            lines = into.setdefault(marker[0], {})
            number = marker[1]
            continue
        lines[number] = line.rstrip("\r")
        number += 1
