"""MSI routes: msi-map and msi-parent, and what can be wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, msi_routes, parse_dts
from irqframe.errors import Span

FRAME = "v2m: v2m { msi-controller; };"
ITS = "its: its { msi-controller; #msi-cells = <1>; };"


def tree(body: str) -> str:
    return "/dts-v1/;\n/ {\n" + body + "\n};\n"


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


@dataclass(frozen=True)
class Case:
    """A tree, its routes, and (code, text) of each finding.

    A route is (node, controller, rid_base, msi_base, length, mask, specifier).
    """

    name: str
    body: str
    routes: tuple[tuple[str, str, int, int, int, int, tuple[int, ...]], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


NO_MASK = 0xFFFFFFFF

CASES = (
    Case(
        "msi-map with a controller without cells has the base all the same",
        FRAME + "pci { msi-map = <0 &v2m 0 0x10000>; };",
        (("/pci", "/v2m", 0, 0, 0x10000, NO_MASK, ()),),
    ),
    Case(
        "several rows and a mask",
        FRAME + ITS + "pci { msi-map = <0 &its 0x100 0x80>, <0x80 &v2m 0 0x80>; msi-map-mask = <0xff>; };",
        (
            ("/pci", "/its", 0, 0x100, 0x80, 0xFF, (0x100,)),
            ("/pci", "/v2m", 0x80, 0, 0x80, 0xFF, ()),
        ),
    ),
    Case(
        "msi-map counts before msi-parent",
        FRAME + ITS + "pci { msi-parent = <&v2m>; msi-map = <0 &its 0 8>; };",
        (("/pci", "/its", 0, 0, 8, NO_MASK, (0,)),),
    ),
    Case(
        "msi-parent of a PCI host is for all requester IDs",
        FRAME + 'pci { device_type = "pci"; msi-parent = <&v2m>; };',
        (("/pci", "/v2m", 0, 0, 0x10000, NO_MASK, ()),),
    ),
    Case(
        "msi-parent of a device, with cells, and with two controllers",
        FRAME + ITS + "dev { msi-parent = <&its 0x23>, <&v2m>; };",
        (
            ("/dev", "/its", 0, 0x23, 1, NO_MASK, (0x23,)),
            ("/dev", "/v2m", 0, 0, 1, NO_MASK, ()),
        ),
    ),
    Case("a disabled node has none", FRAME + 'pci { status = "disabled"; msi-map = <0 0x99 0 1>; };'),
    Case(
        "msi-map with half a row",
        FRAME + "pci { msi-map = <0 &v2m 0 0x80>, <0x44 &v2m>; };",
        (("/pci", "/v2m", 0, 0, 0x80, NO_MASK, ()),),
        (("E0420", "0x44"),),
    ),
    Case("msi-map without a value", "pci { msi-map; };", findings=(("E0420", "msi-map"),)),
    Case("msi-parent without a value", "pci { msi-parent; };", findings=(("E0420", "msi-parent"),)),
    Case(
        "msi-parent lacks its cell",
        ITS + "dev { msi-parent = <&its>; };",
        findings=(("E0420", "&its"),),
    ),
    Case("msi-map names nothing", "pci { msi-map = <0 0x99 0 8>; };", findings=(("E0403", "0x99"),)),
    Case(
        "msi-parent names a device",
        "d: d { }; dev { msi-parent = <&d>; };",
        findings=(("E0421", "&d"),),
    ),
    Case(
        "a disabled controller",
        'c: c { msi-controller; status = "disabled"; }; dev { msi-parent = <&c>; };',
        findings=(("E0411", "status"),),
    ),
    Case(
        "msi-parent of controllers with two cells and with none, and a hole",
        FRAME + "c: c { msi-controller; #msi-cells = <2>; }; dev { msi-parent = <&c 1 2>, <0>, <&v2m>, <&c 3 4>; };",
        (
            ("/dev", "/c", 0, 1, 1, NO_MASK, (1, 2)),
            ("/dev", "/v2m", 0, 0, 1, NO_MASK, ()),
            ("/dev", "/c", 0, 3, 1, NO_MASK, (3, 4)),
        ),
    ),
    Case(
        "msi-map names a controller with two cells, which is said once",
        FRAME + "c: c { msi-controller; #msi-cells = <2>; };pci { msi-map = <0 &c 1 8>, <8 &v2m 0 8>, <16 &c 2 8>; };",
        (("/pci", "/v2m", 8, 0, 8, NO_MASK, ()),),
        (("E0425", "&c"),),
    ),
    Case(
        "#msi-cells that no controller has",
        "c: c { msi-controller; #msi-cells = <17>; }; dev { msi-parent = <&c 1 2>; }; e { msi-parent = <&c 1 2>; };",
        findings=(("E0422", "#msi-cells"),),
    ),
    Case(
        "a controller in a disabled node",
        'bus { status = "disabled"; c: c { msi-controller; }; }; dev { msi-parent = <&c>; };',
        findings=(("E0411", "status"),),
    ),
    Case(
        "msi-map-mask is two cells",
        FRAME + "pci { msi-map = <0 &v2m 0 8>; msi-map-mask = <1 1>; };",
        (("/pci", "/v2m", 0, 0, 8, NO_MASK, ()),),
        (("E0423", "msi-map-mask"),),
    ),
    Case(
        "a row that never matches",
        FRAME + "pci { msi-map = <0x700 &v2m 0 8>; msi-map-mask = <0xff>; };",
        findings=(("E0424", "0x700"),),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    source = tree(case.body)
    routes, findings = msi_routes(parse_dts(source, "t.dts"))
    assert [
        (r.node.path, r.controller.path, r.rid_base, r.msi_base, r.length, r.mask, r.specifier) for r in routes
    ] == list(case.routes)
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == list(case.findings)
    assert all(finding.code in CODES and finding.expected and finding.found for finding in findings)


def test_the_place_is_where_the_controller_is_named() -> None:
    source = tree(FRAME + "pci { msi-map = <0 &v2m 0 8>; };")
    ((route,), _) = msi_routes(parse_dts(source, "t.dts"))
    assert text_at(source, route.span) == "&v2m"
