"""CPUs, memory, timer, PMU and addresses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from irqframe.dt import CODES, Region, Tree, address, addresses, cpus, interrupts, memory, parse_dts, pmu, reg, timer
from irqframe.errors import Span


def tree(body: str, cells: str = "#address-cells = <2>; #size-cells = <2>;") -> str:
    return f"/dts-v1/;\n/ {{\n{cells}\n{body}\n}};\n"


def text_at(source: str, span: Span) -> str:
    line = source.splitlines()[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return line[span.column - 1 : end]


@dataclass(frozen=True)
class Case:
    """The content of /cpus, the MPIDRs, and (code, text) of each finding."""

    name: str
    body: str
    mpidrs: tuple[int, ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


ONE_CELL = "#address-cells = <1>; #size-cells = <0>; "
TWO_CELLS = "#address-cells = <2>; #size-cells = <0>; "

CPUS = (
    Case("one cell", ONE_CELL + "cpu@0 { reg = <0>; }; cpu@101 { reg = <0x101>; };", (0, 0x101)),
    Case("Aff3 is in the high cell", TWO_CELLS + "cpu@1 { reg = <0x2 0x10203>; };", (0x2_0001_0203,)),
    Case("by device_type, whatever the name", ONE_CELL + 'core@4 { device_type = "cpu"; reg = <4>; };', (4,)),
    Case("cpu-map is none", ONE_CELL + "cpu-map { }; cpu@1 { reg = <1>; };", (1,)),
    Case("disabled", ONE_CELL + 'cpu@0 { reg = <0>; status = "disabled"; }; cpu@1 { reg = <1>; };', (1,)),
    Case("no reg", ONE_CELL + "cpu@0 { reg = <0>; }; cpu@1 { };", (0,), (("E0430", "cpu@1"),)),
    Case("reg of two cells", ONE_CELL + "cpu@1 { reg = <1 2>; };", (), (("E0430", "reg"),)),
    Case("reg of bytes", ONE_CELL + "cpu@1 { reg = [01]; };", (), (("E0430", "reg"),)),
    Case("stray bits", ONE_CELL + "cpu@1 { reg = <0x80000001>; };", (), (("E0431", "0x80000001"),)),
    Case("bits above Aff3", TWO_CELLS + "cpu@1 { reg = <0x100 1>; };", (), (("E0431", "0x100"),)),
    Case("twice", ONE_CELL + "cpu@1 { reg = <1>; }; cpu@2 { reg = <1>; };", (1,), (("E0432", "reg"),)),
    Case("none", ONE_CELL, (), (("E0433", "cpus"),)),
)


@pytest.mark.parametrize("case", CPUS, ids=lambda case: case.name)
def test_cpus(case: Case) -> None:
    source = tree(f"cpus {{ {case.body} }};")
    found, findings = cpus(parse_dts(source, "t.dts"))
    assert [cpu.mpidr for cpu in found] == list(case.mpidrs)
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == list(case.findings)
    assert all(finding.code in CODES and finding.expected and finding.found for finding in findings)


def test_no_cpus_at_all() -> None:
    found, (finding,) = cpus(parse_dts(tree(""), "t.dts"))
    assert not found
    assert (finding.code, finding.path) == ("E0433", "/")


def test_the_second_cpu_of_a_pair_tells_of_the_first() -> None:
    source = tree(f"cpus {{ {ONE_CELL} cpu@1 {{ reg = <1>; }}; cpu@2 {{ reg = <1>; }}; }};")
    _, (finding,) = cpus(parse_dts(source, "t.dts"))
    assert finding.path == "/cpus/cpu@2"
    ((where, why),) = finding.related
    assert why == "/cpus/cpu@1 has it too"
    assert where < finding.span


def test_enable_method() -> None:
    source = tree(f'cpus {{ {ONE_CELL} cpu@1 {{ reg = <1>; enable-method = "psci"; }}; cpu@2 {{ reg = <2>; }}; }};')
    found, _ = cpus(parse_dts(source, "t.dts"))
    assert [cpu.enable_method for cpu in found] == ["psci", ""]


def test_memory() -> None:
    source = tree(
        'memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x1000 0x1 0 0x2 0>; };'
        'memory@0 { device_type = "memory"; reg = <0 0 0 0>; };'
        'secure { device_type = "memory"; status = "disabled"; reg = <0 0 0 1>; };'
        "memory@1 { reg = <0 1 0 1>; };"
    )
    regions, findings = memory(parse_dts(source, "t.dts"))
    assert regions == (Region(0x4000_0000, 0x1000), Region(0x1_0000_0000, 0x2_0000_0000))
    assert not findings


@pytest.mark.parametrize(
    ("value", "place"), [("", "memory"), ("reg;", "reg"), ("reg = <0 1 2>;", "reg"), ("reg = [00];", "reg")]
)
def test_memory_without_a_usable_reg(value: str, place: str) -> None:
    source = tree(f'memory {{ device_type = "memory"; {value} }};')
    regions, findings = memory(parse_dts(source, "t.dts"))
    assert not regions
    assert [(finding.code, text_at(source, finding.span)) for finding in findings] == [("E0434", place)]


def node_reg(source: str, path: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    node = parse_dts(source, "t.dts").node(path)
    assert node is not None
    return reg(node), addresses(node)


BUS = "bus@0 {{ #address-cells = <1>; #size-cells = <1>; {ranges} d@10 {{ reg = <0x10 4>, <0x30 8>; }}; }};"


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ("ranges;", ((0x10, 4), (0x30, 8))),
        ("ranges = <0 0x1 0x5000 0x100>;", ((0x1_0000_5010, 4), (0x1_0000_5030, 8))),
        ("ranges = <0 0 0x5000 0x20>, <0x30 0 0x9000 8>;", ((0x5010, 4), (0x9000, 8))),
        ("ranges = <0 0 0x5000 0x34>;", ()),
        ("ranges = <0 0 0x5000>;", ()),
        ("", ()),
    ],
    ids=["empty", "offset", "two", "too short", "broken", "none"],
)
def test_addresses_go_through_ranges(ranges: str, expected: tuple[tuple[int, int], ...]) -> None:
    own, translated = node_reg(tree(BUS.format(ranges=ranges)), "/bus@0/d@10")
    assert own == ((0x10, 4), (0x30, 8))
    assert translated == expected


@pytest.mark.parametrize(
    ("ranges", "value", "expected"),
    [
        ("ranges;", "<0x30>", 0x30),
        ("ranges = <0 0x1 0x5000 0x100>;", "<0x30>", 0x1_0000_5030),
        ("ranges = <0 0 0x5000 0x20>;", "<0x30>", None),
        ("ranges;", "<0 0x30>", None),
        ("", "<0x30>", None),
    ],
)
def test_an_address_in_another_property_goes_through_ranges(ranges: str, value: str, expected: int | None) -> None:
    node = parse_dts(tree(BUS.format(ranges=ranges).replace("reg =", f"at = {value}; reg =")), "t.dts").node(
        "/bus@0/d@10"
    )
    assert node is not None
    assert address(node, "at") == expected and address(node, "nowhere") is None


def test_pci_addresses_need_their_space() -> None:
    source = tree(
        'pci { device_type = "pci"; #address-cells = <3>; #size-cells = <2>;'
        "ranges = <0x01000000 0 0 0 0x3eff0000 0 0x10000>, <0x02000000 0 0x10000000 0 0x20000000 0 0x1000>;"
        "a { reg = <0x02000810 0 0x10000100 0 0x10>; }; b { reg = <0x01000810 0 0x100 0 0x10>; };"
        "c { reg = <0x00000800 0 0x100 0 0x10>; }; };"
    )
    assert node_reg(source, "/pci/a")[1] == ((0x2000_0100, 0x10),)
    assert node_reg(source, "/pci/b")[1] == ((0x3EFF_0100, 0x10),)
    assert node_reg(source, "/pci/c")[1] == ()


def test_default_cells_are_two_and_one() -> None:
    assert node_reg(tree("a { reg = <1 2 3>; };", cells=""), "/a")[0] == ((0x1_0000_0002, 3),)


@pytest.mark.parametrize("value", ["reg = <1 2 3>;", "reg;", "reg = [00];", ""])
def test_a_reg_that_does_not_divide_is_empty(value: str) -> None:
    assert node_reg(tree(f"a {{ {value} }};"), "/a") == ((), ())


GIC = "interrupt-parent = <&gic>; gic: gic { interrupt-controller; #interrupt-cells = <3>; };"


def parsed(body: str) -> Tree:
    return parse_dts(tree(GIC + body), "t.dts")


def test_timer_by_position() -> None:
    made = parsed('timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4 1 14 4 1 11 4>; };')
    found = timer(made, interrupts(made)[0])
    assert found is not None
    assert [ref.specifier[1] for ref in found.interrupts] == [13, 14, 11]
    assert found.virt is not None
    assert found.virt.specifier == (1, 11, 4)
    assert found.hyp_phys is None


def test_timer_by_name() -> None:
    made = parsed(
        'timer { compatible = "arm,armv8-timer"; interrupt-names = "virt", "phys"; interrupts = <1 11 4 1 14 4>; };'
    )
    found = timer(made, interrupts(made)[0])
    assert found is not None
    assert [ref.specifier[1] for ref in found.interrupts] == [14, 11]
    assert found.sec_phys is None


def test_no_timer() -> None:
    made = parsed('timer { compatible = "arm,armv8-timer"; status = "disabled"; };')
    assert timer(made, ()) is None


def test_pmu() -> None:
    made = parsed('pmu { compatible = "arm,armv8-pmuv3"; interrupts = <1 7 4>; };')
    found = pmu(made, interrupts(made)[0])
    assert found is not None
    assert [ref.specifier for ref in found.interrupts] == [(1, 7, 4)]


def test_a_pmu_without_compatible_is_none() -> None:
    assert pmu(parsed("pmu { };"), ()) is None
