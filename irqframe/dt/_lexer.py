"""Words of DTS.

1. Three states, as dtc's scanner has them, because a name may look like anything (`0x10`, `-`, `a?b`): in NAME a word
   is a name, in BYTES two digits are a byte, in VALUE it is numbers and operators. What is read switches the state:
   `{` and `;` to NAME, `[` to BYTES, a name back to VALUE. The parser never does, except to take up after an error.
2. `/include/` and line markers are handled here; the parser sees one stream of words, each with its place.
3. A fault of a word is reported here, and the word still handed on as what it was meant to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from irqframe.dt._collected import Collected
from irqframe.dt._escapes import unescape
from irqframe.dt._files import TEXT_MAX, TooLargeError, find_file, read_bounded
from irqframe.dt._source import directive, index_lines, line_marker
from irqframe.errors import Span

INCLUDE_DEPTH_MAX = 32
INCLUDES_MAX = 2_000

_U64 = 0xFFFFFFFFFFFFFFFF


class State(Enum):
    """What words are read as."""

    NAME = "name"
    VALUE = "value"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Token:
    """One word.

    Attributes:
        kind: a punctuation mark or keyword is its own kind; else "name", "label", "label-ref", "path-ref", "string",
            "number", "char", "byte", "word" (a word that has no meaning where it stands), "bad" or "end".
        text: as written; of a label without `:`, of a reference without `&` and braces, of a name without `\\`.
        span: where.
        start: where in its text.
        value: of a number or character.
        data: of a string, without the final NUL.
    """

    kind: str
    text: str
    span: Span
    start: int
    value: int = 0
    data: bytes = b""


_LABEL = r"(?P<label>[A-Za-z_][A-Za-z0-9_]*:)"
_COMMON = (
    r"(?P<keyword>/(?:dts-v1|plugin|include|memreserve|bits|delete-property|delete-node|omit-if-no-ref|incbin)/)"
    r'|(?P<string>"(?:[^\\"]++|\\.)*+")'
    r"|(?P<char>'(?:[^'\\\n]|\\.)*+')"
    r"|&(?P<labelref>[A-Za-z_][A-Za-z0-9_]*)"
    r"|&\{(?P<pathref>/[A-Za-z0-9,._+*#?@/-]*)\}"
)
_PUNCTUATION = r"(?P<mark><<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!?:;,=<>(){}\[\]])"
_WORD = r"(?P<word>[A-Za-z_#][A-Za-z0-9_]*)"

_PATTERNS = {
    State.NAME: re.compile(rf"{_LABEL}|\\?(?P<name>[A-Za-z0-9,._+*#?@-]+)|{_COMMON}|{_PUNCTUATION}"),
    State.VALUE: re.compile(rf"{_LABEL}|(?P<number>[0-9][A-Za-z0-9_]*)|{_COMMON}|{_PUNCTUATION}|{_WORD}"),
    State.BYTES: re.compile(rf"{_LABEL}|(?P<byte>[0-9A-Fa-f]{{2}})|{_COMMON}|{_PUNCTUATION}|(?P<word>[A-Za-z0-9_#]+)"),
}

_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_NUMBER = re.compile(r"(?:0[xX]([0-9A-Fa-f]+)|(0[0-7]*)|([1-9][0-9]*))(?:U|L|UL|LL|ULL)?")

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
class _Text:
    """A source text that is being read.

    Attributes:
        text: all of it.
        path: the file it is, which relative names in it start from.
        file: what its lines are called now; a line marker changes it.
        pos: what is read next.
        line: number of the line that `pos` is on, as its line markers count.
        line_start: where that line starts in `text`.
    """

    text: str
    path: str
    file: str
    pos: int = 0
    line: int = 1
    line_start: int = 0


class Lexer:
    """The words of a text and of what it includes."""

    def __init__(self, text: str, file: str, include_dirs: Sequence[str], report: Collected) -> None:
        self.report = report
        self.include_dirs = include_dirs
        self.state = State.VALUE
        self._stack: list[_Text] = []
        self._room = TEXT_MAX
        self._includes = 0
        self._enter(text, file)

    @property
    def path(self) -> str:
        """The file that is being read, which relative names start from."""
        return self._stack[-1].path

    def next(self) -> Token:
        """The next word; after the last one "end", for ever."""
        while True:
            self._skip_space()
            source = self._stack[-1]
            if source.pos >= len(source.text):
                if len(self._stack) == 1:
                    return Token("end", "", self._span(source.pos), source.pos)
                self._stack.pop()
                continue
            found = _PATTERNS[self.state].match(source.text, source.pos)
            if found is None:
                return self._bad()
            token = self._token(found)
            if token.kind != "/include/":
                return token
            self._include(token)

    def again(self, token: Token) -> Token:
        """Take up after a missing semicolon: names are expected, and `token`, the last word read, may be one."""
        source = self._stack[-1]
        self.state = State.NAME
        if token.kind in ("word", "number") and token.span.file == source.file and token.span.line == source.line:
            source.pos = token.start
            return self.next()
        return token

    def _span(self, start: int, end: int | None = None) -> Span:
        source = self._stack[-1]
        column = start - source.line_start + 1
        if end is None:
            end = start
        return Span(source.file, source.line, column, source.line, column + end - start)

    def _enter(self, text: str, path: str) -> None:
        self._room -= len(text)
        index_lines(text, path, self.report.sources)
        self._stack.append(_Text(text, path, path))

    # Between words

    def _skip_space(self) -> None:
        source = self._stack[-1]
        text = source.text
        while source.pos < len(text):
            char = text[source.pos]
            if char in " \t\r\n\f\v":
                found = _SPACE.match(text, source.pos)
                assert found is not None
                self._advance(found.end())
            elif text.startswith("/*", source.pos):
                self._skip_comment(source)
            elif text.startswith("//", source.pos):
                end = text.find("\n", source.pos)
                source.pos = end if end >= 0 else len(text)
            elif char != "#" or not self._skip_hash(source):
                return

    def _advance(self, pos: int) -> None:
        """Move to `pos`, counting lines."""
        source = self._stack[-1]
        lines = source.text.count("\n", source.pos, pos)
        if lines:
            source.line += lines
            source.line_start = source.text.rfind("\n", source.pos, pos) + 1
        source.pos = pos

    def _skip_comment(self, source: _Text) -> None:
        end = source.text.find("*/", source.pos + 2)
        if end < 0:
            self.report.fail("E0107", "the comment has no end", self._span(source.pos, source.pos + 2), expected="*/")
        self._advance(end + 2)

    def _skip_hash(self, source: _Text) -> bool:
        """Take a line marker; refuse a directive of the preprocessor; False if it is neither."""
        at = source.pos
        if at == source.line_start:
            marker = line_marker(source.text, at)
            if marker is not None:
                source.file, line, source.pos = marker
                source.line = line - 1
                return True
        if source.text[source.line_start : at].strip():
            return False
        name = directive(source.text, at)
        if name:
            self.report.fail(
                "E0110",
                f"#{name} is for the C preprocessor, which is not run here",
                self._span(at, at + 1 + len(name)),
                expected="text that was preprocessed",
                hint="run `cpp -nostdinc -undef -x assembler-with-cpp` over it first",
            )
        return False

    # Words

    def _token(self, found: re.Match[str]) -> Token:
        source = self._stack[-1]
        start, end = found.span()
        group = found.lastgroup or ""
        text = found[group]
        span = self._span(start, end)
        source.pos = end
        if group in ("mark", "keyword"):
            self.state = _STATE_AFTER.get(text, self.state)
            return Token(text, text, span, start)
        if group == "name":
            self.state = State.VALUE
        elif group == "label":
            return Token("label", text[:-1], span, start)
        elif group == "number":
            return Token("number", text, span, start, self._number(text, span))
        elif group == "string":
            return self._string(text, span, start, end)
        elif group == "char":
            return Token("char", text, span, start, self._char(text, span))
        elif group == "byte":
            return Token("byte", text, span, start, int(text, 16))
        return Token(_KINDS.get(group, group), text, span, start)

    def _number(self, text: str, span: Span) -> int:
        found = _NUMBER.fullmatch(text)
        if found is None:
            self.report.add("E0104", f"{text} is not a number", span, expected="a decimal, 0x or 0 (octal) number")
            return 0
        hexadecimal, octal, decimal = found.groups()
        digits = hexadecimal or octal or decimal
        value = int(digits, 16 if hexadecimal else 8 if octal else 10) if len(digits) < 64 else _U64 + 1
        if value > _U64:
            self.report.add("E0104", f"{text} is out of range", span, expected="at most 64 bits")
            return 0
        return value

    def _string(self, text: str, span: Span, start: int, end: int) -> Token:
        source = self._stack[-1]
        data = self._unescape(text, span)
        if "\n" in text:
            source.pos = start
            self._advance(end)
            span = Span(span.file, span.line, span.column, source.line, end - source.line_start + 1)
        return Token("string", text, span, start, data=data)

    def _unescape(self, text: str, span: Span) -> bytes:
        try:
            return unescape(text[1:-1])
        except ValueError:
            self.report.add("E0106", r"\x stands without a hexadecimal digit", span, expected=r"\x00 to \xff")
            return b""

    def _char(self, text: str, span: Span) -> int:
        data = self._unescape(text, span)
        if len(data) == 1:
            return data[0]
        found = f"{len(data)} bytes" if data else "none"
        self.report.add("E0105", f"{text} is not one character", span, expected="one character", found=found)
        return 0

    def _bad(self) -> Token:
        """What no word begins with."""
        source = self._stack[-1]
        start = source.pos
        char = source.text[start]
        if char in "\"'":
            # Rather than to the end of the file: most often the closing mark of this line is what is missing.
            end = source.text.find("\n", start)
            source.pos = end if end >= 0 else len(source.text)
            span = self._span(start, source.pos)
            self.report.add("E0102", "the string has no end", span, expected=f"a closing {char}")
            return Token("bad", char, span, start)
        source.pos = start + 1
        span = self._span(start, source.pos)
        if char == "\ufeff":
            self.report.add("E0101", "a byte-order mark cannot stand here", span, hint="save the file without it")
            return self.next()
        self.report.add("E0101", f"character {char!r} cannot stand here", span)
        return Token("bad", char, span, start)

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
                "E0005", f"{name.text} is not found", name.span, hint="name its folder as an include folder"
            )
        elif len(self._stack) > INCLUDE_DEPTH_MAX or self._includes > INCLUDES_MAX:
            bound = f"at most {INCLUDE_DEPTH_MAX} deep and {INCLUDES_MAX} in all"
            self.report.fail("E0006", "too many files are included", keyword.span, expected=bound)
        else:
            self._enter_file(path, name)

    def _enter_file(self, path: str, name: Token) -> None:
        try:
            self._enter(read_bounded(path, max(self._room, 0)).decode("utf-8"), path)
        except UnicodeDecodeError:
            self.report.add("E0002", f"{name.text} is not UTF-8 text", name.span)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.report.add("E0005", f"{name.text} cannot be read: {reason}", name.span)
        except TooLargeError:
            self.report.fail("E0004", f"the text is larger than {TEXT_MAX} bytes with this file", name.span)


_KINDS = {"labelref": "label-ref", "pathref": "path-ref"}
