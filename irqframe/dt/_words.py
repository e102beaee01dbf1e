"""A parser's view of the words: one word ahead, what was expected, and how to take up after a fault."""

from __future__ import annotations

from irqframe.dt._close import CloseNames
from irqframe.dt._collected import Collected
from irqframe.dt._lexer import Lexer, Run, Token
from irqframe.dt._macro_hints import macro_hint
from irqframe.errors import Span

_DESCRIPTIONS = {
    "end": "the end of the text",
    "name": "a name",
    "number": "a number",
    "string": "a string",
    "byte": "two hexadecimal digits",
}


# Where one of these stands instead of `{`, the node was not meant to be one.
_NEVER_IN_NODE = frozenset({"bad", "end", "}", ";", "=", "<", ">", "(", ")", ",", "string"})


class SyntaxFaultError(Exception):
    """The statement cannot be read on; its finding is reported."""


class Words:
    """The words of a text, read one at a time.

    Attributes:
        token: the next word.
        last: the word before it; the next one itself as long as none was read.
        skipped: labels that stood in what was passed over after a fault.
        unknown: words that were taken for macros which are not defined; each is reported once.
    """

    def __init__(self, lexer: Lexer, report: Collected) -> None:
        self.lexer = lexer
        self.report = report
        self.skipped: set[str] = set()
        self._close = CloseNames()
        self.unknown = set(lexer.reported)
        self.token = self.last = lexer.next()

    def take(self) -> Token:
        """The next word, which is read."""
        token = self.last = self.token
        self.token = self.lexer.next()
        return token

    def take_run(self) -> tuple[list[int], Run] | None:
        """The numbers in a row that come next, which are read then; None if they are not plain numbers of 32 bits."""
        first = self.token
        found = self.lexer.run(first) if first.kind == "number" else None
        if found is not None:
            run = found[1]
            self.last = Token("number", "", run.start, run.end, run.places)
            self.token = self.lexer.next()
        return found

    def take_if(self, kind: str) -> Token | None:
        """The next word if it is of that kind, which is read then."""
        token = self.token
        if token.kind != kind:
            return None
        self.last = token
        self.token = self.lexer.next()
        return token

    def expect(self, kind: str, *, hint: str = "") -> Token:
        """The next word, which must be of that kind.

        Raises:
            SyntaxFaultError: it is another, which is reported.
        """
        if self.token.kind == kind:
            return self.take()
        self.fault(describe(kind), hint=hint)
        raise SyntaxFaultError

    def fault(self, expected: str, *, hint: str = "") -> None:
        """Report that something else was expected than the next word; for a word that is reported already, nothing."""
        token = self.token
        if token.kind == "bad":
            return
        found = describe("end") if token.kind == "end" else _as_written(token)
        self.report.add(
            "E0103", f"expected {expected}, found {found}", token.span, expected=expected, found=found, hint=hint
        )

    def take_unknown(self, expected: str = "a number") -> None:
        """Read a word that stands where a number or value must, with its arguments if it has some, and report it.

        Such a word was meant as a macro. Each is reported once, and none if an included file was not found.

        Raises:
            SyntaxFaultError: it is the name of the next property or node, because what ends the value is missing; or
                its arguments have no end.
        """
        token = self.token
        if self.lexer.begins_statement(token):
            self.fault("'>'" if expected == "a number" else expected)
            raise SyntaxFaultError
        self.take()
        if token.text not in self.unknown and not any(found.code == "E0005" for found in self.report.findings):
            self.unknown.add(token.text)
            self.report.add(
                "E0124",
                f"macro {token.text} is not defined",
                token.span,
                expected=f"{expected}, or a macro that stands for one",
                hint=macro_hint(token.text, self.lexer.macros, self._close),
            )
        if self.token.kind == "(":
            self._skip_arguments()

    def _skip_arguments(self) -> None:
        depth = 0
        while self.token.kind not in (";", "{", "}", "end"):
            kind = self.take().kind
            depth += (kind == "(") - (kind == ")")
            if depth == 0:
                return
        raise SyntaxFaultError

    def open_block(self) -> None:
        """The `{` of a node; if it is missing, say so and go on as if it were there."""
        if self.take_if("{"):
            return
        if self.token.kind in _NEVER_IN_NODE:
            self.expect("{")
        self.report.add("E0103", "expected '{' behind this", self._behind(), expected="'{'", found=self._found())
        self.token = self.lexer.again(self.token)

    def _behind(self) -> Span:
        """The place behind the last word."""
        last = self.last.span
        return Span(last.file, last.end_line, last.end_column, last.end_line, last.end_column + 1)

    def _found(self) -> str:
        """What stands where something is missing."""
        last, here = self.last.span, self.token.span
        same_line = here.file == last.file and here.line == last.end_line
        return _as_written(self.token) if same_line and self.token.kind != "end" else "the end of the line"

    def end_statement(self) -> None:
        """The `;` that ends a statement; if it is missing at the end of a line, say so and go on behind it.

        Raises:
            SyntaxFaultError: something else stands there, which is reported.
        """
        if self.take_if(";"):
            return
        token = self.token
        last, here = self.last.span, token.span
        elsewhere = here.file != last.file or here.line != last.end_line
        if token.kind == "bad" or not (elsewhere or token.kind in ("}", "end")):
            self.expect(";")
        self.report.add("E0103", "expected ';' behind this", self._behind(), expected="';'", found=self._found())
        self.token = self.lexer.again(token)

    def skip_statement(self) -> None:
        """Pass over the rest of a statement: behind its `;`, or up to the `}` that ends the block it is in."""
        self.lexer.passing_over = True
        self._skip()
        self.lexer.passing_over = False

    def _skip(self) -> None:
        depth = 0
        while self.token.kind != "end":
            if self.token.kind == "}":
                if depth == 0:
                    return
                depth -= 1
            token = self.take()
            if token.kind == "{":
                depth += 1
            elif token.kind == "label":
                self.skipped.add(token.text)
            elif token.kind == ";" and depth == 0:
                return


def describe(kind: str) -> str:
    """A kind of word, for a message."""
    return _DESCRIPTIONS.get(kind) or f"'{kind}'"


def _as_written(token: Token) -> str:
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    if token.kind == "label":
        return f"label '{text}:'"
    if token.kind in ("label-ref", "path-ref"):
        return f"reference '&{text}'"
    return text if token.kind in ("string", "char") else f"'{text}'"
