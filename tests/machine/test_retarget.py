"""Re-targeting: each rule of the rewriting on a small tree, with irqchips that are nothing but their description."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


NEXUS = """\
nex: nexus {
	#address-cells = <0>;
	#interrupt-cells = <1>;
	interrupt-map = <0 &old 10 4>, <1 &old 17 4>;
};
"""


def test_entries_that_go_through_a_map_stay() -> None:
    tree = moved(f"{NEXUS} uart {{ interrupts-extended = <&nex 0>, <0>, <&old 13 4>; }};")
    expected = (phandle(tree, "/nexus"), 0, 0, phandle(tree, "/shared"), 0, 13, 4)
    assert cells(tree, "/uart", "interrupts-extended") == expected


def test_rows_that_go_to_another_map_stay() -> None:
    outer = "outer { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <7 &nex 0>, <8 &old 12 4>; };"
    tree = moved(NEXUS + outer)
    expected = (7, phandle(tree, "/nexus"), 0, 8, phandle(tree, "/shared"), 0, 12, 4)
    assert cells(tree, "/outer", "interrupt-map") == expected
    assert cells(tree, "/nexus", "interrupt-map")[-3:] == (1, phandle(tree, "/percpu"), 17)


def test_a_row_behind_one_to_a_disabled_controller_stays() -> None:
    other = 'other: other { status = "disabled"; interrupt-controller; #address-cells = <0>; #interrupt-cells = <1>; };'
    nexus = "nexus { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map = <0 &other 5>, <0 &old 12 4>; };"
    tree = moved(other + nexus)
    expected = (0, phandle(tree, "/other"), 5, 0, phandle(tree, "/shared"), 0, 12, 4)
    assert cells(tree, "/nexus", "interrupt-map") == expected


def test_children_inherit_the_interrupt_parent_of_an_extended_node() -> None:
    devices = """\
nex: nexus {
	#address-cells = <0>;
	#interrupt-cells = <1>;
	interrupt-map = <0 &old 10 4>;
	a { interrupt-parent = <&old>; interrupts-extended = <&old 5 4>; child { interrupts = <3 4>; }; };
};
"""
    tree = moved(devices)
    assert cells(tree, "/nexus/a", "interrupt-parent") == (phandle(tree, "/shared"),)
    refs = {one.ref.node.path: one.source.number for one in load_machine(tree, (OLD, NEW)).sources}
    assert refs == {"/nexus/a/child": 3, "/nexus/a": 5, "/nexus": 10}


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


OTHER = """\
other: other { msi-controller; #msi-cells = <1>; };
uart { interrupts = <3 4>; };
"""


def test_other_receivers_and_their_cells_stay() -> None:
    number = phandle(
        machine(OTHER + 'a { status = "disabled"; msi-parent = <&other 0>, <&msi>; };').tree, "/old@1000/msi"
    )
    # The argument of the other receiver looks like the phandle of the old one.
    devices = f'{OTHER} a {{ status = "disabled"; msi-parent = <&other {number}>, <&msi>; }};'
    for plugin, mine in ((NEW, True), (DEAF, False)):
        before = machine(devices)
        assert phandle(before.tree, "/old@1000/msi") == number
        tree = retarget(before, plugin)
        expected = (phandle(tree, "/other"), number, *([phandle(tree, "/shared")] if mine else []))
        assert cells(tree, "/a", "msi-parent") == expected


def test_a_list_that_names_no_old_receiver_stays() -> None:
    number = phandle(machine(OTHER + "a { msi-parent = <&msi>; };").tree, "/old@1000/msi")
    devices = f'{OTHER} b {{ msi-parent = <&msi>; }}; a {{ status = "disabled"; msi-parent = <&other {number}>; }};'
    before = machine(devices)
    tree = retarget(before, NEW)
    assert cells(tree, "/a", "msi-parent") == cells(before.tree, "/a", "msi-parent")


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


RVIC, GICV2 = (next(plugin for plugin in discover({}) if plugin.name == name) for name in ("rvic", "gicv2"))


def lies_on(devices: str) -> list[Finding]:
    """The findings if the shipped machine, with more devices, gets a GIC at 0x8000000 to 0x801ffff."""
    text = (ROOT / "docs" / "examples" / "virt-rvic.dts").read_text()
    before = load_machine(parse_dts(f"{text}\n/ {{ {devices} }};", "m.dts"))
    try:
        retarget(before, GICV2)
    except InputError as error:
        return list(error.findings)
    return []


@pytest.mark.parametrize(
    ("devices", "path", "found"),
    [
        ("dev@801ff00 { reg = <0 0x801ff00 0 0x200>; };", "/dev@801ff00", "0x801ff00..0x80200ff"),
        (
            "bus { #address-cells = <1>; #size-cells = <1>; ranges = <0 0 0x8000000 0x10000>; a@0 { reg = <0 4>; }; };",
            "/bus/a@0",
            "0x8000000..0x8000003",
        ),
        ('memory@0 { device_type = "memory"; reg = <0 0 0 0x10000000>; };', "/memory@0", "0x0..0xfffffff"),
    ],
)
def test_the_new_nodes_may_not_lie_on_what_is_there(devices: str, path: str, found: str) -> None:
    first = lies_on(devices)[0]
    assert (first.code, first.path, first.found) == ("E0608", path, found)
    assert "/intc@8000000" in first.message
    assert path in first.message
    assert first.span.line


@pytest.mark.parametrize(
    "devices",
    [
        "",
        "dev@7fff000 { reg = <0 0x7fff000 0 0x1000>; };",
        "dev@8000000 { reg = <0 0x8000000 0 0>; };",
        'dev@8000000 { status = "disabled"; reg = <0 0x8000000 0 0x1000>; };',
        "bus { #address-cells = <1>; #size-cells = <1>; a@8000000 { reg = <0x8000000 4>; }; };",
    ],
)
def test_what_does_not_lie_there_is_no_matter(devices: str) -> None:
    assert lies_on(devices) == []


def test_old_controllers_do_not_count_for_the_addresses_of_the_new() -> None:
    before = load_machine(load(str(ROOT / "tests" / "dt" / "data" / "virt-gicv2.dts")))
    assert retarget(before, GICV2).node("/intc@8000000") is not None


# Any tree: nested maps, a PCI-like nexus, lists that mix controllers and maps, and what is disabled

CONTROLLERS = {
    "rvic": """\
ppi: rvic { compatible = "arm,rvic"; interrupt-controller; #address-cells = <0>; #interrupt-cells = <2>; };
spi: rvid {
	compatible = "arm,rvid"; interrupt-parent = <&ppi>; interrupt-controller;
	#address-cells = <0>; #interrupt-cells = <2>; irqframe,level-inputs;
};
""",
    "gicv2": """\
ppi: spi: intc@8000000 {
	compatible = "arm,cortex-a15-gic"; interrupt-controller; #interrupt-cells = <3>;
	#address-cells = <2>; #size-cells = <2>; ranges;
	reg = <0 0x8000000 0 0x10000>, <0 0x8010000 0 0x10000>;
};
""",
}


class Forest:
    """Random trees. A shared line is level-triggered where a map leads to it, because many may take that way."""

    def __init__(self, random: Random, chip: str) -> None:
        self.random, self.chip = random, chip
        self.edges = list(range(100, 132))
        self.ppis = list(range(16, 32))
        # Label and address cells of each nexus, with the units and specifiers that it has rows for.
        self.nexuses: list[tuple[str, int, list[str]]] = []

    def text(self) -> str:
        nodes = [self.nexus(number) for number in range(self.random.randint(1, 4))]
        nodes += [self.device(number) for number in range(self.random.randint(1, 6))]
        cpu = 'cpu@0 { device_type = "cpu"; compatible = "arm,cortex-a57"; reg = <0>; enable-method = "psci"; };'
        return f"""\
/dts-v1/;
/ {{
	#address-cells = <2>; #size-cells = <2>; interrupt-parent = <&spi>;
	cpus {{ #address-cells = <1>; #size-cells = <0>; {cpu} }};
	{CONTROLLERS[self.chip]}
	anchor {{ interrupts = <{self.shared(99, 4)}>; }};
	{"".join(nodes)}
}};
"""

    def shared(self, number: int, trigger: int) -> str:
        return f"{number} {trigger}" if self.chip == "rvic" else f"0 {number} {trigger}"

    def private(self, number: int) -> str:
        return f"{number} 4" if self.chip == "rvic" else f"1 {number - 16} 0x104"

    def line(self) -> str:
        """A specifier of a shared line."""
        if self.random.random() < 0.5:
            return self.shared(self.edges.pop(), 1)
        return self.shared(self.random.randrange(60), 4)

    def nexus(self, number: int) -> str:
        width = self.random.choice((0, 0, 3))
        units = [f"{'0 0 0 ' if width else ''}{n}".replace("0", str(n << 11), 1) for n in range(4)]
        inner = list(self.nexuses)
        address = "" if self.chip == "rvic" else "0 0 "
        rows = []
        for unit in units:
            if inner and self.random.random() < 0.5:
                label, _, targets = self.random.choice(inner)
                rows.append(f"<{unit} &{label} {self.random.choice(targets)}>")
            else:
                rows.append(f"<{unit} &spi {address}{self.shared(self.random.randrange(60), 4)}>")
        self.nexuses.append((f"n{number}", width, units))
        return f"""
	n{number}: nexus{number} {{
		#address-cells = <{width}>; #size-cells = <0>; #interrupt-cells = <1>; interrupt-map = {", ".join(rows)};
	}};"""

    def device(self, number: int) -> str:
        disabled = 'status = "disabled"; ' if self.random.random() < 0.3 else ""
        flat = [(label, units) for label, width, units in self.nexuses if not width]
        style = self.random.choice(("plain", "nexus", "extended", "extended") if flat else ("plain", "extended"))
        if style == "plain":
            lists = f"interrupts = <{self.line()}>, <{self.line()}>;"
        elif style == "nexus":
            label, units = self.random.choice(flat)
            lists = f"interrupt-parent = <&{label}>; interrupts = <{self.random.choice(units)}>;"
        else:
            entries = [self.entry(flat) for _ in range(self.random.randint(1, 4))]
            lists = f"interrupts-extended = {', '.join(entries)};"
        child = f"child {{ interrupts = <{self.line()}>; }};" if self.random.random() < 0.3 and style != "nexus" else ""
        return f"\n\tdevice{number} {{ {disabled}{lists} {child} }};"

    def entry(self, flat: list[tuple[str, list[str]]]) -> str:
        kind = self.random.choice(("shared", "private", "hole", "nexus", "nexus"))
        if kind == "nexus" and flat:
            label, units = self.random.choice(flat)
            return f"<&{label} {self.random.choice(units)}>"
        if kind == "private" and self.ppis:
            return f"<&ppi {self.private(self.ppis.pop())}>"
        return "<0>" if kind == "hole" else f"<&spi {self.line()}>"


def wired(tree: Tree) -> Counter[tuple[object, ...]]:
    """Every source: who has it, at which place or in which row, and what it is."""
    sources = load_machine(tree).sources
    return Counter((one.ref.node.path, one.ref.index, one.ref.unit, *one.source) for one in sources)


def all_enabled(tree: Tree) -> Tree:
    for node in tree.walk():
        node.properties.pop("status", None)
    return tree


@given(st.integers(0, 1 << 32), st.sampled_from([("rvic", GICV2), ("gicv2", RVIC)]))
@settings(max_examples=60, deadline=None)
def test_any_tree_keeps_every_source(seed: int, chips: tuple[str, Plugin]) -> None:
    text = Forest(Random(seed), chips[0]).text()
    before = load_machine(parse_dts(text, "m.dts"))
    after = retarget(before, chips[1])
    assert wired(after) == wired(before.tree)
    assert wired(all_enabled(after)) == wired(all_enabled(before.tree))
