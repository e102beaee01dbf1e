"""A property's bytes as the value that binding schemas speak of, the same as dt-schema makes of them.

    empty property          True
    strings                 list of str
    one integer             int (a `SizedInt` unless it has 32 bits)
    -array                  list of int
    -matrix, phandle-array, address   list of rows, each a list of int
    no or a wrong type      bytes, which no schema accepts

Nothing here looks beyond the property: where a row ends because of another node is the business of `_rows`.
"""

from __future__ import annotations

import re
from typing import Any

from irqframe.dt._property_types import PropertyType, Range

Value = Any

_INTEGER = re.compile(r"(?P<sign>u?)int(?P<bits>8|16|32|64)(?P<shape>-array|-matrix)?$")
_LIKE_PHANDLE = ("phandle", "phandle-array", "address")


class SizedInt(int):
    """An integer of other than 32 bits; schemas ask for `size` by the keyword `typeSize`."""

    size: int


def decode(data: bytes, known: PropertyType) -> Value:
    """The value of a property.

    Args:
        data: its bytes.
        known: what the schemas say of the property.

    Returns:
        As the table above; bytes if no type is known or fits. Rows are cut as the schemas' item counts ask.
    """
    if not data:
        return True
    types = _possible(known.types, len(data))
    texts = {name for name in types if name.startswith("string")}
    if texts and (types == texts or _looks_like_text(data)):
        return _strings(data)
    name = _one_of(types - texts - {"flag"}, len(data))
    return data if name is None else _numbers(data, name, known)


def _possible(types: set[str], length: int) -> set[str]:
    """The types, without those of several that the length rules out."""
    if len(types) < 2:
        return types
    return {name for name in types if _fits(name, length)} or types


def _fits(name: str, length: int) -> bool:
    if name.startswith("string"):
        return True
    if name == "flag":
        return False
    width, scalar = _width(name), _is_scalar(name)
    return length % width == 0 and (not scalar or length == width)


def _width(name: str) -> int:
    match = _INTEGER.match(name)
    return int(match["bits"]) // 8 if match else 4


def _is_scalar(name: str) -> bool:
    match = _INTEGER.match(name)
    return name == "phandle" or (match is not None and match["shape"] is None)


def _one_of(types: set[str], length: int) -> str | None:
    """One type of several: a scalar for a single cell, else rows before lists, signed before unsigned."""
    scalars = [name for name in types if _is_scalar(name) and _width(name) == length]
    candidates = scalars or [name for name in types if not _is_scalar(name)] or list(types)
    return min(candidates, key=_preference, default=None)


def _preference(name: str) -> tuple[bool, bool, str]:
    return (not (name.endswith("-matrix") or name in _LIKE_PHANDLE), name.startswith("u"), name)


def _looks_like_text(data: bytes) -> bool:
    strings = _strings(data)
    return isinstance(strings, list) and all(text and text.isprintable() for text in strings)


def _strings(data: bytes) -> Value:
    if not data.endswith(b"\0"):
        return data
    try:
        return data[:-1].decode("ascii").split("\0")
    except UnicodeDecodeError:
        return data


def _numbers(data: bytes, name: str, known: PropertyType) -> Value:
    width = _width(name)
    if len(data) % width:
        return data
    match = _INTEGER.match(name)
    signed = match is not None and not match["sign"]
    values = [
        _integer(int.from_bytes(data[at : at + width], "big", signed=signed), 8 * width)
        for at in range(0, len(data), width)
    ]
    if name in _LIKE_PHANDLE or name.endswith("-matrix"):
        return rows_of(values, stride(len(values), known.rows, known.columns))
    if name.endswith("-array") or len(values) > 1:
        return values
    return values[0]


def _integer(value: int, bits: int) -> int:
    if bits == 32:
        return value
    sized = SizedInt(value)
    sized.size = bits
    return sized


def rows_of(values: list[int], width: int) -> list[list[int]]:
    """Values in rows of `width`; the last is shorter if they do not divide."""
    return [values[at : at + width] for at in range(0, len(values), max(width, 1))]


def stride(length: int, rows: Range | None, columns: Range | None) -> int:
    """Cells per row: as few rows as the counts allow and that divide the property; else one row."""
    if rows is None or columns is None:
        return length
    for count in range(max(rows[0], 1), min(rows[1] or length, length) + 1):
        width, rest = divmod(length, count)
        if not rest and columns[0] <= width and (not columns[1] or width <= columns[1]):
            return width
    if columns[0] and columns[0] == columns[1]:
        return columns[0]
    if rows[0] and rows[0] == rows[1]:
        return length // rows[0] or length
    return length
