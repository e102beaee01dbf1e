"""Single documents, a plugin's for example, in the user's cache: each by its name, as long as its text is the same."""

from __future__ import annotations

from typing import Any

from irqframe.dt._binding_cache import Pack, cache_file, read_pack, write_pack
from irqframe.dt._schema_shape import is_kept_schema

Schema = dict[str, Any]


def kept(name: str, text: str) -> Schema | None:
    """What a document means, if that was kept."""
    path = _path(name)
    pack = read_pack(path) if path is not None else None
    if pack is None or not isinstance(pack.index, list) or pack.index[:1] != [_sum(text)]:
        return None
    schema = pack.index[-1]
    return schema if is_kept_schema(schema) else None


def keep(name: str, text: str, schema: Schema) -> None:
    """Keep what a document means."""
    path = _path(name)
    if path is not None:
        write_pack(path, Pack([_sum(text), schema], b""))


def _path(name: str) -> str | None:
    return cache_file("document", name)


def _sum(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
