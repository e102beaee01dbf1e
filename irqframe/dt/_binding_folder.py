"""Folders of binding documents that the user names, Linux's own for example.

1. Of two documents with one `$id` the first counts, in the order of the folders and then of the names; in one folder,
   the other one is wrong.
2. A document that cannot be used is left out, with what is wrong with it; the others are used all the same.
3. Documents are read once: what they mean is kept in the user's cache, each until its size or its time changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from irqframe.dt._binding_cache import Pack, cache_file, read_pack, write_pack
from irqframe.dt._binding_file import read_document
from irqframe.dt._binding_index import Index
from irqframe.dt._binding_pack import Entry, Progress, entries_of, pack_of, schema_of
from irqframe.dt._binding_references import references
from irqframe.dt._folder_files import File, files_of
from irqframe.dt._schema_fixups import prepared
from irqframe.errors import Finding, InputError, Span

Schema = dict[str, Any]


class BindingFolders:
    """The documents of some folders.

    Attributes:
        index: what is known of those that are used.
        left_out: (folder, path, what is wrong with it) of each that is not.
    """

    def __init__(self, pack: Pack) -> None:
        self.index = Index.from_plain(pack.index[1])
        self._pack = pack
        self._used: dict[str, Entry] = {}
        self._schemas: dict[str, Schema] = {}
        left_out = []
        for entry in entries_of(pack):
            faults = entry.findings() or self._hidden_by_earlier(entry)
            if faults:
                left_out.append((entry.folder, _path(entry), faults))
        self.left_out = tuple(left_out)

    def _hidden_by_earlier(self, entry: Entry) -> tuple[Finding, ...]:
        earlier = self._used.setdefault(entry.id, entry)
        if earlier is entry or earlier.folder != entry.folder:
            return ()
        return (Finding("E0513", f"the `$id` is that of {_path(earlier)} already", _place(entry, ("$id",))),)

    def __contains__(self, name: object) -> bool:
        return name in self._used

    def name(self, name: str) -> str:
        """What findings call the document with an `$id`."""
        return _path(self._used[name])

    def place(self, name: str, reference: str) -> Span:
        """Where the document with an `$id` has a `$ref`; "" for the `$id`."""
        entry = self._used[name]
        if not reference:
            return _place(entry, ("$id",))
        try:
            content = read_document(_path(entry), File(*entry.key).read()).content
        except InputError:
            return Span(_path(entry))
        path = next((path for path, found in references(content) if found == reference), ())
        return _place(entry, path)

    def schema(self, name: str) -> Schema:
        """What the document with an `$id` means."""
        if name not in self._schemas:
            self._schemas[name] = self._read(self._used[name])
        return self._schemas[name]

    def _read(self, entry: Entry) -> Schema:
        schema = schema_of(self._pack, entry)
        if schema is None:
            # The cache is damaged in just this place.
            file = File(*entry.key)
            schema = prepared(read_document(file.path, file.read()).content)
        return {**schema, "$id": entry.id}


def read_binding_folders(folders: Sequence[str | os.PathLike[str]], progress: Progress | None = None) -> BindingFolders:
    """Read folders of dt-schema documents.

    Args:
        folders: each is searched for `*.yaml`, the folders in it too.
        progress: called with how many documents were read, and how many there are to read.

    Returns:
        The documents that can be used, and why the others cannot.

    Raises:
        InputError: a folder cannot be read, or holds no document or too many (E0514).
    """
    names = [os.fspath(folder) for folder in folders]
    files = _files(names)
    path = _cache_file(names)
    pack = read_pack(path) if path is not None else None
    if pack is not None and (found := _as_kept(pack, files)) is not None:
        return found
    pack = pack_of(files, pack, progress)
    if path is not None:
        write_pack(path, pack)
    return BindingFolders(pack)


def _files(folders: Iterable[str]) -> list[File]:
    found: list[File] = []
    findings: list[Finding] = []
    for folder in dict.fromkeys(folders):
        try:
            found += files_of(folder)
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    return found


def _cache_file(folders: Iterable[str]) -> str | None:
    return cache_file("bindings", "\0".join(f"{name}\0{os.path.realpath(name)}" for name in folders))


def _as_kept(pack: Pack, files: Sequence[File]) -> BindingFolders | None:
    """The documents of a pack, if none has changed and it is in order."""
    try:
        if [entry.key for entry in entries_of(pack)] != [
            (file.folder, file.name, file.size, file.changed) for file in files
        ]:
            return None
        return BindingFolders(pack)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _path(entry: Entry) -> str:
    return File(*entry.key).path


def _place(entry: Entry, path: tuple[str | int, ...]) -> Span:
    try:
        return read_document(_path(entry), File(*entry.key).read()).span(path)
    except InputError:
        # It was changed since.
        return Span(_path(entry))
