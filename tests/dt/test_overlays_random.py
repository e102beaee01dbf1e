"""Random trees and overlays: compiled as dtc does it, applied as libfdt does it.

fdtoverlay is that of dtc 1.6.1, which loses a phandle of the base when the overlay has another one for the node. Where
that happens, the witness is the libfdt that comes with pylibfdt, which is younger and does not.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from irqframe.dt import Tree, apply_overlay, parse_dts, read_dtb
from irqframe.errors import InputError

libfdt = pytest.importorskip("libfdt", reason="pylibfdt is not installed")
pytestmark = pytest.mark.skipif(
    shutil.which("dtc") is None or shutil.which("fdtoverlay") is None, reason="dtc and fdtoverlay are not installed"
)

Content = list[tuple[str, list[tuple[str, bytes]]]]

NAMES = ("a", "b", "a@1", "a@2", "b@1", "c@7")
PROPERTIES = ("x", "y", "z", "q,r")
REFERENCE = "&?"

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Text:
    """Writes random blocks.

    Attributes:
        labels: those that were given.
    """

    def __init__(self, draw: Draw, prefix: str) -> None:
        self.draw = draw
        self.prefix = prefix
        self.labels: list[str] = []

    def body(self, depth: int) -> str:
        names = self.draw(st.lists(st.sampled_from(PROPERTIES), unique=True, max_size=2))
        text = "".join(f"{name} = {self.value()}; " for name in names)
        for name in self.draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)) if depth else ():
            text += f"{self.label()}{name} {{ {self.body(depth - 1)}}}; "
        return text

    def label(self) -> str:
        if self.draw(st.booleans()):
            return ""
        self.labels.append(f"{self.prefix}{len(self.labels)}")
        return f"{self.labels[-1]}: "

    def value(self) -> str:
        return str(self.draw(st.sampled_from(["<1 2>", '"s"', "[01]", f"<{REFERENCE}>", f'"s", <1 {REFERENCE}>'])))


def referring(draw: Draw, text: str, labels: list[str]) -> str:
    """A text with labels for the references."""
    first, *rest = text.split(REFERENCE)
    return first + "".join(f"&{draw(st.sampled_from(labels))}{part}" for part in rest)


@st.composite
def pairs(draw: Draw) -> tuple[str, str]:
    """A base, and an overlay that mostly fits it."""
    write = Text(draw, "base")
    base = f'/dts-v1/; / {{ {write.body(3)}}};\nroot: &{{/}} {{ aliases {{ s = "/a"; }}; }};\n'
    base = referring(draw, base, [*write.labels, "root"])
    tree = parse_dts(base, "t.dts")
    targets = [*write.labels, "root", *(f"{{{node.path}}}" for node in tree.walk()), "{/a}"]
    overlay = Text(draw, "own")
    text = ""
    for number in range(draw(st.integers(1, 4))):
        target = draw(st.sampled_from([*targets, *overlay.labels]))
        if draw(st.integers(0, 2)):
            text += f"&{target} {{ {overlay.body(2)}}};\n"
        else:
            where = f'target-path = "{target[1:-1]}"' if target.startswith("{") else f"target = <&{target}>"
            text += f"/ {{ f{number} {{ {where}; {overlay.label()}__overlay__ {{ {overlay.body(2)}}}; }}; }};\n"
    known = [*write.labels, "root", *overlay.labels] * 8 + ["nobody"]
    return base, f"/dts-v1/; /plugin/;\n{referring(draw, text, known)}"


def compiled(text: str) -> bytes | None:
    run = subprocess.run(["dtc", "-q", "-@", "-O", "dtb"], input=text.encode(), capture_output=True, check=False)
    return None if run.returncode else run.stdout


def parsed(text: str) -> Tree | None:
    try:
        return parse_dts(text, "t.dts", symbols=True)
    except InputError:
        return None


def content(tree: Tree) -> Content:
    return [(node.path, [(p.name, p.data) for p in node.properties.values()]) for node in tree.walk()]


def applied(base: Tree, overlay: Tree) -> Content | None:
    try:
        return content(apply_overlay(base, overlay))
    except InputError as error:
        assert error.findings
        return None


def by_fdtoverlay(base: bytes, overlay: bytes) -> Tree | None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "base").write_bytes(base)
        Path(folder, "overlay").write_bytes(overlay)
        run = subprocess.run(
            ["fdtoverlay", "-i", "base", "-o", "out", "overlay"], cwd=folder, capture_output=True, check=False
        )
        return None if run.returncode else read_dtb(Path(folder, "out").read_bytes(), "fdtoverlay")


def by_libfdt(base: bytes, overlay: bytes) -> Tree | None:
    tree = libfdt.Fdt(base)
    tree.resize(len(base) + 4 * len(overlay) + 65536)
    if libfdt.fdt_overlay_apply(tree._fdt, bytearray(overlay)) < 0:
        return None
    tree.pack()
    try:
        return read_dtb(bytes(tree.as_bytearray()), "libfdt")
    except InputError:  # one phandle on two nodes: it looks for those that the base keeps before it merges
        return None


def phandles(tree: Tree | None) -> set[int]:
    return set(tree.by_phandle()) if tree is not None else set()


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(pairs())
@example(
    (
        "/dts-v1/; / { base0: a { }; };",
        "/dts-v1/; /plugin/; / { f0 { target = <&base0>; own0: __overlay__ {"
        ' c { a@1 { x = <1 2>; }; b@1 { x = <1 2>; z = "s"; }; b { z = <&own0>; x = <1 2>; }; }; }; }; };',
    )
)
def test_same_as_dtc_and_libfdt(texts: tuple[str, str]) -> None:
    base_text, overlay_text = texts
    base_dtb, overlay_dtb = compiled(base_text), compiled(overlay_text)
    base, overlay = parsed(base_text), parsed(overlay_text)
    assert (base is None, overlay is None) == (base_dtb is None, overlay_dtb is None)
    if base is None or base_dtb is None or overlay is None or overlay_dtb is None:
        return
    assert content(base) == content(read_dtb(base_dtb, "dtc"))
    assert content(overlay) == content(read_dtb(overlay_dtb, "dtc"))
    ours = applied(base, overlay)
    theirs = by_fdtoverlay(base_dtb, overlay_dtb)
    if ours is None and theirs is None:  # a newer libfdt may take what 1.6.1 refuses
        return
    if not phandles(base) <= phandles(theirs):
        theirs = by_libfdt(base_dtb, overlay_dtb)
        # It wants all targets to be there before it merges, ours need not.
        assume(ours is None or theirs is not None)
    if ours is None or theirs is None:
        assert ours is theirs
        return
    for (path, properties), (same, others) in zip(ours, content(theirs), strict=True):
        assert (path, [name for name, _ in properties]) == (same, [name for name, _ in others])
        for (_, data), (_, other) in zip(properties, others, strict=True):
            # The overlay had two phandles for one node, and theirs lost one that is referred to, by a last cell here.
            lost = data[:-4] == other[:-4] and int.from_bytes(other[-4:], "big") not in phandles(theirs)
            assert data == other or lost
