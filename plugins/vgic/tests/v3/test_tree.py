"""The GICv3 in a device tree: specifiers both ways, how many lines there are, its frames, and what it describes."""

from __future__ import annotations

import errno
import time
from typing import cast

import pytest
from irqframe_vgic._its._devices import device_bits
from irqframe_vgic._v3 import _lines, _specifiers, _tree
from irqframe_vgic._v3._lines import MOST, LineCounts

from irqframe import NodeError, SpecifierError, TriggerError, VmError
from irqframe.dt import Node, parse_dts
from irqframe.flow import DescribeRequest, Lines, MessageLines, Source, SourceKind, Trigger

SPI, PPI = SourceKind.SPI, SourceKind.PPI
LEAST = LineCounts(224, 0, 0)

INTC = """\
intc@8000000 {
    compatible = "arm,gic-v3";
    reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0xf60000>;
    #interrupt-cells = <3>;
    interrupt-controller;
    #address-cells = <2>;
    #size-cells = <2>;
    ranges;
};
"""


def its(at: int, more: str = "") -> str:
    return (
        f'msi-controller@{at:x} {{ compatible = "arm,gic-v3-its"; reg = <0 {at:#x} 0 0x20000>; msi-controller; '
        f"#msi-cells = <1>; {more} }};"
    )


def nodes(*texts: str) -> tuple[Node, ...]:
    """The GIC's nodes below a root of two address and two size cells, in the order of the tree."""
    body = "\n".join(text for text in texts if not text.startswith("&"))
    more = "\n".join(text for text in texts if text.startswith("&"))
    text = "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; " + body + " };" + more
    root = parse_dts(text, "t.dts").root
    return tuple(node for node in root.walk() if {"arm,gic-v3", "arm,gic-v3-its"} & {*node.compatible})


def gic(*properties: str) -> tuple[Node, ...]:
    """The GIC with other or further properties; those of the same name win."""
    return nodes(INTC, "&{/intc@8000000} { " + " ".join(properties) + " };")


def wired(*specifiers: str) -> str:
    """A device with these interrupts."""
    return (
        f"user {{ interrupt-parent = <&{{/intc@8000000}}>; interrupts = {', '.join(f'<{s}>' for s in specifiers)}; }};"
    )


# Specifiers


@pytest.mark.parametrize(
    ("cells", "source"),
    [
        ((0, 0, 4), Source(SPI, 0, Trigger.LEVEL_HIGH)),
        ((0, 987, 1), Source(SPI, 987, Trigger.EDGE_RISING)),
        ((0, 7, 0), Source(SPI, 7, Trigger.NONE)),
        ((1, 11, 0xF04), Source(PPI, 27, Trigger.LEVEL_HIGH)),
        ((1, 0, 8), Source(PPI, 16, Trigger.LEVEL_LOW)),
        ((1, 15, 2), Source(PPI, 31, Trigger.EDGE_FALLING)),
        ((2, 0, 4), Source(SPI, 988, Trigger.LEVEL_HIGH)),
        ((2, 1023, 1), Source(SPI, 2011, Trigger.EDGE_RISING)),
        ((3, 0, 8), Source(PPI, 1056, Trigger.LEVEL_LOW)),
        ((3, 63, 4), Source(PPI, 1119, Trigger.LEVEL_HIGH)),
    ],
)
def test_specifiers(cells: tuple[int, ...], source: Source) -> None:
    assert _specifiers.translate(MOST, cells) == source
    assert _specifiers.translate(MOST, (*cells, 0)) == source
    assert _specifiers.translate(MOST, _specifiers.encode(MOST, source)) == source


@pytest.mark.parametrize(
    ("cells", "cell", "expected"),
    [
        ((0, 224, 4), 1, ""),
        ((1, 16, 4), 1, ""),
        ((2, 32, 4), 1, ""),
        ((3, 0, 4), 1, ""),
        ((4, 0, 4), 0, "0 (SPI), 1 (PPI), 2 (extended SPI) or 3 (extended PPI)"),
        ((0, 0, 8), 2, "1 (rising edge) or 4 (level high)"),
        ((2, 0, 2), 2, "1 (rising edge) or 4 (level high)"),
        ((1, 0, 3), 2, "one of 1, 2, 4 and 8"),
        ((0, 1), 0, "<type number flags> or one cell more"),
        ((0, 1, 4, 0, 0), 0, "<type number flags> or one cell more"),
        ((0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), 0, "0 (SPI), 1 (PPI), 2 (extended SPI) or 3 (extended PPI)"),
    ],
)
def test_specifiers_are_checked(cells: tuple[int, ...], cell: int, expected: str) -> None:
    with pytest.raises(SpecifierError) as caught:
        _specifiers.translate(LineCounts(224, 32, 0), cells)
    assert (caught.value.cell, caught.value.expected) == (cell, expected)
    assert isinstance(caught.value, TriggerError) is (cell == 2)


@pytest.mark.parametrize(
    ("cells", "message", "hint"),
    [
        ((0, 224, 4), "SPI 224 (interrupt 256) is outside what intc serves (SPI 0..223)", ""),
        ((1, 27, 4), "PPI 27 is outside what intc serves (PPI 0..15)", "interrupt 27 is PPI 11"),
        ((2, 32, 4), "extended SPI 32 (interrupt 4128) is outside what intc serves (extended SPI 0..31)", ""),
        ((3, 1060, 4), "extended PPI 1060 is outside what intc serves (no extended PPIs)", "1060 is extended PPI 4"),
    ],
)
def test_what_a_refused_number_is_told(cells: tuple[int, ...], message: str, hint: str) -> None:
    with pytest.raises(SpecifierError) as caught:
        _specifiers.translate(LineCounts(224, 32, 0), cells, "intc")
    assert str(caught.value) == message
    assert caught.value.hint.endswith(hint)
    assert bool(caught.value.hint) is bool(hint)


@pytest.mark.parametrize(
    "source",
    [
        Source(SPI, 224, Trigger.LEVEL_HIGH),
        Source(SPI, 988 + 32, Trigger.LEVEL_HIGH),
        Source(SPI, 988 + 1024, Trigger.LEVEL_HIGH),
        Source(SPI, 3, Trigger.LEVEL_LOW),
        Source(PPI, 15, Trigger.LEVEL_HIGH),
        Source(PPI, 32, Trigger.EDGE_RISING),
        Source(PPI, 1056, Trigger.EDGE_RISING),
    ],
)
def test_sources_that_it_does_not_serve(source: Source) -> None:
    with pytest.raises(SpecifierError):
        _specifiers.encode(LineCounts(224, 32, 0), source)


# How many lines there are


@pytest.mark.parametrize(
    ("specifiers", "counts"),
    [
        ((), LEAST),
        (("0 223 4", "1 15 4"), LEAST),
        (("0 224 4",), LineCounts(256, 0, 0)),
        (("0 987 4",), LineCounts(988, 0, 0)),
        (("2 0 4",), LineCounts(988, 32, 0)),
        (("2 32 4", "3 0 4"), LineCounts(988, 64, 32)),
        (("2 1023 4", "3 63 4"), MOST),
        # What no GIC can have does not make one larger; it is refused where it stands.
        (("0 988 4", "2 1024 4", "3 64 4", "4 0 4", "0 0xffffffff 4"), LEAST),
    ],
)
def test_there_are_lines_for_what_is_wired(specifiers: tuple[str, ...], counts: LineCounts) -> None:
    given = nodes(INTC, *((wired(*specifiers),) if specifiers else ()))
    assert _lines.divide(LEAST, given) == counts
    assert _lines.divide(LEAST, given, fixed={"spis", "espis", "eppis"}) == LEAST
    assert _lines.lines(counts, given) == Lines(988 + counts.espis if counts.espis else counts.spis)


def test_a_number_that_was_asked_for_stays_and_the_others_grow() -> None:
    given = nodes(INTC, wired("0 300 4", "2 3 4", "3 3 4"))
    assert _lines.divide(LEAST, given, fixed={"spis"}) == LineCounts(224, 32, 32)
    assert _lines.divide(LineCounts(224, 64, 0), given, fixed={"espis"}) == LineCounts(320, 64, 32)
    assert _lines.divide(LEAST, given, fixed={"eppis"}) == LineCounts(988, 32, 0)


def test_a_specifier_of_four_cells_counts_too() -> None:
    four = INTC.replace("#interrupt-cells = <3>", "#interrupt-cells = <4>")
    assert _lines.divide(LEAST, nodes(four, wired("0 300 4 0"))) == LineCounts(320, 0, 0)


def test_there_are_spis_for_messages() -> None:
    given = gic("msi-controller;", "mbi-ranges = <296 24>, <500 2>;")
    counts = _lines.divide(LEAST, given)
    assert counts == LineCounts(480, 0, 0)
    assert _lines.lines(counts, given).messages == (
        MessageLines("/intc@8000000", range(264, 288), "mbi-ranges"),
        MessageLines("/intc@8000000", range(468, 470), "mbi-ranges"),
    )
    assert _tree.layout(given).mbis == (range(296, 320), range(500, 502))


def test_messages_need_a_controller_of_messages_and_their_last_spi() -> None:
    assert _lines.divide(LEAST, gic("mbi-ranges = <296 24>;")) == LEAST
    assert _lines.divide(LEAST, gic("msi-controller;", "mbi-ranges = <32 224>;")) == LEAST
    assert _lines.divide(LEAST, gic("msi-controller;", "mbi-ranges = <32 225>;")) == LineCounts(256, 0, 0)


@pytest.mark.parametrize("ranges", ["<0 0>", "<0 0xffffffff>", "<0xffffffff 0xffffffff>", "<40>", "<1019 2>", "<32 1>"])
def test_message_ranges_that_no_gic_has_cost_nothing(ranges: str) -> None:
    given = gic("msi-controller;", f"mbi-ranges = {ranges};")
    started = time.process_time()
    counts = _lines.divide(LEAST, given)
    _lines.lines(counts, given)
    assert time.process_time() - started < 1
    assert counts.spis in _lines.SPI_CHOICES


# Where the frames are


def test_one_region_of_redistributors() -> None:
    found = _tree.layout(gic())
    assert found == _tree.Layout((0x8000000, 0x10000), ((0x80A0000, 0xF60000),), 0x20000)
    assert found.places(3) == (0x80A0000, 0x80C0000, 0x80E0000)
    assert len(found.places(512)) == 123


def test_what_is_behind_the_redistributors_is_not_the_gics() -> None:
    given = gic(
        "reg = <0 0x8000000 0 0x10000>, <0 0x9000000 0 0x80000>, <0 0xa000000 0 0x50000>, <0 0xb000000 0 0x2000>;",
        "#redistributor-regions = <2>;",
        "redistributor-stride = <0 0x40000>;",
    )
    found = _tree.layout(given)
    assert found.redistributors == ((0x9000000, 0x80000), (0xA000000, 0x50000))
    assert found.stride == 0x40000
    assert found.places(9) == (0x9000000, 0x9040000, 0xA000000)


@pytest.mark.parametrize(
    ("property_", "place", "cell"),
    [
        ("reg = <0 0x8000000 0 0x10000>;", "reg", 0),
        ("reg = <0 0x8000000 0 0x1000>, <0 0x80a0000 0 0xf60000>;", "reg", 0),
        ("reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0x10000>;", "reg", 4),
        ("#redistributor-regions = <2>;", "reg", 0),
        ("#redistributor-regions = <0>;", "reg", 0),
        ("#redistributor-regions = [00];", "reg", 0),
        ("redistributor-stride = <0 0x10000>;", "redistributor-stride", 0),
        ("redistributor-stride = <0 0x28000>;", "redistributor-stride", 0),
        ("redistributor-stride = <1 0>;", "reg", 4),
    ],
)
def test_frames_that_are_refused(property_: str, place: str, cell: int) -> None:
    with pytest.raises(NodeError) as caught:
        _tree.layout(gic(property_))
    assert caught.value.errno == errno.EINVAL
    assert "/intc@8000000" in str(caught.value)
    assert (caught.value.node, caught.value.property, caught.value.cell) == ("/intc@8000000", place, cell)


def test_a_stride_of_nothing_is_none() -> None:
    assert _tree.layout(gic("redistributor-stride = <0 0>;")).stride == 0x20000
    assert _tree.layout(gic("redistributor-stride = <0x40000>;")).stride == 0x40000


def test_a_machine_has_one_gic() -> None:
    other = INTC.replace("8000000 {", "c000000 {")
    with pytest.raises(VmError, match="has /intc@8000000, /intc@c000000"):
        _tree.layout(nodes(INTC, other))
    assert _tree.layout(nodes(INTC, other.replace("ranges;", 'ranges; status = "disabled";')))
    with pytest.raises(VmError, match="has none"):
        _tree.layout(nodes(its(0x8080000)))


def test_itss_are_children_or_siblings_and_enabled() -> None:
    found = _tree.layout(
        nodes(INTC.replace("\n};", "\n" + its(0x8080000) + its(0x9080000, 'status = "disabled";') + "\n};"), its(0x40))
    )
    assert found.its == ((0x8080000, 0x20000), (0x40, 0x20000))


def test_an_its_must_have_its_frame() -> None:
    with pytest.raises(NodeError, match="too small") as caught:
        _tree.layout(nodes(INTC, its(0x8080000).replace("0x20000", "0x8000")))
    assert (caught.value.node, caught.value.property) == ("/msi-controller@8080000", "reg")


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ("", "the CPUs do not reach /intc@8000000/msi-controller@8080000, because /intc@8000000 has no `ranges`"),
        ("ranges = <0 0 0 0 0 0x8080000>;", "is outside of what `ranges` of /intc@8000000 hands on to the CPUs"),
    ],
)
def test_an_its_that_the_cpus_do_not_reach(ranges: str, message: str) -> None:
    with pytest.raises(NodeError, match=message) as caught:
        _tree.layout(nodes(INTC.replace("ranges;", ranges + its(0x8080000))))
    assert caught.value.node == "/intc@8000000/msi-controller@8080000"


# Description


@pytest.mark.parametrize(
    ("device", "where"),
    [
        ("serial@8090000 { reg = <0 0x8090000 0 0x1000>; };", "/serial@8090000 at 0x8090000..0x8090fff"),
        (
            "serial@809f000 { reg = <0 0x7000000 0 4>, <0 0x809f000 0 0x2000>; };",
            "/serial@809f000 at 0x809f000",
        ),
        ("big@8000000 { reg = <0 0x8000000 1 0>; };", "/big@8000000 at 0x8000000..0x107ffffff"),
        (its(0x8090000), "/msi-controller@8090000 at 0x8090000..0x80affff"),
        (its(0x8060000).replace("0x20000", "0x10000"), ""),
        ('off@8090000 { reg = <0 0x8090000 0 0x1000>; status = "disabled"; };', ""),
        ("serial@80a0000 { reg = <0 0x8070000 0 0x20000>, <0 0x80a0000 0 0x1000>; };", ""),
    ],
)
def test_the_second_frame_of_a_short_its_lies_on_nothing(device: str, where: str) -> None:
    short = its(0x8080000).replace("0x20000", "0x10000")
    far = INTC.replace("0x80a0000", "0x9000000")
    if not where:
        assert (0x8080000, 0x10000) in _tree.layout(nodes(far, short, device)).its
        return
    with pytest.raises(NodeError, match="the frame for messages of /msi-controller@8080000, at 0x8090000") as caught:
        _tree.layout(nodes(far, short, device))
    assert (caught.value.node, caught.value.property) == ("/msi-controller@8080000", "reg")
    assert "follows" in caught.value.hint
    assert caught.value.found.startswith(where) and str(caught.value).endswith(where.split()[0] + " [EINVAL]")
    assert _tree.layout(nodes(far, its(0x8080000), device)).its, "what 'reg' has is not the GIC's to compare"


def test_an_alias_of_the_doorbells() -> None:
    messages = ("msi-controller;", "mbi-ranges = <64 32>;")
    assert _tree.layout(gic(*messages)).alias is None
    assert _tree.layout(gic(*messages, "mbi-alias = <0 0x8010000>;")).alias == 0x8010000
    assert _tree.layout(gic(*messages, "mbi-alias = <0 0x8000000>;")).alias is None
    assert _tree.layout(gic("mbi-alias = <0 0x8010000>;")).alias is None, "nothing takes messages"


@pytest.mark.parametrize(
    "alias", ["<0x8010000>", "<0 0x8010001>", "<0 0x8010000 0 0>", "<0 0x80a0000>", "<0 0x8002000>"]
)
def test_an_alias_that_is_refused(alias: str) -> None:
    with pytest.raises(NodeError, match="/intc@8000000") as caught:
        _tree.layout(gic("msi-controller;", "mbi-ranges = <64 32>;", f"mbi-alias = {alias};"))
    assert (caught.value.node, caught.value.property) == ("/intc@8000000", "mbi-alias")


def request(cpus: int, *, msis: bool = False, cells: int = 2) -> DescribeRequest:
    return DescribeRequest(tuple(range(cpus)), (), msis, address_cells=cells, size_cells=cells)


@pytest.mark.parametrize("cpus", [1, 123, 124, 512])
@pytest.mark.parametrize("msis", [False, True])
def test_described_nodes_are_what_a_layout_is_read_from(cpus: int, msis: bool) -> None:
    (spec,) = _tree.describe(request(cpus, msis=msis))
    root = parse_dts("/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; };", "t.dts").root
    node = root.add(Node(spec.name, root.span))
    every = [node]
    for child in spec.children:
        every.append(node.add(Node(child.name, root.span)))
    for one, described in zip(every, (spec, *spec.children), strict=True):
        for name, value in described.properties.items():
            if all(isinstance(cell, int) for cell in value):
                one.set_cells(name, *cast("tuple[int, ...]", value))
            else:
                one.set_strings(name, *cast("tuple[str, ...]", value))
    found = _tree.layout(every)
    # As QEMU's virt board has them.
    assert found.gicd == (0x8000000, 0x10000)
    assert found.redistributors == ((0x80A0000, 0xF60000), (0x4000000000, 0x4000000))[: 1 + (cpus > 123)]
    assert len(found.places(cpus)) == cpus
    assert found.its == (((0x8080000, 0x20000),) if msis else ())
    assert spec.serves == {SPI, PPI}
    assert [child.serves for child in spec.children] == [frozenset({"msi"})] * msis


def test_machines_that_it_cannot_be_described_for() -> None:
    with pytest.raises(SpecifierError, match="512 redistributors, not 513"):
        _tree.describe(request(513))
    with pytest.raises(SpecifierError, match="0x4000000000 does not fit into 1 cells"):
        _tree.describe(request(124, cells=1))
    assert _tree.describe(request(123, cells=1))


@pytest.mark.parametrize(
    ("rows", "bits"),
    [
        ("<0 &its 0 0x10000>", 16),
        ("<0 &its 0x10000 0x10000>", 17),
        ("<0 &its 0 0x100>, <0x100 &its 0xfffff00 0x100>", 28),
        ("<0 &its 0xffffffff 1>", 32),
        ("<0 &other 0x10000 0x10000>", 16),
    ],
)
def test_device_ids_have_as_many_bits_as_the_tree_needs(rows: str, bits: int) -> None:
    host = f'pcie {{ device_type = "pci"; msi-map = {rows}; }};'
    other = "other: other { msi-controller; #msi-cells = <1>; };"
    assert device_bits(nodes(INTC, "its: " + its(0x808_0000), other, host), 16) == bits
