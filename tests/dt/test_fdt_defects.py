"""What the fdt package gets wrong, F1 to F5: each seen in the package itself, and seen not to come through."""

from __future__ import annotations

import gzip
import random
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from irqframe.dt import Tree, parse_dts, read_dtb, to_dtb, to_dts
from irqframe.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fdt

VIRT = gzip.decompress((Path(__file__).parent / "data" / "virt-gicv2.dtb.gz").read_bytes())

_PROP = 3
_NOP = 4


def dtb(text: str) -> bytes:
    return to_dtb(parse_dts(f"/dts-v1/; {text}", "t"))


def content(tree: Tree) -> Any:
    nodes = [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]
    return nodes, tree.reservations, tree.boot_cpu


def test_f1_reservations_are_of_one_tree_only() -> None:
    first, second = dtb("/memreserve/ 0x1000 0x2000; / { };"), dtb("/memreserve/ 0x5000 0x1000; / { };")
    shared = "import fdt, sys; a = fdt.parse_dtb(sys.stdin.buffer.read()); print(len(fdt.FDT().entries))"
    command = [sys.executable, "-W", "ignore", "-c", shared]
    raw = subprocess.run(command, input=first, capture_output=True, check=True)
    assert raw.stdout.split() == [b"1"]  # a tree of which nobody said anything has the entry of another

    trees = [read_dtb(first, "a"), read_dtb(second, "b"), read_dtb(dtb("/ { };"), "c")]
    for _ in range(2):
        again = [read_dtb(to_dtb(tree), "t").reservations for tree in trees]
        assert again == [[(0x1000, 0x2000)], [(0x5000, 0x1000)], []]
        texts = [parse_dts(to_dts(tree), "t").reservations for tree in trees]
        assert texts == again


def test_f2_nops_are_skipped() -> None:
    """libfdt's `fdt_nop_property` overwrites a property, header and all, with NOPs."""
    plain = dtb("/ { a = <1>; b = <2>; n { c; }; };")
    header = struct.unpack_from(">10I", plain)
    at = header[2] + 8
    assert struct.unpack_from(">II", plain, at) == (_PROP, 4)
    holed = plain[:at] + struct.pack(">4I", *(_NOP,) * 4) + plain[at + 16 :]
    with pytest.raises(Exception, match="Unknown Tag: 4"):
        fdt.parse_dtb(holed)

    expected = content(parse_dts("/dts-v1/; / { b = <2>; n { c; }; };", "t"))
    tree = read_dtb(holed, "t")
    assert content(tree) == expected
    assert content(read_dtb(to_dtb(tree), "t")) == expected


def test_f3_a_dtb_within_other_bytes() -> None:
    """A boot image has its DTB somewhere inside; the package's `offset` does not reach it."""
    image = bytes(range(256)) + VIRT
    with pytest.raises(Exception, match="Invalid"):  # it reads the header from the image's first bytes
        fdt.parse_dtb(image, 256)

    assert content(read_dtb(memoryview(image)[256:], "t")) == content(read_dtb(VIRT, "t"))


def test_f4_damage_is_a_finding() -> None:
    rng = random.Random(4)
    size = struct.unpack_from(">10I", VIRT)[3] + struct.unpack_from(">10I", VIRT)[8]
    raw: set[type[BaseException]] = set()
    for _ in range(300):
        data = bytearray(VIRT)
        for _ in range(rng.randint(1, 5)):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
        try:
            fdt.parse_dtb(bytes(data))
        except Exception as error:
            raw.add(type(error))
        try:
            tree = read_dtb(bytes(data), "t")
        except InputError as error:
            assert error.findings
        else:
            assert content(read_dtb(to_dtb(tree), "t")) == content(tree)
    assert len(raw) >= 4  # four kinds of exceptions and more, none of them its own


@pytest.mark.parametrize(
    ("name", "data", "guessed", "text"),
    [
        ("reg", b"ABC\0", '"ABC"', "<0x41424300>"),
        ("compatible", b"x\0\0y\0", "[78 00 00 79 00]", '"x", "", "y"'),
        ("compatible", b"abc\0\0\0\0\0", "<0x61626300 0x0>", '"abc", "", "", "", ""'),
        ("unknown", b"AB\0\0", "<0x41420000>", "[41 42 00 00]"),
    ],
)
def test_f5_types_go_by_the_name(name: str, data: bytes, guessed: str, text: str) -> None:
    tree = parse_dts("/dts-v1/; / { };", "t")
    tree.root.set(name, data)
    raw = fdt.parse_dtb(to_dtb(tree)).to_dts()
    assert f"{name} = {guessed};" in raw

    assert f"{name} = {text};" in to_dts(read_dtb(to_dtb(tree), "t"))
    assert content(parse_dts(to_dts(tree), "t")) == content(tree)


def test_phandles_are_left_alone() -> None:
    """The package's numbering begins at 1 whatever is there, and gives every node two properties more."""
    text = "/ { a { phandle = <1>; }; b { linux,phandle = <7>; }; c { }; };"
    raw = fdt.parse_dtb(dtb(text))
    raw.update_phandles()
    assert raw.to_dtb(version=17).count(b"linux,phandle") == 1 and raw.root.nodes[2].exist_property("phandle")

    tree = read_dtb(dtb(text), "t")
    assert content(read_dtb(to_dtb(tree), "t")) == content(tree) == content(parse_dts(f"/dts-v1/; {text}", "t"))
