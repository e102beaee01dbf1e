"""Words of DTS.

1. Three states, as dtc's scanner has them, because a name may look like anything (`0x10`, `-`, `a?b`): in NAME a word
   is a name, in BYTES two digits are a byte, in VALUE it is numbers and operators. What is read switches the state:
   `{` and `;` to NAME, `[` to BYTES, a name back to VALUE. The parser never does, except to take up after an error.
2. `/include/` and line markers are handled here; the parser sees one stream of words, each with its place.
3. A fault of a word is reported here, and the word still handed on as what it was meant to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from irqframe.dt._collected import Collected
from irqframe.dt._directives import directive_at, is_first
from irqframe.dt._escapes import unescape
from irqframe.dt._files import TEXT_MAX, TooLargeError, find_file, read_bounded
from irqframe.dt._places import MARKER, Places, SourceText, Text
from irqframe.errors import Span

INCLUDE_DEPTH_MAX = 32
INCLUDES_MAX = 2_000

_U64 = 0xFFFFFFFFFFFFFFFF


class State(Enum):
    """What words are read as."""

    NAME = "name"
    VALUE = "value"
    BYTES = "bytes"


class Token(NamedTuple):
    """One word.

    Attributes:
        kind: a punctuation mark or keyword is its own kind; else "name", "label", "label-ref", "path-ref", "string",
            "number", "char", "byte", "word" (a word that has no meaning where it stands), "bad" or "end".
        text: as written; of a label without `:`, of a reference without `&` and braces, of a name without `\\`.
        start: where it begins in its text.
        end: where it ends there.
        places: the places of its text.
        value: of a number or character.
        data: of a string, without the final NUL.
    """

    kind: str
    text: str
    start: int
    end: int
    places: Places
    value: int = 0
    data: bytes = b""

    @property
    def span(self) -> Span:
        """Where it was written."""
        return self.places.span(self.start, self.end)


class Run(NamedTuple):
    """Numbers in a row, with nothing but blanks between them.

    Attributes:
        text: the text they stand in.
        start: where the first begins there.
        end: where the last ends.
        places: the places of the text.
    """

    text: str
    start: int
    end: int
    places: Places

    def spans(self) -> Iterator[Span]:
        """Where each number was written."""
        for found in _PLACE.finditer(self.text, self.start, self.end):
            yield self.places.span(*found.span())


# Blanks, comments and line markers; a comment without an end is none.
_SKIP = rf"(?:[ \t\r\n\f\v]+|//[^\n]*|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|{MARKER})*+"
_LABEL = r"(?P<label>[A-Za-z_][A-Za-z0-9_]*:)"
_COMMON = (
    r"(?P<keyword>/(?:dts-v1|plugin|include|memreserve|bits|delete-property|delete-node|omit-if-no-ref|incbin)/)"
    r'|(?P<string>"(?:[^\\"]++|\\.)*+")'
    r"|(?P<char>'(?:[^'\\\n]|\\.)*+')"
    r"|(?P<labelref>&[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<pathref>&\{/[A-Za-z0-9,._+*#?@/-]*\})"
)
_PUNCTUATION = r"(?P<mark><<|>>|<=|>=|==|!=|&&|\|\||/(?!\*)|[-+*%&|^~!?:;,=<>(){}\[\]])"
_PLAIN = r"(?P<plain>(?:0[xX][0-9A-Fa-f]{1,16}|[1-9][0-9]{0,18}|0)(?![A-Za-z0-9_]))"
_WORD = r"(?P<word>[A-Za-z_#][A-Za-z0-9_]*)"

_WORDS = {
    State.NAME: rf"{_LABEL}|\\?(?P<name>[A-Za-z0-9,._+*#?@-]+)|{_COMMON}|{_PUNCTUATION}",
    State.VALUE: rf"{_PLAIN}|{_LABEL}|(?P<number>[0-9][A-Za-z0-9_]*)|{_COMMON}|{_PUNCTUATION}|{_WORD}",
    State.BYTES: rf"{_LABEL}|(?P<byte>[0-9A-Fa-f]{{2}})|{_COMMON}|{_PUNCTUATION}|(?P<word>[A-Za-z0-9_#]+)",
}
_MATCH = {state: re.compile(f"{_SKIP}(?:{words})", re.MULTILINE).match for state, words in _WORDS.items()}
_SKIPPED = re.compile(_SKIP, re.MULTILINE)

_NUMBER = re.compile(r"(?:0[xX]([0-9A-Fa-f]+)|(0[0-7]*)|([1-9][0-9]*))(?:U|L|UL|LL|ULL)?")
_PLACE = re.compile(r"[^ \t\r\n]+")
_RUN = re.compile(r"(?:(?:0[xX][0-9A-Fa-f]{1,8}|[1-9][0-9]{0,8}|0)(?=[ \t\r\n>])[ \t\r\n]*+)+")

# What may follow a string: a label, and these; or nothing, where a mark is missing for another reason.
_AFTER_STRING = re.compile(rf"{_SKIP}(?:[,;)}}]|[A-Za-z_][A-Za-z0-9_]*:|\Z)", re.MULTILINE)

_STATEMENT = re.compile(r"[A-Za-z0-9,._+*#?@-]+[ \t]*[={;]")

# What follows a mark or keyword; after any other word the state stays, but for a name.
_STATE_AFTER = {
    "{": State.NAME,
    ";": State.NAME,
    "[": State.BYTES,
    "]": State.VALUE,
    "/dts-v1/": State.VALUE,
    "/memreserve/": State.VALUE,
    "/bits/": State.VALUE,
    "/delete-property/": State.NAME,
    "/delete-node/": State.NAME,
    "/omit-if-no-ref/": State.NAME,
}


@dataclass(slots=True)
class _Open:
    """A text that is being read.

    Attributes:
        text: all of it.
        places: of its characters.
        path: the file it is, which relative names in it start from.
        pos: what is read next.
    """

    text: str
    places: Places
    path: str
    pos: int = 0


class Lexer:
    """The words of a text and of what it includes by `/include/`.

    Attributes:
        passing_over: whether what is read belongs to a statement that has a fault already.
    """

    def __init__(self, text: Text, file: str, include_dirs: Sequence[str], report: Collected) -> None:
        self.report = report
        self.include_dirs = include_dirs
        self.macros = text.macros
        self.reported = text.reported
        self._room = TEXT_MAX - len(text.text)
        self._includes = 0
        self._now = _Open(text.text, text.places, file)
        self._outer: list[_Open] = []
        self._match = _MATCH[State.VALUE]
        self.passing_over = False

    @property
    def path(self) -> str:
        """The file that is being read, which relative names start from."""
        return self._now.path

    def next(self) -> Token:
        """The next word; after the last one "end", for ever."""
        while True:
            source = self._now
            found = self._match(source.text, source.pos)
            if found is None:
                odd = self._odd(source)
                if odd is not None:
                    return odd
                continue
            group = found.lastgroup or ""
            text = found[group]
            start, end = found.start(group), found.end()
            source.pos = end
            if group == "mark" or group == "keyword":
                after = _STATE_AFTER.get(text)
                if after is not None:
                    self._match = _MATCH[after]
                if text != "/include/":
                    return Token(text, text, start, end, source.places)
                self._include(Token(text, text, start, end, source.places))
                continue
            if group == "name":
                self._match = _MATCH[State.VALUE]
            elif group == "plain":
                return Token("number", text, start, end, source.places, int(text, 0))
            elif group == "labelref":
                return Token("label-ref", text[1:], start, end, source.places)
            elif group == "label":
                return Token(group, text[:-1], start, end, source.places)
            elif group in _FINISH:
                return _FINISH[group](self, Token(group, text, start, end, source.places))
            if text[0] == "#":
                self._check_directive(source, start)
            return Token(group, text, start, end, source.places)

    def run(self, token: Token) -> tuple[list[int], Run] | None:
        """The numbers in a row that begin with `token`, the last word read; all of them are read then.

        Each is below 2^32.
        """
        source = self._now
        found = _RUN.match(source.text, token.start) if source.places is token.places else None
        if found is None:
            return None
        source.pos = found.end()
        words = found[0].split()
        last = source.text.rindex(words[-1], token.start, source.pos) + len(words[-1])
        return [int(word, 0) for word in words], Run(source.text, token.start, last, source.places)

    def again(self, token: Token) -> Token:
        """Take up after a missing semicolon: names are expected, and `token`, the last word read, may be one."""
        source = self._now
        self._match = _MATCH[State.NAME]
        if token.kind in ("word", "number") and token.places is source.places and source.pos == token.end:
            source.pos = token.start
            return self.next()
        return token

    def begins_statement(self, token: Token) -> bool:
        """Whether `token`, the last word read, looks like the name of a property or node: first on its line."""
        text = self._now.text
        return is_first(text, token.start) and _STATEMENT.match(text, token.start) is not None

    # What is no word

    def _odd(self, source: _Open) -> Token | None:
        """The end of a text, or what no word begins with; None: go on with the text that included this one."""
        skipped = _SKIPPED.match(source.text, source.pos)
        assert skipped is not None
        source.pos = start = skipped.end()
        if start >= len(source.text):
            if not self._outer:
                return Token("end", "", start, start, source.places)
            self._now = self._outer.pop()
            return None
        if source.text.startswith("/*", start):
            place = source.places.span(start, start + 2)
            self.report.fail("E0107", "the comment has no end", place, expected="*/")
        return self._bad(source, start)

    def _bad(self, source: _Open, start: int) -> Token | None:
        char = source.text[start]
        if char in "\"'":
            return self._no_end(source, start)
        source.pos = start + 1
        token = Token("bad", char, start, start + 1, source.places)
        if char == "\ufeff":
            self.report.add("E0101", "a byte-order mark cannot stand here", token.span, hint="save the file without it")
            return None
        self.report.add("E0101", f"character {char!r} cannot stand here", token.span)
        return token

    def _no_end(self, source: _Open, start: int) -> Token:
        """A string without an end: most often the closing mark of its first line is what is missing."""
        char = source.text[start]
        end = source.text.find("\n", start)
        source.pos = end if end >= 0 else len(source.text)
        token = Token("bad", char, start, source.pos, source.places)
        if not self.passing_over:
            self.report.add("E0102", "the string has no end", token.span, expected=f"a closing {char}")
        return token

    def _check_directive(self, source: _Open, start: int) -> None:
        """Refuse a directive of the preprocessor, which has been through with a text before it comes here."""
        directive = directive_at(source.text, start)
        if directive is not None:
            self.report.fail(
                "E0110",
                f"#{directive.name} is for the C preprocessor, which does not see what /include/ takes in",
                source.places.span(start, directive.end),
                expected="text that was preprocessed",
                hint="include the file by #include",
            )

    # Words with a value

    def _number(self, token: Token) -> Token:
        found = _NUMBER.fullmatch(token.text)
        if found is None:
            expected = "a decimal, 0x or 0 (octal) number"
            self.report.add("E0104", f"{token.text} is not a number", token.span, expected=expected)
            return token
        hexadecimal, octal, decimal = found.groups()
        digits = hexadecimal or octal or decimal
        value = int(digits, 16 if hexadecimal else 8 if octal else 10) if len(digits) < 64 else _U64 + 1
        if value > _U64:
            self.report.add("E0104", f"{token.text} is out of range", token.span, expected="at most 64 bits")
            return token
        return token._replace(value=value)

    def _string(self, token: Token) -> Token:
        text = token.text
        if "\n" in text and _AFTER_STRING.match(self._now.text, token.end) is None:
            # It ends where the next one was meant to begin.
            return self._no_end(self._now, token.start)
        return token._replace(data=self._unescape(token) if "\\" in text else text[1:-1].encode())

    def _unescape(self, token: Token) -> bytes:
        try:
            return unescape(token.text[1:-1])
        except ValueError:
            self.report.add("E0106", r"\x stands without a hexadecimal digit", token.span, expected=r"\x00 to \xff")
            return b""

    def _char(self, token: Token) -> Token:
        data = self._unescape(token)
        if len(data) == 1:
            return token._replace(value=data[0])
        found = f"{len(data)} bytes" if data else "none"
        message = f"{token.text} is not one character"
        self.report.add("E0105", message, token.span, expected="one character", found=found)
        return token

    def _path_ref(self, token: Token) -> Token:
        return token._replace(kind="path-ref", text=token.text[2:-1])

    def _byte(self, token: Token) -> Token:
        return token._replace(value=int(token.text, 16))

    # Included files

    def _include(self, keyword: Token) -> None:
        name = self.next()
        if name.kind != "string":
            self.report.fail(
                "E0103", "/include/ names no file", name.span, expected='/include/ "FILE"', found=name.text or "the end"
            )
        path = find_file(name.data.decode("utf-8", "replace"), self.path, self.include_dirs)
        self._includes += 1
        if path is None:
            self.report.add(
                "E0005", f"{name.text} is not found", name.span, hint="name its folder as an include folder, with -I"
            )
        elif len(self._outer) + 1 > INCLUDE_DEPTH_MAX or self._includes > INCLUDES_MAX:
            bound = f"at most {INCLUDE_DEPTH_MAX} deep and {INCLUDES_MAX} in all"
            self.report.fail("E0006", "too many files are included", keyword.span, expected=bound)
        else:
            self._enter_file(path, name)

    def _enter_file(self, path: str, name: Token) -> None:
        try:
            text = read_bounded(path, max(self._room, 0)).decode("utf-8")
        except UnicodeDecodeError:
            self.report.add("E0002", f"{name.text} is not UTF-8 text", name.span)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.report.add("E0005", f"{name.text} cannot be read: {reason}", name.span)
        except TooLargeError:
            self.report.fail("E0004", f"the text is larger than {TEXT_MAX} bytes with this file", name.span)
        else:
            self._room -= len(text)
            source = SourceText(path, text)
            self.report.sources.add(source)
            self._outer.append(self._now)
            self._now = _Open(text, Text.plain(source).places, path)


_FINISH = {
    "number": Lexer._number,
    "string": Lexer._string,
    "char": Lexer._char,
    "pathref": Lexer._path_ref,
    "byte": Lexer._byte,
}
