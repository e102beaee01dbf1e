"""Macro expansion (C11 6.10.3.1 to 6.10.3.4), in the order in which gcc does it.

1. The body of a macro is read again, followed by what follows the call; while it is read, the macro's own name is
   none, and such a name stays blocked for ever.
2. Arguments are expanded on their own before they go in, except beside `#` and `##`.
3. How much may come of it is bounded: a few lines can ask for more than any memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from irqframe.dt._cpp_macros import Macro
from irqframe.dt._cpp_tokens import BLANK, CppToken, next_token, tokens
from irqframe.dt._directives import directive_at
from irqframe.dt._report import count

# Linux's boards make some 10,000 tokens by macros.
TOKENS_MAX = 1_000_000
CHARACTERS_MAX = 16 << 20
PASTED_MAX = 4_096
CALL_DEPTH_MAX = 60

_OPENING = re.compile(rf"{BLANK}*+\(", re.DOTALL)

# What stands for a rest that is not given, which is not the same as an empty one.
_ABSENT: list[CppToken] = []


class ExpansionError(Exception):
    """A call that cannot be carried out; the text says why."""


class TooMuchError(ExpansionError):
    """Macros make more than is read."""


@dataclass(slots=True)
class Following:
    """The text behind a macro's name, from which its arguments are taken.

    Attributes:
        text: all of it.
        at: how far it is read.
    """

    text: str
    at: int


@dataclass(slots=True)
class _Reading:
    """Tokens that are being read, and the macro whose body they are."""

    tokens: list[CppToken]
    macro: str = ""
    at: int = 0


class Expander:
    """Expands by one set of macros."""

    def __init__(self, macros: Mapping[str, Macro]) -> None:
        self.macros = macros
        self._tokens = TOKENS_MAX
        self._characters = CHARACTERS_MAX
        self._active: set[str] = set()
        self._depth = 0

    def call(self, name: CppToken, following: Following) -> list[CppToken]:
        """Expand the macro called `name`; `following` is read on if there are arguments.

        Raises:
            ExpansionError: the arguments do not fit, or there is too much of it.
        """
        self._active.clear()
        self._depth = 0
        return self._expand([name], following)

    def expand(self, found: list[CppToken]) -> list[CppToken]:
        """Expand tokens behind which nothing follows; see `call`."""
        self._active.clear()
        self._depth = 0
        return self._expand(found, None)

    def _expand(self, found: list[CppToken], following: Following | None) -> list[CppToken]:
        out: list[CppToken] = []
        stack = [_Reading(found)]
        while stack:
            token = self._read(stack)
            if token is None:
                continue
            macro = self.macros.get(token.text) if token.kind == "name" and not token.blocked else None
            if macro is None:
                out.append(token)
                continue
            body = self._body(macro, stack, following)
            if body is None:
                out.append(token)
                continue
            self._spend(body)
            if body:
                body[0] = body[0]._replace(spaced=token.spaced)
            self._active.add(macro.name)
            stack.append(_Reading(body, macro.name))
        return out

    def _read(self, stack: list[_Reading]) -> CppToken | None:
        """The next token; None if the innermost body has come to its end, and its macro is free again."""
        reading = stack[-1]
        if reading.at == len(reading.tokens):
            stack.pop()
            self._active.discard(reading.macro)
            return None
        token = reading.tokens[reading.at]
        reading.at += 1
        return token._replace(blocked=True) if token.kind == "name" and token.text in self._active else token

    def _spend(self, made: list[CppToken]) -> None:
        self._tokens -= len(made)
        self._characters -= sum(len(token.text) for token in made)
        if self._tokens < 0:
            raise TooMuchError(f"macros make more than {TOKENS_MAX} tokens")
        if self._characters < 0:
            raise TooMuchError(f"macros make more than {CHARACTERS_MAX >> 20} MiB")

    def _body(self, macro: Macro, stack: list[_Reading], following: Following | None) -> list[CppToken] | None:
        """What stands for a call; None if the macro wants arguments and no `(` follows."""
        if macro.made is not None:
            return [macro.made()]
        if macro.parameters is None:
            return self._substituted(macro, {})
        if not self._opens(stack, following):
            return None
        given = self._arguments(macro, stack, following)
        return self._substituted(macro, _named(macro, given))

    # Arguments

    def _opens(self, stack: list[_Reading], following: Following | None) -> bool:
        while stack:
            reading = stack[-1]
            if reading.at < len(reading.tokens):
                if reading.tokens[reading.at].text != "(":
                    return False
                reading.at += 1
                return True
            stack.pop()
            self._active.discard(reading.macro)
        if following is None:
            return False
        found = _OPENING.match(following.text, following.at)
        if found is not None:
            following.at = found.end()
        return found is not None

    def _arguments(self, macro: Macro, stack: list[_Reading], following: Following | None) -> list[list[CppToken]]:
        """The arguments up to the closing parenthesis."""
        assert macro.parameters is not None
        found: list[list[CppToken]] = [[]]
        depth = 0
        while True:
            token = self._next_argument_token(macro, stack, following)
            if token.text == "(":
                depth += 1
            elif token.text == ")":
                if depth == 0:
                    return found
                depth -= 1
            elif token.text == "," and depth == 0 and not (macro.rest and len(found) >= len(macro.parameters)):
                found.append([])
                continue
            found[-1].append(token)

    def _next_argument_token(self, macro: Macro, stack: list[_Reading], following: Following | None) -> CppToken:
        while stack:
            token = self._read(stack)
            if token is not None:
                return token
        taken = None if following is None else next_token(following.text, following.at)
        if taken is None or following is None:
            raise ExpansionError(f"the arguments of macro {macro.name} have no `)`")
        token, following.at = taken
        self._spend([token])
        # gcc carries it out; nothing that anyone writes needs that.
        if token.text == "#" and directive_at(following.text, following.at - 1):
            raise ExpansionError(f"a directive stands among the arguments of macro {macro.name}")
        return token

    # Bodies

    def _substituted(self, macro: Macro, given: Mapping[str, list[CppToken]]) -> list[CppToken]:
        """The body with the arguments in it, pasted together where it says so."""
        out: list[CppToken] = []
        body = macro.body
        expanded: dict[str, list[CppToken]] = {}
        pasting = False
        for index, token in enumerate(body):
            if token.text == "##" and token.kind == "mark":
                pasting = True
                continue
            made = self._one(macro, index, given, expanded, out)
            if made is None:
                continue
            if pasting:
                rest = given.get(macro.rest) if macro.rest and token.text == macro.rest else None
                _paste(out, made, rest)
                pasting = False
            else:
                out += made
        return [token for token in out if token.text]

    def _one(
        self,
        macro: Macro,
        index: int,
        given: Mapping[str, list[CppToken]],
        expanded: dict[str, list[CppToken]],
        out: list[CppToken],
    ) -> list[CppToken] | None:
        """What one token of a body becomes; None for the parameter that the `#` before it has taken in."""
        body = macro.body
        token = body[index]
        if index and _is_hash(body[index - 1], macro) and token.text in given:
            return None
        after = body[index + 1] if index + 1 < len(body) else None
        if _is_hash(token, macro) and after is not None and after.text in given:
            return [CppToken("string", _string_of(given[after.text]), token.spaced)]
        if token.kind != "name" or token.text not in given:
            return [token]
        beside = (body[index - 1].text if index else "", after.text if after is not None else "")
        if "##" in beside:
            argument = given[token.text] or [CppToken("mark", "", token.spaced)]
        else:
            argument = self._argument(token.text, given, expanded)
        self._spend(argument)
        return [argument[0]._replace(spaced=token.spaced), *argument[1:]] if argument else []

    def _argument(
        self, name: str, given: Mapping[str, list[CppToken]], expanded: dict[str, list[CppToken]]
    ) -> list[CppToken]:
        if name not in expanded:
            self._depth += 1
            if self._depth > CALL_DEPTH_MAX:
                raise TooMuchError(f"macro calls are nested more than {CALL_DEPTH_MAX} deep")
            expanded[name] = self._expand(list(given[name]), None)
            self._depth -= 1
        return expanded[name]


def _is_hash(token: CppToken, macro: Macro) -> bool:
    return macro.parameters is not None and token.kind == "mark" and token.text == "#"


def _named(macro: Macro, given: list[list[CppToken]]) -> dict[str, list[CppToken]]:
    assert macro.parameters is not None
    wanted = len(macro.parameters)
    if wanted == 0 and given == [[]]:
        return {}
    # No argument at all for the rest is allowed (C2x, and gcc always).
    if macro.rest and (len(given) == wanted - 1 or (wanted == 1 and given == [[]])):
        given = [*given[: wanted - 1], _ABSENT]
    if len(given) != wanted:
        raise ExpansionError(f"macro {macro.name} takes {count(wanted, 'argument')}, not {len(given)}")
    return dict(zip(macro.parameters, given, strict=True))


def _string_of(argument: list[CppToken]) -> str:
    parts = []
    for index, token in enumerate(argument):
        parts.append(" " if token.spaced and index else "")
        is_string = token.kind == "string"
        parts.append(token.text.replace("\\", "\\\\").replace('"', '\\"') if is_string else token.text)
    return f'"{"".join(parts)}"'


def _paste(out: list[CppToken], made: list[CppToken], rest: list[CppToken] | None) -> None:
    """Join the last token so far and the first of `made`; `rest` is what is given for all further arguments."""
    if not out:
        out += made
        return
    if rest is not None and out[-1].text == ",":
        # `, ## __VA_ARGS__`: without further arguments the comma goes, with them both stay (gcc).
        if rest is _ABSENT:
            out.pop()
        out += made
        return
    left = out.pop()
    first = made[0] if made else CppToken("mark", "")
    if len(left.text) + len(first.text) > PASTED_MAX:
        raise TooMuchError(f"## makes a token of more than {PASTED_MAX} characters")
    joined = tokens(left.text + first.text)
    # What makes no token of C stays two, as gcc leaves it in assembler source.
    if joined:
        out.append(joined[0]._replace(spaced=left.spaced))
        out += joined[1:]
    else:
        out.append(left)
    out += made[1:]
