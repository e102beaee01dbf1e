"""Cascades of controllers: where each sends what it takes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, Tree, Upstream, interrupts, msi_ranges, msi_routes, parse_dts, upstreams
from irqframe.errors import Finding, Span

GIC = "gic: gic { interrupt-controller; #interrupt-cells = <3>; };"
ONE = "interrupt-controller; #interrupt-cells = <1>;"


def tree(body: str) -> str:
    return "/dts-v1/;\n/ {\n" + body + "\n};\n"


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


def of(parsed: Tree) -> tuple[tuple[Upstream, ...], tuple[Finding, ...]]:
    return upstreams(parsed, interrupts(parsed)[0], msi_ranges(parsed)[0], msi_routes(parsed)[0])


@dataclass(frozen=True)
class Case:
    """A tree, and (node, property, specifiers raised, parents, stated) of each controller."""

    name: str
    body: str
    ways: tuple[tuple[str, str, tuple[tuple[int, ...], ...], tuple[str, ...], bool], ...]


ROOT = ("/gic", "", (), (), True)

CASES = (
    Case("a controller without a parent is a root", GIC, (ROOT,)),
    Case(
        "a controller that is its own parent is a root, its maintenance interrupt notwithstanding",
        "interrupt-parent = <&gic>; gic: gic { interrupt-controller; #interrupt-cells = <3>; interrupts = <1 9 4>; };",
        (ROOT,),
    ),
    Case(
        "a gpio controller raises its interrupts",
        f"interrupt-parent = <&gic>; {GIC} gpio {{ {ONE} interrupts = <0 5 4>, <0 6 4>; }};",
        (ROOT, ("/gpio", "interrupts", ((0, 5, 4), (0, 6, 4)), ("/gic",), True)),
    ),
    Case(
        "two controllers above",
        f"{GIC} pic: pic {{ {ONE} }}; both {{ {ONE} interrupts-extended = <&pic 1>, <&gic 0 6 4>, <&pic 2>; }};",
        (
            ROOT,
            ("/pic", "", (), (), True),
            ("/both", "interrupts-extended", ((1,), (0, 6, 4), (2,)), ("/pic", "/gic"), True),
        ),
    ),
    Case(
        "MSI ranges",
        f"{GIC} frame {{ msi-controller; msi-ranges = <&gic 0 700 1 32>; }};",
        (ROOT, ("/frame", "msi-ranges", (), ("/gic",), True)),
    ),
    Case(
        "a bank raises the interrupts of its pin controller",
        f"interrupt-parent = <&gic>; {GIC} pinctrl {{ interrupts = <0 5 4>; bank {{ {ONE} }}; }};",
        (ROOT, ("/pinctrl/bank", "interrupts", ((0, 5, 4),), ("/gic",), True)),
    ),
    Case(
        "a controller that sends messages",
        "its: its { msi-controller; #msi-cells = <1>; }; "
        f"mbigen {{ {ONE} msi-parent = <&its 5>; }}; own: own {{ msi-controller; msi-parent = <&own>; }};",
        (
            ("/its", "", (), (), True),
            ("/mbigen", "msi-parent", (), ("/its",), True),
            ("/own", "", (), (), True),
        ),
    ),
    Case(
        "a controller with an interrupt-parent and no interrupts hands on its lines",
        f"{GIC} pdc {{ {ONE} interrupt-parent = <&gic>; }};",
        (ROOT, ("/pdc", "interrupt-parent", (), ("/gic",), True)),
    ),
    Case(
        "an MSI controller within a controller",
        "gic: gic { interrupt-controller; #interrupt-cells = <3>; its { msi-controller; }; };",
        (ROOT, ("/gic/its", "", (), ("/gic",), True)),
    ),
    Case(
        "a controller of which the tree does not say it",
        f"interrupt-parent = <&gic>; {GIC} intc {{ {ONE} }};",
        (ROOT, ("/intc", "", (), ("/gic",), False)),
    ),
    Case(
        "a controller that inherits one which sends to it is a root",
        f"interrupt-parent = <&rvid>; rvic: rvic {{ {ONE} }}; rvid: rvid {{ {ONE} interrupt-parent = <&rvic>; }};",
        (("/rvic", "", (), (), False), ("/rvid", "interrupt-parent", (), ("/rvic",), True)),
    ),
    Case(
        "disabled controllers have none",
        f'{GIC} off {{ {ONE} status = "disabled"; interrupt-parent = <&gic>; }};',
        (ROOT,),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    found, findings = of(parse_dts(tree(case.body), "t.dts"))
    ways = tuple(
        (
            one.node.path,
            one.property,
            tuple(ref.specifier for ref in one.refs),
            tuple(node.path for node in one.parents),
            one.stated,
        )
        for one in found
    )
    assert ways == case.ways
    assert not findings


def test_the_place_is_where_it_is_written() -> None:
    source = tree(
        f"{GIC} pdc {{ {ONE} interrupt-parent = <&gic>; }}; pic {{ {ONE} interrupts-extended = <&gic 0 7 4>; }};"
    )
    found, _ = of(parse_dts(source, "t.dts"))
    assert [text_at(source, one.span) for one in found] == ["gic", "&gic", "0"]


def test_a_circle_is_found_once() -> None:
    circle = "".join(f"c{n}: c{n} {{ {ONE} interrupts-extended = <&c{(n + 1) % 3} {n}>; }};\n" for n in range(3))
    lead = f"lead {{ {ONE} interrupts-extended = <&c1 9>; }};"
    found, (finding,) = of(parse_dts(tree(lead + circle), "t.dts"))
    assert len(found) == 4
    assert (finding.code, finding.path, finding.found) == ("E0415", "/c0", "/c0 -> /c1 -> /c2 -> /c0")
    assert finding.code in CODES


def test_a_long_cascade_takes_linear_time() -> None:
    chain = "".join(f"c{n}: c{n} {{ {ONE} interrupts-extended = <&c{n + 1} 1>; }};" for n in range(3000))
    found, findings = of(parse_dts(tree(chain + f"c3000: c3000 {{ {ONE} }};"), "t.dts"))
    assert len(found) == 3001
    assert not findings


def test_as_many_circles_are_found_as_are_listed() -> None:
    ring = "".join(f"c{n}: c{n} {{ {ONE} interrupts-extended = <&c0 1>, <&c{n + 1} 1>; }};" for n in range(2000))
    _, findings = of(parse_dts(tree(ring + f"c2000: c2000 {{ {ONE} }};"), "t.dts"))
    assert 0 < len(findings) <= 100
