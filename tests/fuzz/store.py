"""Inputs in files: the corpus, a file of JSON lines per target, and crashes, a file each.

A line is `{"text": ...}`, or `{"zlib": ...}` with base64 for what is no text. Lines are sorted by the hash of the
input, so that two branches that add inputs can be merged line by line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
CRASHES = HERE / "crashes"


def name_of(data: bytes) -> str:
    """What libFuzzer calls an input."""
    return hashlib.sha1(data).hexdigest()


def read_corpus(target: str) -> list[bytes]:
    """The inputs that are checked in for a target."""
    path = CORPUS / f"{target}.jsonl"
    if not path.exists():
        return []
    return [_decoded(json.loads(line)) for line in path.read_text(encoding="ascii").splitlines()]


def write_corpus(target: str, inputs: Iterable[bytes]) -> int:
    """Replace the inputs that are checked in for a target; how many bytes they take there."""
    CORPUS.mkdir(exist_ok=True)
    ordered = sorted(set(inputs), key=name_of)
    text = "".join(json.dumps(_encoded(data)) + "\n" for data in ordered)
    (CORPUS / f"{target}.jsonl").write_text(text, encoding="ascii")
    return len(text)


def read_crashes(target: str) -> dict[str, bytes]:
    """The inputs that once went wrong, by file name."""
    return {path.name: path.read_bytes() for path in sorted((CRASHES / target).glob("*"))}


def write_crash(target: str, name: str, data: bytes) -> Path:
    """Keep an input that went wrong."""
    path = CRASHES / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _encoded(data: bytes) -> dict[str, str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return {"zlib": base64.b64encode(zlib.compress(data, 9)).decode("ascii")}
    return {"text": text}


def _decoded(line: dict[str, str]) -> bytes:
    return zlib.decompress(base64.b64decode(line["zlib"])) if "zlib" in line else line["text"].encode()
