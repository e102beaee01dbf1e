"""Findings as text, in the form compilers use, and as JSON."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import click

from irqframe.cli._words import counted
from irqframe.errors import Finding, Span

EXCERPT: Final = 100
"""How many characters of a source line are quoted; of a longer one, those around the fault."""

CUT: Final = "..."
"""Where a quoted line goes on."""

_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
"""What stands for control characters, which a terminal would obey: the sources need not be the user's own."""


def show_findings(findings: Iterable[Finding]) -> None:
    """Print findings and how many there are, to standard error."""
    listed = list(findings)
    for finding in listed:
        click.echo(text_of(finding), err=True)
    click.echo(summary(listed), err=True)


def text_of(finding: Finding) -> str:
    """One finding: the line compilers print, the source line with a caret, and what is known about it."""
    kind = "error" if finding.is_error else "warning"
    where = str(finding.span)
    if not finding.span.line and finding.path:
        where += f": {finding.path}"
    lines = [f"{where}: {kind}[{finding.code}]: {finding.message}", *_excerpt(finding)]
    for label, text in (("expected", finding.expected), ("found", finding.found), ("hint", finding.hint)):
        if text:
            lines.append(f"      = {label}: {text}")
    lines += [f"      = {span}: {why}" for span, why in finding.related if span.line]
    return "\n".join(lines).translate(_PICTURES)


def summary(findings: list[Finding]) -> str:
    """ "2 errors, 1 warning"."""
    errors = sum(finding.is_error for finding in findings)
    parts = [counted(errors, "error")] if errors or not findings else []
    if len(findings) > errors:
        parts.append(counted(len(findings) - errors, "warning"))
    return ", ".join(parts)


def json_of(finding: Finding) -> dict[str, Any]:
    """One finding as plain data."""
    return {
        "code": finding.code,
        "severity": "error" if finding.is_error else "warning",
        "message": finding.message,
        "path": finding.path,
        "span": _json_span(finding.span),
        "expected": finding.expected,
        "found": finding.found,
        "hint": finding.hint,
        "related": [{"span": _json_span(span), "message": why} for span, why in finding.related],
    }


def _json_span(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "expanded_from": span.macro,
    }


def _excerpt(finding: Finding) -> list[str]:
    span = finding.span
    line = finding.excerpt or _line(span.file, span.line)
    if not line:
        return []
    end = span.end_column if span.end_line == span.line else len(line) + 1
    first = min(max(span.column - 1, 0), len(line))
    start, stop = _window(len(line), first, end - span.column)
    before, after = CUT if start else "", CUT if stop < len(line) else ""
    # A tab before the caret must be as wide as the one above it.
    lead = "".join("\t" if character == "\t" else " " for character in before + line[start:first])
    underline = "^" + "~" * max(min(end - 1, stop) - first - 1, 0)
    if span.macro:
        underline += f" expanded from {span.macro}"
    return [f"{span.line:5} | {before}{line[start:stop]}{after}", f"      | {lead}{underline}"]


def _window(length: int, first: int, width: int) -> tuple[int, int]:
    """Start and end of what is quoted of a line, with the fault in its middle."""
    start = first - max(EXCERPT - width, 0) // 2
    start = max(min(start, length - EXCERPT), 0)
    return start, min(start + EXCERPT, length)


def _line(file: str, number: int) -> str:
    lines = _written(file) if number else ()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _written(file: str) -> tuple[str, ...]:
    """The lines of a file as it is now; none of what can be read once only, a pipe for example."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return ()
    return _lines(file, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else ()


@lru_cache(maxsize=8)
def _lines(file: str, changed: int, size: int) -> tuple[str, ...]:
    try:
        with open(file, encoding="utf-8") as stream:
            return tuple(stream.read().split("\n"))
    except (OSError, UnicodeDecodeError):
        return ()
