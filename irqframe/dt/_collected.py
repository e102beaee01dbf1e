"""Findings of one run, gathered: each once, with its source line, and no more than anyone would read."""

from __future__ import annotations

from typing import NoReturn

from irqframe.dt._names import FINDINGS_MAX
from irqframe.dt._places import Sources
from irqframe.errors import Finding, InputError, Span


class Collected:
    """What a run has found so far.

    Attributes:
        findings: errors, in the order in which they were found.
        warnings: likewise.
        sources: the texts that are read, for excerpts.
    """

    def __init__(self) -> None:
        self.findings: dict[Finding, None] = {}
        self.warnings: dict[Finding, None] = {}
        self.sources = Sources()

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
        excerpt = self.sources.line(span)
        self.keep(Finding(code, message, span, path, expected, found, hint, excerpt, related))

    def keep(self, finding: Finding) -> None:
        """Add a finding that is made already; see `add`. Warnings beyond what is listed are left out."""
        if not finding.is_error:
            if len(self.warnings) < FINDINGS_MAX:
                self.warnings[finding] = None
            return
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
        raise InputError([*self.findings, *self.warnings])

    def stop_if_any(self) -> None:
        """Raise all findings if there is an error among them."""
        if self.findings:
            self.stop()
