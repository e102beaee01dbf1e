"""Findings of one run, gathered: each once, with its source line, and no more than anyone would read."""

from __future__ import annotations

from typing import NoReturn

from irqframe.dt._names import FINDINGS_MAX
from irqframe.errors import Finding, InputError, Span


class Collected:
    """What a run has found so far.

    Attributes:
        findings: in the order in which they were found.
        sources: lines of the text, by file and line number, for excerpts.
    """

    def __init__(self) -> None:
        self.findings: dict[Finding, None] = {}
        self.sources: dict[str, dict[int, str]] = {}

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        path: str = "",
        expected: str = "",
        found: str = "",
        hint: str = "",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Add a finding; the arguments are its fields.

        Raises:
            InputError: there are as many as are listed; the run ends here.
        """
        excerpt = self.sources.get(span.file, {}).get(span.line, "")
        self.keep(Finding(code, message, span, path, expected, found, hint, excerpt, related))

    def keep(self, finding: Finding) -> None:
        """Add a finding that is made already; see `add`."""
        self.findings[finding] = None
        if len(self.findings) >= FINDINGS_MAX:
            self.findings[Finding("E0009", "there are more findings than these", finding.span)] = None
            self.stop()

    def fail(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        path: str = "",
        expected: str = "",
        found: str = "",
        hint: str = "",
    ) -> NoReturn:
        """Add a finding behind which nothing can be read, and raise all."""
        self.add(code, message, span, path=path, expected=expected, found=found, hint=hint)
        self.stop()

    def stop(self) -> NoReturn:
        """Raise all findings."""
        raise InputError(self.findings)

    def stop_if_any(self) -> None:
        """Raise all findings if there are any."""
        if self.findings:
            self.stop()
