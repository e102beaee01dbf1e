"""A picture as a graph for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from irqframe.cli._picture import COLOURS, Box, Chip, Picture


def dot_of(picture: Picture) -> str:
    """The picture as a directed graph, from sources to CPUs; `dot -Tsvg` draws it."""
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        "  rankdir=LR;",
        '  node [shape=box, fontname="monospace", fontsize=10];',
        '  edge [fontname="monospace", fontsize=9, arrowsize=0.6];',
        f"  label={_quoted(picture.title)};",
    ]
    names = _Names()
    if picture.cpus and picture.roots:
        lines.append(f"  cpus [label={_quoted('CPUs', *picture.cpus)}, style=bold];")
    for box in picture.roots:
        lines += _box(box, names, "cpus" if picture.cpus else "")
    for box in picture.others:
        lines += _box(box, names, "")
    return "\n".join([*lines, "}"]) + "\n"


class _Names:
    """Names of nodes of the graph: n0, n1, ..."""

    def __init__(self) -> None:
        self._next = 0

    def new(self) -> str:
        self._next += 1
        return f"n{self._next - 1}"


def _box(box: Box, names: _Names, to: str) -> Iterator[str]:
    me = names.new()
    style = "dashed" if box.kind == "nexus" or box.state in ("UNUSED", "DISABLED") else "bold"
    label, tip = _quoted(box.title, *box.lines), _quoted(*box.tip.splitlines())
    yield f"  {me} [label={label}, style={style}, color={_colour(box.state)}, tooltip={tip}];"
    if to:
        vague = "" if box.stated else ", style=dashed"
        yield f"  {me} -> {to} [label={_quoted(box.link)}{vague}];"
    for chip in box.chips:
        yield from _chip(chip, names.new(), me)
    for child in box.boxes:
        yield from _box(child, names, me)


def _chip(chip: Chip, me: str, to: str) -> Iterator[str]:
    colour = _colour(chip.state)
    yield f"  {me} [label={_quoted(chip.name)}, color={colour}, tooltip={_quoted(*chip.tip.splitlines())}];"
    yield f"  {me} -> {to} [label={_quoted(chip.line)}, color={colour}];"


def _colour(state: str) -> str:
    return _quoted(COLOURS[state][0])


def _quoted(*lines: str) -> str:
    r"""A string of the language, in which \n ends a line."""
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
