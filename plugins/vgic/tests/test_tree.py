"""The GIC in a device tree: specifiers both ways, where its frames are, and the nodes it describes."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest
from irqframe_vgic import Gicv2

from irqframe import NodeError, SpecifierError, TriggerError, VmError
from irqframe.dt import Node, parse_dts
from irqframe.flow import DescribeRequest, Lines, MessageLines, NodeSpec, Source, SourceKind, Trigger
from irqframe.vm import Vm

SPI, PPI = SourceKind.SPI, SourceKind.PPI

INTC = """\
intc@8000000 {
    compatible = "arm,gic-400";
    reg = <0 0x8000000 0 0x1000>, <0 0x8010000 0 0x2000>;
    #interrupt-cells = <3>;
    interrupt-controller;
    #address-cells = <1>;
    #size-cells = <1>;
    ranges = <0 0 0x8000000 0x100000>;
};
"""


def nodes(*texts: str) -> tuple[Node, ...]:
    """The nodes below a root of two address and two size cells, v2m frames behind their GIC."""
    body = "\n".join(texts)
    root = parse_dts("/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; " + body + " };", "t.dts").root
    found: list[Node] = []
    for node in root.children.values():
        found += [node, *node.children.values()]
    return tuple(found)


def with_frames(*frames: str) -> tuple[Node, ...]:
    return nodes(INTC.replace("\n};", "\n" + "\n".join(frames) + "\n};"))


def frame(at: int, more: str = "") -> str:
    return f'v2m@{at:x} {{ compatible = "arm,gic-v2m-frame"; reg = <{at:#x} 0x1000>; msi-controller; {more} }};'


def wired(*spis: int) -> str:
    """A device on these SPIs."""
    return f"user {{ interrupt-parent = <&{{/intc@8000000}}>; interrupts = {', '.join(f'<0 {n} 4>' for n in spis)}; }};"


SAYS = frame(0x20000, "arm,msi-base-spi = <80>;")


def configured(*given: Node, spis: str = "256") -> Vm:
    vm = Vm()
    vm.create_irqchip(Gicv2(options={"spis": spis} if spis else {}), "gicv2")
    vm.create_vcpu()
    vm.flow.call("configure", vm, tuple(node for node in given if not {*Gicv2.compatible}.isdisjoint(node.compatible)))
    vm.finalize()
    return vm


# Specifiers


@pytest.mark.parametrize(
    ("cells", "source"),
    [
        ((0, 0, 4), Source(SPI, 0, Trigger.LEVEL_HIGH)),
        ((0, 223, 1), Source(SPI, 223, Trigger.EDGE_RISING)),
        ((0, 7, 0), Source(SPI, 7, Trigger.NONE)),
        ((1, 11, 0xF04), Source(PPI, 27, Trigger.LEVEL_HIGH)),
        ((1, 0, 8), Source(PPI, 16, Trigger.LEVEL_LOW)),
        ((1, 15, 2), Source(PPI, 31, Trigger.EDGE_FALLING)),
    ],
)
def test_specifiers(cells: tuple[int, ...], source: Source) -> None:
    chip = Gicv2()
    (intc,) = nodes(INTC)
    assert chip.irqchip_translate(intc, cells) == source
    assert chip.irqchip_translate(intc, chip.irqchip_encode(source)) == source


@pytest.mark.parametrize(
    ("cells", "cell", "expected"),
    [
        ((0, 988, 4), 1, ""),
        ((1, 16, 4), 1, ""),
        ((2, 0, 4), 0, "0 (SPI) or 1 (PPI)"),
        ((0, 0, 8), 2, "1 (rising edge) or 4 (level high)"),
        ((0, 0, 3), 2, "1 (rising edge) or 4 (level high)"),
        ((1, 0, 3), 2, "one of 1, 2, 4 and 8"),
        ((0, 1), 0, "<type number flags>"),
        ((0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), 0, "0 (SPI) or 1 (PPI)"),
    ],
)
def test_specifiers_are_checked(cells: tuple[int, ...], cell: int, expected: str) -> None:
    (intc,) = nodes(INTC)
    with pytest.raises(SpecifierError) as caught:
        Gicv2().irqchip_translate(intc, cells)
    assert (caught.value.cell, caught.value.expected) == (cell, expected)


@pytest.mark.parametrize(
    "source",
    [
        Source(SPI, 988, Trigger.LEVEL_HIGH),
        Source(SPI, 3, Trigger.LEVEL_LOW),
        Source(PPI, 15, Trigger.LEVEL_HIGH),
        Source(PPI, 32, Trigger.EDGE_RISING),
    ],
)
def test_sources_that_it_does_not_serve(source: Source) -> None:
    with pytest.raises(SpecifierError):
        Gicv2().irqchip_encode(source)


def test_the_number_of_spis_is_an_option() -> None:
    chip = Gicv2(options={"spis": "988"})
    (intc,) = nodes(INTC)
    assert chip.irqchip_translate(intc, (0, 987, 4)).number == 987
    with pytest.raises(SpecifierError, match="SPI 988"):
        chip.irqchip_translate(intc, (0, 988, 4))


def test_the_number_of_spis_goes_with_the_implementation() -> None:
    (intc,) = nodes(INTC)
    for options, spis in (({}, 224), ({"implementation": "kvm"}, 224), ({"implementation": "qemu"}, 256)):
        chip = Gicv2(options=options)
        assert chip.chosen["spis"] == str(spis)
        assert chip.irqchip_lines((intc,)) == Lines(spis)
    assert Gicv2(options={"implementation": "qemu", "spis": "64"}).chosen["spis"] == "64"


def test_a_number_of_spis_that_was_asked_for_stays() -> None:
    every = nodes(INTC, wired(64))
    for options in ({"spis": "64"}, {"spis": "64", "implementation": "qemu"}):
        chip = Gicv2(options=options)
        assert chip.irqchip_lines(every) == Lines(64)
        with pytest.raises(SpecifierError, match=r"SPI 64 .* \(SPI 0..63\)"):
            chip.irqchip_translate(every[0], (0, 64, 4))
    vm = Vm()
    chip = Gicv2()
    vm.create_irqchip(chip, "gicv2")
    vm.flow.call("set_attr", vm, 3, 0, 64)
    assert chip.irqchip_lines(every) == Lines(32)


@pytest.mark.parametrize(
    ("highest", "count"),
    # As many as ITLinesNumber can say: 32 times a number, of which the last four INTIDs are special.
    [(223, 224), (224, 256), (255, 256), (256, 288), (959, 960), (960, 988), (987, 988), (988, 224)],
)
def test_there_are_as_many_spis_as_the_tree_wires(highest: int, count: int) -> None:
    every = nodes(INTC, wired(3, highest))
    assert Gicv2().irqchip_lines(every) == Lines(count)
    vm = configured(*every, spis="")
    with vm.adopted():
        assert vm.vcpus[0].mmio_read(0x0800_0004, 4) & 0x1F == (count + 32 + 31) // 32 - 1
    assert vm.routing.routes(count - 1) and not vm.routing.routes(count)


def test_a_frame_and_what_is_behind_a_nexus_count_as_well() -> None:
    said = frame(0x20000, "arm,msi-base-spi = <320>; arm,msi-num-spis = <8>;")
    assert Gicv2().irqchip_lines(with_frames(said)).count == 320
    nexus = """
        nexus { #address-cells = <0>; #interrupt-cells = <1>; interrupt-map-mask = <1>;
                interrupt-map = <1 &{/intc@8000000} 0 0 500 4>; };
    """
    assert Gicv2().irqchip_lines(nodes(INTC, nexus)).count == 512


@pytest.mark.parametrize(
    ("cells", "message", "hint"),
    [
        ((0, 988, 4), "SPI 988 (interrupt 1020) is outside what intc@8000000 serves (SPI 0..987)", ""),
        ((1, 32, 4), "PPI 32 is outside what intc@8000000 serves (PPI 0..15)", ""),
        (
            (1, 27, 4),
            "PPI 27 is outside what intc@8000000 serves (PPI 0..15)",
            "an interrupt ID is no PPI number: interrupt 27 is PPI 11",
        ),
    ],
)
def test_a_number_that_is_not_there_is_named(cells: tuple[int, ...], message: str, hint: str) -> None:
    (intc,) = nodes(INTC)
    with pytest.raises(SpecifierError) as caught:
        Gicv2().irqchip_translate(intc, cells)
    assert (str(caught.value), caught.value.hint) == (message, hint)
    assert not isinstance(caught.value, TriggerError)


@pytest.mark.parametrize("cells", [(0, 0, 8), (1, 0, 3)])
def test_a_trigger_that_a_line_cannot_have(cells: tuple[int, ...]) -> None:
    (intc,) = nodes(INTC)
    with pytest.raises(TriggerError):
        Gicv2().irqchip_translate(intc, cells)


@pytest.mark.parametrize(
    ("text", "spis", "said"),
    [
        (frame(0x20000), range(48, 112), ""),
        (frame(0x20000, "arm,msi-num-spis = <8>;"), range(48, 56), "arm,msi-num-spis"),
        (frame(0x20000, "arm,msi-base-spi = <33>; arm,msi-num-spis = <16>;"), range(1, 17), "arm,msi-base-spi"),
    ],
)
def test_messages_have_lines(text: str, spis: range, said: str) -> None:
    every = with_frames(text)
    assert Gicv2().irqchip_lines(every) == Lines(224, (MessageLines(every[1].path, spis, said),))


def given_to(*frames: str, users: str = "", options: dict[str, str] | None = None) -> tuple[int, list[range]]:
    """How many SPIs there are, and those of each frame."""
    (body, *others) = (INTC.replace("\n};", "\n" + "\n".join(frames) + "\n};"), users)
    lines = Gicv2(options=options).irqchip_lines(nodes(body, *others))
    return lines.count, [one.lines for one in lines.messages]


SILENT = frame(0x20000)
FOUR = tuple(frame(0x20000 + 0x10000 * n) for n in range(4))


@pytest.mark.parametrize(
    ("frames", "users", "count", "lines"),
    [
        # The default, and what a real GIC-400 board has: four frames that the hardware describes (Arm's Juno).
        ((SILENT,), wired(47, 112), 224, [range(48, 112)]),
        (FOUR, wired(0), 352, [range(48, 112), range(160, 224), range(224, 288), range(288, 352)]),
        ((SILENT,), wired(48), 224, [range(160, 224)]),
        ((SILENT,), wired(111, 223), 224, [range(159, 223)]),
        # Those of other frames are not free either.
        ((SILENT, frame(0x30000, "arm,msi-base-spi = <143>; arm,msi-num-spis = <2>;")), "", 224, None),
        # More SPIs are made before a frame gets fewer than 64, as long as there can be more.
        ((SILENT,), wired(48, *range(0, 224, 40)), 288, [range(201, 265)]),
        ((SILENT,), wired(*range(924), 987), 988, [range(955, 987)]),
        ((frame(0x20000, "arm,msi-num-spis = <2>;"),), wired(48, 222), 224, [range(220, 222)]),
    ],
)
def test_a_frame_that_says_nothing_gets_lines_of_its_own(
    frames: tuple[str, ...], users: str, count: int, lines: list[range] | None
) -> None:
    got, ranges = given_to(*frames, users=users)
    assert got == count
    if lines is not None:
        assert ranges[: len(lines)] == lines
    assert len(set().union(*ranges)) == sum(map(len, ranges))
    vm = configured(*with_frames(*frames), spis="988")
    assert vm.finalized


def test_a_frame_gets_what_is_left_of_a_number_of_spis_that_stays() -> None:
    assert given_to(SILENT, users=wired(48, *range(0, 224, 40)), options={"spis": "224"}) == (224, [range(168, 200)])
    # Nothing is left: the default, and `check` says who has it.
    assert given_to(SILENT, users=wired(*range(32)), options={"spis": "32"}) == (32, [range(48, 112)])


def test_many_frames_take_little_time() -> None:
    frames = tuple(frame(0x20000 + 0x1000 * n) for n in range(3000))
    start = time.process_time()
    count, ranges = given_to(*frames)
    assert time.process_time() - start < 10
    assert count == 988 and len(ranges) == 3000
    assert set().union(*ranges) == set(range(988))


def test_a_frame_that_is_disabled_has_no_lines() -> None:
    assert Gicv2().irqchip_lines(with_frames(frame(0x20000, 'status = "disabled";'))) == Lines(224)


def test_ppis_name_every_cpu_of_the_machine_last_described() -> None:
    chip = Gicv2()
    chip.irqchip_describe(DescribeRequest((0, 1, 2, 3), ()))
    assert chip.irqchip_encode(Source(PPI, 27, Trigger.LEVEL_HIGH)) == (1, 11, 0xF04)


# Where the frames are


def test_frames_are_where_the_cpus_see_them() -> None:
    vm = configured(*with_frames(frame(0x20000), frame(0x30000, "arm,msi-base-spi = <200>; arm,msi-num-spis = <8>;")))
    with vm.adopted():
        read = vm.vcpus[0].mmio_read
        assert read(0x0800_0004, 4) == 8
        assert read(0x0802_0008, 4) == 80 << 16 | 64
        assert read(0x0803_0008, 4) == 200 << 16 | 8
        vm.signal_msi(0x0803_0040, 207)
        with pytest.raises(VmError):
            vm.signal_msi(0x0802_0040, 207)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "must have one GIC"),
        (nodes(INTC, INTC.replace("8000000 {", "9000000 {")), "must have one GIC"),
        (nodes(INTC.replace(", <0 0x8010000 0 0x2000>", "")), "lacks the CPU interface"),
        (
            nodes(INTC.replace("0x8000000 0 0x1000>", "0x8000000 0 0x800>")),
            "the distributor of /intc@8000000 is too small",
        ),
        (with_frames(frame(0x200000)), "v2m@200000 is outside of what `ranges` of /intc@8000000 hands on"),
        (with_frames(SAYS, SAYS.replace("20000", "30000")), "share SPIs"),
        (with_frames(frame(0x20000, "arm,msi-base-spi = <260>;")), "260..323 are not among"),
        (with_frames(frame(0x20000, "arm,msi-base-spi = <16>;")), "16..79 are not among"),
        (with_frames(frame(0x20000, "arm,msi-num-spis = <0>;")), "are not among"),
        (with_frames(frame(0x20000, "arm,msi-num-spis = <0xffffffff>;")), "are not among"),
    ],
)
def test_nodes_that_contradict_each_other(given: tuple[Node, ...], says: str) -> None:
    with pytest.raises(VmError, match=says) as caught:
        configured(*given)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (nodes(INTC.replace(", <0 0x8010000 0 0x2000>", "")), ("/intc@8000000", "reg", 0)),
        (nodes(INTC.replace("0x8000000 0 0x1000>", "0x8000000 0 0x800>")), ("/intc@8000000", "reg", 0)),
        (nodes(INTC.replace("0x8010000 0 0x2000>", "0x8010000 0 0x80>")), ("/intc@8000000", "reg", 4)),
        (with_frames(frame(0x200000)), ("/intc@8000000/v2m@200000", "reg", 0)),
        (with_frames(SAYS, SAYS.replace("20000", "30000")), ("/intc@8000000/v2m@30000", "arm,msi-base-spi", 0)),
    ],
)
def test_where_nodes_are_wrong(given: tuple[Node, ...], place: tuple[str, str, int]) -> None:
    with pytest.raises(NodeError) as caught:
        configured(*given)
    assert (caught.value.node, caught.value.property, caught.value.cell) == place


def test_frames_that_overlap_are_refused() -> None:
    with pytest.raises(VmError, match="overlap"):
        configured(*nodes(INTC.replace("0x8010000", "0x8000800")))


# The nodes it describes


def described(request: DescribeRequest) -> NodeSpec:
    (node,) = Gicv2().irqchip_describe(request)
    return node


def test_it_describes_itself_as_qemu_does() -> None:
    node = described(DescribeRequest((0, 1), (), msis=True))
    assert node.name == "intc@8000000" and node.serves == {SPI, PPI}
    assert node.properties["reg"] == (0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, 0x1_0000)
    (v2m,) = node.children
    assert v2m.name == "v2m@8020000" and v2m.serves == {"msi"}
    assert dict(v2m.properties) == {
        "compatible": ("arm,gic-v2m-frame",),
        "msi-controller": (),
        "reg": (0, 0x0802_0000, 0, 0x1000),
    }


def test_without_messages_there_is_no_frame() -> None:
    assert described(DescribeRequest((0,), ())).children == ()


@pytest.mark.parametrize(
    ("taken", "first", "count"),
    [
        ([48], 192, 64),
        ([111, 223], 191, 64),
        ([48, *range(0, 224, 40)], 200, 32),
        (range(1, 224), 32, 1),
    ],
)
def test_messages_get_spis_that_no_source_has(taken: Any, first: int, count: int) -> None:
    sources = tuple(Source(SPI, number, Trigger.EDGE_RISING) for number in taken)
    (v2m,) = described(DescribeRequest((0,), sources, msis=True)).children
    assert v2m.properties["arm,msi-base-spi"] == (first,)
    assert v2m.properties["arm,msi-num-spis"] == (count,)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SpecifierError, match="8 CPU interfaces, not 9"):
        described(DescribeRequest(tuple(range(9)), ()))
    every = tuple(Source(SPI, number, Trigger.EDGE_RISING) for number in range(224))
    with pytest.raises(SpecifierError, match="no SPI is free"):
        described(DescribeRequest((0,), every, msis=True))
