"""The corpus on which irqframe and dt-validate must agree: trees that are valid, and each of them changed in one place.

Sources are QEMU's virt machines, our example machines, and the examples of binding documents, each put into a tree with
what it refers to. Everything is made anew from them, each time alike; `record.py` stores what dt-validate says.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from irqframe.dt import Node, Tree, machine_bindings, parse_dts, read_dtb, to_dtb
from irqframe.dt._binding_file import parse_document

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests/dt/data"
LINUX = DATA / "linux-bindings"

# Changes of each source that are taken, of all that are possible.
CHANGES_OF_EXAMPLE = 14
CHANGES_OF_MACHINE = 60


# Its name, its bindings, how the tree is made, and how many changes of it are taken.
Source = tuple[str, str, Callable[[], Tree], int]


@dataclass(frozen=True)
class Case:
    """One tree.

    Attributes:
        name: the source, and the change.
        bindings: the folder it is checked with, "ours" or "linux".
        data: the DTB.
    """

    name: str
    bindings: str
    data: bytes


def our_documents() -> list[tuple[str, str]]:
    """The documents that irqframe and its plugins have, as (path in a binding tree, text)."""
    plugins = sorted(ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml"))
    return [*machine_bindings(), *((f"interrupt-controller/{path.name}", path.read_text()) for path in plugins)]


def lay_out(folder: Path) -> Path:
    """Write our documents into a folder as Linux has its own; that folder."""
    for name, text in our_documents():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def cases() -> Iterator[Case]:
    """The corpus."""
    yield from _cases(sources())


def cases_of_examples(bindings: str, documents: Iterable[tuple[str, str]]) -> Iterator[Case]:
    """The cases that are made of the examples of documents."""
    yield from _cases(examples(bindings, documents))


def _cases(sources: Iterable[Source]) -> Iterator[Case]:
    for name, bindings, make, limit in sources:
        data = to_dtb(make())
        yield Case(name, bindings, data)
        for changed, what in chosen(data, limit):
            yield Case(f"{name}: {what}", bindings, to_dtb(changed))


# Sources


def sources() -> Iterator[Source]:
    """All of the corpus."""
    for name in ("virt-gicv2", "virt-gicv3"):
        blob = gzip.decompress((DATA / f"{name}.dtb.gz").read_bytes())
        for bindings in ("ours", "linux"):
            yield f"{name} {bindings}", bindings, partial(thinned, blob), CHANGES_OF_MACHINE
    for name in ("virt-gicv2", "virt-rvic"):
        text = (ROOT / f"docs/examples/{name}.dts").read_text()
        yield f"{name}.dts", "ours", partial(thinned, to_dtb(parse_dts(text, "t"))), CHANGES_OF_MACHINE
    linux = [(str(path.relative_to(LINUX)), path.read_text()) for path in sorted(LINUX.rglob("*.yaml"))]
    yield from examples("ours", our_documents())
    yield from examples("linux", linux)


def examples(bindings: str, documents: Iterable[tuple[str, str]]) -> Iterator[Source]:
    """Those that are made of the examples of documents, given as (name, YAML text)."""
    for name, text in documents:
        for number, example in enumerate(parse_document(name, text).content.get("examples", ())):
            made = partial(parse_dts, tree_of(example), "t")
            yield f"{bindings}/{name} {number}", bindings, made, CHANGES_OF_EXAMPLE


def thinned(data: bytes) -> Tree:
    """A machine with one virtio device, which is as good as many."""
    tree = read_dtb(data, "t")
    seen = set()
    for name, node in list(tree.root.children.items()):
        if node.compatible == ("virtio,mmio",):
            if node.compatible in seen:
                del tree.root.children[name]
            seen.add(node.compatible)
    return tree


_MACROS = {"GIC_SPI": 0, "GIC_PPI": 1, "IRQ_TYPE_EDGE_RISING": 1, "IRQ_TYPE_LEVEL_HIGH": 4, "IRQ_TYPE_LEVEL_LOW": 8}
_CELLS = {"interrupts-extended": "#interrupt-cells", "interrupt-parent": "", "msi-parent": "#msi-cells"}


def tree_of(example: str) -> str:
    """The DTS of a tree that holds an example, and nodes for what it refers to."""
    text = re.sub(r"^\s*#include.*$", "", example, flags=re.MULTILINE)
    text = re.sub(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", lambda match: str(_MACROS.get(match[0], 1)), text)
    text = re.sub(r"/dts-v1/;|/plugin/;", "", text)
    specifier = re.search(r"\sinterrupts = <([^>]*)>", text)
    cells = len(re.sub(r"\([^)]*\)", "1", specifier[1]).split()) if specifier else 1
    wanted: dict[str, dict[str, int]] = {}
    for name, label, rest in re.findall(r"([\w,#-]+)\s*=\s*[^;]*?<\s*&(\w+)((?:\s+[^>&]*)?)", text):
        found = _CELLS.get(name, f"#{name.removesuffix('s')}-cells")
        wanted.setdefault(label, {})[found or "#interrupt-cells"] = len(rest.split()) if found else cells
    for rows in re.findall(r"\sinterrupt-map\s*=([^;]*);", text):
        for label, rest in re.findall(r"&(\w+)([^>&]*)>", rows):
            wanted[label] = {"#interrupt-cells": len(rest.split())}
    for label in re.findall(r"&(\w+)", text):
        wanted.setdefault(label, {})
    own = set(re.findall(r"(\w+):\s", text))
    stubs = "".join(
        f"{label}: stub-{number} {{ {''.join(f'{name} = <{count}>; ' for name, count in has.items())}"
        f"{'interrupt-controller; ' if '#interrupt-cells' in has else ''}}};\n"
        for number, (label, has) in enumerate(wanted.items())
        if label not in own
    )
    root = re.search(r"^\s*/\s*\{", text, re.MULTILINE)
    body = text if root else f"/ {{ example {{ #address-cells = <1>; #size-cells = <1>;\n{text}\n}}; }};"
    return f"""/dts-v1/;
/ {{
    compatible = "test,tree";
    model = "a tree";
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&their_parent>;
    their_parent: stub {{ interrupt-controller; #interrupt-cells = <{cells}>; }};
    {stubs}
}};
{body}
"""


# Changes


def chosen(data: bytes, limit: int) -> Iterator[tuple[Tree, str]]:
    """Some of the changes, spread over all of them, each done to a tree of its own."""
    possible = list(changes(read_dtb(data, "t")))
    ordered = sorted(possible, key=lambda change: zlib.crc32(" ".join(change).encode()))
    for path, name, what in sorted(ordered[:limit]):
        tree = read_dtb(data, "t")
        node = tree.node(path)
        assert node is not None
        change(node, name, what)
        yield tree, f"{path} {name} {what}"


def changes(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """(node, property, change) of all that can be done to a tree."""
    for node in tree.walk():
        if node.name.startswith("stub") or node.path in ("/aliases", "/chosen"):
            continue
        if node.has("compatible"):
            for what in _OF_NODES:
                yield node.path, "", what
        for name, prop in node.properties.items():
            if name not in _FIXED:
                for what in _of_property(name, prop.data):
                    yield node.path, name, what


# Without a phandle, or with another, dtschema stops.
_FIXED = ("phandle", "linux,phandle", "interrupt-parent")


def _of_property(name: str, data: bytes) -> Iterable[str]:
    if name.startswith("#"):
        # Of no cells at all, dtschema makes rows until the memory is full.
        return ("one more",) if int.from_bytes(data, "big") < 3 else ()
    if not data:
        return ("removed", "a number", "a string")
    if data.endswith(b"\0") and data[:-1].replace(b"\0", b"").isascii() and data[:1].isalpha():
        return ("removed", "a number", "another string", "twice", "one string more", "empty")
    return ("removed", "a cell less", "a cell more", "one more", "zero", "a string", "twice", "empty")


_OF_NODES = ("an unknown property", "disabled", "status of no kind", "an unknown child")


def change(node: Node, name: str, what: str) -> None:
    """Do a change."""
    if what in _OF_NODES:
        _change_node(node, what)
        return
    data = node.properties[name].data
    if what == "removed":
        del node.properties[name]
        return
    changed = {
        "empty": b"",
        "a number": b"\0\0\0\1",
        "a string": b"mutant\0",
        "another string": b"mutant\0",
        "one string more": data + b"mutant\0",
        "twice": data * 2,
        "a cell less": data[:-4],
        "a cell more": data + b"\0\0\0\1",
        "zero": bytes(len(data)),
        "one more": ((int.from_bytes(data[:4], "big") + 1) & 0xFFFFFFFF).to_bytes(4, "big") + data[4:],
    }
    node.set(name, changed[what])


def _change_node(node: Node, what: str) -> None:
    if what == "an unknown property":
        node.set_cells("mutant", 1)
    elif what == "an unknown child":
        node.children["mutant"] = Node("mutant", node.span, node)
    else:
        node.set_strings("status", "disabled" if what == "disabled" else "mutant")
