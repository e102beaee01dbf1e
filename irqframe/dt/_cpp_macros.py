"""Macros: what `#define` says (C11 6.10.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from irqframe.dt._cpp_tokens import BLANK, CppToken, spelled, tokens

_BLANKS = re.compile(f"{BLANK}*+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETERS = re.compile(r"\(([^()]*)\)")
_REST = "__VA_ARGS__"


class DefinitionError(Exception):
    """A definition that is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro.

    Attributes:
        name: what it is called by.
        body: what stands for it.
        parameters: their names; None for a macro that is called without parentheses.
        rest: the parameter that takes all further arguments, "" if none does; the last of `parameters`.
        defined: where, as FILE:LINE; "" for one that is always there.
        literal: what it expands to if no name is in it, so that this is always the same; else None.
        made: for `__LINE__` and the like, what makes the one token of its body, anew for each call.
    """

    name: str
    body: tuple[CppToken, ...]
    parameters: tuple[str, ...] | None = None
    rest: str = ""
    defined: str = ""
    literal: str | None = None
    made: Callable[[], CppToken] | None = None

    def same_as(self, other: Macro) -> bool:
        """Whether a second definition says the same (C11 6.10.3, 2)."""
        return (self.parameters, self.rest) == (other.parameters, other.rest) and spelled(self.body) == spelled(
            other.body
        )


def read_definition(text: str, defined: str) -> Macro:
    """Read what stands behind `#define`.

    Args:
        text: the rest of the logical line, with line ends that are spliced away and comments still in it.
        defined: FILE:LINE of the directive.

    Raises:
        DefinitionError: it is no definition.
    """
    blanks = _BLANKS.match(text)
    start = blanks.end() if blanks is not None else 0
    found = _NAME.match(text, start)
    if found is None or found[0] == "defined":
        raise DefinitionError("a macro's name must be an identifier")
    name, at = found[0], found.end()
    parameters: tuple[str, ...] | None = None
    rest = ""
    if text.startswith("(", at):
        listed = _PARAMETERS.match(text, at)
        if listed is None:
            raise DefinitionError(f"the parameters of macro {name} have no `)`")
        parameters, rest = _parameters(name, listed[1])
        at = listed.end()
    body = tuple(tokens(text[at:]))
    if body and "##" in (body[0].text, body[-1].text):
        raise DefinitionError(f"`##` stands at an end of macro {name}")
    literal = spelled(body) if parameters is None and all(_is_literal(token) for token in body) else None
    return Macro(name, body, parameters, rest, defined, literal)


def _is_literal(token: CppToken) -> bool:
    return token.kind != "name" and token.text != "##"


def _parameters(name: str, text: str) -> tuple[tuple[str, ...], str]:
    listed = [token.text for token in tokens(text)]
    if not listed:
        return (), ""
    names: list[str] = []
    rest = ""
    for entry in spelled(tokens(text)).split(","):
        entry = entry.strip()
        if entry.endswith("..."):
            # `...`, or `args...` as gcc has it.
            rest = entry[:-3].strip() or _REST
            entry = rest
        elif rest:
            raise DefinitionError(f"`...` of macro {name} is not its last parameter")
        if not _NAME.fullmatch(entry) or entry in names:
            raise DefinitionError(f"the parameters of macro {name} are no list of different names")
        names.append(entry)
    return tuple(names), rest
