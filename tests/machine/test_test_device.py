"""A test device is added to a machine: where nothing lies, on lines that nobody has, whatever the irqchip."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe import dt
from irqframe.dt import Tree
from irqframe.errors import IrqframeError
from irqframe.flow import SourceKind, Trigger, discover
from irqframe.machine import Machine, build, load_machine, retarget, with_test_device

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = ("virt-gicv2", "virt-gicv3", "virt-rvic")
IRQCHIPS = ("rvic", "gicv2", "gicv3")


def machine_of(name: str) -> Machine:
    return load_machine(dt.load(str(EXAMPLES / f"{name}.dts")))


def added(tree: Tree) -> dt.Node:
    return next(node for node in tree.walk() if "irqframe,testdev" in node.compatible)


def edited(old: str, new: str) -> Machine:
    text = (EXAMPLES / "virt-rvic.dts").read_text(encoding="utf-8")
    assert old in text
    return load_machine(dt.parse_dts(text.replace(old, new), "edited.dts"))


@pytest.mark.parametrize("name", NAMES)
def test_it_has_two_lines_and_sends_messages(name: str) -> None:
    machine = machine_of(name)
    before = machine.dtb()
    made = load_machine(with_test_device(machine))
    assert machine.dtb() == before
    node = added(made.tree)
    assert node.path == "/testdev@b000000"
    assert dt.addresses(node) == ((0x0B00_0000, 0x1000),)
    sources = [one.source for one in made.sources if one.ref.node is node]
    assert [source.trigger for source in sources] == [Trigger.EDGE_RISING, Trigger.LEVEL_HIGH]
    used = {one.source.number for one in machine.sources if one.source.kind is SourceKind.SPI}
    assert used.isdisjoint(source.number for source in sources)
    assert [one.devid for one in made.msis if one.ref.node is node] != []
    assert len(made.msis) == len(machine.msis) + 1


@pytest.mark.parametrize("irqchip", IRQCHIPS)
@pytest.mark.parametrize("name", NAMES)
def test_it_goes_along_to_another_irqchip(name: str, irqchip: str) -> None:
    plugin = next(plugin for plugin in discover() if plugin.name == irqchip)
    made = load_machine(with_test_device(machine_of(name)))
    other = load_machine(retarget(made, plugin))
    node = added(other.tree)
    assert sum(one.ref.node is node for one in other.sources) == 2
    assert sum(one.ref.node is node for one in other.msis) == 1
    build(other).destroy()


def test_one_that_is_there_is_enough() -> None:
    machine = load_machine(with_test_device(machine_of("virt-gicv3")))
    assert with_test_device(machine) is machine.tree


def test_a_second_device_shares_nothing_with_the_first() -> None:
    machine = load_machine(with_test_device(machine_of("virt-gicv3")))
    first = added(machine.tree)
    first.set_strings("compatible", "acme,other")
    made = load_machine(with_test_device(machine))
    second = added(made.tree)
    assert second.path == "/testdev@b001000"
    other = made.tree.node(first.path)
    numbers = [{one.source.number for one in made.sources if one.ref.node is node} for node in (other, second)]
    assert numbers[0].isdisjoint(numbers[1])
    assert [one.devid for one in made.msis if one.ref.node in (other, second)] == [1, 2]


def test_it_lies_behind_what_lies_in_its_place() -> None:
    machine = edited("rtc@9010000 {", "rtc@b000000 {")
    rtc = machine.tree.root.children["rtc@b000000"]
    rtc.set_cells("reg", 0, 0x0B00_0000, 0, 0x1800)
    assert added(with_test_device(machine)).path == "/testdev@b002000"


def test_without_levels_it_has_an_edge_alone() -> None:
    """An rVID whose specifiers are of one cell; the first lines behind the one in use are for messages."""
    text = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&rvid>;
    memory@40000000 { device_type = "memory"; reg = <0x40000000 0x10000000>; };
    cpus {
        #address-cells = <1>;
        #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,cortex-a57"; reg = <0>; };
    };
    rvic: rvic { compatible = "arm,rvic"; interrupt-controller; #address-cells = <0>; #interrupt-cells = <2>; };
    rvid: rvid {
        compatible = "arm,rvid"; interrupt-parent = <&rvic>; interrupt-controller;
        #address-cells = <0>; #interrupt-cells = <1>; msi-controller; #msi-cells = <0>; msi-range = <1 7>;
    };
    virtio@a000000 { compatible = "virtio,mmio"; reg = <0xa000000 0x200>; interrupts = <0>; };
};
"""
    made = load_machine(with_test_device(load_machine(dt.parse_dts(text, "edges.dts"))))
    node = added(made.tree)
    sources = [one.source for one in made.sources if one.ref.node is node]
    assert [(source.number, source.trigger) for source in sources] == [(8, Trigger.EDGE_RISING)]
    assert [one.devid for one in made.msis if one.ref.node is node] == [0]


def test_an_irqchip_that_writes_no_specifiers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of("virt-rvic")
    monkeypatch.delattr(machine.chip, "irqchip_encode")
    with pytest.raises(IrqframeError, match=r"virt-rvic\.dts: no test device can be added: rvic does not describe"):
        with_test_device(machine)
