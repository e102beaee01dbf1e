"""The tracer wraps the flow: it sees every call, changes nothing, and costs nothing where it is not."""

from typing import Any

import pytest

from irqframe import Injected, Irqchip, hookimpl
from irqframe.flow import RoutingEntry
from irqframe.observe import FlowTracer
from irqframe.vm import Vm


class Latch(Irqchip):
    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object) -> Injected:
        return Injected.LATCHED if level else Injected.NOTHING

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        return Injected.DROPPED_UNROUTED


def traced_vm(events: list[tuple[Any, ...]], callbacks: tuple[str, ...]) -> Vm:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Latch(), "latch")
    vm.flow.register(FlowTracer(vm, lambda *event: events.append(event), callbacks))
    vm.create_vcpu()
    vm.routing.set_default(4)
    vm.finalize()
    return vm


def test_every_call_is_recorded_with_its_outcome() -> None:
    events: list[tuple[Any, ...]] = []
    vm = traced_vm(events, ("inject_irq", "irqfd_set_irq"))
    with vm.adopted():
        assert vm.inject(0, 5, 1) is Injected.LATCHED
        assert vm.inject(0, 5, 0) is Injected.NOTHING
        assert vm.set_irq(3, 1) is Injected.DROPPED_UNROUTED
    assert events == [
        (0, 0, "inject_irq", 5, "level 1 LATCHED"),
        (0, 0, "inject_irq", 5, "level 0 NOTHING"),
        (0, -1, "irqfd_set_irq", 3, "gsi 3 level 1 DROPPED_UNROUTED"),
    ]


def test_only_what_is_traced_goes_through_pluggy() -> None:
    vm = traced_vm([], ("inject_irq",))
    assert vm.flow.wrapped == {"inject_irq"}
    assert vm.flow.table.irqfd_set_irq.__self__ is vm.flow.chip  # type: ignore[union-attr]


def test_an_unknown_callback_is_refused() -> None:
    with pytest.raises(ValueError, match="irqchip_flow has no callback 'inject'"):
        FlowTracer(Vm(), lambda *event: None, ("inject",))
