"""Reading files, bounded: what the command line names, and what a source text includes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

# A device tree of a real machine has some 100 kB; these bound what a wrong path or a hostile text can cost.
DTB_MAX = 64 << 20
TEXT_MAX = 16 << 20
INCBIN_MAX = 16 << 20


class TooLargeError(Exception):
    """A file has more bytes than may be read."""


def read_bounded(path: str | Path, limit: int, *, regular: bool = True) -> bytes:
    """The bytes of a file.

    Args:
        path: where it is.
        limit: how many bytes it may have.
        regular: whether it must be a regular file; a pipe may block, which is only for the user to choose.

    Raises:
        OSError: it cannot be read, or is not what it must be.
        TooLargeError: it has more than `limit` bytes.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a directory", str(path))
    if regular and os.path.exists(path) and not os.path.isfile(path):
        raise OSError(22, "is no regular file", str(path))
    with open(path, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError
    return data


def find_file(name: str, beside: str, include_dirs: Sequence[str]) -> str | None:
    """Where an included file is: as named if absolute, else beside the file that names it, else in `include_dirs`."""
    if os.path.isabs(name):
        return name if os.path.exists(name) else None
    for folder in (os.path.dirname(beside), *include_dirs):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    return None
