"""Examples of binding documents, checked: they are device-tree source, and the bindings have nothing to say of them.

1. An example is wrapped as dt-extract-example does: below a root and a node with one address and one size cell,
   beside an interrupt controller if it has `interrupts`. One that has a root node of its own stands alone.
2. What it refers to and does not define is a node without properties, outside of it.
3. Line markers lead back to the YAML, so each finding has its place there.
4. One that includes a file needs a preprocessor, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from irqframe.dt._binding_text import BindingText, Example
from irqframe.dt._bindings import BindingSet
from irqframe.dt._dts import parse_dts
from irqframe.dt._validate import validate
from irqframe.errors import Finding, InputError, Span

WRAPPER = "<around the example>"
"""What findings call the text that an example is wrapped in; there are none in it."""

_ROOT = re.compile(r"/\s*\{")
_INCLUDES = re.compile(r"^[ \t]*#[ \t]*(include|define|if|ifdef|ifndef)\b", re.MULTILINE)
_INTERRUPTS = re.compile(r"\sinterrupts\s*=\s*<([0-9a-zA-Z |()_]+)>")
_IN_PARENTHESES = re.compile(r"\(.+|\)")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*:(?=[\s\w/])")
_REFERENCE = re.compile(r"&([A-Za-z_][A-Za-z0-9_]*)")

_BEFORE = """/dts-v1/;
# 1 "{wrapper}"
/ {{
    compatible = "foo";
    model = "foo";
    #address-cells = <1>;
    #size-cells = <1>;
{undefined}
    example-{number} {{
        #address-cells = <1>;
        #size-cells = <1>;
{interrupts}
"""
_INTERRUPT_PARENT = """
        interrupt-parent = <&fake_intc{number}>;
        fake_intc{number}: fake-interrupt-controller {{
            interrupt-controller;
            #interrupt-cells = <{cells}>;
        }};
"""
_AFTER = """
# 1 "{wrapper}"
    }};
}};
"""


def example_findings(document: BindingText, bindings: BindingSet) -> tuple[Finding, ...]:
    """What is wrong with a document's examples.

    Args:
        document: whose.
        bindings: what they are checked with; the document is one of them.

    Returns:
        The findings of the parser and of the bindings, at their place in the YAML; E0531 for an example that is no
        text, and W0533 for one that needs a preprocessor.
    """
    return tuple(finding for example in document.examples for finding in _findings(document, example, bindings))


def example_source(name: str, example: Example) -> str:
    """An example as a whole device-tree source, with line markers.

    Args:
        name: of the YAML file.
        example: one of its examples.
    """
    marker = f'# {example.line} "{_escaped(name)}"\n'
    if _ROOT.search(example.text):
        start = "" if example.text.lstrip().startswith("/dts-v1/") else "/dts-v1/;\n"
        return f"{start}{marker}{example.text}\n"
    plain = _COMMENT.sub(" ", example.text)
    defined = set(_LABEL.findall(plain))
    unknown = [label for label in dict.fromkeys(_REFERENCE.findall(plain)) if label not in defined]
    cells = _interrupt_cells(example.text)
    before = _BEFORE.format(
        wrapper=WRAPPER,
        number=example.number,
        undefined="".join(f"    {label}: undefined-{index} {{ }};\n" for index, label in enumerate(unknown)),
        interrupts=_INTERRUPT_PARENT.format(number=example.number, cells=cells) if cells else "",
    )
    return f"{before}{marker}{example.text}{_AFTER.format(wrapper=WRAPPER)}"


def _findings(document: BindingText, example: Example, bindings: BindingSet) -> Iterator[Finding]:
    name = document.name
    if not example.is_text:
        yield Finding("E0531", "the example is no text", document.span("examples", example.number))
        return
    if _INCLUDES.search(example.text):
        at = Span(name, example.line, 1, example.line, 2)
        yield Finding("W0533", "the example needs a preprocessor, and is not checked", at)
        return
    try:
        tree = parse_dts(example_source(name, example), name)
    except InputError as error:
        found = error.findings
    else:
        found = tuple(finding for finding in validate(tree, bindings) if finding.span.file == name)
    for finding in found:
        if example.exact and finding.span.file == name:
            yield finding
        else:
            at = Span(name, example.line, 1, example.line, 2)
            yield replace(finding, span=at, excerpt="")


def _interrupt_cells(text: str) -> int:
    """How many cells the first `interrupts` has, counted as dt-extract-example does; 0 if there is none."""
    found = _INTERRUPTS.search(text)
    return len(_IN_PARENTHESES.sub("0", found[1]).split()) if found is not None else 0


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
