"""Re-targeting: each rule of the rewriting on a small tree, with irqchips that are nothing but their description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from irqframe import Irqchip, Source, SourceKind, SpecifierError, Trigger, hookimpl
from irqframe.dt import Tree, load, parse_dts
from irqframe.errors import Finding, InputError
from irqframe.flow import DescribeRequest, NodeRef, NodeSpec, Phandle, Plugin, discover
from irqframe.machine import Machine, load_machine, retarget


class Old(Irqchip):
    """Two cells: 16 to 31 per CPU, else shared; trigger."""

    compatible = ("test,old", "test,old-msi")

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        kind = SourceKind.PPI if 16 <= cells[0] < 32 else SourceKind.SPI
        return Source(kind, cells[0], Trigger(cells[1]))


class New(Irqchip):
    """One node per kind: three cells for shared, one for per-CPU interrupts."""

    compatible = ("test,new-shared", "test,new-percpu")
    msis = True

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        if len(cells) == 1:
            return Source(SourceKind.PPI, cells[0], Trigger.LEVEL_HIGH)
        return Source(SourceKind.SPI, cells[1], Trigger(cells[2]))

    @hookimpl
    def irqchip_encode(self, source: Source) -> tuple[int, ...]:
        if source.number == 99:
            raise SpecifierError("there is no line 99", expected="a line of 0..98")
        return (source.number,) if source.kind is SourceKind.PPI else (0, source.number, source.trigger)

    @hookimpl
    def irqchip_describe(self, request: DescribeRequest) -> tuple[NodeSpec, ...]:
        if len(request.mpidrs) > 2:
            raise SpecifierError("there are too many CPUs")
        shared: frozenset[Any] = frozenset({SourceKind.SPI, "msi"} if self.msis else {SourceKind.SPI})
        common: dict[str, Any] = {"interrupt-controller": (), "#address-cells": (0,)}
        return (
            NodeSpec(
                "shared",
                {
                    "compatible": ("test,new-shared",),
                    **common,
                    "#interrupt-cells": (3,),
                    "test,other": (Phandle("percpu"), len(request.sources)),
                    **({"msi-controller": ()} if self.msis else {}),
                },
                serves=shared,
            ),
            NodeSpec(
                "percpu",
                {"compatible": ("test,new-percpu",), **common, "#interrupt-cells": (1,)},
                serves=frozenset({SourceKind.PPI}),
            ),
        )


class NewWithoutMsis(New):
    msis = False


OLD = Plugin("old", "irqframe-old", "1", "old:Old", Old)
NEW = Plugin("new", "irqframe-new", "1", "new:New", New)
DEAF = Plugin("deaf", "irqframe-deaf", "1", "deaf:Deaf", NewWithoutMsis)

MACHINE = """\
/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;
	interrupt-parent = <&old>;
	aliases { intc = "/old@1000"; uart = "/uart"; };
	cpus {
		#address-cells = <1>;
		#size-cells = <0>;
		cpu@0 { device_type = "cpu"; compatible = "test,cpu"; reg = <0>; };
		MORE
	};
	before { };
	old: old@1000 {
		compatible = "test,old";
		reg = <0x1000 0x1000>;
		interrupt-controller;
		#address-cells = <0>;
		#interrupt-cells = <2>;
		msi: msi {
			compatible = "test,old-msi";
			msi-controller;
		};
	};
	after { };
	DEVICES
};
"""


def machine(devices: str, more: str = "") -> Machine:
    text = MACHINE.replace("DEVICES", devices).replace("MORE", more)
    return load_machine(parse_dts(text, "m.dts"), (OLD, NEW, DEAF))


def moved(devices: str, plugin: Plugin = NEW) -> Tree:
    return retarget(machine(devices), plugin)


def cells(tree: Tree, path: str, name: str) -> tuple[int, ...]:
    node = tree.node(path)
    assert node is not None
    return node.cells(name)


def phandle(tree: Tree, path: str) -> int:
    node = tree.node(path)
    assert node is not None
    assert node.phandle is not None
    return node.phandle


def refusals(devices: str, plugin: Plugin = NEW, more: str = "") -> list[Finding]:
    with pytest.raises(InputError) as caught:
        retarget(machine(devices, more), plugin)
    return list(caught.value.findings)


def test_new_nodes_stand_where_the_old_ones_stood() -> None:
    tree = moved("uart { interrupts = <3 4>; };")
    assert list(tree.root.children) == ["aliases", "cpus", "before", "shared", "percpu", "after", "uart"]
    assert cells(tree, "/shared", "test,other") == (phandle(tree, "/percpu"), 1)


def test_specifiers_are_written_anew_in_their_place() -> None:
    tree = moved("uart { first; interrupts = <3 4>, <5 1>; last; };")
    assert cells(tree, "/uart", "interrupts") == (0, 3, 4, 0, 5, 1)
    uart = tree.node("/uart")
    assert uart is not None
    assert list(uart.properties) == ["first", "interrupts", "last"]
    assert cells(tree, "/", "interrupt-parent") == (phandle(tree, "/shared"),)


def test_a_device_that_inherits_another_parent_says_its_own() -> None:
    tree = moved("clock { interrupts = <17 4>; };")
    assert cells(tree, "/clock", "interrupts") == (17,)
    assert cells(tree, "/clock", "interrupt-parent") == (phandle(tree, "/percpu"),)


def test_interrupts_of_both_kinds_become_extended() -> None:
    tree = moved("soc { uart { interrupt-parent = <&old>; interrupts = <3 4>, <17 4>; }; };")
    expected = (phandle(tree, "/shared"), 0, 3, 4, phandle(tree, "/percpu"), 17)
    assert cells(tree, "/soc/uart", "interrupts-extended") == expected
    uart = tree.node("/soc/uart")
    assert uart is not None
    assert list(uart.properties) == ["interrupts-extended"]


def test_extended_specifiers_stay_extended() -> None:
    tree = moved("uart { interrupts-extended = <&old 3 4>; };")
    assert cells(tree, "/uart", "interrupts-extended") == (phandle(tree, "/shared"), 0, 3, 4)


BRIDGE = """\
bridge {
	#address-cells = <1>;
	#size-cells = <0>;
	#interrupt-cells = <1>;
	interrupt-map-mask = <3 1>;
	interrupt-map = <1 0 &old 7 4>, <2 0 &old 8 4>;
};
"""


def test_the_rows_of_a_map_are_written_anew() -> None:
    tree = moved(BRIDGE)
    shared = phandle(tree, "/shared")
    assert cells(tree, "/bridge", "interrupt-map") == (1, 0, shared, 0, 7, 4, 2, 0, shared, 0, 8, 4)
    assert cells(tree, "/bridge", "interrupt-map-mask") == (3, 1)


def test_what_is_disabled_is_written_anew_too() -> None:
    devices = 'uart { interrupts = <3 4>; }; off { status = "disabled"; interrupts = <4 1>; };'
    tree = moved(devices)
    assert cells(tree, "/off", "interrupts") == (0, 4, 1)
    off = tree.node("/off")
    assert off is not None
    assert off.strings("status") == ("disabled",)


def test_msi_parents_and_maps_follow() -> None:
    devices = """\
uart { interrupts = <3 4>; };
a { msi-parent = <&msi>; };
pcie { device_type = "pci"; #address-cells = <3>; #size-cells = <2>; msi-map = <0 &msi 0 0x10000>; };
"""
    tree = moved(devices)
    assert cells(tree, "/a", "msi-parent") == (phandle(tree, "/shared"),)
    assert cells(tree, "/pcie", "msi-map") == (0, phandle(tree, "/shared"), 0, 0x10000)


def test_without_messages_nobody_names_a_receiver() -> None:
    tree = moved("uart { interrupts = <3 4>; }; a { msi-parent = <&msi>; };", DEAF)
    a = tree.node("/a")
    assert a is not None
    assert "msi-parent" not in a.properties


def test_names_of_old_nodes_are_forgotten() -> None:
    tree = moved("uart { interrupts = <3 4>; };")
    aliases = tree.node("/aliases")
    assert aliases is not None
    assert list(aliases.properties) == ["uart"]


def test_the_machine_itself_is_left_as_it_is() -> None:
    before = machine("uart { interrupts = <3 4>; };")
    data = [(node.path, dict(node.properties)) for node in before.tree.walk()]
    retarget(before, NEW)
    assert [(node.path, dict(node.properties)) for node in before.tree.walk()] == data
    assert before.tree.node("/old@1000") is not None


def test_the_same_sources_come_out() -> None:
    before = machine(f"uart {{ interrupts = <3 4>, <17 4>; }}; {BRIDGE}")
    after = load_machine(retarget(before, NEW), (OLD, NEW))
    assert after.irqchip == "new"
    assert [(one.name, one.source) for one in after.sources] == [(one.name, one.source) for one in before.sources]


# What cannot be


def test_every_source_that_does_not_fit_is_a_finding_at_its_place() -> None:
    text = "a { interrupts = <99 4>; }; b { interrupts = <3 4>, <99 4>; };"
    found = refusals(text)
    assert [(finding.code, finding.path, finding.expected) for finding in found] == [
        ("E0608", "/a", "a line of 0..98"),
        ("E0608", "/b", "a line of 0..98"),
    ]
    assert all(finding.span.line for finding in found)


def test_a_machine_that_does_not_fit_is_one_finding() -> None:
    more = "".join(f'cpu@{n} {{ device_type = "cpu"; compatible = "test,cpu"; reg = <{n}>; }};' for n in (1, 2))
    (finding,) = refusals("uart { interrupts = <3 4>; };", more=more)
    assert (finding.code, finding.message) == ("E0608", "there are too many CPUs")


def test_a_name_that_is_taken() -> None:
    (finding,) = refusals("uart { interrupts = <3 4>; }; percpu { };")
    assert finding.code == "E0608"
    assert "'percpu'" in finding.message


def test_an_irqchip_that_does_not_describe_itself() -> None:
    (finding,) = refusals("uart { interrupts = <3 4>; };", OLD)
    assert (finding.code, finding.message) == ("E0608", "old does not describe its nodes to other machines")


def test_a_plugin_that_is_broken() -> None:
    (finding,) = refusals("uart { interrupts = <3 4>; };", Plugin("x", "", "", "", error="no module"))
    assert (finding.code, finding.message) == ("E0608", "the plugin 'x' is broken: no module")


# Real ones

ROOT = Path(__file__).parents[2]


def test_more_cpus_than_the_new_irqchip_serves() -> None:
    text = (ROOT / "docs" / "examples" / "virt-rvic.dts").read_text()
    more = "".join(
        f'cpu@{n:x} {{ device_type = "cpu"; compatible = "arm,cortex-a57"; reg = <{n}>; enable-method = "psci"; }};'
        for n in range(2, 8)
    )
    assert text.count("\t\tcpu@100 {") == 1
    before = load_machine(parse_dts(text.replace("\t\tcpu@100 {", f"{more} cpu@100 {{"), "m.dts"))
    assert len(before.cpus) == 10
    gic = next(plugin for plugin in discover({}) if plugin.name == "gicv2")
    with pytest.raises(InputError) as caught:
        load_machine(retarget(before, gic))
    assert {finding.code for finding in caught.value.findings} <= {"E0606", "E0608"}
    assert len(caught.value.findings) == 1


def test_a_machine_with_level_sources_gets_level_inputs() -> None:
    rvic = next(plugin for plugin in discover({}) if plugin.name == "rvic")
    rvid = retarget(load_machine(load(str(ROOT / "tests" / "dt" / "data" / "virt-gicv2.dts"))), rvic).node("/rvid")
    assert rvid is not None
    assert rvid.has("irqframe,level-inputs")
    assert rvid.u32("#interrupt-cells") == 2
