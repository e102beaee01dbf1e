"""Overlays applied: what the caller may rely on beside the bytes, and what a fault is called and where it is."""

from __future__ import annotations

import pytest

from irqframe.dt import Tree, add_symbols, apply_overlay, parse_dts, read_dtb, refuse_overlay, to_dtb, to_dts
from irqframe.errors import Finding, InputError, Span

BASE = """\
/dts-v1/;
/ {
	gic: intc@8000000 { compatible = "arm,gic-400"; };
	soc { uart: serial@9000000 { status = "disabled"; interrupts = <1>; }; };
	other { parent = <&uart>; };
};
"""


def base(*, symbols: bool = False) -> Tree:
    return parse_dts(BASE, "base.dts", symbols=symbols)


def overlay(text: str, *, symbols: bool = False) -> Tree:
    return parse_dts(f"/dts-v1/;\n/plugin/;\n{text}\n", "over.dts", symbols=symbols)


def compiled(tree: Tree, name: str) -> Tree:
    return read_dtb(to_dtb(tree), name)


def findings(tree: Tree, change: Tree) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as raised:
        apply_overlay(tree, change)
    return raised.value.findings


def only(tree: Tree, change: Tree) -> Finding:
    (found,) = findings(tree, change)
    return found


# What the result knows


def test_what_an_overlay_set_knows_its_place() -> None:
    tree = apply_overlay(base(), overlay('&uart {\n\tstatus = "okay", <&gic>;\n\tn { };\n};'))
    uart = tree.node("/soc/serial@9000000")
    assert uart is not None
    status = uart.properties["status"]
    assert str(status.span) == "over.dts:4:2"
    assert str(status.span_at(5)) == "over.dts:4:20"
    assert str(uart.children["n"].span) == "over.dts:5:2"
    assert str(uart.properties["interrupts"].span).startswith("base.dts:4:")
    assert str(uart.span).startswith("base.dts:4:")
    assert tree.excerpt(status.span) == '\tstatus = "okay", <&gic>;'
    assert tree.excerpt(uart.span).endswith("interrupts = <1>; }; };")
    assert tree.file == "base.dts"


def test_fixups_know_the_places_of_the_references() -> None:
    tree = overlay("&uart {\n\ta = <&gic 1 &l>;\n\tl: n { };\n};")
    assert str(tree.root.children["__fixups__"].properties["gic"].span_at(0)) == "over.dts:4:7"
    local = tree.node("/__local_fixups__/fragment@0/__overlay__")
    assert local is not None
    assert str(local.properties["a"].span_at(0)) == "over.dts:4:14"


def test_written_as_source_it_is_the_same() -> None:
    tree = apply_overlay(base(), overlay("&uart { a = <&gic &l>; l: n { b = &l; }; };"))
    again = parse_dts(to_dts(tree), "again.dts")
    assert to_dtb(again) == to_dtb(tree)


# Labels in place of symbols


def test_labels_of_source_are_symbols_without_being_asked() -> None:
    tree = apply_overlay(base(), overlay("&gic { a = <&uart>; };"))
    gic = tree.root.children["intc@8000000"]
    assert gic.cells("a") == (1,)
    assert gic.phandle == 2  # the lowest that is free: a label alone gives none
    assert list(gic.properties) == ["a", "compatible", "phandle"]
    assert "__symbols__" not in tree.root.children


def test_labels_of_an_overlay_are_known_to_the_next() -> None:
    first = apply_overlay(base(), overlay("&uart { l: n { }; };"))
    second = apply_overlay(first, overlay("&l { a = <&l>; };"))
    node = second.node("/soc/serial@9000000/n")
    assert node is not None
    assert node.cells("a") == (node.phandle,)


def test_label_of_an_overlay_takes_the_place_of_one_of_the_base() -> None:
    tree = apply_overlay(base(), overlay("&uart { gic: n { }; };"))
    assert tree.root.children["intc@8000000"].labels == []
    assert tree.by_label()["gic"].path == "/soc/serial@9000000/n"
    parse_dts(to_dts(tree), "again.dts")


def test_symbols_come_before_labels() -> None:
    text = BASE.replace("other {", "o: other {", 1).replace("};\n};", '};\n\t__symbols__ { gic = "/other"; };\n};')
    tree = apply_overlay(parse_dts(text, "base.dts"), overlay("&gic { a; };"))
    assert tree.root.children["other"].has("a")


def test_add_symbols_gives_what_reading_with_symbols_gives() -> None:
    tree = base()
    add_symbols(tree)
    assert to_dtb(tree) == to_dtb(base(symbols=True))
    add_symbols(tree)
    assert to_dtb(tree) == to_dtb(base(symbols=True))


def test_add_symbols_to_a_tree_without_labels_does_nothing() -> None:
    tree = compiled(base(), "base.dtb")
    before = to_dtb(tree)
    add_symbols(tree)
    assert to_dtb(tree) == before


# Phandles


def test_node_of_the_base_keeps_its_phandle() -> None:
    """As libfdt since 1.7.1: what refers to it in the base goes on to do so, and the overlay's references follow."""
    change = overlay("/ { f { target = <&uart>; l: __overlay__ { a = <&l &k>; n { b = <&l>; }; k: k { }; }; }; };")
    tree = apply_overlay(base(symbols=True), change)
    uart = tree.node("/soc/serial@9000000")
    assert uart is not None
    (phandle,) = tree.root.children["other"].cells("parent")
    assert uart.phandle == phandle
    assert uart.cells("a") == (phandle, uart.children["k"].phandle)
    assert uart.children["n"].cells("b") == (phandle,)


def test_node_with_two_phandles_of_the_overlay_has_the_later_one() -> None:
    text = 'a = <&l1 &l2>; }; }; g { target-path = "/soc"; l2: __overlay__ { b = <&l1 &l2>; }; }; };'
    tree = apply_overlay(base(), overlay(f'/ {{ f {{ target-path = "/soc"; l1: __overlay__ {{ {text}'))
    soc = tree.root.children["soc"]
    assert soc.phandle == 3
    assert soc.cells("a") == soc.cells("b") == (3, 3)


def test_phandle_that_a_node_asks_for_itself_moves_once() -> None:
    """dtc lists it in __local_fixups__, where libfdt trips over it."""
    change = compiled(overlay("&uart { l: n { phandle = <&l>; a = <&l>; }; };"), "over.dtbo")
    tree = apply_overlay(base(symbols=True), change)
    node = tree.node("/soc/serial@9000000/n")
    assert node is not None
    assert node.phandle == 3
    assert node.cells("a") == (3,)


# Findings


def test_label_that_the_base_does_not_have() -> None:
    found = only(base(), overlay("&uart {\n\ta = <&gicc>;\n\tb = <1 &gicc>;\n};"))
    assert found.code == "E0215"
    assert found.message == "&gicc is not defined in base.dts"
    assert found.span == Span("over.dts", 4, 7, 4, 12)
    assert found.excerpt == "\ta = <&gicc>;"
    assert found.hint == "did you mean &gic (base.dts:3)?"
    assert found.related == ((Span("over.dts", 5, 9, 5, 14), "and here"),)


def test_symbol_that_the_base_does_not_have() -> None:
    tree = compiled(base(symbols=True), "base.dtb")
    found = only(tree, overlay("&uatr { };"))
    assert (found.code, str(found.span), found.hint) == ("E0215", "over.dts:3:1", "did you mean &uart?")
    found = only(tree, compiled(overlay("&uatr { };"), "over.dtbo"))
    assert (found.code, str(found.span), found.path) == ("E0215", "over.dtbo", "/fragment@0")


def test_all_faults_of_an_overlay_together() -> None:
    change = overlay("&x { a = <&y>; };\n&{/z} { };\n&gic { };\n/ { f { __overlay__ { }; }; };")
    assert [(found.code, found.span.line) for found in findings(base(), change)] == [
        ("E0215", 3),
        ("E0215", 3),
        ("E0221", 4),
        ("E0220", 6),
    ]


def test_base_without_symbols() -> None:
    tree = compiled(base(), "base.dtb")
    found = only(tree, overlay("&uart { a = <&gic>; };"))
    assert (found.code, found.message) == ("E0216", "base.dtb has no symbols, so &uart cannot be found in it")
    assert found.hint == "give the base as DTS, or compile it with dtc -@"
    apply_overlay(tree, overlay("&{/soc} { a; };"))


def hand_written(fixups: str, more: str = "") -> Tree:
    text = f'/dts-v1/;\n/ {{ f {{ target-path = "/soc"; __overlay__ {{ x = <0 1>; }}; }};\n{fixups}\n{more}}};\n'
    return parse_dts(text, "over.dts")


@pytest.mark.parametrize(
    ("code", "fixups", "message"),
    [
        ("E0217", '__fixups__ { gic = "/f"; };', "__fixups__ has an entry for gic that cannot be read"),
        (
            "E0217",
            '__fixups__ { gic = "/f/__overlay__:x:-1"; };',
            "__fixups__ has an entry for gic that cannot be read",
        ),
        ("E0217", "__fixups__ { gic; };", "__fixups__ has an entry for gic that cannot be read"),
        ("E0217", "__fixups__ { gic = [2f]; };", "__fixups__ has an entry for gic that cannot be read"),
        ("E0218", '__fixups__ { gic = "/g:x:0"; };', "the overlay has no node /g, which its fixups name"),
        ("E0218", '__fixups__ { gic = "/f:x:0"; };', "/f has no property x, which the fixups name"),
        (
            "E0218",
            '__fixups__ { gic = "/f/__overlay__:x:5"; };',
            "property x of /f/__overlay__ has no cell at byte 5, where the fixups say it has",
        ),
        (
            "E0218",
            '__fixups__ { gic = "/f/__overlay__:x:4294967295"; };',
            "property x of /f/__overlay__ has no cell at byte 4294967295, where the fixups say it has",
        ),
        (
            "E0217",
            "__local_fixups__ { f { __overlay__ { x = [00]; }; }; };",
            "the offsets of property x in __local_fixups__ cannot be read",
        ),
        ("E0218", "__local_fixups__ { g { }; };", "the overlay has no node /g, which its fixups name"),
        ("E0218", "__local_fixups__ { f { x = <0>; }; };", "/f has no property x, which the fixups name"),
        (
            "E0218",
            "__local_fixups__ { f { __overlay__ { x = <5>; }; }; };",
            "property x of /f/__overlay__ has no cell at byte 5, where the fixups say it has",
        ),
        ("E0223", '__symbols__ { l = "x"; };', "symbol l of the overlay is no path"),
        ("E0223", "__symbols__ { l; };", "symbol l of the overlay is no path"),
        ("E0223", '__symbols__ { l = "/g/__overlay__"; };', "symbol l of the overlay leads to no fragment"),
    ],
)
def test_damaged_fixups_and_symbols(code: str, fixups: str, message: str) -> None:
    found = only(base(), hand_written(fixups))
    assert (found.code, found.message, found.span.line) == (code, message, 3)
    found = only(base(), compiled(hand_written(fixups), "over.dtbo"))
    assert (found.code, found.message, str(found.span)) == (code, message, "over.dtbo")


@pytest.mark.parametrize(
    ("code", "fragment", "words"),
    [
        ("E0220", "__overlay__ { };", "f has no target"),
        ("E0220", "target = <1 2>; __overlay__ { };", "property target of f cannot be read"),
        ("E0220", "target-path = [2f]; __overlay__ { };", "property target-path of f cannot be read"),
        ("E0221", "target = <9>; __overlay__ { };", "f changes a node that base.dts does not have"),
        ("E0221", "target = <0xffffffff>; __overlay__ { };", "f changes a node that base.dts does not have"),
        ("E0221", 'target-path = "/soc/x"; __overlay__ { };', "f changes a node that base.dts does not have"),
        ("E0221", 'target-path = "soc"; __overlay__ { };', "f changes a node that base.dts does not have"),
    ],
)
def test_fragment_that_leads_nowhere(code: str, fragment: str, words: str) -> None:
    found = only(base(), overlay(f"/ {{ f {{\n{fragment}\n}}; }};"))
    assert (found.code, found.message, found.path) == (code, words, "/f")
    assert found.span.line == (3 if words.endswith("has no target") else 4)


def test_path_that_leads_nowhere_says_how_far_it_leads() -> None:
    assert only(base(), overlay("&{/soc/uart/x} { };")).hint == "/soc has no child uart"


def test_symbol_that_leads_nowhere() -> None:
    text = '/dts-v1/; / { n { };\n__symbols__ {\n l = "/x";\n m = "/n"; };\n};'
    found = findings(parse_dts(text, "base.dts"), overlay("&l { };\n&m { };"))
    assert [finding.code for finding in found] == ["E0219", "E0219"]
    assert [finding.message for finding in found] == [
        "symbol l of base.dts leads to no node",
        "symbol m of base.dts leads to /n, which has no phandle",
    ]
    assert [str(finding.related[0][0]) for finding in found] == ["base.dts:3:2", "base.dts:4:2"]


def test_phandle_without_room() -> None:
    tree = parse_dts("/dts-v1/; / { a: a { phandle = <0xfffffffe>; }; };", "base.dts")
    found = only(tree, overlay("&a { l: n {\n phandle = <1>; }; };"))
    assert (found.code, found.span.line) == ("E0222", 4)


def test_phandle_that_the_fixups_would_make_a_reference() -> None:
    change = hand_written('__fixups__ { gic = "/n:phandle:0"; };', "n { phandle = <1>; };")
    assert only(base(), change).code == "E0214"


def test_phandles_that_collide() -> None:
    tree = parse_dts("/dts-v1/; / { a: a { phandle = <1>; }; b { linux,phandle = <2>; }; };", "base.dts")
    change = overlay("&a { n { x; }; };\n&{/b} { phandle = <7>; };")
    assert apply_overlay(tree, change).root.children["b"].phandle == 2
    change = overlay("&a { n { phandle = <1>; linux,phandle = <1>; }; };\n&{/a} { n { phandle = <2>; }; };")
    assert only(tree, change).code == "E0210"
    change = overlay("&a { n { phandle = <1>; }; };")
    change.root.children["fragment@0"].children["__overlay__"].set_cells("phandle", 1)
    assert only(tree, change).code == "E0202"


def test_overlay_as_a_base() -> None:
    with pytest.raises(InputError) as raised:
        refuse_overlay(overlay("&x { };"))
    (found,) = raised.value.findings
    assert (found.code, str(found.span)) == ("E0224", "over.dts:3:1")
    assert "--overlay" in found.hint
    assert only(compiled(overlay("&x { };"), "over.dtbo"), overlay("&x { };")).code == "E0224"
    refuse_overlay(base(symbols=True))


def test_base_as_an_overlay() -> None:
    found = only(base(), parse_dts(BASE, "second.dts"))
    assert (found.code, found.span.file, found.span.line) == ("E0225", "second.dts", 2)


def test_tree_that_becomes_too_deep_or_too_large() -> None:
    deep = "n { " * 120 + "};" * 120
    tree = parse_dts("/dts-v1/; / { " + "n { " * 20 + "l: n { };" + "};" * 20 + "};", "base.dts")
    assert only(tree, overlay(f"&l {{ {deep} }};")).code == "E0112"
    wide = " ".join(f"n{number} {{ }};" for number in range(33_000))
    tree = parse_dts(f"/dts-v1/; / {{ l: l {{ }}; {wide} }};", "base.dts")
    assert only(tree, overlay(f"&l {{ {wide} }};")).code == "E0212"
