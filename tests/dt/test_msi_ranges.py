"""The interrupts of MSI controllers: `msi-ranges`, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, msi_ranges, parse_dts
from irqframe.errors import Span

AIC = "aic: aic { interrupt-controller; #interrupt-cells = <3>; };"
SMALL = "small: small { interrupt-controller; #interrupt-cells = <1>; };"


def tree(body: str) -> str:
    return "/dts-v1/;\n/ {\n" + body + "\n};\n"


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


@dataclass(frozen=True)
class Case:
    """A tree, (node, index, controller, first, length) of each range, and (code, text) of each finding."""

    name: str
    body: str
    ranges: tuple[tuple[str, int, str, tuple[int, ...], int], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


CASES = (
    Case(
        "one range, as Apple's PCIe has it",
        AIC + "pcie { msi-controller; msi-ranges = <&aic 0 704 1 32>; };",
        (("/pcie", 0, "/aic", (0, 704, 1), 32),),
    ),
    Case(
        "ranges of controllers with different cell counts",
        AIC + SMALL + "m { msi-ranges = <&small 5 2>, <&aic 0 9 1 4>, <&small 9 1>; };",
        (
            ("/m", 0, "/small", (5,), 2),
            ("/m", 1, "/aic", (0, 9, 1), 4),
            ("/m", 2, "/small", (9,), 1),
        ),
    ),
    Case("a disabled node has none", 'm { status = "disabled"; msi-ranges = <0x99 1 1>; };'),
    Case("no span", SMALL + "m { msi-ranges = <&small 5>; };", findings=(("E0426", "&small"),)),
    Case(
        "a row too short at the end",
        AIC + "m { msi-ranges = <&aic 0 704 1 32>, <&aic 0 736 1>; };",
        (("/m", 0, "/aic", (0, 704, 1), 32),),
        (("E0426", "&aic"),),
    ),
    Case("no value", "m { msi-ranges; };", findings=(("E0426", "msi-ranges"),)),
    Case("no cells", "m { msi-ranges = [00 11 22]; };", findings=(("E0426", "msi-ranges"),)),
    Case(
        "an empty range, and one behind it",
        SMALL + "m { msi-ranges = <&small 5 0>, <&small 6 1>; };",
        (("/m", 1, "/small", (6,), 1),),
        (("E0427", "0"),),
    ),
    Case("a phandle of nobody", "m { msi-ranges = <0x99 5 1>; };", findings=(("E0403", "0x99"),)),
    Case("a device", "d: d { }; m { msi-ranges = <&d 5 1>; };", findings=(("E0405", "&d"),)),
    Case(
        "a disabled controller",
        'c: c { interrupt-controller; #interrupt-cells = <1>; status = "disabled"; }; m { msi-ranges = <&c 5 1>; };',
        findings=(("E0411", "status"),),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    source = tree(case.body)
    ranges, findings = msi_ranges(parse_dts(source, "t.dts"))
    assert [(r.node.path, r.index, r.controller.path, r.first, r.length) for r in ranges] == list(case.ranges)
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == list(case.findings)
    assert all(finding.code in CODES and finding.expected and finding.found for finding in findings)


def test_the_place_is_where_the_controller_is_named() -> None:
    source = tree(SMALL + "m { msi-ranges = <&small 5 2>; };")
    ((one,), _) = msi_ranges(parse_dts(source, "t.dts"))
    assert text_at(source, one.span) == "&small"
