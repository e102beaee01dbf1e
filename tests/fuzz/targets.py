"""What is fuzzed: functions that take any bytes, and return unless something is wrong with irqframe.

1. `InputError` with findings is a right answer to wrong input; everything else that escapes is a bug.
2. What was read must be written so that it is read as the same tree.
3. Every target is deterministic and reads no file but those in `include/`, and whatever the input itself names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from irqframe import dt
from irqframe.cli._dot import dot_of
from irqframe.cli._findings import json_of, text_of
from irqframe.cli._inspect_json import as_json
from irqframe.cli._picture import picture
from irqframe.cli._svg import svg_of
from irqframe.dt import BindingSet, Tree
from irqframe.errors import Finding, InputError
from irqframe.flow import Plugin, discover
from irqframe.machine import CODES as MACHINE_CODES
from irqframe.machine import examine, plugin_bindings
from irqframe.machine import topology as topology_of

HERE = Path(__file__).parent

# Where source texts stand, so that they can include the files beside it.
SOURCE = str(HERE / "include" / "input.dts")

# What `to_dts` is said to leave out, and what its readers then say: a `name` property that is not the node's name.
_UNWRITABLE = {"E0211"}


@dataclass(frozen=True, slots=True)
class Target:
    """One entrance of irqframe.

    Attributes:
        one: gives it an input.
        kind: of input: "dtb", "overlay" (a DTB too), "dts" or "yaml".
        longest: how many bytes inputs have that are made up.
    """

    one: Callable[[bytes], None]
    kind: str
    longest: int


def dtb(data: bytes) -> None:
    """The DTB reader, and both ways out."""
    tree = _read(data)
    if tree is None:
        return
    written = dt.to_dtb(tree)
    again = dt.read_dtb(written, "again.dtb")
    _same(_facts(tree), _facts(again))
    assert dt.to_dtb(again) == written
    _through_text(tree)


def dts(data: bytes) -> None:
    """The parser of source text, and both ways out."""
    text = _text(data)
    tree = None if text is None else _parse(text)
    if tree is None:
        return
    facts = _facts(tree)
    _same(facts, _facts(dt.read_dtb(dt.to_dtb(tree), "written.dtb")))
    again = _parse_written(dt.to_dts(tree))
    if again is None:
        # What is written for a label called `name`, which cannot be read again, by dtc neither.
        assert any(node.has("name") for node in tree.walk())
        return
    _same(_without_boot_cpu(facts), _without_boot_cpu(_facts(again)))


def topology(data: bytes) -> None:
    """The interrupt tree, messages, cascades, the nodes that make a machine, and the pictures of it."""
    tree = _read(data)
    if tree is None:
        return
    for node in tree.walk():
        dt.addresses(node)
    found = topology_of(tree, _plugins())
    _check_findings(found.findings)
    as_json(found)
    drawn = picture(found)
    ElementTree.fromstring(svg_of(drawn))
    dot_of(drawn)


def overlay(data: bytes) -> None:
    """A tree applied as an overlay to one that has a label for everything, and what comes of it written."""
    change = _read(data)
    if change is None:
        return
    try:
        tree = dt.apply_overlay(_base(), change)
    except InputError as error:
        _check_findings(error.findings)
        return
    _same(_facts(tree), _facts(dt.read_dtb(dt.to_dtb(tree), "applied.dtb")))


def validation(data: bytes) -> None:
    """The bindings that come with irqframe, on any tree."""
    tree = _read(data)
    if tree is not None:
        _check_findings(dt.validate(tree, _bindings()))


def bindings(data: bytes) -> None:
    """The reader of binding documents, and what it read on trees of every shape."""
    text = _text(data)
    if text is None:
        return
    try:
        known = dt.load_bindings([("fuzz.yaml", text)])
    except InputError as error:
        _check_findings(error.findings)
        return
    for tree in _sample_trees():
        _check_findings(dt.validate(tree, known))


def machine(data: bytes) -> None:
    """All that `irqframe check` does, with the installed irqchips."""
    tree = _read(data)
    if tree is None:
        return
    made, found = examine(tree, _plugins())
    _check_findings(found)
    assert made is not None or found


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "dtb": Target(dtb, "dtb", 4096),
        "dts": Target(dts, "dts", 2048),
        "topology": Target(topology, "dtb", 8192),
        "overlay": Target(overlay, "overlay", 4096),
        "validation": Target(validation, "dtb", 8192),
        "bindings": Target(bindings, "yaml", 2048),
        "machine": Target(machine, "dtb", 8192),
    }
)


# In


def _read(data: bytes) -> Tree | None:
    try:
        return dt.read_dtb(data, "fuzz.dtb")
    except InputError as error:
        _check_findings(error.findings)
        return None


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _parse(text: str) -> Tree | None:
    try:
        return dt.parse_dts(text, SOURCE)
    except InputError as error:
        _check_findings(error.findings)
        return None


def _check_findings(found: tuple[Finding, ...] | list[Finding]) -> None:
    for finding in found:
        assert finding.code in dt.CODES or finding.code in MACHINE_CODES, finding
        assert finding.message
        assert finding.span.file
        text_of(finding)
        json_of(finding)
    InputError(found)


# Out


def _through_text(tree: Tree) -> None:
    """Write a tree that has no source as text, and read that."""
    again = _parse_written(dt.to_dts(tree))
    if again is None:
        return
    for node in tree.walk():
        name = node.properties.get("name")
        if name is not None and name.data == node.basename.encode() + b"\0":
            del node.properties["name"]
    _same(_without_boot_cpu(_facts(tree)), _without_boot_cpu(_facts(again)))


def _parse_written(text: str) -> Tree | None:
    try:
        return dt.parse_dts(text, "written.dts")
    except InputError as error:
        if {finding.code for finding in error.findings} <= _UNWRITABLE:
            return None
        raise AssertionError("what was written cannot be read") from error


Facts = list[object]


def _facts(tree: Tree) -> Facts:
    """All that a DTB says."""
    nodes = [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]
    return [tree.boot_cpu, tree.reservations, *nodes]


def _without_boot_cpu(facts: Facts) -> Facts:
    return facts[1:]


def _same(one: Facts, other: Facts) -> None:
    assert len(one) == len(other), f"{len(one)} and {len(other)} nodes"
    for before, after in zip(one, other, strict=True):
        assert before == after, f"{before!r:.200} became {after!r:.200}"


# What the targets need


@cache
def _plugins() -> tuple[Plugin, ...]:
    return tuple(discover())


@cache
def _base() -> Tree:
    return dt.parse_dts((HERE / "include" / "base.dts").read_text(), "base.dts", symbols=True)


@cache
def _bindings() -> BindingSet:
    documents = list(dt.machine_bindings())
    for plugin in _plugins():
        if plugin.chip is not None:
            documents += plugin_bindings(plugin.chip, plugin.name)
    return dt.load_bindings(documents)


@cache
def _sample_trees() -> tuple[Tree, ...]:
    return tuple(dt.parse_dts((HERE / "include" / name).read_text(), name) for name in ("shapes.dts",))
