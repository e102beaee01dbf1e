"""What a tree out of source text keeps of it: places, how values were written, labels, order."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe.dt import Node, PieceKind, Property, parse_dts
from irqframe.errors import Span

TEXT = """\
/dts-v1/;

/ {
\tinterrupt-parent = <&gic>;
\tuart: serial: uart@1000 {
\t\tcompatible = "arm,pl011",
\t\t\t     "arm,primecell";
\t\tmixed = <1 (1 + 1)>, &gic, [00 11], /bits/ 64 <&0x5 3>;
\t};
\tgic: intc@8000 { };
};

&uart {
\tirq: interrupts = <0 (1 + \\
4) 4>;
};
"""


def parse(text: str, file: str = "t.dts") -> Node:
    return parse_dts(text, file).root


def prop(text: str) -> Property:
    return parse(f"/dts-v1/; / {{ p = {text}; l: n {{ }}; }};").properties["p"]


def test_places_of_nodes_and_properties() -> None:
    root = parse("/dts-v1/;\n/ {\n\ta: b@1 {\n\t\tprop = <1>;\n\t};\n};\n&a {\n  prop = <2>; c;\n};\n")
    child = root.children["b@1"]
    assert root.span == Span("t.dts", 2, 1, 2, 2)
    assert child.span == Span("t.dts", 3, 5, 3, 8)
    assert child.properties["prop"].span == Span("t.dts", 8, 3, 8, 7)
    assert child.properties["c"].span == Span("t.dts", 8, 15, 8, 16)


def test_pieces_of_cells() -> None:
    found = prop("<1 (2 + 3) &l &{/n} 'a'>")
    assert found.cells == (1, 5, 1, 1, 97)
    assert [(p.offset, p.size, p.kind, p.text) for p in found.pieces] == [
        (0, 4, PieceKind.CELLS, ""),
        (4, 4, PieceKind.CELLS, ""),
        (8, 4, PieceKind.REF, "l"),
        (12, 4, PieceKind.REF, "/n"),
        (16, 4, PieceKind.CELLS, ""),
    ]
    assert [(p.span.column, p.span.end_column) for p in found.pieces] == [
        (20, 21),
        (22, 29),
        (30, 32),
        (33, 38),
        (39, 42),
    ]


def test_pieces_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "bin").write_bytes(b"xyz")
    text = '/dts-v1/; / { p = "ab", &l, [01 02], /bits/ 16 <7>, /incbin/("bin"); l: n { }; };'
    found = parse(text, str(tmp_path / "t.dts")).properties["p"]
    assert [(p.offset, p.size, p.kind, p.text) for p in found.pieces] == [
        (0, 3, PieceKind.STRING, ""),
        (3, 3, PieceKind.PATH, "l"),
        (6, 2, PieceKind.BYTES, ""),
        (8, 2, PieceKind.CELLS, ""),
        (10, 3, PieceKind.INCBIN, ""),
    ]
    assert found.data == b"ab\0/n\0\x01\x02\0\x07xyz"


def test_place_of_a_byte() -> None:
    found = prop("<1 2>,\n <3>")
    assert found.span_at(4).column == 22
    assert (found.span_at(8).line, found.span_at(11).column) == (2, 3)
    assert found.span_at(12) == found.span


def test_expression_over_two_lines() -> None:
    found = prop("<(1 +\n 2)>").pieces[0].span
    assert (found.line, found.column, found.end_line, found.end_column) == (1, 20, 2, 4)


def test_labels_of_a_later_statement_come_first_as_in_dtc() -> None:
    root = parse("/dts-v1/; / { a: b: n { c: p; }; };\nd: &a { e: p = <1>; };\n")
    assert root.children["n"].labels == ["d", "a", "b"]
    assert root.children["n"].properties["p"].labels == ("c", "e")


def test_order_of_nodes_and_properties() -> None:
    root = parse("/dts-v1/; / { z; a; n2 { }; n1 { }; };\n/ { b; a = <1>; n0 { }; n2 { }; };\n")
    assert list(root.properties) == ["z", "a", "b"]
    assert list(root.children) == ["n2", "n1", "n0"]
    assert [node.parent for node in root.children.values()] == [root] * 3


def test_line_markers_give_places_and_excerpts() -> None:
    text = '# 1 "board.dts"\n/dts-v1/;\n# 1 "soc.dtsi" 1\n\n/ { a; };\n# 3 "board.dts" 2\n/ { b; };\n'
    tree = parse_dts(text, "out.i")
    place = tree.root.properties["a"].span
    assert str(place) == "soc.dtsi:2:5"
    assert tree.excerpt(place) == "/ { a; };"
    assert str(tree.root.properties["b"].span) == "board.dts:3:5"
    assert tree.excerpt(Span("board.dts", 3)) == "/ { b; };"
    assert tree.excerpt(Span("elsewhere", 1)) == ""


def test_include_beside_the_file_and_in_folders(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "far").mkdir()
    for folder in ("near", "far"):
        (tmp_path / folder / "both.dtsi").write_text(f'from = "{folder}";')
    (tmp_path / "far" / "one.dtsi").write_text("one;")
    text = '/dts-v1/; / { /include/ "both.dtsi" /include/ "one.dtsi" };'
    root = parse_dts(text, str(tmp_path / "near" / "t.dts"), [str(tmp_path / "far")]).root
    assert root.strings("from") == ("near",)
    assert root.properties["one"].span.file == str(tmp_path / "far" / "one.dtsi")


def test_windows_line_ends() -> None:
    tree = parse_dts("/dts-v1/;\r\n/ {\r\n\ta = <1>;\r\n};\r\n", "t.dts")
    assert tree.root.properties["a"].span == Span("t.dts", 3, 2, 3, 3)
    assert tree.excerpt(Span("t.dts", 3)) == "\ta = <1>;"


def test_comment_at_the_end_of_the_text_needs_no_line_end() -> None:
    assert parse("/dts-v1/; / { a; }; // b").has("a")


def test_free_phandle_is_the_lowest() -> None:
    tree = parse_dts("/dts-v1/; / { a { phandle = <1>; }; b { phandle = <3>; }; };", "t.dts")
    assert tree.free_phandle() == 2


@pytest.mark.parametrize("text", ["", "#address-cells = <2>;", "#if;", "#include = <1>;"])
def test_hash_in_names_is_no_directive(text: str) -> None:
    parse(f"/dts-v1/;\n/ {{\n{text}\n}};\n")
