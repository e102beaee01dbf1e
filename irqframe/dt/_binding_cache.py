"""The file in which prepared bindings are kept between runs: an index, and one piece for each document.

1. It holds JSON and nothing else. A file that was cut, changed, or written by another version is as good as none.
2. It is written under another name and then renamed: who reads it sees all of it or the one before, and of two runs
   that write at once the last one wins.
3. Where it cannot be read or written, there is no cache, which is no error.
4. What another version wrote is removed when one is written, and so are the oldest when there are too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from irqframe.dt._shipped import stamp

CACHE_DIR: Final = "IRQFRAME_CACHE_DIR"
"""Environment variable: the folder of the cache; empty for none. Without it, `irqframe` in the user's cache folder."""

# Linux's bindings take 12 MB.
_MAX_BYTES = 512 << 20

# How many files there may be of each kind.
_FILES_MAX = MappingProxyType({"bindings": 16, "document": 256})
_OURS = re.compile(r"(bindings|document)-[0-9a-f]{32}(?:-([0-9a-f]{16}))?\.json")

_WRITING = ".writing-"
# Nobody writes for so long, in seconds.
_GIVEN_UP = 3600


@dataclass(frozen=True, slots=True)
class Pack:
    """What a cache file holds.

    Attributes:
        index: plain data of whoever made it.
        data: the pieces, end to end.
    """

    index: Any
    data: bytes

    def read(self, piece: Sequence[int]) -> Any:
        """One document, which may be anything that JSON can hold; None if it is damaged.

        Args:
            piece: what `piece_of` gave for it.
        """
        try:
            offset, size, total = piece
            text = self.data[offset : offset + size]
            return json.loads(text) if zlib.crc32(text) == total else None
        except (RecursionError, TypeError, ValueError):
            return None


def piece_of(text: bytes, offset: int) -> tuple[int, int, int]:
    """Where a document stands among the pieces: its offset, its size, and its CRC-32."""
    return offset, len(text), zlib.crc32(text)


def cache_folder(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where cache files are; None if there shall be none."""
    if CACHE_DIR in environ:
        return environ[CACHE_DIR] or None
    home = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Without a home, or with a relative one, there is no place that is the user's.
    return os.path.join(home, "irqframe") if os.path.isabs(home) else None


def cache_file(kind: str, key: str) -> str | None:
    """Where a cache file is; None if there shall be none.

    Args:
        kind: "bindings" or "document".
        key: what it is about.
    """
    folder = cache_folder()
    name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
    return folder and os.path.join(folder, f"{kind}-{name}-{_tag()}.json")


def read_pack(path: str) -> Pack | None:
    """A cache file; None if there is none that can be used."""
    try:
        with open(path, "rb") as stream:
            head = stream.readline(200)
            if not head.startswith(_magic()) or os.fstat(stream.fileno()).st_size > _MAX_BYTES:
                return None
            size, total = map(int, head[len(_magic()) :].split())
            index, data = stream.read(size), stream.read()
        return Pack(json.loads(index), data) if zlib.crc32(index) == total else None
    except (OSError, ValueError, RecursionError):
        return None


def write_pack(path: str, pack: Pack) -> None:
    """Write a cache file, if that is possible, and remove those that nobody needs."""
    import tempfile

    index = json.dumps(pack.index, separators=(",", ":")).encode()
    head = _magic() + b"%d %d\n" % (len(index), zlib.crc32(index))
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=_WRITING, dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.writelines((head, index, pack.data))
            os.replace(temporary, path)
            _prune(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _magic() -> bytes:
    return f"irqframe-bindings {stamp()} ".encode()


def _tag() -> str:
    return hashlib.sha256(stamp().encode()).hexdigest()[:16]


def _prune(folder: str) -> None:
    tag = _tag()
    kept: dict[str, list[os.DirEntry[str]]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _OURS.fullmatch(entry.name)
            if found is not None and found[2] == tag:
                kept.setdefault(found[1], []).append(entry)
            elif found is not None or (entry.name.startswith(_WRITING) and _age(entry) > _GIVEN_UP):
                _remove(entry)
    for kind, listed in kept.items():
        if len(listed) > _FILES_MAX[kind]:
            for entry in sorted(listed, key=_age)[_FILES_MAX[kind] :]:
                _remove(entry)


def _age(entry: os.DirEntry[str]) -> float:
    """In seconds; none for what another run removed."""
    try:
        return time.time() - entry.stat().st_mtime
    except OSError:
        return 0


def _remove(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        os.unlink(entry.path)
