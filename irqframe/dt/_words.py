"""A parser's view of the words: one word ahead, what was expected, and how to take up after a fault."""

from __future__ import annotations

from irqframe.dt._collected import Collected
from irqframe.dt._lexer import Lexer, Token
from irqframe.errors import Span

_DESCRIPTIONS = {
    "end": "the end of the text",
    "name": "a name",
    "number": "a number",
    "string": "a string",
    "byte": "two hexadecimal digits",
}


class SyntaxFaultError(Exception):
    """The statement cannot be read on; its finding is reported."""


class Words:
    """The words of a text, read one at a time.

    Attributes:
        token: the next word.
        last: place of the word before it.
        skipped: labels that stood in what was passed over after a fault.
    """

    def __init__(self, lexer: Lexer, report: Collected) -> None:
        self.lexer = lexer
        self.report = report
        self.last = Span("")
        self.skipped: set[str] = set()
        self.token = lexer.next()

    def take(self) -> Token:
        """The next word, which is read."""
        token = self.token
        self.last = token.span
        self.token = self.lexer.next()
        return token

    def take_if(self, kind: str) -> Token | None:
        """The next word if it is of that kind, which is read then."""
        return self.take() if self.token.kind == kind else None

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

    def end_statement(self) -> None:
        """The `;` that ends a statement; if it is missing at the end of a line, say so and go on behind it.

        Raises:
            SyntaxFaultError: something else stands there, which is reported.
        """
        if self.take_if(";"):
            return
        token = self.token
        elsewhere = token.span.file != self.last.file or token.span.line != self.last.end_line
        if token.kind == "bad" or not (elsewhere or token.kind in ("}", "end")):
            self.expect(";")
        last = self.last
        place = Span(last.file, last.end_line, last.end_column, last.end_line, last.end_column + 1)
        self.report.add("E0103", "expected ';' behind this", place, expected="';'", found="the end of the line")
        self.token = self.lexer.again(token)

    def skip_statement(self) -> None:
        """Pass over the rest of a statement: behind its `;`, or up to the `}` that ends the block it is in."""
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
