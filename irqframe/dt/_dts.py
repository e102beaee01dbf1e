"""Reading DTS text: preprocessor, words, grammar, references, in that order; all findings together."""

from __future__ import annotations

from collections.abc import Sequence

from irqframe.dt._collected import Collected
from irqframe.dt._collector import uncollected
from irqframe.dt._directives import has_directives
from irqframe.dt._places import SourceText, Text
from irqframe.dt._tree import Tree


def parse_dts(
    text: str, file: str, include_dirs: Sequence[str] = (), defines: Sequence[str] = (), *, symbols: bool = False
) -> Tree:
    """Read device-tree source as `cpp` and dtc 1.6.1 do.

    A text with directives goes through the C preprocessor first; what `/include/` takes in does not, as in Linux's
    build. Line markers of a preprocessor that was run before are followed. An overlay becomes what dtc makes of it:
    fragments and fixups; `apply_overlay` takes it.

    Args:
        text: the source.
        file: what findings call it; files it includes are looked for in its folder.
        include_dirs: where else they are looked for, in order.
        defines: macros to begin with, as `NAME` or `NAME=VALUE`; `__DTS__` is always there.
        symbols: whether the tree shall have `__symbols__` and a phandle on each labelled node, as by dtc -@.

    Returns:
        The tree, with the place of every node, property and element, and phandles numbered as dtc does.

    Raises:
        InputError: with all findings of the run (E0002 to E0009, E01xx, E02xx).
    """
    # A DTB needs none of it.
    from irqframe.dt._parser import parse_source
    from irqframe.dt._resolve import resolve

    report = Collected()
    source = SourceText(file, text)
    report.sources.add(source)
    with uncollected():
        ready = _preprocessed(source, include_dirs, defines, report)
        tree = resolve(parse_source(ready, file, include_dirs, report), file, report, symbols=symbols)
        report.stop_if_any()
    assert tree is not None
    return tree


def _preprocessed(source: SourceText, include_dirs: Sequence[str], defines: Sequence[str], report: Collected) -> Text:
    """The text as the C preprocessor leaves it; without a directive it stays dtc's, as it stands."""
    if not defines and not has_directives(source.text):
        return Text.plain(source)
    from irqframe.dt._preprocessor import preprocess

    return preprocess(source, include_dirs, defines, report)
