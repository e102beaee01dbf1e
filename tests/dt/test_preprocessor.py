"""The preprocessor in the front end: places, files, what is given on the command line, bounds."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from irqframe.dt import Tree, load, parse_dts
from irqframe.errors import Finding, InputError, Span

BOARD = """\
/dts-v1/;
#include "board.h"
#define TIMER(n) <0 n 4>
/ {
\tuart { interrupts = <BOARD_IRQ>, /* both */ TIMER(7); after; };
\twide { interrupts = TIMER(
\t\t8); };
};
"""


def tree_of(tmp_path: Path, text: str = BOARD, **files: str) -> Tree:
    (tmp_path / "board.h").write_text("/* lines */\n\n#define BOARD_IRQ GIC_SPI 987 4\n#define GIC_SPI 0\n")
    for name, content in files.items():
        (tmp_path / f"{name}.h").write_text(content)
    (tmp_path / "board.dts").write_text(text)
    return load(tmp_path / "board.dts")


def findings(text: str, file: str = "t.dts", **how: list[str]) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as raised:
        parse_dts(text, file, how.get("include_dirs", []), how.get("defines", []))
    return raised.value.findings


def text_at(span: Span) -> str:
    lines = Path(span.file).read_text().split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def test_what_a_macro_made_has_the_place_of_its_call(tmp_path: Path) -> None:
    uart = tree_of(tmp_path).root.children["uart"]
    prop = uart.properties["interrupts"]
    assert prop.cells == (0, 987, 4, 0, 7, 4)
    assert [text_at(piece.span) for piece in prop.pieces] == ["BOARD_IRQ"] * 3 + ["TIMER(7)"] * 3
    assert {piece.span.macro for piece in prop.pieces[:3]} == {f"{tmp_path}/board.h:3"}
    assert {piece.span.macro for piece in prop.pieces[3:]} == {f"{tmp_path}/board.dts:3"}


def test_what_follows_a_macro_keeps_its_place(tmp_path: Path) -> None:
    tree = tree_of(tmp_path)
    after = tree.root.children["uart"].properties["after"].span
    assert (text_at(after), after.macro) == ("after", "")
    wide = tree.root.children["wide"]
    assert text_at(wide.span) == "wide"
    assert text_at(wide.properties["interrupts"].pieces[0].span) == "TIMER(\n\t\t8)"


def test_an_included_file_has_its_own_lines(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, '/dts-v1/;\n#include "soc.h"\n/ { b; };\n', soc="// soc\n/ { a; };")
    assert str(tree.root.properties["a"].span) == f"{tmp_path}/soc.h:2:5"
    assert tree.excerpt(tree.root.properties["a"].span) == "/ { a; };"
    assert str(tree.root.properties["b"].span) == f"{tmp_path}/board.dts:3:5"


def test_macros_from_the_command_line() -> None:
    tree = parse_dts("/dts-v1/; / { a = <N>; b = <FLAG>; };", "t.dts", defines=["N=0x20", "FLAG"])
    assert (tree.root.u32("a"), tree.root.u32("b")) == (0x20, 1)
    (found,) = findings("/dts-v1/; / { };", defines=["1=2"])
    assert (found.code, str(found.span)) == ("E0118", "<command line>:1:9")


def test_include_folders_in_order(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.h").write_text(f'/ {{ from = "{name}"; }};\n')
    text = "/dts-v1/;\n#include <x.h>\n"
    folders = [str(tmp_path / "two"), str(tmp_path / "one")]
    assert parse_dts(text, str(tmp_path / "t.dts"), folders).root.strings("from") == ("two",)
    (found,) = findings(text, str(tmp_path / "t.dts"))
    assert (found.code, found.hint) == ("E0005", "name another include folder with -I")


def test_a_file_of_a_linux_tree_needs_no_folders(tmp_path: Path) -> None:
    header = tmp_path / "include" / "dt-bindings" / "irq.h"
    board = tmp_path / "arch" / "arm64" / "boot" / "dts" / "arm" / "board.dts"
    for file in (header, board):
        file.parent.mkdir(parents=True)
    header.write_text("#define LEVEL 4\n")
    board.write_text("/dts-v1/;\n#include <dt-bindings/irq.h>\n/ { a = <LEVEL>; };\n")
    assert load(board).root.u32("a") == 4


def test_a_text_without_directives_is_left_alone() -> None:
    """dtc knows no spliced lines, and no macros."""
    tree = parse_dts('/dts-v1/; / { a = <1>; // \\\n b = "__LINE__"; __FILE__; };', "t.dts")
    assert list(tree.root.properties) == ["a", "b", "__FILE__"]


def test_warnings_stay_with_the_tree() -> None:
    tree = parse_dts("/dts-v1/;\n#define A 1\n#define A 2\n#warning old board\n/ { a = <A>; };", "t.dts")
    assert [(found.code, str(found.span)) for found in tree.warnings] == [
        ("W0126", "t.dts:3:1"),
        ("W0125", "t.dts:4:1"),
    ]
    assert "t.dts:2" in tree.warnings[0].message
    assert tree.warnings[0].excerpt == "#define A 2"
    assert tree.root.u32("a") == 2


def test_warnings_and_errors_together() -> None:
    found = findings("/dts-v1/;\n#warning old\n/ { a = <&x>; };")
    assert [one.code for one in found] == ["W0125", "E0203"]


def test_all_faults_of_one_run() -> None:
    text = "/dts-v1/;\n#if 1 +\n#endif\n#error one\n#define F(x) x\n/ { a = <F()>; b = <F(1,2)>; c = <TWO>; };\n#else\n"
    assert [found.code for found in findings(text)] == ["E0122", "E0120", "E0121", "E0124", "E0119"]


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    board = tmp_path / "t.dts"
    board.write_text('#include "t.dts"\n')
    (found,) = findings(board.read_text(), str(board))
    assert found.code == "E0006"


GROWING = {
    "a tower of macros": "#define A0 x x x x x x x x\n"
    + "".join(f"#define A{n + 1} {f'A{n} ' * 8}\n" for n in range(12))
    + "A12",
    "a long literal often": "#define L 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n" + "L " * 700_000,
    "a long string often": f'#define S "{"s" * 2000}"\n#define T S S S S S S S S S S\n' + "T " * 3_000,
    "doubled arguments": "#define F(x) x x\n" + "F(" * 40 + "1" + ")" * 40,
    "doubled tokens": "".join(f"#define A{n}(x) A{n + 1}(x##x)\n" for n in range(30)) + "A0(a)",
    "deep calls": "#define F(x) x\n" + "F(" * 200 + "1" + ")" * 200,
}


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_macros_cannot_grow_without_bound(text: str) -> None:
    assert "E0123" in {found.code for found in findings("/dts-v1/;\n" + text)}


SLOW = {
    "comment marks behind a name": "#define F(x) x\nF " + "/" * 3_000 + "\n",
    "comments behind a name": "#define F(x) x\nF " + "/**/" * 3_000 + "\n",
    "comments without an end": "#define A 1\n" + "/* " * 20_000,
    "strings without an end": "#define A 1\n" + '\\"' * 20_000,
    "many strings made": "#define S(x) #x\nS(" + '"" ' * 15_000 + ")\n",
    "many hashes on a line": "#define A 1\n" + "#" * 60_000,
    "unknown words on a line": "#define A 1\n/ { a = <" + "w " * 30_000 + ">; };",
    "deep conditions": "#if " + "(" * 5_000 + "\n#endif\n",
    "tokens pasted": "#define P a" + " ## a" * 12_000 + "\nP\n",
    "names deleted first": "/ { " + "n { }; /delete-node/ n; " * 3_000 + "};" + "/ { a = &{/n}; };\n" * 3_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_what_could_take_long_does_not(text: str) -> None:
    start = time.process_time()
    with suppress(InputError):
        parse_dts("/dts-v1/;\n" + text, "t.dts")
    assert time.process_time() - start < 2


def test_a_file_read_again_and_again_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "big.h").write_text("#if 0\n" + "x y z\n" * 40_000 + "#endif\n")
    (found,) = findings("/dts-v1/;\n" + '#include "big.h"\n' * 500, str(tmp_path / "t.dts"))
    assert found.code == "E0004"


def test_deep_conditions_in_deep_files(tmp_path: Path) -> None:
    for depth in range(60):
        (tmp_path / f"f{depth}.h").write_text(f'#include "f{depth + 1}.h"\n')
    (tmp_path / "f60.h").write_text("#if " + "(" * 62 + "1" + ")" * 62 + "\n#endif\n")
    (found,) = findings('/dts-v1/;\n#include "f0.h"\n/ { };', str(tmp_path / "t.dts"))
    assert found.code == "E0122"


def test_deep_conditions_and_expressions() -> None:
    assert {found.code for found in findings("/dts-v1/;\n#if " + "(" * 5000 + "\n#endif\n/ { };")} == {"E0122"}
    many = "/dts-v1/;\n" + "#if 1\n" * 5000 + "/ { };\n" + "#endif\n" * 5000
    assert parse_dts(many, "t.dts").root.path == "/"
