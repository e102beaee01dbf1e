"""What is kept of the documents of folders: which were read, what is wrong with them, and what they mean.

1. The index of a pack is `[entries, index of the set]`; there is an entry for each file, in their order.
2. Of a pack made before, all is taken over that did not change. A file that was just changed may change again within
   one tick of its time: it is kept with the time 0, which none has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from irqframe.dt._binding_cache import Pack, piece_of
from irqframe.dt._binding_file import read_document
from irqframe.dt._binding_index import Index
from irqframe.dt._folder_files import File
from irqframe.dt._schema_fixups import prepared
from irqframe.dt._schema_shape import is_kept_schema
from irqframe.errors import Finding, InputError, Span

Schema = dict[str, Any]
Progress = Callable[[int, int], None]

# Coarser than the clock of any file system.
_TICK = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Entry:
    """One document.

    Attributes:
        folder: where it is, as the user named it.
        name: its path in there.
        size: in bytes.
        changed: when it was, in nanoseconds.
        id: its `$id`, "" if it cannot be used.
        faults: what is wrong with it: code, message, expected, and where.
        piece: where the pack has its schema.
    """

    folder: str
    name: str
    size: int
    changed: int
    id: str = ""
    faults: Sequence[Sequence[Any]] = ()
    piece: Sequence[int] = (0, 0, 0)

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What is the same as long as the file does not change."""
        return self.folder, self.name, self.size, self.changed

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with it."""
        path = File(*self.key).path
        return tuple(
            Finding(code, message, Span(path, *place), expected=expected)
            for code, message, expected, place in self.faults
        )

    def as_plain(self) -> list[Any]:
        """All of it in a list; its elements make an entry again, after a way through JSON."""
        return [*self.key, self.id, self.faults, self.piece]


def entries_of(pack: Pack) -> list[Entry]:
    """The entries of a pack, which may be anything that JSON can hold."""
    return [Entry(*plain) for plain in pack.index[0]]


def schema_of(pack: Pack, entry: Entry) -> Schema | None:
    """What a pack has for an entry; None if that is no schema, or not the entry's."""
    schema = pack.read(entry.piece)
    return schema if is_kept_schema(schema) and schema["$id"] == entry.id else None


def pack_of(files: Sequence[File], earlier: Pack | None, progress: Progress | None) -> Pack:
    """Read documents, or take them over from an earlier pack.

    Args:
        files: in the order in which they count.
        earlier: a pack of such files, not necessarily a good one.
        progress: called with how many documents were read, and how many there are to read.
    """
    kept = dict(_kept(earlier))
    changed = [file for file in files if _key(file) not in kept]
    for number, file in enumerate(changed, 1):
        kept[_key(file)] = _read(file)
        if progress is not None:
            progress(number, len(changed))
    settled = time.time_ns() - _TICK
    index, data, seen, entries = Index(), bytearray(), set[str](), list[list[Any]]()
    for file in files:
        text, faults = kept[_key(file)]
        schema = json.loads(text) if text else {"$id": ""}
        time_kept = file.changed if file.changed < settled else 0
        entry = Entry(file.folder, file.name, file.size, time_kept, schema["$id"], faults, piece_of(text, len(data)))
        entries.append(entry.as_plain())
        data += text
        if text and entry.id not in seen:
            seen.add(entry.id)
            index.put(schema)
    return Pack([entries, index.as_plain()], bytes(data))


def _key(file: File) -> tuple[str, str, int, int]:
    return file.folder, file.name, file.size, file.changed


def _kept(earlier: Pack | None) -> Iterator[tuple[tuple[str, str, int, int], tuple[bytes, Sequence[Sequence[Any]]]]]:
    """What of an earlier pack is in order, by key: its schema and its faults, one of them empty."""
    if earlier is None:
        return
    try:
        for entry in entries_of(earlier):
            if _are_faults(entry.faults):
                yield entry.key, (b"", entry.faults)
            elif schema_of(earlier, entry) is not None:
                offset, size = entry.piece[:2]
                yield entry.key, (earlier.data[offset : offset + size], ())
    except (LookupError, TypeError, ValueError):
        return


def _are_faults(faults: Sequence[Sequence[Any]]) -> bool:
    return bool(faults) and all(
        len(fault) == 4
        and all(isinstance(part, str) for part in fault[:3])
        and len(fault[3]) == 4
        and all(isinstance(number, int) for number in fault[3])
        for fault in faults
    )


def _read(file: File) -> tuple[bytes, Sequence[Sequence[Any]]]:
    try:
        schema = prepared(read_document(file.path, file.read()).content)
        return json.dumps(schema, separators=(",", ":")).encode(), ()
    except InputError as error:
        return b"", [[fault.code, fault.message, fault.expected, _place(fault.span)] for fault in error.findings]


def _place(span: Span) -> list[int]:
    return [span.line, span.column, span.end_line, span.end_column]
