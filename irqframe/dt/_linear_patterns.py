"""Regular expressions of bindings, in a time that the text bounds: no pattern makes a text of a tree expensive.

Python's `re` tries one way after another, and some patterns have more ways through thirty characters than anyone can
wait for: `(a+)+$`, and in Linux's own bindings `^pwm(@.*|-[0-9a-f])*$`. So:

1. `re` decides where the ways are few: no more than the product of what each choice and repetition can be.
2. Elsewhere all ways are gone at once, character by character (Thompson, "Regular expression search algorithm", 1968).
   Only whether there is a match is asked, so the answer is the same.
3. What that cannot do is refused: a reference back, a look around with a repetition in it, flags.

How one character is matched, and what stands between two, is left to `re` as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

SIZE_MAX: Final = 1_000
STEPS_MAX: Final = 2_000_000
KNOWN_MAX: Final = 1_000
DEPTH_MAX: Final = 50

_ATOM = re.compile(
    r"(?P<open>\((?:\?:|(?!\?)))|(?P<bar>\|)|(?P<close>\))"
    r"|(?P<between>\^|\$|\\[AZbB]|\(\?<?[=!](?:[^()\\*+?{]|\\.|\((?:[^()\\*+?{]|\\.)*\))*\))"
    r"|(?P<one>\[\^?\]?(?:[^\]\\]|\\.)*\]|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|0|[^0-9AZbBxuUN])|[^\\()|*+?\[])",
    re.DOTALL,
)
_REPEAT = re.compile(r"(?:([*+?])|\{(?!\})([0-9]*)(,)?([0-9]*)\})\??(\+?)")
_SIGNS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern.

    Attributes:
        kind: "one" character, "between" two, "all" of the parts, "any" of them, or "repeat" of the one part.
        text: of "one" and "between", as it was written.
        parts: of the others.
        least: of "repeat".
        most: of "repeat"; None for no bound.
    """

    kind: str
    text: str = ""
    parts: tuple[_Part, ...] = ()
    least: int = 1
    most: int | None = 1

    @property
    def copies(self) -> int:
        """How often a repeated part stands in a program."""
        return max(self.least + 1 if self.most is None else self.most, 1)

    def size(self) -> int:
        """About how many instructions it needs."""
        return self.copies * (2 + sum(part.size() for part in self.parts))

    def ways(self, length: int) -> int:
        """How many ways there are through so many characters, at the most; STEPS_MAX if they may be without bound."""
        found = 1
        for part in self.parts:
            found *= part.ways(length)
        if self.kind == "any":
            return found * len(self.parts)
        if self.kind != "repeat":
            return found
        if found > 1 and self.most != 1:
            return STEPS_MAX
        choices = length if self.most is None else min(length, self.most - self.least)
        return found * (choices + 1)


class Pattern:
    """A pattern, read."""

    def __init__(self, text: str) -> None:
        self._compiled = re.compile(text)
        self._root = _Reader(text).pattern()
        self._size = self._root.size()
        if self._size > SIZE_MAX:
            raise re.error("it repeats too much", text)
        # Whether the ways are few, by how many binary digits the length of a text has.
        self._few: dict[int, bool] = {}
        # What took long is asked again: of a name in another node, or by another schema.
        self._known: dict[str, bool] = {}

    def search(self, text: str) -> bool:
        """Whether it matches somewhere in `text`."""
        if self._is_few(len(text)):
            return self._compiled.search(text) is not None
        if text not in self._known:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[text] = _run(self._program, text)
        return self._known[text]

    def _is_few(self, length: int) -> bool:
        digits = length.bit_length()
        if digits not in self._few:
            most = 1 << digits
            self._few[digits] = most * self._root.ways(most) * self._size <= STEPS_MAX
        return self._few[digits]

    @cached_property
    def _program(self) -> list[_Step]:
        return _Compiler().program(self._root)


@lru_cache(maxsize=4096)
def compiled(text: str) -> Pattern:
    """The pattern.

    Raises:
        re.error: it is no regular expression, or none whose time is bounded.
    """
    return Pattern(text)


class _Reader:
    """Reads what is known to be a regular expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def pattern(self) -> _Part:
        made = self._choice()
        if self._at != len(self._text):
            raise self._refused()
        return made

    def _refused(self) -> re.error:
        return re.error("its time could not be bounded", self._text, self._at)

    def _choice(self) -> _Part:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise re.error("it is nested too deeply", self._text, self._at)
        branches: list[list[_Part]] = [[]]
        while self._at < len(self._text):
            found = _ATOM.match(self._text, self._at)
            if found is None:
                raise self._refused()
            if found["close"]:
                break
            self._at = found.end()
            if found["bar"]:
                branches.append([])
            else:
                branches[-1].append(self._repeated(self._atom(found)))
        self._depth -= 1
        made = [_Part("all", parts=tuple(parts)) for parts in branches]
        return made[0] if len(made) == 1 else _Part("any", parts=tuple(made))

    def _atom(self, found: re.Match[str]) -> _Part:
        if not found["open"]:
            return _Part(found.lastgroup or "", found[0])
        made = self._choice()
        self._at += 1
        return made

    def _repeated(self, part: _Part) -> _Part:
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            return part
        sign, first, comma, last, possessive = found.groups()
        if possessive:
            raise self._refused()
        self._at = found.end()
        if sign:
            least, most = _SIGNS[sign]
        else:
            least = int(first or 0)
            most = (int(last) if last else None) if comma else least
        return _Part("repeat", parts=(part,), least=least, most=most)


@dataclass(slots=True)
class _Step:
    """An instruction: take one character, pass if `re` matches between two, go on at each of some, or "end"."""

    kind: str
    test: re.Pattern[str] | None = None
    to: tuple[int, ...] = ()


class _Compiler:
    def __init__(self) -> None:
        self._steps: list[_Step] = []

    def program(self, root: _Part) -> list[_Step]:
        self._put(root)
        self._add("end")
        return self._steps

    def _add(self, kind: str, text: str = "") -> _Step:
        # What follows is the next one, unless it is said otherwise.
        step = _Step(kind, re.compile(text) if text else None, (len(self._steps) + 1,))
        self._steps.append(step)
        return step

    def _put(self, part: _Part) -> None:
        if part.kind == "all":
            for inner in part.parts:
                self._put(inner)
        elif part.kind == "any":
            self._any(part.parts)
        elif part.kind == "repeat":
            self._repeat(part.parts[0], part.least, part.most)
        else:
            self._add(part.kind, part.text)

    def _any(self, parts: tuple[_Part, ...]) -> None:
        fork = self._add("go")
        starts, ends = [], []
        for part in parts:
            starts.append(len(self._steps))
            self._put(part)
            ends.append(self._add("go"))
        fork.to = tuple(starts)
        for end in ends:
            end.to = (len(self._steps),)

    def _repeat(self, part: _Part, least: int, most: int | None) -> None:
        for _ in range(least):
            self._put(part)
        if most is None:
            start = len(self._steps)
            fork = self._add("go")
            self._put(part)
            self._add("go").to = (start,)
            fork.to = (start + 1, len(self._steps))
            return
        forks = []
        for _ in range(most - least):
            forks.append(self._add("go"))
            self._put(part)
        for fork in forks:
            fork.to = (*fork.to, len(self._steps))


def _run(program: list[_Step], text: str) -> bool:
    """Whether a program comes to its end, from any place in the text."""
    known: dict[tuple[int, str], bool] = {}
    waiting: set[int] = set()
    for pos in range(len(text) + 1):
        waiting.add(0)
        reached = _reached(program, waiting, text, pos)
        if reached is None:
            return True
        waiting = set()
        for at in reached if pos < len(text) else ():
            key = (at, text[pos])
            if key not in known:
                test = program[at].test
                known[key] = test is not None and test.fullmatch(text[pos]) is not None
            if known[key]:
                waiting.add(at + 1)
    return False


def _reached(program: list[_Step], starts: set[int], text: str, pos: int) -> list[int] | None:
    """The steps that want a character at `pos`; None if one of the ways is at its end."""
    work, seen = list(starts), set(starts)
    found = []
    while work:
        at = work.pop()
        step = program[at]
        if step.kind == "end":
            return None
        if step.kind == "one":
            found.append(at)
        elif step.test is None or step.test.match(text, pos):
            fresh = [to for to in step.to if to not in seen]
            seen.update(fresh)
            work += fresh
    return found
