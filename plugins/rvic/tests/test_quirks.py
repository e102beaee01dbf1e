"""Every defect of the reference's hypervisor side that a model can show: how it is, and how it should be."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest
from irqframe_rvic import Rvic

from irqframe.errors import VmError
from irqframe.flow import Injected, Irqchip, RoutingEntry, RoutingKind, hookimpl
from irqframe.vm import IrqLine, IrqType, Vm

NR_IRQS, INIT = 0, 1
GOOD = 512 << 16 | 32
DOORBELL = 0xBA5E_0000


def refused(number: int, do: Callable[..., object], *arguments: Any) -> None:
    with pytest.raises(VmError) as caught:
        do(*arguments)
    assert caught.value.errno == number, caught.value


def fresh(*quirks: str, cpus: int = 1) -> Vm:
    chip = Rvic(quirks)
    vm = Vm(quirks=chip.enabled_quirks, timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(chip, "rvic")
    for _ in range(cpus):
        vm.create_vcpu()
    return vm


def from_elsewhere(do: Any, *arguments: Any) -> None:
    thread = threading.Thread(target=do, args=arguments)
    thread.start()
    thread.join()


def test_k1_input_beyond_the_last(machine: Any) -> None:
    assert machine().hvc("RVID_MAP", 32, 0, 40) == (0x0001, 0, 0, 0)
    assert machine().hvc("RVID_UNMAP", 32) == (0x0001, 0, 0, 0)
    made = machine(quirks=["K1"])
    made.ok("RVID_MAP", 32, 0, 40)
    refused(errno.EINVAL, made.vm.irq_line, 1 << 24 | 32, 1)  # it can never be raised
    made.ok("RVID_UNMAP", 32)
    assert made.hvc("RVID_MAP", 33, 0, 40) == (0x0001, 0, 0, 0)


def test_k2_hypercalls_before_init(machine: Any) -> None:
    unsupported = ((1 << 64) - 1, 0, 0, 0)
    vcpu = fresh().vcpus[0]
    assert [vcpu.hypercall(fid) for fid in (0xC500_0200, 0xC500_0101)] == [unsupported] * 2
    vcpu = fresh("K2").vcpus[0]
    assert vcpu.hypercall(0xC500_0200) == (0, 3, 0, 0)
    assert vcpu.hypercall(0xC500_0201, 0) == (0, 0, 0, 0)
    assert vcpu.hypercall(0xC500_0204, 0x77, 0) == (0x0002, 0, 0, 0)
    assert vcpu.hypercall(0xC500_0204, 0, 0) == (0x0101, 0, 0, 0)  # N is 0
    assert vcpu.hypercall(0xC500_020A, 0) == (0x0001, 0, 0, 0)
    assert vcpu.hypercall(0xC500_0209) == (0x0003, 0, 0, 0)
    assert vcpu.hypercall(0xC500_0202) == (0, 0, 0, 0)
    refused(errno.EFAULT, vcpu.hypercall, 0xC500_0209)
    assert vcpu.hypercall(0xC500_0203) == (0, 0, 0, 0)
    refused(errno.EFAULT, vcpu.hypercall, 0xC500_0101, 0, 0, 40)
    made = machine(quirks=["K2"], level_inputs=True, priorities=True)  # after INIT there is no difference
    made.enable()
    made.deliverable(5)
    assert made.ack() == 5
    made.ok("RVID_SET_TRIGGER", 3, 4)
    made.ok("RVIC_SET_PRIORITY", 0, 5, 1)


def test_k3_irq_line_before_init(machine: Any) -> None:
    word = IrqLine(IrqType.SPI, 0, 3).encode()
    right, as_is = fresh(), fresh("K3")
    refused(errno.ENODEV, right.irq_line, word, 1)
    refused(errno.EFAULT, as_is.irq_line, word, 1)
    for vm in (right, as_is):
        vm.set_device_attr(NR_IRQS, 0, GOOD)
    refused(errno.ENODEV, right.irq_line, word, 1)
    assert as_is.irq_line(word, 1) is Injected.DROPPED_UNROUTED


def between(*quirks: str) -> Vm:
    """One vCPU was made between NR_IRQS and INIT."""
    vm = fresh(*quirks)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.create_vcpu()
    return vm


def test_k4_vcpu_between_nr_irqs_and_init() -> None:
    between().set_device_attr(INIT, 0, 0)
    vm = between("K4")
    for _ in range(2):
        refused(errno.EINVAL, vm.set_device_attr, INIT, 0, 0)
    vm = fresh("K4")
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    refused(errno.EINVAL, vm.set_device_attr, INIT, 0, 0)  # a second INIT, too
    vm = fresh("K4", "K20", cpus=0)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    vm.set_device_attr(INIT, 0, 0)


def test_k5_second_run_before_init() -> None:
    vm = fresh("K5")
    refused(errno.ENODEV, vm.vcpus[0].load)
    vm.vcpus[0].load()
    vm.vcpus[0].put()
    vm = fresh()
    for _ in range(2):
        refused(errno.ENODEV, vm.vcpus[0].load)


def test_k6_default_routing_of_many_inputs() -> None:
    vm = fresh()
    vm.set_device_attr(NR_IRQS, 0, 2048 << 16 | 32)
    vm.set_device_attr(INIT, 0, 0)
    assert len(vm.routing.entries) == 2016
    for total, works in ((1024, False), (992, True)):
        vm = fresh("K6")
        vm.set_device_attr(NR_IRQS, 0, total << 16 | 32)
        if works:
            vm.set_device_attr(INIT, 0, 0)
        else:
            refused(errno.EINVAL, vm.set_device_attr, INIT, 0, 0)
    vm = fresh("K6", "K4")
    vm.set_device_attr(NR_IRQS, 0, 1024 << 16 | 32)
    refused(errno.EINVAL, vm.set_device_attr, INIT, 0, 0)
    assert vm.vcpus[0].chip is not None  # which blocks every other attempt


def test_k7_all_trusted() -> None:
    refused(errno.EINVAL, fresh().set_device_attr, NR_IRQS, 0, 64 << 16 | 64)
    vm = fresh("K7")
    vm.set_device_attr(NR_IRQS, 0, 64 << 16 | 64)
    vm.set_device_attr(INIT, 0, 0)
    assert vm.routing.entries == ()
    with pytest.raises(VmError, match="no rVID input 0; there are none"):
        vm.irq_line(IrqLine(IrqType.SPI, 0, 0).encode(), 1)
    refused(errno.EINVAL, fresh("K7").set_device_attr, NR_IRQS, 0, 64 << 16 | 96)


def test_k8_id_as_index(machine: Any) -> None:
    for quirks, reached in (((), (0, 1)), (("K8",), (1, 0))):
        made = machine(2, ids=(1, 0), mpidrs=(0x10, 0x20), quirks=quirks)
        made.enable()
        for cpu in (0, 1):
            made.ok("RVIC_CLEAR_MASKED", made.mpidr(cpu), 40)
        for cpu, where in zip((0, 1), reached, strict=True):
            made.ok("RVID_MAP", 3, made.mpidr(cpu), 40)
            made.vm.set_irq(3, 1)
            assert made.ack(where) == 40
            made.ok("RVIC_CLEAR_MASKED", made.mpidr(where), 40)
    made = machine(2, ids=(0, 300), quirks=["K8"])  # beyond the last index: 0
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", 0, 40)
    made.ok("RVID_MAP", 3, made.mpidr(1), 40)
    made.vm.set_irq(3, 1)
    assert made.ack(0) == 40
    assert "vcpu-300 40" in made.vm.flow.call("debugfs", made.vm)["rvid"]


@pytest.mark.parametrize("order", ["lowest", "fifo"])
def test_k9_unmasked_while_disabled(machine: Any, order: str) -> None:
    for quirks, delivered in (((), 20), (("K9",), None)):
        made = machine(quirks=quirks, order=order)
        made.enable(0)
        made.ok("RVIC_SIGNAL", 0, 20)
        made.ok("RVIC_DISABLE")
        made.ok("RVIC_CLEAR_MASKED", 0, 20)
        made.ok("RVIC_ENABLE")
        assert made.pending(20)
        assert made.cpu(0).irq_line == (delivered is not None)
        assert made.ack() == delivered


def stuck(machine: Any) -> Any:
    made = machine(quirks=["K9"], order="fifo")
    made.enable(0)
    made.ok("RVIC_SIGNAL", 0, 20)
    made.ok("RVIC_DISABLE")
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    made.ok("RVIC_ENABLE")
    return made


def test_k9_ways_out(machine: Any) -> None:
    made = stuck(machine)
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    assert made.ack() is None  # it is unmasked already
    made.ok("RVIC_SIGNAL", 0, 20)
    assert made.ack() == 20
    made = stuck(machine)
    made.ok("RVIC_SET_MASKED", 0, 20)
    made.ok("RVIC_CLEAR_MASKED", 0, 20)
    assert made.ack() == 20
    made = stuck(machine)
    made.ok("RVIC_CLEAR_PENDING", 0, 20)
    made.ok("RVIC_SIGNAL", 0, 20)
    assert made.ack() == 20
    made = stuck(machine)
    made.vm.inject(0, 20, 1)
    assert made.ack() == 20
    assert made.balance() == 0
    made = stuck(machine)
    assert made.vm.save_state()["vcpus"][0]["state"]["target"]["state"][40:42] == "09"
    made.vm.restore_state(made.vm.save_state())
    assert made.ack() is None


def test_k9_queued_before_disable_stays_queued(machine: Any) -> None:
    made = machine(quirks=["K9"], order="fifo")
    made.enable(0)
    made.deliverable(20)
    made.ok("RVIC_DISABLE")
    made.ok("RVIC_ENABLE")
    assert made.ack() == 20


def test_k10_level_that_rose_while_disabled(machine: Any) -> None:
    for quirks, outcome, delivered in (((), Injected.LATCHED, 20), (("K10",), Injected.DROPPED_DISABLED, None)):
        made = machine(quirks=quirks)
        made.ok("RVIC_CLEAR_MASKED", 0, 20)
        assert made.vm.inject(0, 20, 1) is outcome
        made.enable(0)
        assert made.ack() == delivered
        assert made.balance() == 0
    made.ok("RVIC_RESAMPLE", 20)  # the level itself was recorded
    assert made.ack() == 20


def test_k11_resample_while_disabled(machine: Any) -> None:
    for quirks, x0, active in (((), 0x0003, True), (("K11", "K10"), 0, False)):
        made = machine(1, timers=True, quirks=quirks)
        made.cpu(0).load()
        timer = made.cpu(0).timers[0]
        timer.program(0)
        assert made.hvc("RVIC_RESAMPLE", 27) == (x0, 0, 0, 0)
        assert timer.host_irq.active  # the line is high: lost, and the host's interrupt stays active
        assert not made.pending(27)
        timer.stop()
        made.hvc("RVIC_RESAMPLE", 27)
        assert timer.host_irq.active == active
        assert made.hvc("RVIC_RESAMPLE", 32) == (0x0001, 0, 0, 0)


def test_k12_input_raised_while_it_is_moved(machine: Any) -> None:
    for quirks, old, new in (((), False, True), (("K12",), True, False)):
        made = machine(quirks=quirks)
        made.enable()
        made.ok("RVID_MAP", 3, made.mpidr(1), 40)
        from_elsewhere(made.vm.set_irq, 3, 1)  # read the map, and was posted to the old target
        made.ok("RVID_MAP", 3, 0, 40)
        made.cpu(1).enter()
        assert made.pending(40, cpu=1) == old
        assert made.pending(40, cpu=0) == new


def test_k13_unmap_leaves_what_is_latched(machine: Any) -> None:
    """Kept by design; the driver clears it when it gives the INTID to another input (D7)."""
    made = machine()
    made.enable()
    made.ok("RVID_MAP", 3, 0, 40)
    made.vm.set_irq(3, 1)
    made.ok("RVID_UNMAP", 3)
    assert made.pending(40)


def test_k14_high_halves_and_stray_bits(machine: Any) -> None:
    right, as_is = machine(), machine(quirks=["K14"])
    for made in (right, as_is):
        made.enable()
    five, res1 = 1 << 32 | 5, 1 << 31
    assert right.hvc("RVIC_SIGNAL", 0, five) == (0x0101, 0, 0, 0)
    assert right.hvc("RVIC_SIGNAL", res1, 5) == (0x0001, 0, 0, 0)
    assert right.hvc("RVID_MAP", 0, res1, 40) == (0x0101, 0, 0, 0)
    assert right.hvc("RVID_MAP", 0, 0, 1 << 32 | 40) == (0x0201, 0, 0, 0)
    as_is.ok("RVIC_SIGNAL", res1, five)
    assert as_is.pending(5)
    as_is.ok("RVIC_RESAMPLE", five)
    as_is.ok("RVID_MAP", 0, res1, 1 << 32 | 40)
    assert as_is.hvc("RVID_MAP", 1 << 32, 0, 40) == (0x0001, 0, 0, 0)  # inputs and keys are 64 bits wide
    assert as_is.hvc("RVIC_INFO", 1 << 32) == (0x0001, 0, 0, 0)


def high(intid: int) -> bool:
    return True


def test_k15_mapping_without_checks(machine: Any) -> None:
    table = machine().vm.flow.table
    made = machine(quirks=["K15"])
    as_is, cpu = made.vm.flow.table, made.cpu(0)
    right_cpu = machine().cpu(0)
    refused(errno.EINVAL, table.map_phys_irq, right_cpu, 0, 40, high)
    refused(errno.EINVAL, table.unmap_phys_irq, right_cpu, 20)
    as_is.map_phys_irq(cpu, 0, 40, high)
    as_is.map_phys_irq(cpu, 0, 40, high)
    as_is.unmap_phys_irq(cpu, 20)
    refused(errno.EFAULT, as_is.map_phys_irq, cpu, 0, 64, high)
    refused(errno.EFAULT, as_is.unmap_phys_irq, cpu, 64)


def test_k17_owners(machine: Any) -> None:
    right, as_is = machine(), machine(quirks=["K17"])
    mine, yours = object(), object()
    for made in (right, as_is):
        made.vm.flow.table.set_owner(made.cpu(0), 20, mine)
    refused(errno.EEXIST, right.vm.flow.table.set_owner, right.cpu(0), 20, yours)
    refused(errno.EINVAL, right.vm.inject, 0, 20, 1, yours)
    as_is.vm.flow.table.set_owner(as_is.cpu(0), 20, yours)
    as_is.enable()
    assert as_is.vm.inject(0, 20, 1, yours) is Injected.LATCHED


def test_k18_missing_callback_looks_like_success() -> None:
    """The core's; an rVIC has every callback, so a chip without any stands in."""
    for quirks in ((), Rvic(["K18"]).enabled_quirks):
        vm = Vm(quirks=quirks, timer_intids=(None, None), pmu_intid=None)
        vm.create_irqchip(Irqchip(), "none")
        vm.create_vcpu()
        vm.finalize()
        if quirks:
            assert vm.inject(0, 27, 1) is Injected.NOTHING
        else:
            refused(errno.EOPNOTSUPP, vm.inject, 0, 27, 1)


def test_k20_init_without_a_vcpu() -> None:
    vm = fresh(cpus=0)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    refused(errno.EINVAL, vm.set_device_attr, INIT, 0, 0)
    vm.create_vcpu()
    vm.set_device_attr(INIT, 0, 0)
    vm = fresh("K20", cpus=0)
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    vm.set_device_attr(INIT, 0, 0)  # nothing says that it was done
    refused(errno.EBUSY, vm.create_vcpu)
    vm = fresh("K20")
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    refused(errno.EBUSY, vm.set_device_attr, INIT, 0, 0)


def test_k21_reset_and_state(machine: Any) -> None:
    for quirks in ((), ("K21",)):
        made = machine(quirks=quirks)
        made.enable()
        made.deliverable(20)
        made.ok("RVID_MAP", 3, 0, 40)
        if quirks:
            refused(errno.EOPNOTSUPP, made.vm.save_state)
            refused(errno.EOPNOTSUPP, made.chip.irqchip_restore_state, made.vm, None, {})
        else:
            made.vm.restore_state(made.vm.save_state())
        made.vm.reset()
        assert (
            made.cpu(0).chip.enabled == made.pending(20) == (made.vm.chip_data.rvid.map[3] is not None) == bool(quirks)
        )


def test_k22_injection_into_a_destroyed_instance(machine: Any) -> None:
    for quirks, number in (((), errno.EINVAL), (("K22",), errno.EFAULT)):
        made = machine(quirks=quirks, adopt=False)
        inject = made.vm.flow.table.inject_irq
        made.vm.destroy()
        refused(number, inject, made.vm, 0, 20, 1, None)


def test_k23_stale_line_after_a_remote_mask(machine: Any) -> None:
    """Harmless, and kept: only the owner writes its line, at its next entry."""
    made = machine()
    made.enable()
    made.deliverable(20, cpu=1)
    made.cpu(1).enter()
    made.ok("RVIC_SET_MASKED", made.mpidr(1), 20)
    assert made.cpu(1).irq_line
    assert made.cpu(1).runnable
    made.cpu(1).enter()
    assert not made.cpu(1).irq_line
    assert not made.cpu(1).runnable


def test_k24_routing_before_the_irqchip() -> None:
    entry = RoutingEntry(5, RoutingKind.IRQCHIP, pin=3)
    refused(errno.EINVAL, Vm(quirks=["K24"]).routing.replace, [entry])
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.routing.replace([entry])
    vm.create_irqchip(Rvic(), "rvic")
    vm.create_vcpu()
    vm.set_device_attr(NR_IRQS, 0, GOOD)
    vm.set_device_attr(INIT, 0, 0)
    vm.routing.replace([entry])
    assert vm.set_irq(5, 1) is Injected.DROPPED_UNROUTED  # it reached the rVID, which has no mapping


def test_k25_messages(machine: Any) -> None:
    route = RoutingEntry(9, RoutingKind.MSI, address=DOORBELL, data=3)
    right, as_is = machine(msis=(0, 16)), machine(msis=(0, 16), quirks=["K25"])
    for made in (right, as_is):
        made.enable()
        made.vm.routing.replace([route])
        made.ok("RVID_MAP", 3, 0, 40)
    assert right.vm.signal_msi(DOORBELL, 3) is Injected.LATCHED
    assert right.vm.set_irq(9, 1) is Injected.COALESCED
    refused(errno.ENODEV, as_is.vm.signal_msi, DOORBELL, 3)
    refused(errno.ENODEV, as_is.vm.set_irq, 9, 1)


def test_k28_debugfs_files(machine: Any) -> None:
    made = machine(1)
    assert sorted(made.vm.flow.call("debugfs", made.vm)) == ["rvic-0/irqs", "rvic-0/state", "rvid"]
    made = machine(1, quirks=["K28"])
    assert sorted(made.vm.flow.call("debugfs", made.vm)) == sorted(
        ["rvic-0/state", "rvid", *(f"rvic-0/{intid}" for intid in range(64))]
    )


def test_k29_level_drop_does_not_clear(machine: Any) -> None:
    """Accepted by design: the guest takes a spurious interrupt."""
    made = machine()
    made.enable()
    made.vm.inject(0, 20, 1)
    made.vm.inject(0, 20, 0)
    assert made.pending(20)


class Failing:
    @hookimpl(wrapper=True)
    def irqchip_create(self, vm: Any) -> Any:
        yield
        raise VmError(errno.ENOMEM, "no memory")


def test_k30_failed_creation() -> None:
    for quirks in ((), ("K30",)):
        chip = Rvic(quirks)
        vm = Vm(quirks=chip.enabled_quirks, timer_intids=(None, None), pmu_intid=None)
        failing = Failing()
        vm.flow.register(failing, "failing")
        refused(errno.ENOMEM, vm.create_irqchip, chip, "rvic")
        assert (vm.flow.chip is not None) == bool(quirks)


def test_k33_any_interrupt_can_be_forged_by_the_guest(machine: Any) -> None:
    """Inherent: a VM is one trust domain."""
    made = machine()
    made.enable()
    for intid in (27, 40):
        made.ok("RVIC_SIGNAL", made.mpidr(1), intid)
        assert made.pending(intid, cpu=1)


def test_v1_unknown_target_of_a_map(machine: Any) -> None:
    assert machine().hvc("RVID_MAP", 0, 0x77, 40) == (0x0102, 0, 0, 0)
    assert machine(quirks=["V1"]).hvc("RVID_MAP", 0, 0x77, 40) == (0x0101, 0, 0, 0)


def test_as_is_is_every_quirk_and_works(machine: Any) -> None:
    made = machine(quirks=["as-is"])
    assert made.chip.enabled_quirks == Rvic.quirks.keys()
    made.enable()
    made.deliverable(30)
    made.deliverable(10)
    assert (made.ack(), made.ack(), made.ack()) == (30, 10, None)
