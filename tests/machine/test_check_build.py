"""What only making the VM shows is a finding too: `check` says what `run` would say."""

from pathlib import Path

import pytest

from irqframe.dt import load, parse_dts
from irqframe.errors import Finding, InputError
from irqframe.machine import load_machine

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
