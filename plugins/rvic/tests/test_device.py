"""Set-up: device attributes with their errnos, the order of set-up, limits, and the device tree's properties."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from irqframe_rvic import Rvic

from irqframe.errors import VmError
from irqframe.flow import RoutingKind
from irqframe.vm import IrqLine, IrqType, Vm

NR_IRQS, INIT = 0, 1
GOOD = 512 << 16 | 32
BARE = {"timer_intids": (None, None), "pmu_intid": None}


def refused(number: int, do: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(VmError) as caught:
        do(*arguments)
    assert caught.value.errno == number, caught.value
    return str(caught.value)


def fresh(cpus: int = 1, *quirks: str) -> Vm:
    chip = Rvic(quirks)
    vm = Vm(quirks=chip.enabled_quirks, **BARE)  # type: ignore[arg-type]
    vm.create_irqchip(chip, "rvic")
    for _ in range(cpus):
        vm.create_vcpu()
    return vm


def ready(cpus: int = 1, *quirks: str) -> Vm:
    vm = fresh(cpus, *quirks)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    return vm


def test_nr_irqs_then_init_finalizes() -> None:
    vm = fresh()
    refused(errno.ENXIO, vm.get_device_attr, NR_IRQS, 0)
    refused(errno.ENXIO, vm.set_device_attr, INIT, 0, 0)
    vm.set_device_attr(NR_IRQS, 0, 0x0200_0020)
    assert vm.get_device_attr(NR_IRQS, 0) == 0x0200_0020
    refused(errno.EBUSY, vm.set_device_attr, NR_IRQS, 0, GOOD)
    assert not vm.finalized
    vm.set_device_attr(INIT, 0, 12345)  # the payload is ignored
    assert vm.finalized
    refused(errno.EBUSY, vm.set_device_attr, INIT, 0, 0)
    refused(errno.EBUSY, vm.set_device_attr, NR_IRQS, 0, GOOD)


def test_unknown_attributes() -> None:
    vm = fresh()
    assert [vm.has_device_attr(group, 0) for group in (0, 1, 2)] == [True, True, False]
    assert [vm.has_device_attr(group, 1) for group in (0, 1)] == [False, False]
    for group, attr in ((NR_IRQS, 1), (INIT, 1), (2, 0), (-1, 0)):
        refused(errno.ENXIO, vm.set_device_attr, group, attr, GOOD)
        refused(errno.ENXIO, vm.get_device_attr, group, attr)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    refused(errno.ENXIO, vm.get_device_attr, INIT, 0)
    refused(errno.ENXIO, vm.set_device_attr, NR_IRQS, 7, GOOD)


@pytest.mark.parametrize(
    ("trusted", "total", "says"),
    [
        (0, 64, "at least 32 interrupts must be trusted"),
        (16, 64, "at least 32 interrupts must be trusted"),
        (33, 96, "trusted interrupts must be a multiple of 32"),
        (32, 32, "at least 64 interrupts"),
        (32, 65, "number of interrupts must be a multiple of 32"),
        (32, 2080, "at most 2048 interrupts"),
        (96, 64, "at least 128 interrupts"),
        (64, 64, "at least 96 interrupts"),  # K7
        (2048, 2048, "at least 2080"),
    ],
)
def test_limits(trusted: int, total: int, says: str) -> None:
    vm = fresh()
    assert says in refused(errno.EINVAL, vm.set_device_attr, NR_IRQS, 0, total << 16 | trusted)
    vm.set_device_attr(NR_IRQS, 0, GOOD)  # nothing was kept


def test_payload_is_32_bits() -> None:
    refused(errno.EINVAL, fresh().set_device_attr, NR_IRQS, 0, 1 << 32 | GOOD)


@pytest.mark.parametrize(("trusted", "total"), [(32, 64), (32, 2048), (2016, 2048), (64, 512)])
def test_sizes_that_work(machine: Any, trusted: int, total: int) -> None:
    made = machine(1, trusted, total)
    made.enable()
    assert made.ok("RVIC_INFO", 0) == trusted
    assert made.ok("RVIC_INFO", 1) == total - trusted
    made.ok("RVID_MAP", total - trusted - 1, 0, total - 1)
    made.ok("RVIC_CLEAR_MASKED", 0, total - 1)
    made.vm.set_irq(total - trusted - 1, 1)
    assert made.ack() == total - 1


def test_vcpus_before_the_device_between_and_after() -> None:
    chip = Rvic()
    vm = Vm(**BARE)  # type: ignore[arg-type]
    vm.create_vcpu()
    vm.create_irqchip(chip, "rvic")
    vm.create_vcpu()
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.create_vcpu()
    assert [vcpu.chip is not None for vcpu in vm.vcpus] == [False, False, True]
    vm.set_device_attr(INIT, 0, 0)
    assert [vcpu.chip.total for vcpu in vm.vcpus] == [512] * 3
    refused(errno.EBUSY, vm.create_vcpu)


def test_vcpu_ids_are_below_512() -> None:
    refused(errno.EINVAL, fresh().create_vcpu, 512)


def test_only_one_irqchip() -> None:
    refused(errno.EEXIST, fresh().create_irqchip, Rvic(), "rvic")


def test_device_cannot_be_created_while_a_vcpu_runs_or_has_run(machine: Any) -> None:
    vm = Vm(**BARE)  # type: ignore[arg-type]
    vm.create_vcpu().has_run_once = True
    refused(errno.EBUSY, vm.create_irqchip, Rvic(), "rvic")


def test_run_before_init_is_refused_every_time() -> None:
    vm = fresh()
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    for _ in range(3):
        refused(errno.ENODEV, vm.vcpus[0].load)
    vm.set_device_attr(INIT, 0, 0)
    vm.vcpus[0].load()
    vm.vcpus[0].put()


def test_finalizing_before_init_is_refused() -> None:
    vm = fresh()
    refused(errno.ENXIO, vm.finalize)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    refused(errno.ENXIO, vm.finalize)
    vm.set_device_attr(INIT, 0, 0)


def test_default_routing_is_one_gsi_per_input() -> None:
    entries = ready().routing.entries
    assert [(entry.gsi, entry.kind, entry.pin) for entry in entries] == [
        (n, RoutingKind.IRQCHIP, n) for n in range(480)
    ]


def test_irq_line(machine: Any) -> None:
    made = machine()
    made.enable()
    made.ok("RVID_MAP", 3, 0, 40)
    made.ok("RVIC_CLEAR_MASKED", 0, 40)
    line = made.vm.irq_line
    refused(errno.ENXIO, line, IrqLine(IrqType.CPU, 0, 0).encode(), 1)
    refused(errno.EINVAL, line, IrqLine(IrqType.PPI, 9, 27).encode(), 1)
    refused(errno.EINVAL, line, IrqLine(IrqType.PPI, 0, 27).encode(), 1)
    refused(errno.EINVAL, line, IrqLine(5, 0, 3).encode(), 1)
    refused(errno.EINVAL, line, IrqLine(IrqType.SPI, 0, 32).encode(), 1)
    assert line(IrqLine(IrqType.SPI, 4095, 3).encode(), 1).name == "LATCHED"  # the number is the input, without offset
    assert made.ack() == 40
    assert line(IrqLine(IrqType.SPI, 0, 4).encode(), 1).name == "DROPPED_UNROUTED"
    assert line(IrqLine(IrqType.SPI, 0, 3).encode(), 0).name == "NOTHING"


def test_destroy_leaves_nothing_to_inject_into(machine: Any) -> None:
    made = machine(adopt=False)
    inject = made.vm.flow.table.inject_irq
    made.vm.destroy()
    made.vm.destroy()
    assert "there are none" in refused(errno.EINVAL, inject, made.vm, 0, 27, 1, None)


def test_injection_checks_its_arguments(machine: Any) -> None:
    made = machine()
    inject = made.vm.flow.table.inject_irq
    for cpu, intid in ((2, 27), (-1, 27), (0, 64), (0, -1)):
        refused(errno.EINVAL, inject, made.vm, cpu, intid, 1, None)


def test_unwrapped_callbacks_are_the_chips_or_what_it_offers(machine: Any) -> None:
    made = machine()
    table = made.vm.flow.table
    assert table.vcpu_flush_hwstate.__self__ is made.chip
    for missing in ("vcpu_blocking", "vcpu_load", "vcpu_put", "vcpu_first_run", "vcpu_sync_hwstate", "map_is_active"):
        assert getattr(table, missing) is None
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    own = made.chip.irqchip_inject_irq
    assert own is not table.inject_irq
    assert own(made.vm, 0, 20, 1, None) == table.inject_irq(made.vm, 0, 20, 1, None) - 1 == 1  # LATCHED, COALESCED


# Device tree


def test_configure_reads_the_nodes(node: Any) -> None:
    vm = fresh()
    rvic = node("arm,rvic", irqframe__nr_trusted=(64,), irqframe__nr_total=(256,), irqframe__priorities=())
    rvid = node("arm,rvid", irqframe__level_inputs=(), msi_controller=(), msi_range=(64, 128))
    vm.flow.call("configure", vm, [rvic, rvid])
    data = vm.chip_data
    assert (data.trusted, data.total, data.msis) == (64, 256, range(64, 192))
    assert data.extensions.priorities
    assert data.extensions.level_inputs
    vm.finalize()


def test_configure_defaults_and_a_machine_without_rvid(node: Any) -> None:
    vm = fresh()
    vm.flow.call("configure", vm, [node("arm,rvic")])
    assert vm.get_device_attr(NR_IRQS, 0) == GOOD
    assert not vm.chip_data.msis
    vm.finalize()


def test_configure_refuses_nodes_that_contradict(node: Any) -> None:
    def configure(*nodes: Any) -> None:
        vm = fresh()
        vm.flow.call("configure", vm, list(nodes))

    refused(errno.EINVAL, configure)
    refused(errno.EINVAL, configure, node("arm,rvid"))
    two = node("arm,rvic"), node("arm,rvic")
    two[1].path = "/another"
    assert f"found {two[0].path}, /another" in refused(errno.EINVAL, configure, *two)
    refused(errno.EINVAL, configure, node("arm,rvic"), node("arm,rvid"), node("arm,rvid"))
    refused(errno.EINVAL, configure, node("arm,rvic", irqframe__nr_total=(48,)))
    refused(errno.EINVAL, configure, node("arm,rvic", irqframe__nr_total=(64, 64)))
    rvid = node("arm,rvid", msi_controller=(), msi_range=(64,))
    assert "msi-range must be <base nr>" in refused(errno.EINVAL, configure, node("arm,rvic"), rvid)
    rvid = node("arm,rvid", msi_controller=(), msi_range=(400, 128))
    assert "ends at input 527; there are 0 to 479" in refused(errno.EINVAL, configure, node("arm,rvic"), rvid)
    equal = node("arm,rvic", irqframe__nr_trusted=(64,), irqframe__nr_total=(64,))
    assert "with 64 trusted, there must be at least 96" in refused(errno.EINVAL, configure, equal, rvid)


def test_options_and_quirks_are_checked() -> None:
    refused(errno.EINVAL, Rvic, ["K99"])
    refused(errno.EINVAL, Rvic, [], {"order": "random"})
    assert Rvic().chosen["order"] == "lowest"
    assert Rvic(["as-is"]).chosen["order"] == "fifo"
    assert Rvic(["as-is"], {"order": "lowest"}).chosen["order"] == "lowest"
    assert Rvic(["K9"]).chosen["order"] == "lowest"
    assert Rvic(iter(["as-is"])).enabled_quirks == Rvic.quirks.keys()
