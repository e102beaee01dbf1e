"""Interrupt maps: nexus nodes, masks, several levels, and what can be wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, InterruptRef, Node, Tree, interrupts, parse_dts
from irqframe.errors import Finding, Span

GIC = "gic: gic { interrupt-controller; #interrupt-cells = <3>; #address-cells = <2>; #size-cells = <2>; };"
SMALL = "small: small { interrupt-controller; #interrupt-cells = <1>; };"


def tree(body: str) -> str:
    return "/dts-v1/;\n/ {\n#address-cells = <1>;\n#size-cells = <1>;\n" + body + "\n};\n"


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


def pci(rows: str, mask: str = "0x1800 0 0 7", below: str = "", more: str = "") -> str:
    return (
        f"pci: pci {{ #address-cells = <3>; #size-cells = <2>; #interrupt-cells = <1>; {more}\n"
        f"interrupt-map-mask = <{mask}>;\ninterrupt-map = {rows};\n{below} }};"
    )


def device(slot: int, pin: int) -> str:
    return f"dev@{slot:x} {{ reg = <{slot << 11:#x} 0 0 0 0>; interrupts = <{pin}>; }};"


@dataclass(frozen=True)
class Case:
    """A tree, (node, index, unit, specifier, controller) of what resolves, and (code, text) of each finding."""

    name: str
    body: str
    resolved: tuple[tuple[str, int, tuple[int, ...], tuple[int, ...], str], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


CASES = (
    Case(
        "rows are sources, and a device goes through the row of its slot and pin",
        GIC + pci("<0 0 0 1 &gic 0 0 0 3 4>, <0x800 0 0 1 &gic 0 0 0 4 4>", below=device(1, 1) + device(4, 1)),
        (
            ("/pci", 0, (0, 0, 0, 1), (0, 3, 4), "/gic"),
            ("/pci", 1, (0x800, 0, 0, 1), (0, 4, 4), "/gic"),
            ("/pci/dev@1", 0, (), (0, 4, 4), "/gic"),
            ("/pci/dev@4", 0, (), (0, 3, 4), "/gic"),
        ),
    ),
    Case(
        "without a mask all bits count",
        GIC + "n: n { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &gic 0 0 0 8 1>; };"
        "a { interrupt-parent = <&n>; interrupts = <1>; };",
        (("/n", 0, (1,), (0, 8, 1), "/gic"), ("/a", 0, (), (0, 8, 1), "/gic")),
    ),
    Case(
        "a parent without #address-cells has no unit address",
        SMALL + "n: n { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &small 8>; };",
        (("/n", 0, (1,), (8,), "/small"),),
    ),
    Case(
        "the nearest #address-cells upwards holds for a nexus that has none",
        SMALL + "n: n { #interrupt-cells = <1>; interrupt-map = <0x10 1 &small 8>; };"
        "a@10 { reg = <0x10 1>; interrupt-parent = <&n>; interrupts = <1>; };",
        (("/n", 0, (0x10, 1), (8,), "/small"), ("/a@10", 0, (), (8,), "/small")),
    ),
    Case(
        "controllers of different cell counts in one map",
        GIC + SMALL + pci("<0 0 0 1 &gic 0 0 0 3 4>, <0 0 0 2 &small 9>, <0 0 0 3 &gic 0 0 0 5 4>"),
        (
            ("/pci", 0, (0, 0, 0, 1), (0, 3, 4), "/gic"),
            ("/pci", 1, (0, 0, 0, 2), (9,), "/small"),
            ("/pci", 2, (0, 0, 0, 3), (0, 5, 4), "/gic"),
        ),
    ),
    Case(
        "two levels of maps, the second by the parent unit address of the first",
        GIC + "outer: outer { #address-cells = <1>; #interrupt-cells = <2>;"
        "  interrupt-map = <0x40 1 4 &gic 0 0 0 21 4>, <0x80 1 4 &gic 0 0 0 22 4>; };"
        + pci("<0 0 0 1 &outer 0x80 1 4>", mask="0 0 0 7", below=device(3, 1)),
        (
            ("/outer", 0, (0x40, 1, 4), (0, 21, 4), "/gic"),
            ("/outer", 1, (0x80, 1, 4), (0, 22, 4), "/gic"),
            ("/pci", 0, (0, 0, 0, 1), (0, 22, 4), "/gic"),
            ("/pci/dev@3", 0, (), (0, 22, 4), "/gic"),
        ),
    ),
    Case(
        "a row that an earlier one hides under the mask is no source",
        SMALL + pci("<0 0 0 1 &small 3>, <0x2000 0 0 1 &small 4>, <0 0 0 2 &small 5>"),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"), ("/pci", 2, (0, 0, 0, 2), (5,), "/small")),
        (("W0416", "0x2000"),),
    ),
    Case(
        "rows to a disabled controller do not match",
        SMALL
        + 'off: off { interrupt-controller; #interrupt-cells = <1>; status = "disabled"; };'
        + pci("<0 0 0 1 &off 3>, <0 0 0 1 &small 4>", below=device(0, 1)),
        (("/pci", 1, (0, 0, 0, 1), (4,), "/small"), ("/pci/dev@0", 0, (), (4,), "/small")),
    ),
    Case(
        "the map of a controller counts before the controller",
        SMALL + "both: both { interrupt-controller; #interrupt-cells = <1>; #address-cells = <0>;"
        "  interrupt-map = <1 &small 8>; };"
        "a { interrupt-parent = <&both>; interrupts = <1>, <2>; };",
        (("/both", 0, (1,), (8,), "/small"), ("/a", 0, (), (8,), "/small")),
        (("E0407", "2"),),
    ),
    Case(
        "a controller takes what its map sends to the controller itself",
        "both: both { interrupt-controller; #interrupt-cells = <1>; #address-cells = <0>;"
        "  interrupt-map = <1 &both 8>; };"
        "a { interrupt-parent = <&both>; interrupts = <1>; };",
        (("/both", 0, (1,), (8,), "/both"), ("/a", 0, (), (8,), "/both")),
    ),
    Case(
        "some controllers read their map themselves",
        GIC + 'x: x { compatible = "fsl,ls1043a-extirq"; interrupt-controller; #interrupt-cells = <2>;'
        "  #address-cells = <0>; interrupt-map = <0 0 &gic 0 131 4>, <1 0 &gic 0 132 4>; };"
        "a { interrupt-parent = <&x>; interrupts = <1 8>; };",
        (("/a", 0, (), (1, 8), "/x"),),
    ),
    Case(
        "no row matches",
        SMALL + pci("<0 0 0 1 &small 3>", below=device(0, 4) + device(0, 1).replace("dev@0", "dev@0,1")),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"), ("/pci/dev@0,1", 0, (), (3,), "/small")),
        (("E0407", "4"),),
    ),
    Case(
        "the map ends within a parent specifier, which is said once",
        GIC + pci("<0 0 0 1 &gic 0 0 0 3 4>, <0 0 0 2 &gic 0 0 0 4>", below=device(0, 2)),
        (("/pci", 0, (0, 0, 0, 1), (0, 3, 4), "/gic"),),
        (("E0406", "0"),),
    ),
    Case(
        "the map ends within a child unit",
        GIC + pci("<0 0 0 1 &gic 0 0 0 3 4>, <0x55 0>"),
        (("/pci", 0, (0, 0, 0, 1), (0, 3, 4), "/gic"),),
        (("E0406", "0x55"),),
    ),
    Case(
        "the map is no cells",
        GIC + pci("[00 11 22]"),
        findings=(("E0406", "interrupt-map"),),
    ),
    Case(
        "a row names nothing",
        GIC + pci("<0 0 0 1 &gic 0 0 0 3 4>, <0 0 0 2 0x99 0 0 0 4 4>"),
        (("/pci", 0, (0, 0, 0, 1), (0, 3, 4), "/gic"),),
        (("E0403", "0x99"),),
    ),
    Case(
        "a row names a device",
        "d: d { };" + pci("<0 0 0 1 &d 3>"),
        findings=(("E0405", "&d"),),
    ),
    Case(
        "the mask has another length than the units",
        SMALL + pci("<0 0 0 1 &small 3>", mask="0 7"),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"),),
        (("E0410", "interrupt-map-mask"),),
    ),
    Case(
        "a nexus without #interrupt-cells",
        SMALL + "n: n { #address-cells = <0>; interrupt-map = <1 &small 8>; };",
        findings=(("E0404", "n"),),
    ),
    Case(
        "a nexus with #address-cells that no bus has",
        SMALL + "n: n { #address-cells = <0x7fffffff>; #interrupt-cells = <1>; interrupt-map = <1 &small 8>; };",
        findings=(("E0413", "#address-cells"),),
    ),
    Case(
        "a device below a nexus needs no reg if the mask passes over it",
        SMALL + pci("<0 0 0 1 &small 3>", mask="0 0 0 7", below="a { interrupts = <1>; };"),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"), ("/pci/a", 0, (), (3,), "/small")),
    ),
    Case(
        "a device below a nexus has no reg",
        SMALL + pci("<0 0 0 1 &small 3>", below="a { interrupts = <1>; };"),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"),),
        (("E0409", "a"),),
    ),
    Case(
        "a device below a nexus has too short a reg",
        SMALL + pci("<0 0 0 1 &small 3>", below="a { reg = <0 0>; interrupts = <1>; };"),
        (("/pci", 0, (0, 0, 0, 1), (3,), "/small"),),
        (("E0409", "reg"),),
    ),
    Case(
        "a map that leads to itself",
        "n: n { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &n 1>; };"
        "a { interrupt-parent = <&n>; interrupts = <1>; };",
        findings=(("E0408", "interrupt-map"),),
    ),
    Case(
        "two maps that lead to each other, which is said once",
        "n: n { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &m 1>; };"
        "m: m { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &n 1>; };"
        "a { interrupt-parent = <&n>; interrupts = <1>; };",
        findings=(("E0408", "interrupt-map"),),
    ),
)


def resolved(refs: tuple[InterruptRef, ...]) -> list[tuple[str, int, tuple[int, ...], tuple[int, ...], str]]:
    return [(ref.node.path, ref.index, ref.unit, ref.specifier, ref.controller.path) for ref in refs]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    source = tree(case.body)
    refs, findings = interrupts(parse_dts(source, "t.dts"))
    assert resolved(refs) == list(case.resolved)
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == list(case.findings)
    assert all(finding.code in CODES and finding.expected and finding.found for finding in findings)


def test_hops_lead_through_every_map() -> None:
    (case,) = (case for case in CASES if case.name.startswith("two levels"))
    source = tree(case.body)
    refs, _ = interrupts(parse_dts(source, "t.dts"))
    way = [(hop.node.path, hop.property, text_at(source, hop.span)) for hop in refs[-1].hops]
    assert way == [
        ("/pci/dev@3", "interrupts", "1"),
        ("/pci", "interrupt-map", "0"),
        ("/outer", "interrupt-map", "0x80"),
    ]
    assert [text_at(source, span) for span in refs[-1].spans] == ["0", "22", "4"]
    assert refs[-1].span == refs[-1].hops[0].span
    row = refs[-2]
    assert [hop.node.path for hop in row.hops] == ["/pci", "/outer"]
    assert row.span == row.hops[0].span


def finding_of(body: str) -> Finding:
    (finding,) = interrupts(parse_dts(tree(body), "t.dts"))[1]
    return finding


def test_a_row_that_is_disabled_is_named() -> None:
    off = 'off: off { interrupt-controller; #interrupt-cells = <1>; status = "disabled"; };'
    finding = finding_of(off + pci("<0 0 0 1 &off 3>", below=device(0, 1)))
    assert (finding.code, finding.hint) == ("E0407", "row 0 would, but /off is disabled")


@pytest.mark.parametrize("rest", ["0x99", "&d", "0"])
def test_a_row_of_another_length_than_meant_is_explained(rest: str) -> None:
    # What boards get wrong: the parent has #address-cells, and the rows have no parent unit address.
    finding = finding_of("d: d { };" + GIC + pci(f"<0 0 0 1 &gic 0 3 4>, <0 0 0 0 0 0 {rest} 0>"))
    assert finding.code in ("E0403", "E0405")
    assert finding.hint == (
        "row 0 was read with 2 cells of unit address and 3 cells of specifier after its phandle, "
        "as `#address-cells` and `#interrupt-cells` of /gic have it"
    )


def test_a_chain_of_maps_is_bounded() -> None:
    maps = [
        f"n{i}: n{i} {{ #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <1 &n{i + 1} 1>; }};"
        for i in range(40)
    ]
    source = tree("".join(maps) + "n40: n40 { interrupt-controller; #interrupt-cells = <1>; };")
    refs, findings = interrupts(parse_dts(source, "t.dts"))
    assert [ref.node.name for ref in refs] == [f"n{i}" for i in range(24, 40)]
    assert {finding.code for finding in findings} == {"E0408"}
    assert len(findings) == 24


def big_map(rows: int) -> Tree:
    span = Span("t")
    root = Node("", span)
    controller = root.add(Node("c", span))
    controller.set("interrupt-controller", b"")
    controller.set_cells("#interrupt-cells", 1)
    controller.set_cells("phandle", 1)
    nexus = root.add(Node("n", span))
    nexus.set_cells("#interrupt-cells", 1)
    nexus.set_cells("#address-cells", 0)
    nexus.set_cells("phandle", 2)
    nexus.set_cells("interrupt-map", *(cell for row in range(rows) for cell in (row, 1, row)))
    root.set_cells("interrupt-parent", 2)
    for index in range(rows):
        root.add(Node(f"d{index}", span)).set_cells("interrupts", index)
    return Tree(root, "t")


def test_a_big_map_takes_no_quadratic_time() -> None:
    # Searched row by row, this would be 400 million comparisons.
    refs, findings = interrupts(big_map(20_000))
    assert len(refs) == 40_000
    assert not findings


def findings_of(tree_: Tree) -> tuple[Finding, ...]:
    return interrupts(tree_)[1]


@pytest.mark.parametrize("value", [b"", b"\0", b"\0" * 5, b"\xff" * 4, b"\xff" * 64, b"\0" * 64, b"\x7f\xff\xff\xff"])
@pytest.mark.parametrize(
    "name",
    ["#interrupt-cells", "#address-cells", "interrupt-map", "interrupt-map-mask", "interrupts", "interrupt-parent",
     "interrupts-extended", "interrupt-names", "status", "reg", "phandle", "interrupt-controller"],
)  # fmt: skip
def test_any_value_anywhere_is_survived(name: str, value: bytes) -> None:
    source = tree(GIC + pci("<0 0 0 1 &gic 0 0 0 3 4>", below=device(0, 1)))
    for at in range(4):
        made = parse_dts(source, "t.dts")
        list(made.walk())[at].set(name, value)
        assert all(finding.code in CODES for finding in findings_of(made))
