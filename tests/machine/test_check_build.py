"""What only making the VM shows is a finding too: `check` says what `run` would say."""

from pathlib import Path

import pytest

from irqframe.dt import load, parse_dts
from irqframe.errors import Finding, InputError
from irqframe.flow import SourceKind
from irqframe.machine import build, load_machine

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "virt-rvic.dts"


def findings(before: str, after: str) -> list[Finding]:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text.count(before) == 1
    with pytest.raises(InputError) as caught:
        load_machine(parse_dts(text.replace(before, after), "m.dts"))
    return list(caught.value.findings)


def test_the_shipped_machine_can_be_built() -> None:
    assert load_machine(load(EXAMPLE)).irqchip == "rvic"


def test_parameters_that_contradict_each_other() -> None:
    (finding,) = findings("irqframe,nr-trusted = <32>", "irqframe,nr-trusted = <512>")
    assert (finding.code, finding.path) == ("E0607", "/rvic")


def test_a_line_beyond_those_the_irqchip_was_set_up_with() -> None:
    (finding,) = findings("interrupts = <16 1>", "interrupts = <480 1>")
    assert (finding.code, finding.path) == ("E0603", "/virtio@a000000")
    assert finding.message == "line 480 is outside what rvid serves (0..479)"
    assert finding.span.column == len("\t\tinterrupts = <") + 1


def test_memory_that_overlaps() -> None:
    before = "reg = <0x0 0x40000000 0x0 0x20000000>"
    (finding,) = findings(before, f"{before}, <0x0 0x50000000 0x0 0x1000>")
    assert (finding.code, finding.path) == ("E0609", "/memory@40000000")
    assert finding.message == "memory at 0x50000000..0x50000fff overlaps memory at 0x40000000..0x5fffffff"


def test_an_empty_region_of_memory_is_none() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    before = "reg = <0x0 0x40000000 0x0 0x20000000>"
    machine = load_machine(parse_dts(text.replace(before, f"{before}, <0x0 0x0 0x0 0x0>"), "m.dts"))
    assert machine.irqchip == "rvic"


def test_frames_that_the_irqchip_leaves_unused() -> None:
    """A GIC with virtualization extensions has two more frames, of which a guest's model has none."""
    gicv2 = EXAMPLE.with_name("virt-gicv2.dts").read_text(encoding="utf-8")
    assert not any("frames" in one.what for one in load_machine(parse_dts(gicv2, "m.dts")).defaults)
    before = "reg = <0x00 0x8000000 0x00 0x10000 0x00 0x8010000 0x00 0x10000>"
    assert gicv2.count(before) == 1
    after = f"{before}, <0x00 0x8030000 0x00 0x10000>, <0x00 0x8040000 0x00 0x10000>"
    (unused,) = [
        one for one in load_machine(parse_dts(gicv2.replace(before, after), "m.dts")).defaults if "frames" in one.what
    ]
    assert unused.value == "none for `reg` entries 2, 3 (from 0): gicv2 serves nothing there"


GICV3 = EXAMPLE.with_name("virt-gicv3.dts")
REG = "reg = <0x00 0x8000000 0x00 0x10000 0x00 0x80a0000 0x00 0xf60000>;"
ONE, TWO = "\t\t#redistributor-regions = <0x01>;", "#redistributor-regions = <2>;"
ITS = "reg = <0x00 0x8080000 0x00 0x20000>"
TWICE = "reg = <0x00 0x8000000 0x00 0x10000>, <0x00 0x80a0000 0x00 0x40000>, <0x00 0x80a0000 0x00 0x40000>;"


@pytest.mark.parametrize(
    ("before", "after", "path", "place", "says"),
    [
        (REG, REG.replace("0x10000", "0x1000"), "/intc@8000000", "0x00", "the distributor of /intc@8000000 is too"),
        (REG, f"{REG} redistributor-stride = <0 0x10000>;", "/intc@8000000", "0", "would lie on each other"),
        ("\t\tranges;\n", "\n", "/intc@8000000/its@8080000", "its@8080000", "/intc@8000000 has no `ranges`"),
        (f"{REG}\n{ONE}", f"{TWICE} {TWO}", "/intc@8000000", "0x00", "GICR at 0x80a0000 overlaps GICR at 0x80a0000"),
        (ITS, ITS.replace("0x8080000", "0x8000000"), "/intc@8000000", "0x00", "GITS at 0x8000000 overlaps GICD"),
    ],
)
def test_what_an_irqchip_refuses_is_told_where_it_is_written(
    before: str, after: str, path: str, place: str, says: str
) -> None:
    text = GICV3.read_text(encoding="utf-8")
    assert text.count(before) == 1
    changed = text.replace(before, after)
    with pytest.raises(InputError) as caught:
        load_machine(parse_dts(changed, "m.dts"))
    (finding,) = [one for one in caught.value.findings if one.is_error]
    assert (finding.code, finding.path) == ("E0607", path)
    assert says in finding.message
    line = changed.split("\n")[finding.span.line - 1]
    assert line[finding.span.column - 1 : finding.span.end_column - 1] == place
    assert finding.expected


def test_frames_on_the_same_addresses_are_told_with_both_places() -> None:
    text = GICV3.read_text(encoding="utf-8").replace(ITS, ITS.replace("0x8080000", "0x80a0000"))
    with pytest.raises(InputError) as caught:
        load_machine(parse_dts(text, "m.dts"))
    (finding,) = [one for one in caught.value.findings if one.is_error]
    assert finding.found == "0x80a0000..0x8ffffff"
    ((other, says),) = finding.related
    assert says == "`reg` of /intc@8000000/its@8080000: 0x80a0000..0x80bffff"
    assert "reg = <0x00 0x80a0000" in text.split("\n")[other.line - 1]


@pytest.mark.parametrize("name", ["virt-gicv2.dts", "virt-gicv3.dts"])
def test_what_an_option_leaves_without_a_line(name: str) -> None:
    machine = load_machine(load(EXAMPLE.with_name(name)))
    with pytest.raises(InputError) as caught:
        build(machine, options={"spis": "32"})
    found = caught.value.findings
    wired = {
        one.ref.node.path for one in machine.sources if one.source.kind is SourceKind.SPI and one.source.number > 31
    }
    assert {one.path for one in found} == wired != set()
    last = max(found, key=lambda one: one.message)
    assert last.code == "E0603"
    assert last.message == "SPI 47 (interrupt 79) is outside what intc@8000000 serves (SPI 0..31)"
    assert last.hint == f"{machine.irqchip} was given spis=32"


def test_what_an_option_leaves_without_a_line_below_extended_ones() -> None:
    """A GIC with extended SPIs has line numbers that no line has: between its SPIs and the first of them."""
    text = GICV3.read_text(encoding="utf-8")
    before = "interrupts = <0x00 0x02 0x04>"
    assert text.count(before) == 1
    machine = load_machine(parse_dts(text.replace(before, "interrupts = <2 0x20 4>"), "m.dts"))
    assert any(one.source.number == 988 + 0x20 for one in machine.sources)
    build(machine)
    build(machine, options={"spis": "64"})
    with pytest.raises(InputError) as caught:
        build(machine, options={"spis": "32"})
    assert len(caught.value.findings) == 16
    assert {one.code for one in caught.value.findings} == {"E0603"}
    assert all("(SPI 0..31)" in one.message for one in caught.value.findings)
