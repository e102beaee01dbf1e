"""What is wrong with the documents that a tree was checked against.

1. A folder of documents may hold some that cannot be used, and trees are checked all the same: that is a warning.
2. It is an error where a tree may need such a document: a `compatible` that no other document is for stands in it.
3. What is wrong with a part of a document is said if the document was applied, or one that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from irqframe.dt._binding_file import MAX_BYTES
from irqframe.dt._binding_folder import BindingFolders
from irqframe.dt._bindings import BindingSet
from irqframe.dt._files import TooLargeError, read_bounded
from irqframe.dt._report import count
from irqframe.dt._tree import Tree
from irqframe.errors import Finding, Span

LISTED_MAX: Final = 8
"""How many of the documents that are left out are named."""

# It has the `$id` of another one, which is used.
_TWICE = "E0513"


def document_findings(tree: Tree, bindings: BindingSet) -> tuple[Finding, ...]:
    """The faults of documents, after `validate`.

    Args:
        tree: what was checked.
        bindings: what it was checked against.

    Returns:
        Errors of documents that the tree needs (E0510, E0511 and those of files); warnings of other documents that
        cannot be used (W0515) and of parts of documents that could not be applied (W0516, W0517).
    """
    found = [*_broken(bindings), *_endless(bindings)]
    if bindings.folders is not None:
        found += _left_out(tree, bindings, bindings.folders)
    return tuple(found)


def _broken(bindings: BindingSet) -> Iterator[Finding]:
    for name, reference in bindings.broken:
        message = f"`$ref` leads nowhere, and is not applied: {reference}"
        expected = "a schema in these folders, or one of the core schemas that come with irqframe"
        yield Finding("W0516", message, bindings.place(name, reference), expected=expected)


def _endless(bindings: BindingSet) -> Iterator[Finding]:
    for name in bindings.endless:
        message = "the binding is not applied: its schemas refer to each other without end"
        yield Finding("W0517", message, bindings.place(name))


def _left_out(tree: Tree, bindings: BindingSet, folders: BindingFolders) -> Iterator[Finding]:
    unknown = _unknown_compatibles(tree, bindings)
    rest: dict[str, list[Finding]] = {}
    for folder, path, faults in folders.left_out:
        if faults[0].code != _TWICE and _names_any(path, unknown):
            yield from faults
        else:
            rest.setdefault(folder, []).append(faults[0])
    for folder, listed in rest.items():
        yield Finding(
            "W0515",
            f"{count(len(listed), 'document')} of the folder cannot be used",
            Span(folder),
            found=f"{listed[0].span}: {listed[0].message}",
            related=tuple((fault.span, fault.message) for fault in listed[1:LISTED_MAX]),
        )


def _unknown_compatibles(tree: Tree, bindings: BindingSet) -> list[bytes]:
    names = {name for node in tree.walk() for name in node.compatible}
    return [name.encode() for name in names if name and not bindings.knows(name)]


def _names_any(path: str, compatibles: list[bytes]) -> bool:
    try:
        text = read_bounded(path, MAX_BYTES) if compatibles else b""
    except (OSError, ValueError, TooLargeError):
        return False
    return any(name in text for name in compatibles)
