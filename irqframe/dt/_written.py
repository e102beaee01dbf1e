"""Values as DTS text."""

from __future__ import annotations

import re

from irqframe.dt._tree import Piece, PieceKind, Property

# All that dtc prints as it is; the rest becomes \xNN, always with two digits, for dtc reads no more.
_ESCAPED = re.compile(rb'[^\x20-\x7e]|["\\]')
_NAMED = {b"\n": rb"\n", b"\t": rb"\t", b"\r": rb"\r", b'"': rb"\"", b"\\": rb"\\"}


def is_covered(prop: Property) -> bool:
    """Whether the pieces of a property are its whole value, in order; a value that was replaced has none."""
    end = 0
    for piece in prop.pieces:
        if piece.offset != end:
            return False
        end += piece.size
    return bool(prop.pieces) and end == len(prop.data)


def strings_text(data: bytes) -> str:
    """NUL-terminated strings, one literal each."""
    return ", ".join(f'"{_escape(part)}"' for part in data[:-1].split(b"\0"))


def bytes_text(data: bytes) -> str:
    """A byte string."""
    return "[" + data.hex(" ") + "]"


def pieces_text(prop: Property) -> str:
    """A value piece by piece, with elements of one width together."""
    parts: list[str] = []
    cells: list[str] = []
    width = 0
    for piece in prop.pieces:
        raw = prop.data[piece.offset : piece.offset + piece.size]
        if piece.kind in (PieceKind.CELLS, PieceKind.REF):
            if cells and piece.size != width:
                parts.append(_array(cells, width))
                cells = []
            width = piece.size
            cells.append(f"{int.from_bytes(raw, 'big'):#x}")
            continue
        if cells:
            parts.append(_array(cells, width))
            cells = []
        parts.append(_one(piece, raw))
    if cells:
        parts.append(_array(cells, width))
    return ", ".join(parts)


def _array(cells: list[str], width: int) -> str:
    bits = f"/bits/ {8 * width} " if width != 4 else ""
    return f"{bits}<{' '.join(cells)}>"


def _one(piece: Piece, raw: bytes) -> str:
    is_text = piece.kind in (PieceKind.STRING, PieceKind.PATH) and raw.endswith(b"\0")
    return strings_text(raw) if is_text else bytes_text(raw)


def _escape(raw: bytes) -> str:
    return _ESCAPED.sub(lambda found: _NAMED.get(found[0]) or b"\\x%02x" % found[0][0], raw).decode("ascii")
