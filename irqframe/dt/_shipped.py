"""The documents that come with irqframe: those of machine nodes, and the core schemas of dt-schema.

What they mean is worked out ahead, in `prepared.json`, by the content of each file: a document that was edited since is
read as any other one. `make prepared` writes the file, and a test fails when it is not up to date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any, Final

from irqframe.dt._binding_file import read_document
from irqframe.dt._schema_fixups import prepared

PREPARED: Final = "prepared.json"

# What a document means is made out there, and kept in their terms.
_MODULES = (
    "_binding_cache",
    "_binding_file",
    "_binding_index",
    "_binding_pack",
    "_linear_patterns",
    "_property_types",
    "_schema_fixups",
    "_schema_shape",
    "_select_gate",
)
# They say what a document holds, and whether it is a schema.
_LIBRARIES = ("jsonschema", "ruamel.yaml")

_PACKAGE = "irqframe.bindings"
_CORE = "schemas"


def machine_bindings() -> tuple[tuple[str, str], ...]:
    """The documents that irqframe has for the nodes of a machine, as (path in the binding tree, YAML text), sorted."""
    return tuple(_texts(resources.files(_PACKAGE), ""))


def core_schemas() -> tuple[tuple[str, str], ...]:
    """The core schemas of dt-schema, as (path, YAML text), sorted."""
    return tuple(_texts(resources.files(_PACKAGE) / _CORE, f"{_CORE}/"))


def prepared_ahead(text: str) -> dict[str, Any] | None:
    """What a document of this text means, if it comes with irqframe as it is."""
    found: dict[str, Any] | None = _prepared()["documents"].get(_key(text))
    return found


def stamp() -> str:
    """What changes whenever the modules and libraries do that make out what a document means."""
    return "-".join((str(_prepared()["stamp"]), *map(_version, _LIBRARIES)))


def all_prepared() -> dict[str, Any]:
    """What `prepared.json` has to hold."""
    texts = (*machine_bindings(), *core_schemas())
    sources = b"".join((resources.files("irqframe.dt") / f"{module}.py").read_bytes() for module in _MODULES)
    documents = {_key(text): prepared(read_document(name, text).content) for name, text in texts}
    return {"stamp": _sum(sources)[:16], "documents": documents}


def write_prepared(path: str) -> None:
    """Write `prepared.json`, a document on each line."""
    made = all_prepared()
    documents = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(schema, separators=(',', ':'))}" for key, schema in made["documents"].items()
    )
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(f'{{"stamp": "{made["stamp"]}", "documents": {{\n{documents}\n}}}}\n')


@cache
def _prepared() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((resources.files(_PACKAGE) / PREPARED).read_bytes())
    return stored


def _key(text: str) -> str:
    return _sum(text.encode(errors="surrogateescape"))


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        # It was put there without its description.
        return ""


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != _CORE:
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name, entry.read_text(encoding="utf-8")
