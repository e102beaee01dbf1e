"""Preprocessing tokens (C11 6.4), as gcc's preprocessor finds them in assembler source, which is how it reads DTS.

1. A name within a string, a character or a number is none: `"X"`, `'X'` and `0X` are never macros.
2. What is no token of C (`@`, `\\`) is a mark of one character; a quotation mark without another takes the rest of its
   line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# A comment without an end goes to the end of the text; nothing here is tried in a second way.
COMMENT = r"(?>/\*(?:.*?\*/|.*)|//(?:\\\r?\n|[^\n])*+)"
BLANK = rf"(?:[ \t\r\n\f\v]|\\\r?\n|{COMMENT})"
# A string ends with its line at the latest, as gcc reads it; the rest of the line is left alone then.
STRING = r"""(?:"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
NUMBER = r"\.?[0-9](?:[eEpP][-+]|[A-Za-z0-9_.])*+"
_WORDS = (
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    rf"|(?P<number>{NUMBER})|(?P<string>{STRING})"
    r"|(?P<mark>\.\.\.|<<|>>|<=|>=|==|!=|&&|\|\||\#\#|->|\+\+|--|[^\s])"
)
_TOKEN = re.compile(rf"(?P<blanks>{BLANK}++)|{_WORDS}", re.DOTALL)

# In a mark, what a following character would make another mark of; gcc puts a blank between (cpp_avoid_paste).
_JOINS = frozenset({"<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--", "->", "##", "//", "/*"})


class CppToken(NamedTuple):
    """A preprocessing token.

    Attributes:
        kind: "name", "number", "string" or "mark".
        text: as written.
        spaced: whether blanks stand before it.
        blocked: a name that is no macro's any more, because it came up in its own expansion (C11 6.10.3.4).
    """

    kind: str
    text: str
    spaced: bool = False
    blocked: bool = False


def tokens(text: str) -> list[CppToken]:
    """The tokens of a piece of source, without its blanks and comments."""
    found = []
    spaced = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "blanks":
            spaced = True
            continue
        found.append(CppToken(kind, match[0], spaced))
        spaced = False
    return found


def next_token(text: str, at: int) -> tuple[CppToken, int] | None:
    """The token at or behind `at` and where it ends; None if only blanks are left."""
    match = _TOKEN.match(text, at)
    spaced = False
    if match is not None and match.lastgroup == "blanks":
        spaced = True
        match = _TOKEN.match(text, match.end())
    return None if match is None else (CppToken(match.lastgroup or "", match[0], spaced), match.end())


def spelled(found: Iterable[CppToken], before: str = "") -> str:
    """Tokens as text that is read as the same tokens again.

    Args:
        found: the tokens.
        before: the character that stands before them.
    """
    parts: list[str] = []
    last = before
    for token in found:
        if (token.spaced and parts) or would_join(last, token.text):
            parts.append(" ")
        parts.append(token.text)
        last = token.text
    return "".join(parts)


def would_join(left: str, right: str) -> bool:
    """Whether two tokens, or the characters at their ends, would be read as others if nothing stood between them."""
    if not left or not right:
        return False
    first, second = left[-1], right[0]
    if _in_word(first) and (_in_word(second) or second == "."):
        return True
    if left == "." and second.isdigit():
        return True
    # A number takes in a sign behind it if that may be an exponent's.
    if (left[0].isdigit() or left[0] == "." != left) and second in "+-":
        return True
    return first + second in _JOINS


def _in_word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())
