"""The machine's own rules: each broken in every way that it can be, at its place, and trees that come near to it.

The witness is the text: the finding has to stand at the very words that are wrong.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from irqframe import Irqchip, PluginError, Source, SourceKind, Trigger, TriggerError, hookimpl
from irqframe.dt import parse_dts, read_dtb
from irqframe.errors import Finding
from irqframe.flow import Lines, MessageLines, NodeRef, Plugin
from irqframe.machine import examine

DATA = Path(__file__).parents[1] / "dt" / "data"


class Lined(Irqchip):
    """Two cells: number, trigger; from 100 on per CPU. Eight shared lines; `messages` is first and count."""

    compatible = ("test,lined", "test,frame")

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        if cells[1] > 8:
            raise TriggerError(f"{cells[1]} is no trigger", cell=1, expected="0 to 8", hint="see the manual")
        return Source(SourceKind.PPI if cells[0] >= 100 else SourceKind.SPI, cells[0], Trigger(cells[1]))

    @hookimpl
    def irqchip_lines(self, nodes: Sequence[NodeRef]) -> Lines:
        frames = [node for node in nodes if "test,frame" in node.compatible]
        return Lines(8, tuple(messages(node) for node in frames))


def messages(node: NodeRef) -> MessageLines:
    first, count = node.cells("messages") or (0, 4)
    return MessageLines(node.path, range(first, first + count), "messages" if node.has("messages") else "")


class Parted(Irqchip):
    """Two cells: number, trigger. Four: a GICv3's, with the number as it is."""

    compatible = ("test,lined", "arm,gic-v3")

    @hookimpl
    def irqchip_translate(self, node: NodeRef, cells: tuple[int, ...]) -> Source:
        return Source(SourceKind.PPI if len(cells) == 4 else SourceKind.SPI, cells[-3], Trigger(cells[2]))


LINED = Plugin("lined", "irqframe-lined", "1", "lined:Lined", Lined)
PARTED = Plugin("parted", "irqframe-parted", "1", "parted:Parted", Parted)

MACHINE = """\
/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;
	interrupt-parent = <&intc>;
	cpus {
		#address-cells = <1>;
		#size-cells = <0>;
		cpu0: cpu@0 { device_type = "cpu"; compatible = "test,cpu"; reg = <0>; };
		cpu1: cpu@1 { device_type = "cpu"; compatible = "test,cpu"; reg = <1>; };
	};
	memory@40000000 { device_type = "memory"; reg = <0x40000000 0x1000>; };
	intc: intc@1000 {
		compatible = "test,lined";
		reg = <0x1000 0x1000>;
		interrupt-controller;
		#address-cells = <0>;
		#interrupt-cells = <2>;
	};
DEVICES
};
"""

FRAME = 'frame: frame {{ compatible = "test,frame"; msi-controller; {} }};'

GIC = """\
	gic: gic@8000 {
		compatible = "arm,gic-v3";
		reg = <0x8000 0x1000>, <0x100000 0x40000>;
		interrupt-controller;
		#interrupt-cells = <3>;
	};
"""
PARTITIONED = """\
	gic: gic@8000 {
		compatible = "arm,gic-v3";
		reg = <0x8000 0x1000>, <0x100000 0x40000>;
		interrupt-controller;
		#interrupt-cells = <4>;
		ppi-partitions { part: part { affinity = <&cpu0 &cpu1>; }; };
	};
"""
GIC400 = """\
	gic: gic@8000 { compatible = "arm,gic-400"; interrupt-controller; #interrupt-cells = <3>; };
"""
PCI = """\
	pci@20000000 {
		device_type = "pci";
		reg = <0x20000000 0x1000>;
		#address-cells = <3>;
		#size-cells = <2>;
		#interrupt-cells = <1>;
		interrupt-map = <0 0 0 1 &intc NUMBER TRIGGER>;
	};
"""


def findings(devices: str, plugins: Iterable[Plugin] = (LINED,)) -> tuple[str, list[Finding]]:
    """The text of a machine, and what its own rules say of it."""
    text = MACHINE.replace("DEVICES", devices)
    _, found = examine(parse_dts(text, "m.dts"), tuple(plugins))
    return text, [one for one in found if one.code[1:] >= "0603" and one.code not in ("E0605", "E0607")]


def words(text: str, finding: Finding) -> str:
    line = text.split("\n")[finding.span.line - 1]
    return line[finding.span.column - 1 : finding.span.end_column - 1]


BROKEN = [
    # What the irqchip says of its lines
    ("E0610", "a { interrupts = <1 9>; };", "9"),
    ("E0603", "a { interrupts = <8 4>; };", "8"),
    ("E0604", "a { interrupts = <1 4>; }; b { interrupts = <2 1 1 1>; };", "1"),
    ("E0604", FRAME.format("messages = <2 3>;") + "a { interrupts = <4 4>; };", "4"),
    ("E0604", FRAME.format("") + "a { interrupts = <3 4>; }; b { interrupts = <2 4>; };", "frame"),
    ("E0604", FRAME.format("messages = <0 4>;") + 'g { compatible = "test,frame"; messages = <3 2>; };', "3"),
    ("E0611", FRAME.format("messages = <6 3>;"), "6"),
    ("W0614", FRAME.format("messages = <0 1>;") + "a { msi-parent = <&frame>; }; b { msi-parent = <&frame>; };", "0"),
    # Single sources
    ("E0615", 'timer { compatible = "arm,armv8-timer"; interrupts = <1 4>; };', "1"),
    ("E0616", PCI.replace("NUMBER", "101").replace("TRIGGER", "4"), "101"),
    ("W0627", PCI.replace("NUMBER", "1").replace("TRIGGER", "1"), "1"),
    ("W0627", 'timer { compatible = "arm,armv8-timer"; interrupts = <111 2>; };', "2"),
    ("W0627", 'pmu { compatible = "arm,armv8-pmuv3"; interrupts = <107 1>; };', "1"),
    ("W0628", "a { interrupts = <1 0>; };", "0"),
    # msi-map
    ("E0612", FRAME.format("") + "a { msi-map = <0 &frame 0 16>, <15 &frame 0 2>; };", "15"),
    ("E0612", FRAME.format("") + "a { msi-map = <15 &frame 0 2>, <0 &frame 0 0x10000>; };", "0"),
    ("E0613", FRAME.format("") + "a { msi-map = <0 &frame 0 0>; };", "0"),
    ("E0613", FRAME.format("") + "a { msi-map = <8 &frame 0 0x10000>; };", "0x10000"),
    ("E0613", FRAME.format("") + "a { msi-map = <8 &frame 0xffffffff 2>; };", "0xffffffff"),
    # Nodes
    ("E0622", "a@1800 { reg = <0x1800 0x10>; };", "reg"),
    ("E0622", 'memory@0 { device_type = "memory"; reg = <0x0 0x2000>; };', "reg"),
    ("W0623", 'other { compatible = "test,lined"; interrupt-controller; }; a { interrupts = <1 4>; };', "other"),
    ("W0624", 'a { interrupts = <1 4>; interrupt-names = "one", "two", "three"; };', '"two"'),
    ("W0624", 'a { interrupts-extended = <&intc 1 4 0>; interrupt-names = "one", "", "x"; };', '"x"'),
    # A controller that forwards: its own #interrupt-cells are for others
    ("W0624", 'a { #interrupt-cells = <1>; interrupts = <1 4>; interrupt-names = "one", "two"; };', '"two"'),
    ("E0609", 'memory@50000000 { device_type = "memory"; reg = <0x50000000 0x11>, <0x50000010 1>; };', "0x50000010"),
    ("E0609", 'memory@40000800 { device_type = "memory"; reg = <0x40000800 1>; };', "0x40000800"),
    ("W0625", "a { interrupts = <1 4>; interrupts-extended = <&intc 2 4>; };", "interrupts"),
    ("W0626", 'memory@50000000 { device_type = "memory"; reg = <0x60000000 0x1000>; };', "memory@50000000"),
]


@pytest.mark.parametrize(("code", "devices", "place"), BROKEN)
def test_a_rule_that_is_broken(code: str, devices: str, place: str) -> None:
    text, (finding,) = findings(devices)
    assert finding.code == code
    assert words(text, finding) == place
    assert finding.expected or finding.message


def test_cpus_are_found_by_their_name() -> None:
    text = MACHINE.replace("DEVICES", "").replace("cpu@1 ", "cpu@101 ")
    _, found = examine(parse_dts(text, "m.dts"), (LINED,))
    assert [(one.code, one.path) for one in found] == [("W0626", "/cpus/cpu@101")]


GICS = [
    ("E0618", GIC.replace("0x40000>", "0x3ffff>"), "0x100000"),
    ("E0618", GIC.replace("#int", "redistributor-stride = <0 0x40000>; #int"), "0x100000"),
    ("E0619", GIC.replace("#int", "#redistributor-regions = <2>; #int"), "reg"),
    ("E0629", PARTITIONED.replace("<4>", "<3>"), "3"),
    ("E0629", PARTITIONED + "a { interrupts-extended = <&gic 0 7 4 &part>; };", "&part"),
    ("E0629", PARTITIONED + "a { interrupts-extended = <&gic 1 7 4 &intc>; };", "&intc"),
    ("E0620", PARTITIONED.replace("&cpu1", "&gic"), "&gic"),
    ("E0620", PARTITIONED.replace("&cpu1", "99"), "99"),
    ("E0620", "pmu { interrupt-affinity = <&cpu0 &intc>; };", "&intc"),
    ("E0621", "pmu { interrupts = <1 4>, <2 4>; interrupt-affinity = <&cpu0>; };", "interrupt-affinity"),
    ("W0617", GIC400 + "a { interrupts-extended = <&gic 1 7 0xf04>, <&gic 1 8 0xf04>; };", "0xf04"),
]


@pytest.mark.parametrize(("code", "devices", "place"), GICS)
def test_rules_that_need_no_irqchip(code: str, devices: str, place: str) -> None:
    text, (finding,) = findings(devices, ())
    assert finding.code == code
    assert words(text, finding) == place


@pytest.mark.parametrize(
    "devices",
    [
        "a { interrupts = <7 4>; }; b { interrupts = <7 8>; };",
        # Of frames that are next to each other, and of one that has no line
        FRAME.format("messages = <2 3>;") + 'g { compatible = "test,frame"; messages = <5 3>; };',
        FRAME.format("messages = <2 0>;") + "a { interrupts = <2 4>; };",
        FRAME.format("messages = <2 1>;") + "a { interrupts = <102 4>; msi-parent = <&frame>; };",
        'timer { compatible = "arm,armv8-timer"; interrupts = <111 4>, <112 8>; };',
        PCI.replace("NUMBER", "1").replace("TRIGGER", "4"),
        "a { msi-map-mask = <0xff>; msi-map = <0 &frame 0 16>, <16 &frame 16 0xfff0>; };" + FRAME.format(""),
        "a { msi-map = <8 &frame 0xfffffffe 2>; };" + FRAME.format(""),
        # The host's own interrupt is no pin
        'pci@20000000 { device_type = "pci"; reg = <0x20000000 0x1000>; interrupts = <1 1>; };',
        # Memory in two regions that touch
        'memory@50000000 { device_type = "memory"; reg = <0x50000000 0x10>, <0x50000010 0x10>; };',
        # Addresses: next to the controller, not the CPUs', disabled, none
        "a@2000 { reg = <0x2000 0x10>; }; b@ff0 { reg = <0xff0 0x10>; };",
        "bus { #address-cells = <1>; #size-cells = <1>; a@1000 { reg = <0x1000 0x10>; }; };",
        'a@1000 { reg = <0x1000 0x10>; status = "disabled"; };',
        "a@1000 { reg = <0x1000 0>; };",
        # Controllers that are disabled, that forward; a machine without devices
        'second { compatible = "test,lined"; interrupt-controller; };',
        'x { compatible = "test,lined"; interrupt-controller; status = "disabled"; }; a { interrupts = <1 4>; };',
        'x: second { compatible = "test,lined"; interrupt-controller; };'
        "third { interrupt-controller; interrupt-parent = <&x>; }; a { interrupts = <1 4>; };",
        # Names: fewer than interrupts, with holes, of something that cannot be divided
        'a { interrupts = <1 4>, <2 4>; interrupt-names = "one"; };',
        'a { interrupts-extended = <0 &intc 2 4>; interrupt-names = "none", "two"; };',
        'a { interrupt-names = "none"; };',
        # Unit addresses: memory that a boot loader fills in, a name that is no number
        'memory@50000000 { device_type = "memory"; reg = <0 0>; };',
        'memory@bank,1 { device_type = "memory"; reg = <0x60000000 0x1000>; };',
    ],
)
def test_what_comes_near_and_is_right(devices: str) -> None:
    assert findings(devices)[1] == []


@pytest.mark.parametrize(
    "devices",
    [
        GIC,
        GIC.replace("0x100000 0x40000", "0x100000 0x20000>, <0x200000 0x20000").replace(
            "#int", "#redistributor-regions = <2>; #int"
        ),
        PARTITIONED + "a { interrupts-extended = <&gic 1 7 4 &part>, <&gic 0 7 4 0>; };",
        GIC + "a { interrupts-extended = <&gic 1 7 4>; };",
        "pmu { interrupts = <1 4>; interrupt-affinity = <&cpu0 &cpu1>; };",
        "pmu { interrupts = <1 4>, <2 4>; interrupt-affinity = <&cpu1 &cpu0>; };",
        # Interfaces 0 and 2: clusters leave gaps. SPIs have no mask.
        GIC400 + "a { interrupts-extended = <&gic 1 7 0x504>, <&gic 0 8 0xff04>; };",
    ],
)
def test_what_needs_no_irqchip_and_is_right(devices: str) -> None:
    assert findings(devices, ())[1] == []


PARTS = """\
	gic: gic@8000 {
		compatible = "test,lined", "arm,gic-v3";
		reg = <0x8000 0x10000>, <0x100000 0x40000>;
		interrupt-controller;
		#address-cells = <0>;
		#interrupt-cells = <4>;
		ppi-partitions {
			both: both { affinity = <&cpu0 &cpu1>; };
			one: one { affinity = <&cpu0>; };
			two: two { affinity = <&cpu1>; };
			again: again { affinity = <&cpu1>; };
			none: none { affinity = <>; };
		};
	};
	a { interrupts-extended = <&gic 1 107 4 FIRST>; };
	b { interrupts-extended = <&gic 1 107 4 SECOND>; };
	c { interrupts-extended = <&gic 1 107 4 &none>; };
"""


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("&one", "&two", []),
        ("&one", "&one", ["E0604"]),
        ("&one", "&both", ["E0604"]),
        ("&both", "&two", ["E0604"]),
        ("&two", "&again", ["E0604"]),
        ("&both", "&none", ["E0604"]),
        ("&one", "0", ["E0604"]),
        ("0", "&one", ["E0604"]),
        # What names nothing is one fault.
        ("&one", "0x77", ["E0629"]),
        ("0x77", "&one", ["E0629"]),
        ("0", "0x77", ["E0629"]),
    ],
)
def test_partitions_share_a_ppi_if_no_cpu_is_in_two(first: str, second: str, found: list[str]) -> None:
    _, every = findings(PARTS.replace("FIRST", first).replace("SECOND", second), (PARTED,))
    assert [one.code for one in every if one.code != "W0623"] == found


def test_what_partitions_with_a_cpu_in_common_are_told() -> None:
    _, every = findings(PARTS.replace("FIRST", "&one").replace("SECOND", "&both"), (PARTED,))
    (finding,) = [one for one in every if one.code == "E0604"]
    assert finding.path == "/b" and "/a" in finding.message
    assert finding.expected == "a line of its own, or partitions without a CPU in common"


def test_one_cpu_may_have_its_timer_on_a_shared_line() -> None:
    devices = 'timer { compatible = "arm,armv8-timer"; interrupts = <1 4>; };'
    text = MACHINE.replace("DEVICES", devices).replace('compatible = "test,cpu"; reg = <1>', 'status = "disabled"')
    _, found = examine(parse_dts(text, "m.dts"), (LINED,))
    assert found == ()


def test_what_the_interrupts_of_a_node_have_in_common_is_said_once() -> None:
    text, (finding,) = findings('timer { compatible = "arm,armv8-timer"; interrupts = <111 1>, <112 1>, <113 4>; };')
    assert words(text, finding) == "1"
    assert finding.found == "2 such interrupts of /timer; this is the first"


INSIDE = "".join(
    f'f{start} {{ compatible = "test,frame"; messages = <{start} {count}>; }};'
    for start, count in ((0, 8), (1, 1), (5, 2))
)


def test_ranges_in_one_that_reaches_further() -> None:
    _, found = findings(INSIDE + "a { interrupts = <4 4>; };")
    assert [(one.code, one.path, one.message.rpartition(" ")[2]) for one in found] == [
        ("E0604", "/a", "raise"),
        ("E0604", "/f1", "1"),
        ("E0604", "/f5", "5..6"),
    ]
    assert all("/f0" in one.message for one in found)


def test_rows_in_one_that_reaches_further() -> None:
    rows = "<0 &frame 0 100>, <10 &frame 0 10>, <50 &frame 0 10>"
    text, found = findings(FRAME.format("") + f"a {{ msi-map = {rows}; }};")
    assert [(one.code, words(text, one)) for one in found] == [("E0612", "10"), ("E0612", "50")]


def test_a_node_that_lies_on_several_controllers() -> None:
    other = 'other: other@3000 { compatible = "test,lined"; reg = <0x3000 0x1000>; interrupt-controller; '
    other += "#interrupt-cells = <2>; }; b { interrupts-extended = <&other 1 4>, <&intc 2 4>; };"
    _, found = findings(other + "a@800 { reg = <0x800 0x900 0x1f00 0x1200>; }; d@2000 { reg = <0x2000 0x1000>; };")
    assert [(one.code, one.path) for one in found] == [("E0622", "/a@800"), ("E0622", "/a@800")]
    assert {one.message.rpartition(" ")[2] for one in found} == {"/intc@1000", "/other@3000"}


def test_memory_beyond_the_last_address() -> None:
    text = """/dts-v1/; / { #address-cells = <2>; #size-cells = <1>;
        a { device_type = "memory"; reg = <0xffffffff 0xffff0000 0x10000>; };
        b { device_type = "memory"; reg = <0xffffffff 0x00000000 0x10000>, <0xffffffff 0xffff0000 0x10001>; };
    };"""
    _, found = examine(parse_dts(text, "m.dts"), ())
    assert [(one.path, words(text, one)) for one in found if one.code == "E0609"] == [
        ("/b", "0xffffffff"),
        ("/b", "0xffffffff"),
    ]


def test_both_sides_of_a_clash_are_shown() -> None:
    _, (finding,) = findings("a { interrupts = <1 4>; }; b { interrupts = <1 1>; };")
    assert finding.message == "/b and /a both have SPI 1, which only one of them can"
    assert finding.found == "edge rising here, level high there"
    assert [why for _, why in finding.related] == ["the other"]


def test_a_refused_trigger_keeps_what_the_irqchip_knows() -> None:
    _, (finding,) = findings("a { interrupts = <1 9>; };")
    assert (finding.message, finding.expected, finding.found, finding.hint) == (
        "9 is no trigger",
        "0 to 8",
        "9 in <0x1 0x9>",
        "see the manual",
    )


def test_lines_that_are_none_are_the_plugins_fault() -> None:
    class Broken(Lined):
        @hookimpl
        def irqchip_lines(self, nodes: Sequence[NodeRef]) -> Lines:
            return 8  # type: ignore[return-value]

    broken = Plugin("broken", "irqframe-broken", "1", "broken:Broken", Broken)
    with pytest.raises(PluginError, match="irqchip_lines returned 8, which is no Lines"):
        findings("a { interrupts = <1 4>; };", (broken,))


MANY = [
    ("E0609", 'memory@50000000 { device_type = "memory"; reg = ' + "<0x50000000 0x10>, " * 3999 + "<0x50000000 1>; };"),
    ("E0612", FRAME.format("") + "a { msi-map = " + "<0 &frame 0 16>, " * 3999 + "<0 &frame 0 16>; };"),
    ("E0613", FRAME.format("") + "a { msi-map = " + "<0 &frame 0 0>, " * 3999 + "<0 &frame 0 0>; };"),
    ("E0604", "a { interrupts = " + "<1 1>, " * 3999 + "<1 1>; };"),
    ("E0603", "a { interrupts = " + "<9 4>, " * 3999 + "<9 4>; };"),
    ("E0620", "a { interrupt-affinity = <" + "77 " * 4000 + ">; };"),
    ("E0629", PARTITIONED + "a { interrupts-extended = " + "<&gic 0 1 4 &cpu0>, " * 3999 + "<&gic 0 1 4 &cpu0>; };"),
    ("E0622", "a@1000 { reg = <0x1000 1>; };" + "".join(f"a@{n:x} {{ reg = <{n} 1>; }};" for n in range(4097, 8000))),
]


@pytest.mark.parametrize(("code", "devices"), MANY, ids=[case[0] for case in MANY])
def test_as_many_as_anyone_reads(code: str, devices: str) -> None:
    tree = parse_dts(MACHINE.replace("DEVICES", devices), "m.dts")
    began = time.process_time()
    _, found = examine(tree, (LINED,))
    assert time.process_time() - began < 15
    assert len(found) == 1001
    assert sum(one.code == code for one in found) > 900
    assert found[-1].code == "E0009"


@pytest.mark.parametrize("name", ["virt-gicv2", "virt-gicv3"])
def test_qemus_trees_break_no_rule(name: str) -> None:
    tree = read_dtb(gzip.decompress((DATA / f"{name}.dtb.gz").read_bytes()), f"{name}.dtb")
    _, found = examine(tree)
    assert [one for one in found if one.code[1:] >= "0603"] == []
