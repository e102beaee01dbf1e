"""What a fault in a text is called, where it is said to be, and that all of a run come together."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import irqframe.dt as dt
from irqframe.dt import CODES, parse_dts
from irqframe.errors import Finding, InputError, Span

CODE = re.compile(r'"(E0[0-3][0-9]{2})"')


def findings(text: str, file: str = "t.dts") -> tuple[Finding, ...]:
    with pytest.raises(InputError) as raised:
        parse_dts(text, file)
    return raised.value.findings


def only(text: str) -> Finding:
    (found,) = findings(text)
    return found


def node(body: str) -> str:
    return f"/dts-v1/;\n/ {{\n{body}\n}};\n"


# Code, text, and the words of it that the finding points at.
POINTED = [
    ("E0101", node("a = <`1>;"), "`"),
    ("E0101", "\ufeff/dts-v1/; / { };", "\ufeff"),
    ("E0102", node('a = "x;\nb;'), '"x;'),
    ("E0102", node('a = "x;\nb = "y";\nc = "z";'), '"x;'),
    ("E0102", node('a = "v", "x;\n};\n/ { b = "y", "z";'), '"x;'),
    ("E0103", node('a = "v, "x";\nb = "y";'), "x"),
    ("E0103", node("a = <1 + 2>;"), "+"),
    ("E0103", node("a = 1;"), "1"),
    ("E0104", node("a = <1 0x1G>;"), "0x1G"),
    ("E0104", node("a = <0x10000000000000000>;"), "0x10000000000000000"),
    ("E0105", node("a = <'ab'>;"), "'ab'"),
    ("E0106", node(r'a = "\xg";'), r'"\xg"'),
    ("E0107", node("/* a = <1>;"), "/*"),
    ("E0108", node("a = /bits/ 8 <1 (200 + 56)>;"), "(200 + 56)"),
    ("E0109", node("a = <(1 / 0)>;"), "/"),
    ("E0103", "/dts-v1/;\n/dts-v1/;\n/plugin/;\n&x { a; };", "/dts-v1/"),
    ("E0103", "/dts-v1/;\n/plugin/;\n/dts-v1/;\n&x { a; };", "/dts-v1/"),
    ("E0103", "/dts-v1/;\n/ { };\n/plugin/;\n&x { a; };", "/plugin/"),
    ("E0203", "/dts-v1/;\n/plugin/;\n/ { a = &x; };", "&x"),
    ("E0203", "/dts-v1/;\n/plugin/;\n/ { };\nl: &x { };", "&x"),
    ("E0204", "/dts-v1/;\n/plugin/;\n/ { a = <&{/x}>; };", "&{/x}"),
    ("E0214", "/dts-v1/;\n/plugin/;\n/ { n { phandle = <&x>; }; };", "&x"),
    ("E0112", node(f"a = <{'(' * 65}1{')' * 65}>;"), "("),
    ("E0113", node("n { };\nprop;"), "prop"),
    ("E0115", node("a = /bits/ 24 <1>;"), "24"),
    ("E0116", node("a = /bits/ 64 <&{/}>;"), "&{/}"),
    ("E0117", "/dts-v1/;\n/ { };\n/memreserve/ 1 2;\n", "/memreserve/"),
    ("E0005", "/dts-v1/;\n#include <none.h>\n/ { };", "<none.h>"),
    ("E0118", "/dts-v1/;\n#define 1\n/ { };", "1"),
    ("E0118", "/dts-v1/;\n#include none\n/ { };", "none"),
    ("E0118", "/dts-v1/;\n#ifdef\n#endif\n/ { };", "#ifdef"),
    ("E0118", "/dts-v1/;\n#define F(x\n/ { };", "F(x"),
    ("E0118", "/dts-v1/;\n#define F(x, x) 1\n/ { };", "F(x, x) 1"),
    ("E0118", "/dts-v1/;\n#define X ## 1\n/ { };", "X ## 1"),
    ("E0119", "/dts-v1/;\n#ifdef X\n/ { };", "#ifdef"),
    ("E0119", "/dts-v1/;\n/ { };\n#endif\n", "#endif"),
    ("E0119", "/dts-v1/;\n/ { };\n#if 1\n#else\n#else\n#endif\n", "#else"),
    ("E0120", "/dts-v1/;\n#error no such board\n/ { };", "no such board"),
    ("E0121", "#define F(x) x\n" + node("a = <F(1, 2)>;"), "F"),
    ("E0121", "#define F(x) x\n" + node("a = <F (1>;"), "F"),
    ("E0122", "/dts-v1/;\n#if 1 +\n#endif\n/ { };", "1 +"),
    ("E0122", "/dts-v1/;\n#if 1 / 0\n#endif\n/ { };", "1 / 0"),
    ("E0124", node("a = <GIC_SPI>;"), "GIC_SPI"),
    ("E0124", node("a = <(1 + TWO)>;"), "TWO"),
    ("E0124", node("a = <\n PIN(1, 2) 3\n PIN(3, 4) 5>;"), "PIN"),
    ("E0124", node("a = VALUE;"), "VALUE"),
    ("E0121", "#define F(x) <x>\n" + node("a = F(1, 2);"), "F"),
    ("E0202", node("n { phandle = <1>; };\nm { phandle = <1>; };"), "phandle"),
    ("E0203", node("a = <&gic>;"), "&gic"),
    ("E0204", node("a = &{/soc};"), "&{/soc}"),
    ("E0205", node("abc;\nabc;"), "abc"),
    ("E0206", node("n { };\nn { };"), "n"),
    ("E0207", node("n#o { };"), "n#o"),
    ("E0208", node("a@b;"), "a@b"),
    ("E0209", node("n { phandle = <0>; };"), "phandle"),
    ("E0210", node("n { phandle = <1>; linux,phandle = <2>; };"), "linux,phandle"),
    ("E0211", node('n { name = "m"; };'), "name"),
    ("E0214", node("n { phandle = <&{/}>; };"), "&{/}"),
    ("E0005", node('/include/ "none"'), '"none"'),
    ("E0007", node('a = /incbin/("none");'), '"none"'),
]


@pytest.mark.parametrize(("code", "text", "words"), POINTED)
def test_one_fault_one_finding_at_its_place(code: str, text: str, words: str) -> None:
    found = only(text)
    lines = text.split("\n")
    line = lines[found.span.line - 1]
    assert found.code == code
    assert line[found.span.column - 1 :].startswith(words)
    assert (found.span.end_line, found.span.end_column) == (found.span.line, found.span.column + len(words))
    assert found.excerpt == line
    assert found.code in CODES


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("/ { };", Span("t.dts", 1, 1, 1, 2)),
        ("", Span("t.dts", 1, 1, 1, 1)),
        ("/dts-v1/;\n", Span("t.dts", 2, 1, 2, 1)),
        ("/dts-v1/;\n/ {\n a;\n", Span("t.dts", 4, 1, 4, 1)),
    ],
)
def test_what_is_missing_is_missed_where_it_should_stand(text: str, span: Span) -> None:
    assert only(text).span == span


def test_undefined_label_names_the_nearest() -> None:
    found = only("/dts-v1/;\n/ {\n\tinterrupt-parent = <&gicc>;\n\tgic: intc { };\n};\n")
    assert found.message == "&gicc is not defined"
    assert found.hint == "did you mean &gic (t.dts:4)?"
    assert str(found.span) == "t.dts:3:22"


def test_undefined_path_names_the_nearest_child() -> None:
    found = only(node("a = &{/soc/uart@1};\nsoc { uart@10 { }; };"))
    assert found.hint == "soc has no child uart@1; did you mean uart@10?"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (node("a = <GIC_SPI 1 4>;"), "#include <dt-bindings/interrupt-controller/arm-gic.h> defines it"),
        ("#define BOARD_IRQ 1\n" + node("a = <BORD_IRQ>;"), "did you mean BOARD_IRQ?"),
        ("#define PIN(x) x\n" + node("a = <PIN>;"), "PIN takes arguments, and no ( follows"),
        (node("a = <X>;"), "#include the header that defines it, or define it with -D"),
    ],
)
def test_an_undefined_macro_has_a_hint(text: str, hint: str) -> None:
    found = only(text)
    assert (found.code, found.hint) == ("E0124", hint)


def test_directives_behind_include_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dtsi").write_text("/ { a; };\n  #ifdef X\n#endif\n")
    (found,) = findings('/dts-v1/;\n/include/ "x.dtsi"\n', str(tmp_path / "t.dts"))
    assert (found.code, str(found.span)) == ("E0110", f"{tmp_path / 'x.dtsi'}:2:3")


def test_a_missing_header_is_the_only_finding() -> None:
    """What it would have defined is no fault of its own: neither macros nor labels."""
    found = only("/dts-v1/;\n#include <none.h>\n" + "/ { a = <GIC_SPI &gic (X + 1)>; };\n&uart { };\n")
    assert found.code == "E0005"


def test_definition_twice_shows_the_first() -> None:
    found = only(node("l: a { };\nl: b { };"))
    assert found.code == "E0201"
    assert found.related == ((Span("t.dts", 3, 1, 3, 3), "the first is here"),)


def test_all_faults_of_a_run_in_order() -> None:
    text = node("a = <1\nb = ;\nc = <&x>;\nn { d = <0x1G>; e = [1]; f@; };\nm { };\nm { };\ng = <(1/0)>;")
    assert [(f.code, f.span.line) for f in findings(text)] == [
        ("E0103", 4),
        ("E0203", 5),
        ("E0104", 6),
        ("E0103", 6),
        ("E0208", 6),
        ("E0206", 8),
        ("E0113", 9),
        ("E0109", 9),
    ]


def test_missing_semicolon_loses_nothing() -> None:
    text = node("a = <1>\n#size-cells = <2>\nempty\nl: n { x }\nm { y = <&l>; };")
    found = findings(text)
    assert [(f.code, str(f.span), f.expected) for f in found] == [
        ("E0103", "t.dts:3:8", "';'"),
        ("E0103", "t.dts:4:18", "';'"),
        ("E0103", "t.dts:5:6", "';'"),
        ("E0103", "t.dts:6:9", "';'"),
        ("E0103", "t.dts:6:11", "';'"),
    ]


def test_label_in_a_part_that_is_lost_is_not_missed_again() -> None:
    assert only(node("a = <&l &{/n/m}>;\nn = { l: m { }; };")).code == "E0103"


def test_labels_of_a_missing_file_are_not_missed_again() -> None:
    assert only('/dts-v1/;\n/include/ "soc.dtsi"\n/ { };\n&uart { a; };\n').code == "E0005"


def test_block_of_an_unknown_label_is_still_read() -> None:
    codes = [f.code for f in findings("/dts-v1/; / { };\n&x { l: n { a = ; }; };\n&l { b; };\n")]
    assert codes == ["E0203", "E0103"]


def test_same_fault_of_an_included_file_once(tmp_path: Path) -> None:
    (tmp_path / "part.dtsi").write_text("a = ;\n")
    text = '/dts-v1/; / { n { /include/ "part.dtsi"\n}; m { /include/ "part.dtsi"\n}; };'
    (found,) = findings(text, str(tmp_path / "t.dts"))
    assert (found.span.file, found.span.line, found.excerpt) == (str(tmp_path / "part.dtsi"), 1, "a = ;")


def test_findings_are_bounded() -> None:
    found = findings(node("a = ;\n" * 1000))
    assert len(found) == 101
    assert found[-1].code == "E0009"


@pytest.mark.parametrize("levels", [127, 128, 5000])
def test_nesting_of_nodes_is_bounded(levels: int) -> None:
    text = "/dts-v1/; / {" + "n {" * levels + "};" * levels + "};"
    if levels < 128:
        parse_dts(text, "t.dts")
    else:
        assert only(text).code == "E0112"


def test_nesting_by_extension_is_bounded() -> None:
    chain = "n {" * 100 + "{}: n {{ }};" + "};" * 100
    text = "/dts-v1/; / { l0: n { }; };"
    for step in range(1, 4):
        text += f"&l{step - 1} {{ " + chain.replace("{}: n {{ }};", f"l{step}: n {{ }};") + " };"
    assert only(text).code == "E0112"


@pytest.mark.parametrize(
    "expression", ["(" * 5000 + "1", "-" * 5000 + "1", "(" + "1 ? " * 5000, "(" + "1 ? 2 : " * 5000]
)
def test_nesting_of_expressions_is_bounded(expression: str) -> None:
    assert findings(node(f"a = <{expression}>;"))


def test_long_chains_are_no_nesting() -> None:
    chain = " : ".join(["0 ? 1"] * 3000) + " : 7"
    tree = parse_dts(node(f"a = <({chain}) ({'- ' * 3000}1) ({'1 + ' * 3000}1)>;"), "t.dts")
    assert tree.root.cells("a") == (7, 1, 3001)


def test_include_of_itself_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.dtsi").write_text('/include/ "a.dtsi"\n')
    (found,) = findings('/dts-v1/; /include/ "a.dtsi"', str(tmp_path / "t.dts"))
    assert found.code == "E0006"


def test_include_twice_by_each_is_bounded(tmp_path: Path) -> None:
    for level in range(30):
        (tmp_path / f"{level}.dtsi").write_text(f'/include/ "{level + 1}.dtsi"\n' * 2)
    (tmp_path / "30.dtsi").write_text("\n")
    (found,) = findings('/dts-v1/; /include/ "0.dtsi"', str(tmp_path / "t.dts"))
    assert found.code == "E0006"


def test_include_of_a_folder_or_of_no_text(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    found = findings('/dts-v1/; /include/ "d" /include/ "b" / { };', str(tmp_path / "t.dts"))
    assert [f.code for f in found] == ["E0005", "E0002"]


def test_incbin_of_something_endless() -> None:
    assert only(node('a = /incbin/("/dev/zero");')).code == "E0007"


def test_include_of_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (found,) = findings('/dts-v1/; /include/ "pipe" / { };', str(tmp_path / "t.dts"))
    assert found.code == "E0005"


def test_what_an_overlay_cannot_say_about_its_base() -> None:
    text = "/dts-v1/;\n/plugin/;\n/ { a = &gic, <&{/soc}>; };\n/delete-node/ &uart;\n"
    found = findings(text)
    assert [finding.code for finding in found] == ["E0203", "E0204", "E0203"]
    assert {finding.hint for finding in found} == {
        "in an overlay, only &label { } and <&label> can name what the base has"
    }


def test_misplaced_plugin_makes_no_second_fault() -> None:
    assert only("/plugin/;\n/dts-v1/;\n&x { a = <&y>; };\n").code == "E0114"
    assert only("/dts-v1/;\n/ { };\n/plugin/;\n&x { a = <&y>; };\n").code == "E0103"


def test_codes_are_those_that_are_used() -> None:
    """Of the containers: E00xx to E03xx."""
    folder = Path(dt.__file__).parent
    used = {code for file in folder.glob("*.py") if file.name != "_codes.py" for code in CODE.findall(file.read_text())}
    assert used == {code for code in CODES if code < "E04"}


def test_codes_are_documented() -> None:
    assert all(len(code) == 5 and code[0] in "EW" and meaning for code, meaning in CODES.items())
    with pytest.raises(TypeError):
        CODES["E9999"] = "x"  # type: ignore[index]


def test_a_node_without_its_brace_is_read_all_the_same() -> None:
    text = node("cpus {\ncpu1: cpu@1\nreg = <1>;\n};\nother { a = <&nobody>; };\n};\nref = <&cpu1>;")
    found = {(one.code, str(one.span)) for one in findings(text)}
    assert found == {("E0103", "t.dts:4:12"), ("E0203", "t.dts:7:14"), ("E0113", "t.dts:9:1")}


def test_a_brace_too_many_is_one_fault() -> None:
    text = node("a { };\n};\nl: b { };\nc { d = <&l &m>; };\ne { };")
    (stray, unknown) = findings(text)
    assert (stray.code, str(stray.span), stray.message) == ("E0103", "t.dts:5:4", "b stands outside of all nodes")
    assert str(stray.related[0][0]) == "t.dts:4:1"
    assert (unknown.code, str(unknown.span)) == ("E0203", "t.dts:6:13")


def test_properties_behind_a_subnode_are_one_fault_of_their_node() -> None:
    assert [one.code for one in findings(node("n { };\na;\nb;\nm { o { }; c; };"))] == ["E0113", "E0113"]


def test_what_a_condition_leaves_out_is_not_missed() -> None:
    assert only("/dts-v1/;\n/ {\n#ifdef X\na;\n};\n").code == "E0119"


def test_what_stands_in_the_place_of_a_semicolon_is_named() -> None:
    assert only('/dts-v1/;\n/ { n { a = "x" }; };').found == "'}'"
