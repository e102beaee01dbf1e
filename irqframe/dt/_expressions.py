"""Integer expressions of DTS: 64-bit, unsigned, with C's operators and precedence, as dtc computes them.

1. All arithmetic is modulo 2^64; comparison, division and right shift are unsigned; a shift by 64 or more gives 0.
2. Both branches of `?:`, `&&` and `||` are evaluated: a division by zero in either is a fault.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType

from irqframe.dt._lexer import Token
from irqframe.dt._words import SyntaxFaultError, Words

DEPTH_MAX = 64

_MASK = 0xFFFFFFFFFFFFFFFF

# Operator: precedence, higher binds tighter; meaning. C11 6.5.5 to 6.5.14.
_BINARY: Mapping[str, tuple[int, Callable[[int, int], int]]] = MappingProxyType(
    {
        "||": (1, lambda a, b: int(bool(a or b))),
        "&&": (2, lambda a, b: int(bool(a and b))),
        "|": (3, operator.or_),
        "^": (4, operator.xor),
        "&": (5, operator.and_),
        "==": (6, lambda a, b: int(a == b)),
        "!=": (6, lambda a, b: int(a != b)),
        "<": (7, lambda a, b: int(a < b)),
        ">": (7, lambda a, b: int(a > b)),
        "<=": (7, lambda a, b: int(a <= b)),
        ">=": (7, lambda a, b: int(a >= b)),
        "<<": (8, lambda a, b: a << b if b < 64 else 0),
        ">>": (8, lambda a, b: a >> b if b < 64 else 0),
        "+": (9, operator.add),
        "-": (9, operator.sub),
        "*": (10, operator.mul),
        "/": (10, operator.floordiv),
        "%": (10, operator.mod),
    }
)

_UNARY: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {"-": operator.neg, "~": operator.invert, "!": lambda a: int(not a)}
)


def starts_integer(token: Token) -> bool:
    """Whether an integer can begin with this word."""
    return token.kind in ("number", "char", "(")


def integer(words: Words, depth: int = 0) -> int:
    """Read a number, a character, or an expression in parentheses; 0 to 2^64 - 1.

    Raises:
        SyntaxFaultError: nothing of the kind stands there, which is reported.
    """
    if words.token.kind in ("number", "char"):
        return words.take().value
    if words.token.kind == "word":
        words.take_unknown()
        return 0
    if words.token.kind != "(":
        words.fault("a number")
        raise SyntaxFaultError
    opening = words.take()
    if depth >= DEPTH_MAX:
        _too_deep(words, opening)
    value = _ternary(words, depth + 1)
    words.expect(")")
    return value


def _ternary(words: Words, depth: int) -> int:
    """`a ? b : c ? d : e`: reads to the right, decides from the right."""
    chosen: list[tuple[int, int]] = []
    while True:
        value = _binary(words, depth)
        question = words.take_if("?")
        if question is None:
            break
        if depth >= DEPTH_MAX:
            _too_deep(words, question)
        chosen.append((value, _ternary(words, depth + 1)))
        words.expect(":")
    for condition, branch in reversed(chosen):
        value = branch if condition else value
    return value


def _binary(words: Words, depth: int) -> int:
    """Operands and operators, with a stack of those that wait for a tighter one."""
    values = [_unary(words, depth)]
    waiting: list[Token] = []
    while words.token.kind in _BINARY:
        precedence = _BINARY[words.token.kind][0]
        while waiting and _BINARY[waiting[-1].kind][0] >= precedence:
            _apply(words, waiting.pop(), values)
        waiting.append(words.take())
        values.append(_unary(words, depth))
    while waiting:
        _apply(words, waiting.pop(), values)
    return values[0]


def _apply(words: Words, mark: Token, values: list[int]) -> None:
    right = values.pop()
    left = values.pop()
    if right == 0 and mark.kind in ("/", "%"):
        words.report.add("E0109", "division by zero", mark.span)
        values.append(0)
        return
    values.append(_BINARY[mark.kind][1](left, right) & _MASK)


def _unary(words: Words, depth: int) -> int:
    marks = []
    while words.token.kind in _UNARY:
        marks.append(words.take().kind)
    value = integer(words, depth)
    for mark in reversed(marks):
        value = _UNARY[mark](value) & _MASK
    return value


def _too_deep(words: Words, token: Token) -> None:
    words.report.add("E0112", "the expression is nested too deeply", token.span, expected=f"at most {DEPTH_MAX} levels")
    raise SyntaxFaultError
