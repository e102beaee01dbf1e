"""Reading DTBs: those that tools write, and one finding for each rule that a DTB can break."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from irqframe.dt import Tree, parse_dts, read_dtb, to_dtb
from irqframe.errors import Finding, InputError, Span

DATA = Path(__file__).parent / "data"

NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
HEADER = ("magic", "totalsize", "off_dt_struct", "off_dt_strings", "off_mem_rsvmap", "version", "last_comp_version")
HEADER += ("boot_cpuid_phys", "size_dt_strings", "size_dt_struct")

SOURCE = """\
/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ {
    compatible = "a,b", "c";
    empty;
    soc { reg = <1 2>; odd = [010203]; intc@0 { phandle = <7>; }; };
    chosen { };
};
"""

needs_dtc = pytest.mark.skipif(shutil.which("dtc") is None, reason="dtc is not installed")
needs_fdtput = pytest.mark.skipif(shutil.which("fdtput") is None, reason="fdtput is not installed")


def qemu(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.dtb.gz").read_bytes())


def content(tree: Tree) -> object:
    nodes = [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]
    return nodes, tree.reservations


def begin(name: str) -> bytes:
    raw = name.encode() + b"\0"
    return struct.pack(">I", NODE) + raw + bytes(-len(raw) % 4)


def prop(offset: int, data: bytes = b"") -> bytes:
    return struct.pack(">III", PROP, len(data), offset) + data + bytes(-len(data) % 4)


def word(*tokens: int) -> bytes:
    return b"".join(struct.pack(">I", token) for token in tokens)


def dtb(
    structure: bytes,
    strings: bytes = b"reg\0a\0",
    reservations: Sequence[tuple[int, int]] = ((0, 0),),
    version: int = 17,
) -> bytes:
    """A DTB of these blocks, laid out as dtc does."""
    entries = b"".join(struct.pack(">QQ", *entry) for entry in reservations)
    at = 40 + len(entries)
    total = at + len(structure) + len(strings)
    size = len(structure) if version >= 17 else 0
    header = (0xD00DFEED, total, at, at + len(structure), 40, version, 16, 0, len(strings), size)
    return struct.pack(">10I", *header) + entries + structure + strings


def root(inside: bytes) -> bytes:
    return begin("") + inside + word(END_NODE, END)


def finding(data: bytes) -> Finding:
    with pytest.raises(InputError) as raised:
        read_dtb(data, "t.dtb")
    (found,) = raised.value.findings
    assert found.span == Span("t.dtb")
    return found


# What tools write


@pytest.mark.parametrize("name", ["virt-gicv2", "virt-gicv3"])
def test_qemu_tree_is_what_dtc_decompiled(name: str) -> None:
    tree = read_dtb(qemu(name), "qemu")
    assert content(tree) == content(parse_dts((DATA / f"{name}.dts").read_text(), name))
    assert sum(1 for _ in tree.walk()) > 50
    assert tree.root.strings("compatible") == ("linux,dummy-virt",)
    assert tree.node("/pl011@9000000") is not None


def test_order_values_and_places() -> None:
    tree = read_dtb(to_dtb(parse_dts(SOURCE, "s")), "t.dtb")
    assert tree.reservations == [(0x1000, 0x2000)]
    assert [node.path for node in tree.walk()] == ["/", "/soc", "/soc/intc@0", "/chosen"]
    assert list(tree.root.properties) == ["compatible", "empty"]
    assert tree.root.children["soc"].properties["odd"].data == b"\1\2\3"
    assert tree.root.properties["empty"].span == tree.root.span == Span("t.dtb")
    assert tree.excerpt(tree.root.span) == ""


@needs_dtc
@pytest.mark.parametrize(
    "options", [(), ("-p", "1000"), ("-S", "4096"), ("-a", "64"), ("-R", "4"), ("-V", "16"), ("-b", "3"), ("-@",)]
)
def test_what_dtc_writes(options: Sequence[str]) -> None:
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", *options]
    made = subprocess.run(command, input=SOURCE.encode(), capture_output=True, check=True).stdout
    tree = read_dtb(made, "dtc")
    assert content(tree) == content(parse_dts(SOURCE, "s"))
    assert tree.boot_cpu == (3 if "-b" in options else 0)


@needs_dtc
def test_tree_without_any_property() -> None:
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-p", "64"]
    made = subprocess.run(command, input=b"/dts-v1/; / { };", capture_output=True, check=True).stdout
    assert content(read_dtb(made, "dtc")) == ([("/", [])], [])


@needs_fdtput
def test_what_libfdt_edits(tmp_path: Path) -> None:
    file = tmp_path / "t.dtb"
    file.write_bytes(to_dtb(parse_dts(SOURCE, "s")))
    subprocess.run(["fdtput", "-r", str(file), "/soc/intc@0"], check=True)
    subprocess.run(["fdtput", "-d", str(file), "/soc", "odd"], check=True)
    subprocess.run(["fdtput", "-t", "s", str(file), "/chosen", "bootargs", "quiet"], check=True)
    tree = read_dtb(file.read_bytes(), "fdtput")
    assert [node.path for node in tree.walk()] == ["/", "/soc", "/chosen"]
    assert list(tree.root.children["soc"].properties) == ["reg"]
    assert tree.root.children["chosen"].strings("bootargs") == ("quiet",)


def test_layout_of_the_sequential_writer() -> None:
    """libfdt's: reservations at 48."""
    plain = dtb(root(prop(0, b"1234")))
    moved = bytearray(plain[:40] + bytes(8) + plain[40:])
    for field in ("totalsize", "off_dt_struct", "off_dt_strings", "off_mem_rsvmap"):
        at = 4 * HEADER.index(field)
        struct.pack_into(">I", moved, at, struct.unpack_from(">I", plain, at)[0] + 8)
    assert content(read_dtb(bytes(moved), "t")) == content(read_dtb(plain, "t"))


def test_nop_anywhere() -> None:
    structure = word(NOP) + begin("") + word(NOP, NOP) + prop(0, b"1234") + word(NOP) + begin("n") + word(NOP, END_NODE)
    structure += word(NOP, END_NODE, NOP, END)
    tree = read_dtb(dtb(structure), "t")
    assert content(tree) == ([("/", [("reg", b"1234")]), ("/n", [])], [])


def test_names_that_share_their_end() -> None:
    tree = read_dtb(dtb(root(prop(0) + prop(1)), b"#reg\0"), "t")
    assert list(tree.root.properties) == ["#reg", "reg"]


def test_name_that_nothing_uses() -> None:
    assert list(read_dtb(dtb(root(prop(4))), "t").root.properties) == ["a"]


def test_version_16() -> None:
    assert read_dtb(dtb(root(prop(0, b"1234")), version=16), "t").root.u32("reg") == 0x31323334


# What is refused

STRUCTURE = root(prop(0, b"1234") + begin("n") + word(END_NODE))

BROKEN = [
    ("E0301", b""),
    ("E0301", dtb(STRUCTURE)[:39]),
    ("E0302", b"\xd0\x0d\xfe\xee" + dtb(STRUCTURE)[4:]),
    ("E0303", dtb(STRUCTURE) + b"\0"),
    ("E0307", dtb(STRUCTURE, reservations=[(1, 2)])),
    ("E0307", dtb(STRUCTURE, reservations=[(0, 0), (1, 2), (0, 0)])),
    ("E0311", dtb(begin("") + prop(0, b"1234"))),
    ("E0311", dtb(begin("") + word(PROP, 4))),
    ("E0311", dtb(begin("") + word(PROP, 400, 0, END_NODE, END))),
    ("E0311", dtb(begin("") + word(PROP, 0xFFFFFFFF, 0, END_NODE, END))),
    ("E0312", dtb(root(word(5)))),
    ("E0312", dtb(root(word(0)))),
    ("E0313", dtb(begin("") + word(NODE) + b"nnnn")),
    ("E0314", dtb(root(prop(6)))),
    ("E0314", dtb(root(prop(0xFFFFFFFF)))),
    ("E0315", dtb(root(begin("n") + word(END_NODE) + prop(0)))),
    ("E0316", dtb(begin("") + begin("n") * 128 + word(END_NODE) * 129 + word(END))),
    ("E0317", dtb(STRUCTURE + word(NOP))),
    ("E0317", dtb(STRUCTURE + STRUCTURE)),
    ("E0318", dtb(word(END))),
    ("E0318", dtb(begin("") + word(END))),
    ("E0318", dtb(begin("") + word(END_NODE, END_NODE, END))),
    ("E0318", dtb(prop(0) + STRUCTURE)),
    ("E0318", dtb(STRUCTURE[:-4] + STRUCTURE)),
    ("E0319", dtb(begin("n") + word(END_NODE, END))),
    ("E0320", dtb(STRUCTURE, b"reg")),
    ("E0320", dtb(STRUCTURE, b"reg\0\0")),
    ("E0320", dtb(root(prop(1)), b"\0reg\0")),
    ("E0205", dtb(root(prop(0) + prop(0)))),
    ("E0206", dtb(root((begin("n") + word(END_NODE)) * 2))),
    ("E0207", dtb(root(begin("n/m") + word(END_NODE)))),
    ("E0207", dtb(root(begin("n" * 256) + word(END_NODE)))),
    ("E0207", dtb(root(begin("\xe9") + word(END_NODE)))),
    ("E0208", dtb(root(prop(0)), b"a b\0")),
    ("E0208", dtb(root(prop(0)), b"a" * 256 + b"\0")),
    ("E0208", dtb(root(prop(3)))),
    ("E0209", dtb(root(prop(0, bytes(4))), b"phandle\0")),
    ("E0209", dtb(root(prop(0, b"123")), b"phandle\0")),
]


@pytest.mark.parametrize(("code", "data"), BROKEN)
def test_broken(code: str, data: bytes) -> None:
    assert finding(data).code == code


def test_finding_names_the_node() -> None:
    structure = root(begin("soc") + begin("n@1") + prop(0) + prop(0) + word(END_NODE, END_NODE))
    found = finding(dtb(structure))
    assert (found.path, found.message) == ("/soc/n@1", "property reg is defined twice")


def test_all_findings_of_a_run() -> None:
    structure = root(prop(0) + prop(0) + begin("x y") + word(END_NODE) + prop(4) + begin("z#") + word(END_NODE))
    with pytest.raises(InputError) as raised:
        read_dtb(dtb(structure), "t")
    assert [found.code for found in raised.value.findings] == ["E0205", "E0207", "E0315", "E0207"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("version", 15, "E0304"),
        ("version", 18, "E0304"),
        ("last_comp_version", 15, "E0305"),
        ("last_comp_version", 18, "E0305"),
    ],
)
def test_versions(field: str, value: int, code: str) -> None:
    data = bytearray(dtb(STRUCTURE))
    struct.pack_into(">I", data, 4 * HEADER.index(field), value)
    assert finding(bytes(data)).code == code


@pytest.mark.parametrize("at", [40, 64, -1])
def test_bytes_outside_of_the_blocks(at: int) -> None:
    """40: between header and reservations; -1: behind the strings."""
    data = bytearray(qemu("virt-gicv2"))
    data[at] ^= 0x80
    assert finding(bytes(data)).code == ("E0310" if at != 64 else "E0312")


def test_room_before_the_strings() -> None:
    plain = dtb(STRUCTURE)
    (at,) = struct.unpack_from(">I", plain, 12)
    for room, accepted in ((bytes(4), True), (b"\0\1\0\0", False)):
        data = bytearray(plain[:at] + room + plain[at:])
        for field in ("totalsize", "off_dt_strings"):
            struct.pack_into(
                ">I", data, 4 * HEADER.index(field), struct.unpack_from(">I", plain, 4 * HEADER.index(field))[0] + 4
            )
        if accepted:
            assert content(read_dtb(bytes(data), "t")) == content(read_dtb(plain, "t"))
        else:
            assert finding(bytes(data)).code == "E0310"


def test_phandles() -> None:
    strings = b"phandle\0linux,phandle\0"
    one = prop(0, word(1))
    nodes = begin("a") + one + word(END_NODE) + begin("b") + one + word(END_NODE)
    found = finding(dtb(root(nodes), strings))
    assert (found.code, found.path) == ("E0202", "/b")
    assert finding(dtb(root(one + prop(8, word(2))), strings)).code == "E0210"
    read_dtb(dtb(root(one + prop(8, word(1))), strings), "t")
