"""Specifiers and nodes: what the two nodes serve, and the machine that is re-targeted to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from irqframe_rvic import Rvic

from irqframe.errors import SpecifierError, TriggerError
from irqframe.flow import DescribeRequest, Lines, MessageLines, Phandle, Source, SourceKind, Trigger

EDGE, HIGH = Trigger.EDGE_RISING, Trigger.LEVEL_HIGH


def refused(do: Any, *arguments: Any) -> SpecifierError:
    with pytest.raises(SpecifierError) as caught:
        do(*arguments)
    return caught.value


def test_rvic_node(node: Any) -> None:
    translate = Rvic().irqchip_translate
    rvic = node("arm,rvic", irqframe__nr_trusted=(64,))
    assert translate(rvic, (16, 1)) == Source(SourceKind.PPI, 16, EDGE)
    assert translate(rvic, (63, 4)) == Source(SourceKind.PPI, 63, HIGH)
    assert translate(node("arm,rvic"), (27, 4)) == Source(SourceKind.PPI, 27, HIGH)
    assert "IPIs" in str(refused(translate, rvic, (15, 4)))
    assert str(refused(translate, rvic, (64, 4))) == "INTID 64 is outside what rvic serves (trusted INTID 16..63)"
    assert refused(translate, node("arm,rvic"), (32, 4)).cell == 0
    for trigger in (0, 2, 3, 8, 5):
        wrong = refused(translate, rvic, (20, trigger))
        assert isinstance(wrong, TriggerError) and wrong.cell == 1
    refused(translate, rvic, (20,))
    refused(translate, rvic, (0xFFFF_FFFF, 4))


def test_rvid_node(node: Any) -> None:
    translate = Rvic().irqchip_translate
    assert translate(node("arm,rvid"), (5,)) == Source(SourceKind.SPI, 5, EDGE)
    levels = node("arm,rvid", irqframe__level_inputs=())
    assert translate(levels, (5, 4)) == Source(SourceKind.SPI, 5, HIGH)
    assert translate(levels, (5, 1)) == Source(SourceKind.SPI, 5, EDGE)
    refused(translate, node("arm,rvid"), (5, 4))
    assert refused(translate, levels, (5, 8)).cell == 1
    refused(translate, node("arm,rvid"), (2016,))


def test_inputs_and_those_that_messages_raise(node: Any) -> None:
    lines = Rvic().irqchip_lines
    rvic = node("arm,rvic", irqframe__nr_trusted=(64,))
    msis = node("arm,rvid", msi_controller=(), msi_range=(64, 128))
    assert lines([rvic]) == Lines(448)
    assert lines([rvic, msis]) == Lines(448, (MessageLines(msis.path, range(64, 192), "msi-range"),))
    # What the nodes say wrongly is reported elsewhere.
    assert lines([rvic, node("arm,rvid", msi_controller=(), msi_range=(64,))]) == Lines(2048)
    assert lines([node("arm,rvic", irqframe__nr_total=(7,))]) == Lines(2048)
    assert lines([msis]) == Lines(2048)


def request_of(*sources: Source, msis: bool = False) -> DescribeRequest:
    return DescribeRequest((0, 1), sources, msis)


def spi(number: int, trigger: Trigger = EDGE) -> Source:
    return Source(SourceKind.SPI, number, trigger)


def ppi(number: int, trigger: Trigger = HIGH) -> Source:
    return Source(SourceKind.PPI, number, trigger)


def test_nodes_of_a_small_machine() -> None:
    rvic, rvid = Rvic().irqchip_describe(request_of(spi(1), ppi(27)))
    assert (rvic.name, rvid.name) == ("rvic", "rvid")
    assert rvic.serves == {SourceKind.PPI}
    assert rvid.serves == {SourceKind.SPI}
    assert rvic.properties == {
        "compatible": ("arm,rvic",),
        "interrupt-controller": (),
        "#interrupt-cells": (2,),
        "#address-cells": (0,),
        "irqframe,nr-trusted": (32,),
        "irqframe,nr-total": (512,),
    }
    assert rvid.properties == {
        "compatible": ("arm,rvid",),
        "interrupt-parent": (Phandle("rvic"),),
        "interrupt-controller": (),
        "#interrupt-cells": (1,),
        "#address-cells": (0,),
    }


def test_nodes_with_levels_and_messages() -> None:
    _, rvid = Rvic().irqchip_describe(request_of(spi(1), spi(40, Trigger.LEVEL_LOW), msis=True))
    assert rvid.properties["#interrupt-cells"] == (2,)
    assert rvid.properties["irqframe,level-inputs"] == ()
    assert rvid.properties["msi-range"] == (64, 128)
    assert rvid.serves == {SourceKind.SPI, "msi"}


def test_polarity_is_the_wires() -> None:
    chip = Rvic()
    chip.irqchip_describe(request_of(spi(2, Trigger.LEVEL_LOW)))
    encoded = {trigger: chip.irqchip_encode(spi(2, trigger)) for trigger in Trigger}
    level, edge = (2, 4), (2, 1)
    assert encoded == {
        Trigger.NONE: edge,
        Trigger.EDGE_RISING: edge,
        Trigger.EDGE_FALLING: edge,
        Trigger.EDGE_BOTH: edge,
        Trigger.LEVEL_HIGH: level,
        Trigger.LEVEL_LOW: level,
    }
    assert chip.irqchip_encode(ppi(27, Trigger.LEVEL_LOW)) == (27, 4)


def test_what_does_not_fit_is_refused() -> None:
    chip = Rvic()
    for sources in ([spi(2016)], [ppi(15)], [ppi(2016)], [ppi(40), spi(1984)]):
        refused(chip.irqchip_describe, request_of(*sources))
    refused(chip.irqchip_describe, request_of(spi(2000), msis=True))
    chip.irqchip_describe(request_of(spi(1)))
    assert refused(chip.irqchip_encode, spi(1, HIGH)).cell == 1


sources = st.lists(
    st.builds(
        Source,
        st.sampled_from(SourceKind),
        st.integers(16, 1019),
        st.sampled_from([trigger for trigger in Trigger if trigger]),
    ),
    max_size=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=sources, msis=st.booleans())
def test_described_machine_translates_back_and_can_be_configured(node: Any, sources: list[Source], msis: bool) -> None:
    chip = Rvic()
    try:
        specs = chip.irqchip_describe(request_of(*sources, msis=msis))
    except SpecifierError:
        assert max(source.number for source in sources) > 900
        return
    nodes = []
    for spec in specs:
        made = node(f"arm,{spec.name}")
        made._properties.update(spec.properties)
        nodes.append(made)
    from irqframe.vm import Vm

    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(chip, "rvic")
    vm.create_vcpu()
    vm.flow.call("configure", vm, nodes)
    assert bool(vm.chip_data.msis) == msis
    for source in sources:
        at = nodes[0] if source.kind is SourceKind.PPI else nodes[1]
        back = chip.irqchip_translate(at, chip.irqchip_encode(source))
        assert back[:2] == source[:2]
        assert back.trigger.is_level == source.trigger.is_level
        if source.kind is SourceKind.SPI:
            assert source.number < vm.chip_data.inputs
            assert source.number not in vm.chip_data.msis
