"""Escapes in strings and character literals of DTS: those of C, as dtc reads them."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{0,2})|(.))", re.DOTALL)

_SINGLE = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def unescape(text: str) -> bytes:
    r"""The bytes that the inside of a literal stands for; a character after `\` that has no meaning is itself.

    Raises:
        ValueError: `\x` without a digit.
    """
    raw = text.encode()
    return _ESCAPE.sub(_replace, raw) if b"\\" in raw else raw


def _replace(found: re.Match[bytes]) -> bytes:
    octal, hexadecimal, single = found.groups()
    if octal is not None:
        return bytes((int(octal, 8) & 0xFF,))
    if single is not None:
        return _SINGLE.get(single, single)
    if not hexadecimal:
        raise ValueError(r"\x without a hexadecimal digit")
    return bytes((int(hexadecimal, 16),))
