"""The expression of `#if` and `#elif` (C11 6.10.1): 64 bits wide, signed unless an operand says `U`.

1. What `&&`, `||` and `?:` do not need is read and not computed: a division by zero there is no fault.
2. A name that is no macro is 0.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from irqframe.dt._cpp_tokens import CppToken
from irqframe.dt._escapes import unescape

DEPTH_MAX = 24

_BITS = 64
_MASK = (1 << _BITS) - 1
_NUMBER = re.compile(r"(?:0[xX]([0-9A-Fa-f]+)|0[bB]([01]+)|(0[0-7]*)|([1-9][0-9]*))([uUlL]*)")


class ConditionError(Exception):
    """An expression that has no value; the text says why."""


class _Value(NamedTuple):
    number: int
    unsigned: bool = False


# Precedence, higher binds tighter; meaning. C11 6.5.5 to 6.5.14.
_BINARY: Mapping[str, tuple[int, Callable[[int, int], int] | None]] = MappingProxyType(
    {
        "||": (1, None),
        "&&": (2, None),
        "|": (3, operator.or_),
        "^": (4, operator.xor),
        "&": (5, operator.and_),
        "==": (6, operator.eq),
        "!=": (6, operator.ne),
        "<": (7, operator.lt),
        ">": (7, operator.gt),
        "<=": (7, operator.le),
        ">=": (7, operator.ge),
        "<<": (8, None),
        ">>": (8, None),
        "+": (9, operator.add),
        "-": (9, operator.sub),
        "*": (10, operator.mul),
        "/": (10, None),
        "%": (10, None),
    }
)
_TRUTHS = frozenset({"||", "&&", "==", "!=", "<", ">", "<=", ">="})


def holds(expression: list[CppToken]) -> bool:
    """Whether a condition, its macros expanded and each `defined` replaced, is other than 0.

    Raises:
        ConditionError: it has no value.
    """
    reader = _Reader(expression)
    value = reader.ternary(live=True)
    reader.expect_end()
    return value.number != 0


class _Reader:
    def __init__(self, expression: list[CppToken]) -> None:
        self._tokens = [*expression, CppToken("end", "")]
        self._at = 0
        self._depth = 0

    def _take(self) -> CppToken:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take_if(self, mark: str) -> bool:
        found = self._tokens[self._at].text == mark and self._tokens[self._at].kind == "mark"
        if found:
            self._at += 1
        return found

    def expect_end(self) -> None:
        """Fail if something is left."""
        token = self._tokens[self._at]
        if token.kind != "end":
            raise ConditionError(f"{token.text} cannot stand here")

    def _expect(self, mark: str) -> None:
        if not self._take_if(mark):
            raise ConditionError(f"`{mark}` is missing before {self._tokens[self._at].text or 'the end'}")

    def ternary(self, *, live: bool) -> _Value:
        """`a ? b : c`; `live` is whether the value matters."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ConditionError(f"it is nested more than {DEPTH_MAX} deep")
        value = self._binary(1, live)
        if self._take_if("?"):
            first = self.ternary(live=live and value.number != 0)
            self._expect(":")
            second = self.ternary(live=live and value.number == 0)
            chosen = first if value.number else second
            value = _value(chosen.number, first.unsigned or second.unsigned)
        self._depth -= 1
        return value

    def _binary(self, lowest: int, live: bool) -> _Value:
        left = self._unary(live)
        while True:
            mark = self._tokens[self._at].text
            precedence, _ = _BINARY.get(mark, (0, None))
            if precedence < lowest:
                return left
            self._take()
            needed = live and not (mark == "&&" and not left.number) and not (mark == "||" and left.number)
            right = self._binary(precedence + 1, needed)
            left = _computed(mark, left, right, needed)

    def _unary(self, live: bool) -> _Value:
        marks = []
        while self._tokens[self._at].kind == "mark" and self._tokens[self._at].text in "+-~!":
            marks.append(self._take().text)
        value = self._primary(live)
        for mark in reversed(marks):
            if mark == "!":
                value = _Value(int(not value.number))
            elif mark != "+":
                value = _value(-value.number if mark == "-" else ~value.number, value.unsigned)
        return value

    def _primary(self, live: bool) -> _Value:
        if self._take_if("("):
            value = self.ternary(live=live)
            self._expect(")")
            return value
        token = self._take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "name":
            return _Value(0)
        if token.kind == "string" and token.text.startswith("'"):
            return _character(token.text)
        raise ConditionError(f"a number is expected, not {token.text or 'the end'}")


def _value(number: int, unsigned: bool) -> _Value:
    number &= _MASK
    if not unsigned and number >> (_BITS - 1):
        number -= 1 << _BITS
    return _Value(number, unsigned)


def _computed(mark: str, left: _Value, right: _Value, live: bool) -> _Value:
    if mark == "&&":
        return _Value(int(bool(left.number) and bool(right.number)))
    if mark == "||":
        return _Value(int(bool(left.number) or bool(right.number)))
    if mark in ("<<", ">>"):
        return _shifted(mark, left, right.number)
    unsigned = left.unsigned or right.unsigned
    one, other = (_value(value.number, unsigned).number for value in (left, right))
    if mark in ("/", "%"):
        return _value(_divided(mark, one, other, live), unsigned)
    operation = _BINARY[mark][1]
    assert operation is not None
    result = int(operation(one, other))
    return _Value(result) if mark in _TRUTHS else _value(result, unsigned)


def _shifted(mark: str, left: _Value, count: int) -> _Value:
    if count < 0:
        mark, count = "<<" if mark == ">>" else ">>", -count
    count = min(count, _BITS)
    return _value(left.number << count if mark == "<<" else left.number >> count, left.unsigned)


def _divided(mark: str, left: int, right: int, live: bool) -> int:
    if right == 0:
        if live:
            raise ConditionError("division by zero")
        return 0
    # C rounds to zero.
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return quotient if mark == "/" else left - quotient * right


def _number(text: str) -> _Value:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ConditionError(f"{text} is no integer")
    hexadecimal, binary, octal, decimal, suffix = found.groups()
    digits, base = next((d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d)
    number = int(digits, base) if len(digits) <= _BITS else _MASK + 1
    if number > _MASK:
        raise ConditionError(f"{text[:40]} needs more than {_BITS} bits")
    return _Value(number, "u" in suffix.lower() or number > _MASK >> 1)


def _character(text: str) -> _Value:
    try:
        data = unescape(text[1:-1])
    except ValueError:
        data = b""
    if len(data) != 1:
        raise ConditionError(f"{text[:40]} is not one character")
    return _Value(data[0] if data[0] < 0x80 else data[0] - 0x100)
