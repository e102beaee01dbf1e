"""From a tree to a machine: what is found, and each rule of the machine broken once, at its place."""

from pathlib import Path

import pytest

from irqframe import Irqchip, PluginError, Source, SourceKind, SpecifierError, Trigger, hookimpl
from irqframe.dt import Tree, parse_dts, read_binding_folders
from irqframe.errors import Finding, InputError
from irqframe.flow import NodeRef, Plugin
from irqframe.machine import CODES, examine, load_machine


class Latch(Irqchip):
    """Two cells: number below 32, trigger; numbers from 16 on are per CPU."""

    compatible = ("test,latch",)
    vcpu_limit = 2

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        if cells[0] >= 32:
            raise SpecifierError(f"there is no line {cells[0]}", cell=0, expected="a line of 0..31")
        return Source(SourceKind.PPI if cells[0] >= 16 else SourceKind.SPI, cells[0], Trigger(cells[1]))


class Plain(Irqchip):
    compatible = ("test,plain",)


LATCH = Plugin("latch", "irqframe-latch", "1", "latch:Latch", Latch)
PLAIN = Plugin("plain", "irqframe-plain", "1", "plain:Plain", Plain)

BINDING = """\
%YAML 1.2
---
$id: http://devicetree.org/schemas/test/NAME.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
title: A device
maintainers: [nobody <nobody@example.org>]
properties:
  compatible:
    const: test,NAME
  test,limit:
    $ref: REFERENCE
additionalProperties: true
"""
# Each level of children doubles the work, so a deep tree is too much.
DEEP = (
    BINDING.replace("NAME", "deep").partition("properties:")[0]
    + "select:\n  required: [start]\npatternProperties: {'^c': {$ref: '#/$defs/n'}}\n$defs:\n  n:\n    type: object\n"
    + "    properties: {wrong: false}\n    allOf:\n"
    + "      - patternProperties: {'^c': {$ref: '#/$defs/n'}}\n" * 4
)

MACHINE = """\
/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;
	interrupt-parent = <&latch>;
	cpus {
		#address-cells = <1>;
		#size-cells = <0>;
		cpu@0 { device_type = "cpu"; compatible = "test,cpu"; reg = <0>; };
		CPUS
	};
	latch: latch {
		compatible = "test,latch";
		interrupt-controller;
		#address-cells = <0>;
		#interrupt-cells = <2>;
	};
	plain: plain {
		compatible = "test,plain";
		interrupt-controller;
		#interrupt-cells = <1>;
	};
	strange: strange {
		compatible = "nobody,intc";
		interrupt-controller;
		#interrupt-cells = <1>;
	};
	DEVICES
};
"""


def tree(devices: str, cpus: str = "") -> Tree:
    return parse_dts(MACHINE.replace("DEVICES", devices).replace("CPUS", cpus), "m.dts")


def findings(devices: str, cpus: str = "") -> list[Finding]:
    with pytest.raises(InputError) as caught:
        load_machine(tree(devices, cpus), (LATCH, PLAIN))
    return list(caught.value.findings)


def place(finding: Finding, text: str) -> str:
    """What stands in the text where the finding is."""
    line = text.split("\n")[finding.span.line - 1]
    return line[finding.span.column - 1 : finding.span.end_column - 1]


def test_a_machine_has_its_sources_by_name_and_kind() -> None:
    machine = load_machine(tree("uart { interrupts = <3 4>; }; clock { interrupts = <17 4>; };"), (LATCH, PLAIN))
    assert machine.irqchip == "latch"
    assert [(one.name, one.source) for one in machine.sources] == [
        ("uart", Source(SourceKind.SPI, 3, Trigger.LEVEL_HIGH)),
        ("clock", Source(SourceKind.PPI, 17, Trigger.LEVEL_HIGH)),
    ]
    assert [node.path for node in machine.controllers] == ["/latch"]


def test_an_irqchip_that_does_not_translate_gets_number_and_edge() -> None:
    machine = load_machine(tree("uart { interrupts-extended = <&plain 7>; };"), (LATCH, PLAIN))
    assert machine.sources[0].source == Source(SourceKind.SPI, 7, Trigger.EDGE_RISING)


def test_sources_of_one_name_are_told_apart() -> None:
    devices = "a { uart { interrupts = <1 1>, <2 1>; }; }; b { uart { interrupts = <3 1>; }; };"
    machine = load_machine(tree(devices), (LATCH,))
    assert [one.name for one in machine.sources] == ["/a/uart", "uart [1]", "/b/uart"]


def test_a_controller_that_nobody_serves_is_named_with_what_is_installed() -> None:
    (finding,) = findings("uart { interrupts-extended = <&strange 1>; };")
    assert finding.code == "E0601"
    assert (finding.path, finding.found, finding.expected) == (
        "/strange",
        "nobody,intc",
        "one of test,latch, test,plain",
    )


def test_a_strange_controller_that_nobody_uses_is_no_fault() -> None:
    assert load_machine(tree("uart { interrupts = <1 4>; };"), (LATCH,)).irqchip == "latch"


def test_a_machine_has_one_irqchip() -> None:
    (finding,) = findings("a { interrupts = <1 4>; }; b { interrupts-extended = <&plain 1>; };")
    assert finding.code == "E0602"
    assert "'plain'" in finding.message
    assert "'latch'" in finding.message


def test_what_the_irqchip_refuses_is_at_the_cell() -> None:
    text = "uart { interrupts = <3 4 99 4>; };"
    (finding,) = findings(text)
    assert (finding.code, finding.expected) == ("E0603", "a line of 0..31")
    assert place(finding, MACHINE.replace("DEVICES", text)) == "99"


@pytest.mark.parametrize(
    ("devices", "codes"),
    [
        ("a { interrupts = <1 1>; }; b { interrupts = <1 1>; };", ["E0604"]),
        ("a { interrupts = <1 4>; }; b { interrupts = <1 1>; };", ["E0604"]),
        ("a { interrupts = <17 4>; }; b { interrupts = <17 4>; };", ["E0604"]),
        ("a { interrupts = <1 1>; }; b { interrupts = <1 1>; }; c { interrupts = <1 1>; };", ["E0604", "E0604"]),
    ],
)
def test_a_line_that_only_one_can_have(devices: str, codes: list[str]) -> None:
    assert [finding.code for finding in findings(devices)] == codes


def test_level_lines_may_be_shared() -> None:
    machine = load_machine(tree("a { interrupts = <1 4>; }; b { interrupts = <1 4>; };"), (LATCH,))
    assert len(machine.sources) == 2


def test_a_machine_without_devices_has_the_controller_it_has() -> None:
    machine = load_machine(tree("uart { };"), (LATCH,))
    assert (machine.irqchip, machine.sources) == ("latch", ())


def test_a_machine_without_a_controller_that_is_served() -> None:
    with pytest.raises(InputError) as caught:
        load_machine(tree("uart { };"), ())
    (finding,) = caught.value.findings
    assert finding.code == "E0605"


def test_more_cpus_than_the_irqchip_serves() -> None:
    more = "".join(f'cpu@{n} {{ device_type = "cpu"; compatible = "test,cpu"; reg = <{n}>; }};' for n in (1, 2))
    (finding,) = findings("uart { interrupts = <1 4>; };", more)
    assert (finding.code, finding.path) == ("E0606", "/cpus/cpu@2")
    assert finding.message == "the machine has 3 CPUs, and latch serves at most 2"


def test_all_findings_of_a_tree_come_together_in_source_order() -> None:
    found = findings("a { interrupts = <99 4>; }; b { interrupts = <1>; }; c { interrupts-extended = <&strange 1>; };")
    assert [finding.code for finding in found] == ["E0601", "E0603", "E0402"]


def test_what_an_irqchip_raises_by_mistake_is_its_own_fault() -> None:
    class Broken(Irqchip):
        compatible = ("test,latch",)

        @hookimpl
        def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
            return Source(SourceKind.SPI, cells[5], Trigger.NONE)

    broken = Plugin("broken", "irqframe-broken", "1", "broken:Broken", Broken)
    with pytest.raises(PluginError, match=r"irqchip_translate raised IndexError: .* at .*test_load\.py:\d+"):
        examine(tree("uart { interrupts = <1 4>; };"), (broken,))


def test_every_code_is_documented_once() -> None:
    assert all(code[:3] in ("E06", "W06") and meaning for code, meaning in CODES.items())
    assert len({code[1:] for code in CODES}) == len(CODES)


NEXUS = """
	nexus: nexus {
		#interrupt-cells = <1>;
		#address-cells = <0>;
		interrupt-map = <1 &latch 5 1>, <2 &latch 6 1>;
	};
"""


def test_a_row_that_a_device_goes_through_is_no_source_of_its_own() -> None:
    devices = NEXUS + "uart { interrupt-parent = <&nexus>; interrupts = <1>; };"
    machine = load_machine(tree(devices), (LATCH,))
    assert [(one.name, one.source.number) for one in machine.sources] == [("nexus row 0x2", 6), ("uart", 5)]


def test_a_row_that_another_row_goes_through_is_no_source_of_its_own() -> None:
    outer = "outer { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <9 &nexus 1>; };"
    machine = load_machine(tree(NEXUS + outer), (LATCH,))
    assert [(one.name, one.source.number) for one in machine.sources] == [("nexus row 0x2", 6), ("outer row 0x9", 5)]


def test_what_one_tree_needed_is_not_told_of_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", "")
    for name, reference in (("one", "/schemas/nowhere.yaml#"), ("other", "/schemas/types.yaml#/definitions/uint32")):
        (tmp_path / f"{name}.yaml").write_text(BINDING.replace("NAME", name).replace("REFERENCE", reference))
    folders = read_binding_folders([tmp_path])
    told = []
    for name in ("one", "other", "one"):
        tree = parse_dts(f'/dts-v1/; / {{ n {{ compatible = "test,{name}"; }}; }};', "t.dts")
        _, found = examine(tree, (LATCH,), folders)
        told.append([finding.code for finding in found if finding.code == "W0516"])
    assert told == [["W0516"], [], ["W0516"]]


def test_a_tree_that_is_too_much_for_a_binding_leaves_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", "")
    monkeypatch.setattr("irqframe.dt._schema_registry.LOOKS_MAX", 2_000)
    (tmp_path / "deep.yaml").write_text(DEEP)
    folders = read_binding_folders([tmp_path])
    deep = "c { " * 7 + "};" * 7
    told = []
    for children in (deep, "c { wrong; };"):
        tree = parse_dts(f"/dts-v1/; / {{ n {{ start; {children} }}; }};", "t.dts")
        _, found = examine(tree, (LATCH,), folders)
        told.append({finding.code for finding in found if finding.path.startswith("/n") and finding.code != "W0518"})
        told.append({finding.code for finding in found if finding.code == "W0517"})
    assert told[1] == {"W0517"}
    assert (told[2], told[3]) == ({"E0505"}, set())
