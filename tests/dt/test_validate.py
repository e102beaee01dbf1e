"""Validation: each rule broken once gives one finding, at the place that is wrong."""

from __future__ import annotations

import gzip
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from irqframe.dt import (
    CODES,
    BindingSet,
    cpus,
    distinct,
    interrupts,
    load_bindings,
    machine_bindings,
    memory,
    parse_dts,
    read_dtb,
    validate,
)
from irqframe.errors import Finding, Span

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"


def documents() -> list[tuple[str, str]]:
    plugins = sorted(ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml"))
    return [*machine_bindings(), *((path.name, path.read_text()) for path in plugins)]


@pytest.fixture(scope="module")
def bindings() -> BindingSet:
    return load_bindings(documents())


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


GICV2 = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&gic>;
    cpus {
        #address-cells = <1>;
        #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,cortex-a57"; reg = <0>; enable-method = "psci"; };
    };
    memory@40000000 { device_type = "memory"; reg = <0x40000000 0x1000000>; };
    psci { compatible = "arm,psci-1.0", "arm,psci-0.2"; method = "hvc"; };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>; always-on; };
    gic: gic@8000000 {
        compatible = "arm,gic-400";
        reg = <0x8000000 0x1000>, <0x8010000 0x2000>;
        interrupt-controller;
        #interrupt-cells = <3>;
        #address-cells = <1>;
        #size-cells = <1>;
        ranges;
        frame: v2m@8020000 {
            compatible = "arm,gic-v2m-frame";
            reg = <0x8020000 0x1000>;
            msi-controller;
            arm,msi-base-spi = <64>;
            arm,msi-num-spis = <32>;
        };
    };
    clk: clock { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };
    serial@9000000 {
        compatible = "arm,pl011", "arm,primecell";
        reg = <0x9000000 0x1000>;
        interrupts = <0 1 4>;
        clocks = <&clk>, <&clk>;
        clock-names = "uartclk", "apb_pclk";
    };
    virtio@a000000 { compatible = "virtio,mmio"; reg = <0xa000000 0x200>; interrupts = <0 16 1>; };
    pcie@10000000 {
        compatible = "pci-host-ecam-generic";
        device_type = "pci";
        reg = <0x10000000 0x1000000>;
        bus-range = <0 15>;
        #address-cells = <3>;
        #size-cells = <2>;
        ranges = <0x02000000 0 0x20000000 0x20000000 0 0x10000000>;
        #interrupt-cells = <1>;
        interrupt-map = <0 0 0 1 &gic 0 0 3 4>, <0 0 0 2 &gic 0 0 4 4>;
        interrupt-map-mask = <0 0 0 7>;
        msi-map = <0 &frame 0 0x1000>;
    };
};
"""

RVIC = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&rvid>;
    rvic: rvic {
        compatible = "arm,rvic";
        interrupt-controller;
        #interrupt-cells = <2>;
        #address-cells = <0>;
        irqframe,nr-trusted = <32>;
        irqframe,nr-total = <512>;
        irqframe,priorities;
    };
    rvid: rvid {
        compatible = "arm,rvid";
        interrupt-parent = <&rvic>;
        interrupt-controller;
        #interrupt-cells = <1>;
        #address-cells = <0>;
        msi-controller;
        #msi-cells = <0>;
        msi-range = <64 128>;
    };
    timer { compatible = "arm,armv8-timer"; interrupt-parent = <&rvic>; interrupts = <29 4>, <30 4>, <27 4>; };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0x9000000 0x1000>; interrupts = <1>; };
};
"""


@dataclass(frozen=True)
class Case:
    """A change of one of the trees, and the finding: code, node, text at its place, expected, found."""

    tree: str
    old: str
    new: str
    code: str
    path: str
    place: str
    expected: str = ""
    found: str = ""


CASES = (
    # rVIC
    Case(
        RVIC,
        "#interrupt-cells = <2>;\n        #a",
        "#interrupt-cells = <3>;\n        #a",
        "E0503",
        "/rvic",
        "3",
        "2",
        "3",
    ),
    Case(RVIC, "interrupt-controller;", "", "E0501", "/rvic", "rvic"),
    Case(RVIC, "#address-cells = <0>;", "#address-cells = <1>;", "E0503", "/rvic", "1", "0", "1"),
    Case(RVIC, "nr-trusted = <32>", "nr-trusted = <48>", "E0503", "/rvic", "48", "a multiple of 32", "48"),
    Case(RVIC, "nr-trusted = <32>", "nr-trusted = <0>", "E0503", "/rvic", "0", "at least 32", "0"),
    Case(RVIC, "nr-total = <512>", "nr-total = <32>", "E0503", "/rvic", "32", "at least 64", "32"),
    Case(RVIC, "nr-total = <512>", "nr-total = <2080>", "E0503", "/rvic", "2080", "at most 2048", "2080"),
    Case(RVIC, "nr-total = <512>", "nr-total = <500>", "E0503", "/rvic", "500", "a multiple of 32", "500"),
    Case(
        RVIC, "nr-total = <512>", "nr-total = <512 1>", "E0502", "/rvic", "irqframe,nr-total", "one number", "<512 1>"
    ),
    Case(RVIC, "nr-total = <512>", 'nr-total = "512"', "E0502", "/rvic", '"512"', "a number, at most 2048", '"512"'),
    Case(
        RVIC,
        "nr-total = <512>",
        'nr-total = "five"',
        "E0502",
        "/rvic",
        "irqframe,nr-total",
        "one number",
        "[66 69 76 65 00]",
    ),
    Case(
        RVIC,
        "irqframe,priorities;",
        "irqframe,priorities = <1>;",
        "E0502",
        "/rvic",
        "irqframe,priorities",
        "no value",
        "[00 00 00 01]",
    ),
    Case(RVIC, "irqframe,priorities;", "irqframe,priority;", "E0505", "/rvic", "irqframe,priority"),
    # rVID
    Case(RVIC, "interrupt-parent = <&rvic>;\n", "\n", "E0501", "/rvid", "rvid"),
    Case(RVIC, "#interrupt-cells = <1>;", "#interrupt-cells = <2>;", "E0503", "/rvid", "2", "1", "2"),
    Case(
        RVIC,
        "#interrupt-cells = <1>;",
        "#interrupt-cells = <1>; irqframe,level-inputs;",
        "E0503",
        "/rvid",
        "1",
        "2",
        "1",
    ),
    Case(RVIC, "msi-range = <64 128>;", "", "E0506", "/rvid", "msi-controller", "`msi-range` in the same node", "none"),
    Case(
        RVIC,
        "msi-controller;\n        #msi-cells = <0>;",
        "",
        "E0506",
        "/rvid",
        "msi-range",
        "`msi-controller` in the same node",
        "none",
    ),
    Case(RVIC, "<64 128>", "<64>", "E0504", "/rvid", "msi-range", "at least 2 cells", "1 cell"),
    Case(RVIC, "<64 128>", "<64 128 1>", "E0504", "/rvid", "msi-range", "at most 2 cells", "3 cells"),
    Case(RVIC, "<64 128>", "<64 0>", "E0503", "/rvid", "0", "at least 1", "0"),
    Case(RVIC, "#msi-cells = <0>", "#msi-cells = <1>", "E0503", "/rvid", "1", "0", "1"),
    # GICv2 and its message frame
    Case(GICV2, "reg = <0x8000000 0x1000>, <0x8010000 0x2000>;", "", "E0501", "/gic@8000000", "gic@8000000"),
    Case(GICV2, ", <0x8010000 0x2000>", "", "E0504", "/gic@8000000", "reg", "at least 2 rows", "1 row"),
    Case(
        GICV2,
        "<0x8010000 0x2000>",
        "<0x8010000>",
        "E0508",
        "/gic@8000000",
        "reg",
        "rows of 2 cells, by `#address-cells` and `#size-cells`",
        "3 cells",
    ),
    Case(
        GICV2,
        '"arm,gic-400"',
        '"arm,gic-400", "arm,gic"',
        "E0503",
        "/gic@8000000",
        '"arm,gic"',
        'one of "arm,cortex-a15-gic", "arm,cortex-a7-gic"',
    ),
    Case(
        GICV2,
        "arm,msi-base-spi = <64>",
        "arm,msi-base-spi = <31>",
        "E0503",
        "/gic@8000000/v2m@8020000",
        "31",
        "at least 32",
        "31",
    ),
    Case(GICV2, "msi-controller;", "", "E0501", "/gic@8000000/v2m@8020000", "v2m@8020000"),
    Case(GICV2, "v2m@8020000 {", "v3m@8020000 {", "E0505", "/gic@8000000/v3m@8020000", "v3m@8020000"),
    Case(GICV2, "ranges;\n", "ranges; rnages;\n", "E0505", "/gic@8000000", "rnages"),
    # machine nodes
    Case(GICV2, "reg = <0>;", "", "E0501", "/cpus/cpu@0", "cpu@0"),
    Case(
        GICV2,
        'enable-method = "psci"',
        "enable-method = <1>",
        "E0502",
        "/cpus/cpu@0",
        "enable-method",
        "a list",
        "[00 00 00 01]",
    ),
    Case(GICV2, "cpu@0 {", "cpu-map { core0 { cpu = <0>; }; }; cpu@0 {", "E0505", "/cpus/cpu-map/core0", "core0"),
    Case(GICV2, 'method = "hvc"', 'method = "svc"', "E0503", "/psci", '"svc"', 'one of "smc", "hvc"', '"svc"'),
    Case(GICV2, 'method = "hvc"', 'method = "hvc", "smc"', "E0504", "/psci", "method", "at most 1 string", "2 strings"),
    Case(GICV2, "always-on;", "always-on; allways-on;", "E0505", "/timer", "allways-on"),
    Case(GICV2, "interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>;", "", "E0501", "/timer", "timer"),
    Case(GICV2, "<1 10 4>", "<1 10 4>, <1 9 4>, <1 8 4>", "E0504", "/timer", "interrupts", "at most 5 rows", "6 rows"),
    Case(GICV2, "<1 10 4>;", '<1 10 4>; interrupt-names = "phys", "phyz";', "E0503", "/timer", '"phyz"'),
    Case(GICV2, "<0 1 4>;", "<0 1 4>, <0 2 4>;", "E0504", "/serial@9000000", "interrupts", "at most 1 row", "2 rows"),
    Case(GICV2, "#clock-cells = <0>", "#clock-cells = <1>", "E0503", "/clock", "1", "0", "1"),
    Case(GICV2, "<0 16 1>;", "<0 16 1>; nonsense;", "E0505", "/virtio@a000000", "nonsense"),
    Case(GICV2, "bus-range = <0 15>", "bus-range = <0 256>", "E0503", "/pcie@10000000", "256", "at most 255", "256"),
    Case(GICV2, "<0x02000000 0 ", "<0x05000000 0 ", "E0503", "/pcie@10000000", "0x05000000"),
    Case(
        GICV2,
        "interrupt-map-mask = <0 0 0 7>",
        "interrupt-map-mask = <0 0 1 7>",
        "E0503",
        "/pcie@10000000",
        "1",
        "0",
        "1",
    ),
    Case(GICV2, "bus-range = <0 15>;", "bus-rang = <0 15>;", "E0505", "/pcie@10000000", "bus-rang"),
    Case(GICV2, '"virtio,mmio"', "<1>", "E0502", "/virtio@a000000", "compatible", "strings", "[00 00 00 01]"),
    Case(
        GICV2,
        'device_type = "memory"; reg = <0x40000000 0x1000000>;',
        'device_type = "memory";',
        "E0501",
        "/memory@40000000",
        "memory@40000000",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}: {case.old} -> {case.new}"[:100])
def test_each_rule_broken_once(case: Case, bindings: BindingSet) -> None:
    assert case.old in case.tree
    source = case.tree.replace(case.old, case.new, 1)
    found = validate(parse_dts(source, "t.dts"), bindings)
    assert [(finding.code, finding.path, text_at(source, finding.span)) for finding in found] == [
        (case.code, case.path, case.place)
    ]
    (finding,) = found
    assert case.code in CODES
    assert "see the binding " in finding.hint or case.code == "E0508" or case.place == "compatible"
    if case.expected:
        assert finding.expected == case.expected
    if case.found:
        assert finding.found == case.found


@pytest.mark.parametrize("tree", [GICV2, RVIC], ids=["GICv2", "rVIC"])
def test_a_good_machine(tree: str, bindings: BindingSet) -> None:
    made = parse_dts(tree, "t.dts")
    assert validate(made, bindings) == ()
    assert interrupts(made)[1] == ()


def test_level_inputs(bindings: BindingSet) -> None:
    source = RVIC.replace("#interrupt-cells = <1>;", "#interrupt-cells = <2>; irqframe,level-inputs;")
    source = source.replace("interrupts = <1>", "interrupts = <1 4>")
    assert validate(parse_dts(source, "t.dts"), bindings) == ()


@pytest.mark.parametrize("name", ["virt-gicv2.dtb.gz", "virt-gicv3.dtb.gz", "virt-gicv2.dts", "virt-gicv3.dts"])
def test_the_trees_of_qemu_have_no_findings(name: str, bindings: BindingSet) -> None:
    path = DATA / name
    if name.endswith(".gz"):
        tree = read_dtb(gzip.decompress(path.read_bytes()), name)
    else:
        tree = parse_dts(path.read_text(), name)
    assert validate(tree, bindings) == ()


def test_all_findings_of_a_tree_in_order(bindings: BindingSet) -> None:
    source = RVIC.replace("<64 128>", "<64>").replace("nr-total = <512>", "nr-total = <500>").replace("0x1000>", "1 2>")
    found = validate(parse_dts(source, "t.dts"), bindings)
    assert [(finding.code, finding.path) for finding in found] == [
        ("E0503", "/rvic"),
        ("E0504", "/rvid"),
        ("E0508", "/serial@9000000"),
    ]


def test_the_words() -> None:
    found = validate(parse_dts(RVIC.replace("interrupt-controller;", "", 1), "t.dts"), load_bindings(documents()))
    (finding,) = found
    assert finding.message == "/rvic: `interrupt-controller` is required"
    assert finding.hint == "see the binding arm,rvic.yaml"


def test_a_name_that_was_probably_meant(bindings: BindingSet) -> None:
    (finding,) = validate(parse_dts(RVIC.replace("irqframe,nr-total", "irqframe,nr-totals"), "t.dts"), bindings)
    assert finding.code == "E0505"
    assert finding.hint == "did you mean `irqframe,nr-total`? else see the binding arm,rvic.yaml"
    (finding,) = validate(parse_dts(RVIC.replace("irqframe,nr-total", "acme,colour"), "t.dts"), bindings)
    assert finding.hint == "see the binding arm,rvic.yaml"


def test_text_in_place_of_a_number(bindings: BindingSet) -> None:
    """Four bytes are a number to a schema, however they were written."""
    source = RVIC.replace("nr-total = <512>", 'nr-total = "512"')
    (finding,) = validate(parse_dts(source, "t.dts"), bindings)
    assert finding.message == "`irqframe,nr-total` is text, not a number"
    source = RVIC.replace("nr-total = <512>", "nr-total = [35 31 32 00]")
    (finding,) = validate(parse_dts(source, "t.dts"), bindings)
    assert (finding.code, finding.found) == ("E0503", "0x35313200")


def test_a_reg_that_does_not_divide_is_one_fault_of_a_node_without_a_binding(bindings: BindingSet) -> None:
    tree = parse_dts(GICV2.replace("<0x40000000 0x1000000>", "<0x40000000>"), "t.dts")
    found = distinct(memory(tree)[1], validate(tree, bindings))
    assert [(finding.code, finding.found) for finding in found] == [("E0434", "1 cell")]


def test_either_interrupt_list_will_do(bindings: BindingSet) -> None:
    source = GICV2.replace("interrupts = <0 16 1>", "interrupts-extended = <&gic 0 16 1>")
    assert validate(parse_dts(source, "t.dts"), bindings) == ()
    source = GICV2.replace("interrupts = <0 16 1>;", "")
    (finding,) = validate(parse_dts(source, "t.dts"), bindings)
    assert finding.message == "/virtio@a000000: `interrupts` or `interrupts-extended` is required"


def test_a_disabled_node_may_lack_what_it_needs(bindings: BindingSet) -> None:
    source = GICV2.replace("interrupts = <0 16 1>;", 'status = "disabled";')
    assert validate(parse_dts(source, "t.dts"), bindings) == ()


def test_unknown_nodes_are_not_checked(bindings: BindingSet) -> None:
    source = (
        '/dts-v1/; / { x { compatible = "nobody,knows"; reg = <1 2 3 4 5 6 7>; interrupts = [00]; }; y { reg; }; };'
    )
    assert validate(parse_dts(source, "t.dts"), bindings) == ()


FAULTS_OF_THE_INTERRUPT_TREE = (
    ("<0 1 4>;", "<0 1>;", "E0402"),
    ("interrupt-parent = <&gic>;", "interrupt-parent = <0x99>;", "E0403"),
    ("interrupt-parent = <&gic>;", "", "E0401"),
    ("<0 0 0 2 &gic 0 0 4 4>", "<0 0 0 2 &gic 0 0 4>", "E0406"),
    ("<0 0 0 2 &gic 0 0 4 4>", "<0 0 0 2 0x99 0 0 4 4>", "E0403"),
)


@pytest.mark.parametrize(("old", "new", "code"), FAULTS_OF_THE_INTERRUPT_TREE)
def test_faults_of_the_interrupt_tree_are_not_said_twice(old: str, new: str, code: str, bindings: BindingSet) -> None:
    tree = parse_dts(GICV2.replace(old, new, 1), "t.dts")
    assert {finding.code for finding in interrupts(tree)[1]} == {code}
    assert validate(tree, bindings) == ()


def test_distinct_drops_what_a_more_specific_check_has_said(bindings: BindingSet) -> None:
    tree = parse_dts(GICV2.replace("reg = <0>;", ""), "t.dts")
    specific, general = cpus(tree)[1], validate(tree, bindings)
    assert [finding.code for finding in (*specific, *general)] == ["E0430", "E0501"]
    assert [finding.code for finding in distinct(specific, general)] == ["E0430"]


def test_distinct_keeps_the_rest() -> None:
    place = Span("t", 1, 1)
    first, second = Finding("E0501", "a", place, "/a"), Finding("E0505", "b", place, "/a")
    other = Finding("E0402", "c", place, "/b")
    assert distinct([other], [first, second, first]) == (other, first, second)


def examples() -> list[tuple[str, str]]:
    from irqframe.dt._binding_file import parse_document

    return [
        (f"{name} {index}", example)
        for name, text in documents()
        for index, example in enumerate(parse_document(name, text).content["examples"])
    ]


@pytest.mark.parametrize("example", [text for _, text in examples()], ids=[name for name, _ in examples()])
def test_the_examples_of_our_bindings(example: str, bindings: BindingSet) -> None:
    own = set(re.findall(r"(\w+):\s", example))
    missing = sorted(set(re.findall(r"&(\w+)", example)) - own)
    cells = len((re.search(r"\sinterrupts = <([^>]*)>", example) or [None, "0"])[1].split())
    stubs = "".join(
        f"{label}: {label} {{ interrupt-controller; #interrupt-cells = <{cells or 3}>;"
        " #gpio-cells = <2>; #clock-cells = <0>; };"
        for label in ["fake", *missing]
    )
    source = (
        "/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&fake>;\n"
        f"{stubs}\nexample {{ #address-cells = <1>; #size-cells = <1>;\n{example} }}; }};"
    )
    tree = parse_dts(source, "example.dts")
    assert validate(tree, bindings) == ()
    assert any(not binding.for_all_nodes for node in tree.walk() for binding in bindings.select(node))


def test_flipped_bytes_end_in_findings(bindings: BindingSet) -> None:
    original = gzip.decompress((DATA / "virt-gicv2.dtb.gz").read_bytes())
    chance = random.Random(2)
    tree = read_dtb(original, "t")
    names = [(node.path, name) for node in tree.walk() for name in node.properties]
    slowest = 0.0
    for _ in range(100):
        tree = read_dtb(original, "t")
        for _ in range(chance.randint(1, 5)):
            path, name = chance.choice(names)
            node = tree.node(path)
            assert node is not None
            data = bytearray(node.properties[name].data or b"\0")
            data[chance.randrange(len(data))] = chance.randrange(256)
            node.set(name, bytes(data[: chance.choice([len(data), len(data) - 1])]))
        began = time.process_time()
        found = validate(tree, bindings)
        slowest = max(slowest, time.process_time() - began)
        assert all(finding.code in CODES for finding in found)
    assert slowest < 2


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"\0" * 4, b"\xff" * 4, b"\xff" * 5, b"\xff" * 64, b"a\0\xff\0", b"\0" * 400]
)
def test_any_value_of_any_property_is_survived(value: bytes, bindings: BindingSet) -> None:
    tree = parse_dts(GICV2, "t.dts")
    names = [(node.path, name) for node in tree.walk() for name in node.properties]
    for path, name in names:
        changed = parse_dts(GICV2, "t.dts")
        node = changed.node(path)
        assert node is not None
        node.set(name, value)
        assert all(finding.code in CODES for finding in validate(changed, bindings))
