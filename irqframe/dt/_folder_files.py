"""The binding documents of a folder: all files below it named *.yaml, without what is hidden and links to folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from irqframe.dt._binding_file import MAX_BYTES
from irqframe.dt._files import TooLargeError, read_bounded
from irqframe.errors import Finding, InputError, Span

FILES_MAX: Final = 30_000
"""How many documents are read; Linux has some 3,500."""

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class File:
    """A document that was not read yet.

    Attributes:
        folder: as the user named it.
        name: its path in the folder.
        size: in bytes.
        changed: when it was, in nanoseconds.
    """

    folder: str
    name: str
    size: int
    changed: int

    @property
    def path(self) -> str:
        """What findings call it."""
        return os.path.join(self.folder, self.name)

    def read(self) -> str:
        """Its text.

        Raises:
            InputError: it cannot be read (E0001), is too large (E0004) or no UTF-8 text (E0002).
        """
        try:
            return read_bounded(self.path, MAX_BYTES).decode()
        except TooLargeError:
            found = Finding("E0004", f"the file is larger than {MAX_BYTES >> 10} KiB", Span(self.path))
        except UnicodeDecodeError:
            found = Finding("E0002", "this is not UTF-8 text", Span(self.path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            found = Finding("E0001", f"cannot be read: {reason}", Span(self.path))
        raise InputError([found])


def files_of(folder: str) -> list[File]:
    """The documents of a folder, in the order of their names.

    Raises:
        InputError: it is no folder, cannot be read, or holds no document or more than `FILES_MAX` (E0514).
    """
    found: list[File] = []
    try:
        for file in _below(folder, ""):
            found.append(file)
            if len(found) > FILES_MAX:
                raise InputError([_no_folder(folder, f"it holds more than {FILES_MAX} YAML files")])
    except OSError as error:
        raise InputError([_no_folder(folder, error.strerror or str(error))]) from None
    except ValueError as error:
        raise InputError([_no_folder(folder, str(error))]) from None
    if not found:
        raise InputError([_no_folder(folder, "it holds no YAML file")])
    return found


def _below(folder: str, prefix: str) -> Iterator[File]:
    with os.scandir(os.path.join(folder, prefix)) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(folder, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX) and entry.is_file():
            status = entry.stat()
            yield File(folder, prefix + entry.name, status.st_size, status.st_mtime_ns)


def _no_folder(folder: str, reason: str) -> Finding:
    expected = "a folder of dt-schema documents, laid out as Linux's Documentation/devicetree/bindings"
    return Finding("E0514", f"the folder of bindings cannot be used: {reason}", Span(folder), expected=expected)
