"""dt-doc-validate, which dtschema brings: run in a process of its own, its words made findings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Final

from irqframe.errors import Finding, IrqframeError, Span

UNRESOLVED: Final = "Unresolvable reference"
"""Its words for a `$ref` that leads nowhere."""

MISPLACED: Final = "Cannot determine base path"
"""Its words for an `$id` that is not that of the document's place."""

_FROM = " from schema $id: "
_RUN = "from dtschema.doc_validate import main; main()"
_ID = re.compile(r"^\$id:\s*['\"]?http://[^/\s]+/(?:schemas/)?([\w,.+/-]+\.yaml)", re.MULTILINE)
_SECONDS = 600


def is_installed() -> bool:
    """Whether dtschema is."""
    return find_spec("dtschema") is not None


def doc_validate(documents: Sequence[tuple[str, str]]) -> list[Finding]:
    """Check documents by dt-schema's meta-schemas.

    Args:
        documents: (name, text) of each.

    Returns:
        What dt-doc-validate says (E0530), at the document's name.

    Raises:
        IrqframeError: it cannot be run, or takes too long.
    """
    with TemporaryDirectory(prefix="irqframe-") as folder:
        files = dict(_lay_out(folder, documents))
        if not files:
            return []
        command = [sys.executable, "-W", "ignore", "-c", _RUN, "-n", "-u", folder, *files]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", cwd=folder, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise IrqframeError(f"dt-doc-validate took more than {_SECONDS} s") from None
        return list(_said(f"{done.stdout}\n{done.stderr}", files, done.returncode))


def _lay_out(folder: str, documents: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(file, name) of each document, where others would look for it."""
    for index, (name, text) in enumerate(documents):
        found = _ID.search(text)
        path = found[1] if found is not None else f"{index}.yaml"
        file = os.path.normpath(os.path.join(folder, path))
        if not file.startswith(folder + os.sep) or os.path.exists(file):
            file = os.path.join(folder, f"{index}.yaml")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        yield file, name


def _said(output: str, files: dict[str, str], status: int) -> Iterator[Finding]:
    """A finding for each line that begins with a file; the lines below belong to it."""
    place = re.compile("(" + "|".join(map(re.escape, files)) + r"):(?:(\d+):(\d+):)?\s*(.*)")
    current: tuple[Span, list[str]] | None = None
    count = 0
    for line in output.split("\n"):
        found = place.match(line)
        if found is None:
            if current is not None and line.strip():
                current[1].append(line.strip())
            continue
        if current is not None:
            yield _finding(current)
        count += 1
        row, column = int(found[2] or 0), int(found[3] or 0)
        name = files[found[1]]
        span = Span(name, row, column, row, column + 1) if row else Span(name)
        current = (span, [found[4].strip()])
    if current is not None:
        yield _finding(current)
    if status and not count:
        tail = " ".join(output.split())[-300:]
        yield Finding("E0530", f"dt-doc-validate fails: {tail}", Span(next(iter(files.values()))))


def _finding(current: tuple[Span, list[str]]) -> Finding:
    span, lines = current
    message, _, hint = " ".join(line for line in lines if line).partition(" hint: ")
    return Finding("E0530", f"dt-doc-validate: {message[:500]}", span, hint=hint.partition(_FROM)[0][:500])
