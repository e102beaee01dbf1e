"""Single documents, a plugin's for example, in the user's cache: each by its name, as long as its text is the same."""

from __future__ import annotations

import os
from typing import Any

from irqframe.dt._binding_cache import Pack, cache_folder, read_pack, write_pack

Schema = dict[str, Any]


def kept(name: str, text: str) -> Schema | None:
    """What a document means, if that was kept."""
    path = _path(name)
    pack = read_pack(path) if path is not None else None
    if pack is None or not isinstance(pack.index, list) or pack.index[:1] != [_sum(text)]:
        return None
    schema = pack.index[-1]
    return schema if isinstance(schema, dict) and isinstance(schema.get("$id"), str) else None


def keep(name: str, text: str, schema: Schema) -> None:
    """Keep what a document means."""
    path = _path(name)
    if path is not None:
        write_pack(path, Pack([_sum(text), schema], b""))


def _path(name: str) -> str | None:
    folder = cache_folder()
    return folder and os.path.join(folder, f"document-{_sum(name)[:32]}.json")


def _sum(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
