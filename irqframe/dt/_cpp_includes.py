"""Files that `#include` takes in: where they are looked for, and how many there may be.

`"FILE"` is looked for beside the file that names it first. Both it and `<FILE>` are looked for in the include folders,
in order, and in the end, for a file of a Linux source tree, where Linux's own makefiles look: its board files need no
options.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from irqframe.dt._collected import Collected
from irqframe.dt._files import TEXT_MAX, TooLargeError, find_file, read_bounded
from irqframe.dt._places import SourceText
from irqframe.errors import Span

DEPTH_MAX = 64
INCLUDES_MAX = 5_000
READ_MAX = TEXT_MAX

# scripts/Makefile.lib, dtc_cpp_flags.
_IN_LINUX = ("scripts/dtc/include-prefixes", "include")


class Includes:
    """The files of one run."""

    def __init__(self, file: str, include_dirs: Sequence[str], report: Collected) -> None:
        self.report = report
        self._dirs = tuple(include_dirs)
        self._file = file
        self._of_linux: tuple[str, ...] | None = None
        self._texts: dict[str, SourceText] = {}
        self._room = READ_MAX
        self._count = 0

    def find(self, name: str, beside: str | None, span: Span) -> SourceText | None:
        """The text of an included file; None, with a finding, if there is none that can be read.

        Args:
            name: as the directive names it.
            beside: the file with the directive if its folder is looked in first.
            span: of the name.
        """
        self._count += 1
        if self._count > INCLUDES_MAX:
            self.report.fail("E0006", "too many files are included", span, expected=f"at most {INCLUDES_MAX}")
        path = self._path(name, beside)
        if path is None:
            self.report.add(
                "E0005",
                f"{name} is not found",
                span,
                expected=f"a file in {_folders(beside, self._dirs)}",
                hint="name another include folder with -I",
            )
            return None
        found = self._texts.get(path) or self._read(path, name, span)
        if found is not None:
            # Each time, for each time it is read through.
            self._room -= len(found.text)
            if self._room < 0:
                self._too_large(name, span)
        return found

    def _path(self, name: str, beside: str | None) -> str | None:
        if beside is not None or os.path.isabs(name):
            found = find_file(name, beside or "", self._dirs)
        else:
            found = _in_folders(name, self._dirs)
        return found or _in_folders(name, self._linux_dirs())

    def _linux_dirs(self) -> tuple[str, ...]:
        if self._of_linux is None:
            above = Path(self._file).absolute().parents
            top = next((folder for folder in above if (folder / "include" / "dt-bindings").is_dir()), None)
            self._of_linux = tuple(str(top / part) for part in _IN_LINUX) if top is not None else ()
        return self._of_linux

    def _read(self, path: str, name: str, span: Span) -> SourceText | None:
        try:
            text = read_bounded(path, max(self._room, 0)).decode("utf-8")
        except UnicodeDecodeError:
            self.report.add("E0002", f"{name} is not UTF-8 text", span)
        except (OSError, ValueError) as error:
            self.report.add("E0005", f"{name} cannot be read: {getattr(error, 'strerror', None) or error}", span)
        except TooLargeError:
            self._too_large(name, span)
        else:
            self._texts[path] = found = SourceText(path, text)
            self.report.sources.add(found)
            return found
        return None

    def _too_large(self, name: str, span: Span) -> NoReturn:
        self.report.fail("E0004", f"more than {READ_MAX >> 20} MiB are read with {name}", span)


def _in_folders(name: str, folders: Sequence[str]) -> str | None:
    paths = (os.path.join(folder, name) for folder in folders)
    return next((path for path in paths if os.path.isfile(path)), None)


def _folders(beside: str | None, dirs: Sequence[str]) -> str:
    own = () if beside is None else (os.path.dirname(beside) or ".",)
    return ", ".join((*own, *dirs)) or "an include folder; there is none"
