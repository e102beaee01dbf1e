"""The interrupt tree: small trees, each with what resolves and with the findings and their places."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, interrupts, parse_dts
from irqframe.errors import Span

GIC = """
    gic: gic { interrupt-controller; #interrupt-cells = <3>; #address-cells = <2>; #size-cells = <2>; phandle = <1>; };
"""
SMALL = """
    small: small { interrupt-controller; #interrupt-cells = <1>; phandle = <2>; };
"""
ONE = "interrupt-controller; #interrupt-cells = <1>;"


def tree(body: str) -> str:
    return "/dts-v1/;\n/ {\n#address-cells = <1>;\n#size-cells = <1>;\n" + body + "\n};\n"


def text_at(source: str, span: Span) -> str:
    """What a span covers, on its first line."""
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


@dataclass(frozen=True)
class Case:
    """A tree, (node, index, specifier, controller) of what resolves, and (code, text at its place) of each finding."""

    name: str
    body: str
    resolved: tuple[tuple[str, int, tuple[int, ...], str], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


RESOLVING = (
    Case(
        "the parent comes from the root",
        f"interrupt-parent = <&gic>; {GIC} a {{ interrupts = <0 1 4>, <0 2 1>; }};",
        (("/a", 0, (0, 1, 4), "/gic"), ("/a", 1, (0, 2, 1), "/gic")),
    ),
    Case(
        "the nearest ancestor with an interrupt-parent decides",
        f"interrupt-parent = <&gic>; {GIC} {SMALL} bus {{ interrupt-parent = <&small>; "
        f"b {{ a {{ interrupts = <7>; }}; }}; }};",
        (("/bus/b/a", 0, (7,), "/small"),),
    ),
    Case(
        "a node's own interrupt-parent comes first",
        f"interrupt-parent = <&gic>; {GIC} {SMALL} a {{ interrupt-parent = <&small>; interrupts = <7>; }};",
        (("/a", 0, (7,), "/small"),),
    ),
    Case(
        "a controller is the parent of what is below it",
        f"interrupt-parent = <&gic>; {GIC} pic {{ {ONE} a {{ interrupts = <5>; }}; }};",
        (("/pic/a", 0, (5,), "/pic"),),
    ),
    Case(
        "a controller's own interrupt goes to its parent",
        f"interrupt-parent = <&gic>; {GIC} pic {{ {ONE} interrupts = <0 9 4>; }};",
        (("/pic", 0, (0, 9, 4), "/gic"),),
    ),
    Case(
        "a controller that the root points to is its own parent",
        "interrupt-parent = <&gic>; gic: gic { interrupt-controller; #interrupt-cells = <3>; interrupts = <1 9 4>; };",
        (("/gic", 0, (1, 9, 4), "/gic"),),
    ),
    Case(
        "interrupts-extended names several controllers and counts before interrupts",
        f"{GIC} {SMALL} a {{ interrupts = <99>; interrupts-extended = <&small 5>, <&gic 0 6 1>; }};",
        (("/a", 0, (5,), "/small"), ("/a", 1, (0, 6, 1), "/gic")),
    ),
    Case(
        "a zero phandle in interrupts-extended is a hole",
        f"{SMALL} a {{ interrupts-extended = <0>, <&small 5>; }};",
        (("/a", 1, (5,), "/small"),),
    ),
    Case(
        "a controller without cells takes interrupts-extended with none",
        "one: one { interrupt-controller; #interrupt-cells = <0>; }; a { interrupts-extended = <&one>; };",
        (("/a", 0, (), "/one"),),
    ),
    Case(
        "disabled nodes and what is below them are passed over",
        f'interrupt-parent = <&gic>; {GIC} a {{ status = "disabled"; interrupts = <1>; b {{ interrupts = <2>; }}; }};',
    ),
    Case(
        "okay and ok are both enabled",
        f'interrupt-parent = <&small>; {SMALL} a {{ status = "okay"; interrupts = <1>; }}; '
        f'b {{ status = "ok"; interrupts = <2>; }};',
        (("/a", 0, (1,), "/small"), ("/b", 0, (2,), "/small")),
    ),
    Case(
        "linux,phandle is a phandle",
        f"interrupt-parent = <7>; c {{ {ONE} linux,phandle = <7>; }}; a {{ interrupts = <3>; }};",
        (("/a", 0, (3,), "/c"),),
    ),
)

FAULTY = (
    Case(
        "no interrupt parent",
        "a { interrupts = <10 2>; };",
        findings=(("E0401", "10"),),
    ),
    Case(
        "too few cells",
        f"interrupt-parent = <&gic>; {GIC} a {{ interrupts = <0 11 4 0 12>; }}; b {{ interrupts = <0 1 4>; }};",
        (("/a", 0, (0, 11, 4), "/gic"), ("/b", 0, (0, 1, 4), "/gic")),
        (("E0402", "0"),),
    ),
    Case(
        "interrupts that are no cells",
        f"interrupt-parent = <&gic>; {GIC} a {{ interrupts = [00 11]; }};",
        findings=(("E0402", "interrupts"),),
    ),
    Case(
        "interrupts without a value",
        f"interrupt-parent = <&gic>; {GIC} a {{ interrupts; }};",
        findings=(("E0402", "interrupts"),),
    ),
    Case(
        "interrupts-extended with too few cells",
        f"{GIC} {SMALL} a {{ interrupts-extended = <&small 5>, <&gic 0 6>; }};",
        (("/a", 0, (5,), "/small"),),
        (("E0402", "&gic"),),
    ),
    Case(
        "interrupt-parent is two cells",
        f"interrupt-parent = <1 1>; {GIC} a {{ interrupts = <0 1 4>; }};",
        findings=(("E0402", "interrupt-parent"),),
    ),
    Case(
        "interrupt-parent names nothing, which is said once",
        f"interrupt-parent = <0x99>; {GIC} a {{ interrupts = <0 1 4>; }}; b {{ interrupts = <0 1 4>; }};",
        findings=(("E0403", "0x99"),),
    ),
    Case(
        "interrupts-extended names nothing",
        f"{GIC} a {{ interrupts-extended = <&gic 0 1 4>, <0x77 1>; }};",
        (("/a", 0, (0, 1, 4), "/gic"),),
        (("E0403", "0x77"),),
    ),
    Case(
        "a controller without #interrupt-cells, which is said once",
        "interrupt-parent = <&c>; c: c { interrupt-controller; }; a { interrupts = <1>; }; b { interrupts = <1>; };",
        findings=(("E0404", "c"),),
    ),
    Case(
        "#interrupt-cells of two cells",
        "interrupt-parent = <&c>; c: c { interrupt-controller; #interrupt-cells = <1 1>; }; a { interrupts = <1>; };",
        findings=(("E0404", "#interrupt-cells"),),
    ),
    Case(
        "#interrupt-cells that no controller has",
        "interrupt-parent = <&c>; c: c { interrupt-controller; #interrupt-cells = <17>; }; a { interrupts = <1>; };",
        findings=(("E0404", "#interrupt-cells"),),
    ),
    Case(
        "interrupt-parent names a device",
        f"{GIC} d: d {{ }}; a {{ interrupt-parent = <&d>; interrupts = <1>; }}; "
        f"b {{ interrupt-parent = <&gic>; interrupts = <0 1 4>; }};",
        (("/b", 0, (0, 1, 4), "/gic"),),
        (("E0405", "&d"),),
    ),
    Case(
        "#interrupt-cells without interrupt-controller",
        "interrupt-parent = <&c>; c: c { #interrupt-cells = <1>; }; a { interrupts = <1>; }; b { interrupts = <2>; };",
        findings=(("E0405", "c"),),
    ),
    Case(
        "a disabled controller",
        f'interrupt-parent = <&c>; c: c {{ {ONE} status = "disabled"; }}; a {{ interrupts = <1>; }};',
        findings=(("E0411", "status"),),
    ),
    Case(
        "a controller in a disabled node",
        f'interrupt-parent = <&c>; bus {{ status = "disabled"; c: c {{ {ONE} }}; }}; a {{ interrupts = <1>; }};',
        findings=(("E0411", "status"),),
    ),
)


@pytest.mark.parametrize("case", RESOLVING + FAULTY, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    source = tree(case.body)
    refs, findings = interrupts(parse_dts(source, "t.dts"))
    assert [(ref.node.path, ref.index, ref.specifier, ref.controller.path) for ref in refs] == list(case.resolved)
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == list(case.findings)
    assert all(finding.code in CODES and finding.expected and finding.found for finding in findings)


def test_too_few_cells_says_what_was_expected() -> None:
    source = tree(f"interrupt-parent = <&gic>; {GIC} a {{ interrupts = <0 1>; }};")
    _, (finding,) = interrupts(parse_dts(source, "t.dts"))
    assert finding.message == "`interrupts` does not divide into interrupt specifiers"
    assert finding.expected == "3 cells for /gic"
    assert finding.found == "2 cells"
    assert finding.path == "/a"
    ((where, why),) = finding.related
    assert (text_at(source, where), why) == ("#interrupt-cells", "the controller's `#interrupt-cells`")


def test_names_and_places() -> None:
    source = tree(f'interrupt-parent = <&gic>; {GIC} a {{ interrupt-names = "tx"; interrupts = <0 10 4>, <0 20 4>; }};')
    refs, _ = interrupts(parse_dts(source, "t.dts"))
    assert [ref.name for ref in refs] == ["tx", ""]
    assert [text_at(source, span) for span in refs[1].spans] == ["0", "20", "4"]
    assert refs[1].span == refs[1].spans[0]
    ((hop,),) = [ref.hops for ref in refs[1:]]
    assert (hop.node.path, hop.property, hop.span) == ("/a", "interrupts", refs[1].span)


def test_deep_trees_take_linear_time() -> None:
    depth = 60
    body = "n { interrupts = <0 1 4>; " * depth + "};" * depth
    source = tree(f"interrupt-parent = <&gic>; {GIC} {body}")
    refs, findings = interrupts(parse_dts(source, "t.dts"))
    assert len(refs) == depth
    assert not findings
