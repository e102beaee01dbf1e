"""`irqframe bindings check`: binding documents by dt-schema's own checks and by ours, and their examples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

import click

from irqframe.cli._doc_validate import MISPLACED, UNRESOLVED, doc_validate, is_installed
from irqframe.cli._findings import json_of, show_findings, summary
from irqframe.cli._machines import installed
from irqframe.cli._words import counted
from irqframe.errors import Finding, InputError, IrqframeError, Span

_LIMIT = 1 << 20


@click.command()
@click.argument("paths", metavar="[FILE|DIR...]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_bindings(paths: tuple[str, ...], as_json: bool) -> int:
    """Check binding documents, and that their examples are what they say.

    Without an argument: those of the machine and of all installed irqchips. Each example is read as device-tree source
    and validated with the document itself, the others that are checked, and those that are installed; its faults are
    reported at their line of the YAML. dt-doc-validate is run if dtschema is installed; if not, that is said, and it
    is no error. Exits with 1 if there is an error.
    """
    from irqframe.machine import installed_bindings

    known = [(one.path, one.text) for one in installed_bindings(installed())]
    documents = list(_read(paths)) if paths else known
    findings, examples = _findings(documents, known if paths else [])
    validated = is_installed()
    if validated:
        findings += _not_said(doc_validate(documents), findings)
    findings = list(InputError(findings).findings)
    failed = any(finding.is_error for finding in findings)
    if as_json:
        report = {
            "schema": 1,
            "summary": summary(findings),
            "documents": [name for name, _ in documents],
            "examples": examples,
            "dt_doc_validate": validated,
            "findings": [json_of(finding) for finding in findings],
        }
        click.echo(json.dumps(report, indent=2))
        return int(failed)
    if not validated:
        click.echo(
            "irqframe: note: dtschema is not installed, so dt-doc-validate did not check the documents "
            "(`pip install dtschema`)",
            err=True,
        )
    if findings:
        show_findings(findings)
    if not failed:
        click.echo(f"{counted(len(documents), 'document')}, {counted(examples, 'example')}: ok")
    return int(failed)


def _not_said(more: Sequence[Finding], findings: Sequence[Finding]) -> Iterator[Finding]:
    """What dt-doc-validate finds and we do not; of what it finds in one line, the first."""
    seen = {(finding.span.file, finding.span.line) for finding in findings}
    # It does not say where a reference or an `$id` stands.
    unplaced = {"E0512": UNRESOLVED, "E0513": MISPLACED}
    said = [(finding.span.file, unplaced[finding.code]) for finding in findings if finding.code in unplaced]
    for finding in more:
        place = finding.span.file, finding.span.line
        if place in seen or any(finding.span.file == file and words in finding.message for file, words in said):
            continue
        if finding.span.line:
            seen.add(place)
        yield finding


def _read(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        files = sorted(_below(path)) if os.path.isdir(path) else [path]
        if not files:
            raise IrqframeError(f"{path}: there is no document (*.yaml) in it")
        for file in files:
            with open(file, "rb") as stream:
                data = stream.read(_LIMIT + 1)
            try:
                yield file, data.decode("utf-8")
            except UnicodeDecodeError:
                raise InputError(
                    [Finding("E0510", "the document is no YAML: it is not UTF-8 text", Span(file))]
                ) from None


def _below(folder: str) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        yield from (os.path.join(where, name) for name in names if name.endswith((".yaml", ".yml")))


def _findings(documents: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]]) -> tuple[list[Finding], int]:
    """What is wrong with the documents, and how many examples were looked at."""
    from irqframe import dt

    findings: list[Finding] = []
    good = []
    ids = set()
    for name, text in documents:
        try:
            document = dt.read_binding(name, text)
        except InputError as error:
            findings += error.findings
            continue
        ids.add(document.id)
        good.append((document, text))
    others = [(name, text) for name, text in known if dt.read_binding(name, text).id not in ids]
    bindings = None
    while bindings is None:
        try:
            bindings = dt.load_bindings([*((document.name, text) for document, text in good), *others])
        except InputError as error:
            # Those that refer to what is not there are left out, and then those that refer to them.
            findings += error.findings
            wrong = {finding.span.file for finding in error.findings}
            good = [(document, text) for document, text in good if document.name not in wrong]
            others = [(name, text) for name, text in others if name not in wrong]
    examples = 0
    for document, _ in good:
        examples += len(document.examples)
        findings += dt.example_findings(document, bindings)
    return findings, examples
