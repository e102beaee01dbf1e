"""The trees that QEMU writes for its `virt` machine: real data, in both formats."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import pytest

from irqframe.dt import (
    CODES,
    Tree,
    addresses,
    cpus,
    interrupts,
    memory,
    msi_routes,
    parse_dts,
    pmu,
    read_dtb,
    specifiers_at,
    timer,
)

DATA = Path(__file__).parent / "data"

NAMES = ["virt-gicv2.dtb.gz", "virt-gicv2.dts", "virt-gicv3.dtb.gz", "virt-gicv3.dts"]


def loaded(name: str) -> Tree:
    path = DATA / name
    if name.endswith(".gz"):
        return read_dtb(gzip.decompress(path.read_bytes()), name)
    return parse_dts(path.read_text(), name)


@pytest.fixture(params=NAMES)
def virt(request: pytest.FixtureRequest) -> Tree:
    return loaded(request.param)


def test_every_interrupt_resolves_to_the_gic(virt: Tree) -> None:
    refs, findings = interrupts(virt)
    assert not findings
    assert {ref.controller.path for ref in refs} == {"/intc@8000000"}
    # QEMU's memory map of the machine: UART, RTC and GPIO on SPI 1, 2, 7; 32 virtio devices on 16 to 47.
    wired = {ref.node.name: ref.specifier[1] for ref in refs if ref.specifier[0] == 0 and not ref.unit}
    assert {wired.pop(name) for name in ("pl011@9000000", "pl031@9010000", "pl061@9030000")} == {1, 2, 7}
    assert wired == {f"virtio_mmio@{0xA000000 + 0x200 * n:x}": 16 + n for n in range(32)}
    assert len(refs) == 3 + 32 + 16 + 4


def test_what_is_written_for_the_gic_is_what_resolves_to_it(virt: Tree) -> None:
    gic = virt.node("/intc@8000000")
    assert gic is not None
    # The map is written in rows for the GIC, and no device goes through it.
    assert specifiers_at(virt, {gic}) == {ref.specifier for ref in interrupts(virt)[0]}
    assert specifiers_at(virt, {virt.root}) == set()


def test_pci_pins_are_swizzled_over_four_spis(virt: Tree) -> None:
    rows = [ref for ref in interrupts(virt)[0] if ref.unit]
    assert [ref.index for ref in rows] == list(range(16))
    for ref in rows:
        slot, pin = ref.unit[0] >> 11, ref.unit[3]
        assert ref.specifier == (0, 3 + (slot + pin - 1) % 4, 4)
        assert ref.node.name == "pcie@10000000"


def test_a_device_behind_the_bridge_goes_through_the_map(virt: Tree) -> None:
    bridge = virt.node("/pcie@10000000")
    assert bridge is not None
    # Slot 6 is slot 2 under the mask: its pin B reaches SPI 6.
    child = type(bridge)("net@6", bridge.span)
    bridge.add(child)
    child.set_cells("reg", 6 << 11, 0, 0, 0, 0)
    child.set_cells("interrupts", 2)
    (ref,) = (ref for ref in interrupts(virt)[0] if ref.node is child)
    assert ref.specifier == (0, 6, 4)
    assert [hop.node.name for hop in ref.hops] == ["net@6", "pcie@10000000"]


def test_messages_go_to_the_frame_or_the_its(virt: Tree) -> None:
    routes, findings = msi_routes(virt)
    assert not findings
    ((node, controller, specifier, length),) = [(r.node.name, r.controller.name, r.specifier, r.length) for r in routes]
    assert node == "pcie@10000000"
    assert (controller, specifier) in [("v2m@8020000", ()), ("its@8080000", (0,))]
    assert length == 0x10000


def test_the_machine(virt: Tree) -> None:
    found, findings = cpus(virt)
    assert [cpu.mpidr for cpu in found] == [0, 1, 2, 3]
    assert {cpu.enable_method for cpu in found} == {"psci"}
    regions, more = memory(virt)
    assert regions[0].address == 0x4000_0000
    assert not findings
    assert not more
    frame = next(node for node in virt.walk() if node.parent is not None and node.parent.name == "intc@8000000")
    assert addresses(frame)[0][0] == int(frame.unit_address, 16)


def test_the_timer_and_no_pmu(virt: Tree) -> None:
    refs, _ = interrupts(virt)
    found = timer(virt, refs)
    assert found is not None
    assert [ref.specifier[:2] for ref in found.interrupts] == [(1, 13), (1, 14), (1, 11), (1, 10)]
    # The CPU of this tree has no performance monitor, and QEMU leaves an empty node.
    node = virt.node("/pmu")
    assert (pmu(virt, refs) is None) == (node is None or not node.compatible)


def test_places_in_the_source() -> None:
    tree = loaded("virt-gicv2.dts")
    text = (DATA / "virt-gicv2.dts").read_text().splitlines()
    for ref in interrupts(tree)[0]:
        for cell, span in zip(ref.specifier, ref.spans, strict=True):
            assert int(text[span.line - 1][span.column - 1 : span.end_column - 1], 0) == cell


def test_flipped_bytes_end_in_findings() -> None:
    original = loaded("virt-gicv2.dtb.gz")
    chance = random.Random(1)
    names = [(node.path, name) for node in original.walk() for name in node.properties]
    began = time.monotonic()
    for _ in range(300):
        tree = loaded("virt-gicv2.dtb.gz")
        path, name = chance.choice(names)
        node = tree.node(path)
        assert node is not None
        data = bytearray(node.properties[name].data or b"\0")
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        node.set(name, bytes(data))
        refs, findings = interrupts(tree)
        found = [*findings, *msi_routes(tree)[1], *cpus(tree)[1], *memory(tree)[1]]
        assert all(finding.code in CODES for finding in found)
        timer(tree, refs)
        pmu(tree, refs)
        for each in tree.walk():
            addresses(each)
    assert time.monotonic() - began < 60
