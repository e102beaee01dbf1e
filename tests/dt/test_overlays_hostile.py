"""Damaged and hostile overlays: a tree or findings, nothing else, in bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqframe.dt import Node, Property, Tree, add_symbols, apply_overlay, parse_dts, read_dtb, to_dtb
from irqframe.errors import InputError, Span

BASE = """/dts-v1/; / { aliases { s = "/soc"; }; gic: intc { phandle = <7>; };
soc { uart: serial@9000 { a = <&gic>; }; l: n { }; }; };"""
OVERLAY = """/dts-v1/; /plugin/;
&uart { a = <&gic 1 &k>, "s"; k: n@1 { b = <&k &gic>; }; };
&{/soc/n} { c = <&uart &k>; m: m { }; };
/ { f { target-path = "s"; o: __overlay__ { d = <&o &m>; serial { e; }; }; }; };"""
PIECES = (b"", b"\0", b"/", b":", b"::", b"0", b"9", b"-1", b"\xff", b"\xff" * 4, b"\0" * 4, b"\0\0\0\1", b"/soc", b"s")


def base() -> Tree:
    return parse_dts(BASE, "base.dts", symbols=True)


def applied(tree: Tree, overlay: Tree) -> Tree | None:
    try:
        return apply_overlay(tree, overlay)
    except InputError as error:
        assert error.findings
        assert len(error.findings) <= 101
        return None


def damaged(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    end = at + source.choice((0, 1, 4, 9))
    return data[:at] + source.choice((*PIECES, data[at:end] * 2)) + data[end:]


def properties(tree: Tree) -> list[tuple[Node, Property]]:
    return [(node, prop) for node in tree.walk() for prop in node.properties.values()]


def test_overlay_itself_is_right() -> None:
    assert applied(base(), parse_dts(OVERLAY, "over.dts", symbols=True)) is not None


def test_damaged_values_1000_times() -> None:
    """Values and names of properties, and names of nodes: of fixups, of symbols, of targets, of phandles."""
    source = random.Random(3)
    tree = base()
    made = 0
    for _ in range(1000):
        overlay = parse_dts(OVERLAY, "over.dts", symbols=True)
        for _ in range(source.randint(1, 3)):
            node, prop = source.choice(properties(overlay))
            kind = source.randrange(8)
            if kind == 0:
                del node.properties[prop.name]
            elif kind == 1:
                other = source.choice(properties(overlay))[1].name
                node.properties[other] = Property(other, prop.data, prop.span)
            elif kind == 2 and node.parent is not None and source.random() < 0.3:
                node.parent.children.pop(node.name, None)
            else:
                prop.data = damaged(source, prop.data)
        result = applied(tree, overlay)
        if result is not None:
            made += 1
            add_symbols(result)
            read_dtb(to_dtb(result), "again")
    assert 50 < made < 950


def test_damaged_bytes_1000_times() -> None:
    source = random.Random(4)
    tree = base()
    data = to_dtb(parse_dts(OVERLAY, "over.dts", symbols=True))
    for _ in range(1000):
        blob = bytearray(data)
        for _ in range(source.randint(1, 3)):
            blob[source.randrange(len(blob))] = source.choice((0, 1, 4, 0x2F, 0x3A, 0xFF, source.randrange(256)))
        try:
            overlay = read_dtb(bytes(blob), "over.dtbo")
        except InputError:
            continue
        applied(tree, overlay)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["gic", "uart", "zz"]), st.binary(max_size=40)), st.binary(max_size=12))
def test_any_fixups(fixups: dict[str, bytes], offsets: bytes) -> None:
    overlay = parse_dts(OVERLAY, "over.dts")
    for name, data in fixups.items():
        overlay.root.children["__fixups__"].set(name, data)
    overlay.root.children["__local_fixups__"].children["fragment@1"].children["__overlay__"].set("c", offsets)
    applied(base(), overlay)


def chain(node: Node, length: int) -> Node:
    for _ in range(length):
        node = node.add(Node("n" * 31, node.span))
    return node


def many_fixups() -> Tree:
    overlay = parse_dts('/dts-v1/; / { f { target-path = "/"; __overlay__ { }; }; };', "over")
    body = overlay.root.children["f"].children["__overlay__"]
    body.set("x", bytes(4 << 20))
    entries = b"".join(f"/f/__overlay__:x:{4 * number}".encode() + b"\0" for number in range(200_000))
    overlay.root.add(Node("__fixups__", Span("over"))).set("gic", entries)
    return overlay


def many_local_fixups() -> Tree:
    overlay = parse_dts('/dts-v1/; / { f { target-path = "/"; __overlay__ { }; }; };', "over")
    overlay.root.children["f"].children["__overlay__"].set("x", bytes(1 << 20))
    local = overlay.root.add(Node("__local_fixups__", Span("over"))).add(Node("f", Span("over")))
    local.add(Node("__overlay__", Span("over"))).set_cells("x", *range(0, 1 << 20, 4))
    return overlay


def many_unknown_labels() -> Tree:
    body = " ".join(f"<&label{number}>," for number in range(20_000))
    return parse_dts(f"/dts-v1/; /plugin/; &gic {{ x = {body} <0>; }};", "over")


def many_fragments() -> Tree:
    text = "".join(f"&gic {{ p{number}; n{number} {{ }}; }};\n" for number in range(6_000))
    return parse_dts(f"/dts-v1/; /plugin/; {text}", "over")


def many_fragments_by_alias() -> Tree:
    overlay = Tree(Node("", Span("over")), "over")
    for number in range(8_000):
        fragment = overlay.root.add(Node(f"f{number}", Span("over")))
        fragment.set_strings("target-path", "s" + "/" * 500)
        fragment.add(Node("__overlay__", Span("over"))).set("x", b"")
    return overlay


def many_symbols() -> Tree:
    overlay = parse_dts("/dts-v1/; / { f { __overlay__ { }; }; };", "over")
    overlay.root.children["f"].set("target-path", b"/" * (1 << 20) + b"soc\0")
    symbols = overlay.root.add(Node("__symbols__", Span("over")))
    for number in range(20_000):
        symbols.set_strings(f"s{number}", "/f/__overlay__/x")
    return overlay


@pytest.mark.parametrize(
    "make",
    [
        many_fixups,
        many_local_fixups,
        many_unknown_labels,
        many_fragments,
        many_fragments_by_alias,
        many_symbols,
    ],
)
def test_large_overlays_take_linear_time(make: Callable[[], Tree]) -> None:
    overlay = make()
    tree = base()
    start = time.process_time()
    applied(tree, overlay)
    assert time.process_time() - start < 5


def test_a_long_path_for_each_of_many_references_is_refused() -> None:
    head = "n123456789012345678901234567890 { " * 30
    text = f"/dts-v1/; /plugin/; &x {{ {head} x = <{'&y ' * 80_000}>; {'};' * 30} }};"
    start = time.process_time()
    with pytest.raises(InputError) as raised:
        parse_dts(text, "over.dts")
    assert [finding.code for finding in raised.value.findings] == ["E0226"]
    assert time.process_time() - start < 5


def test_labels_that_move_take_linear_time() -> None:
    labels = " ".join(f"l{number}:" for number in range(30_000))
    tree = parse_dts(f"/dts-v1/; / {{ gic: intc {{ }}; {labels} n {{ }}; }};", "base.dts")
    overlay = parse_dts(f"/dts-v1/; /plugin/; &gic {{ {labels} m {{ }}; }};", "over.dts")
    start = time.process_time()
    assert applied(tree, overlay) is not None
    assert time.process_time() - start < 5


def test_hints_for_many_labels_are_bounded() -> None:
    labels = " ".join(f"some_label_{number}: n{number} {{ }};" for number in range(4000))
    unknown = " ".join(f"p{number} = <&some_lable_{number}x>;" for number in range(300))
    tree = parse_dts(f"/dts-v1/; / {{ gic: x {{ }}; {labels} }};", "base.dts")
    overlay = parse_dts(f"/dts-v1/; /plugin/; &gic {{ {unknown} }};", "over.dts")
    start = time.process_time()
    with pytest.raises(InputError) as raised:
        apply_overlay(tree, overlay)
    assert raised.value.findings[0].hint
    with pytest.raises(InputError):
        parse_dts(f"/dts-v1/; / {{ {labels} last {{ {unknown} }}; }};", "base.dts")
    assert time.process_time() - start < 10
