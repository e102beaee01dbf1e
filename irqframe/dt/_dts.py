"""Reading DTS text: words, grammar, references, in that order; all findings together."""

from __future__ import annotations

from collections.abc import Sequence

from irqframe.dt._collected import Collected
from irqframe.dt._parser import parse_source
from irqframe.dt._resolve import resolve
from irqframe.dt._tree import Tree


def parse_dts(text: str, file: str, include_dirs: Sequence[str] = ()) -> Tree:
    """Read device-tree source as dtc 1.6.1 does.

    The text is what a preprocessor leaves: line markers are followed, directives and overlays refused.

    Args:
        text: the source.
        file: what findings call it; files it includes are looked for in its folder.
        include_dirs: where else they are looked for, in order.

    Returns:
        The tree, with the place of every node, property and element, and phandles numbered as dtc does.

    Raises:
        InputError: with all findings of the run (E0002 to E0009, E01xx, E02xx).
    """
    report = Collected()
    source = parse_source(text, file, include_dirs, report)
    tree = resolve(source, file, report)
    report.stop_if_any()
    assert tree is not None
    return tree
