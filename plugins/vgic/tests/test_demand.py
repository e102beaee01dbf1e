"""What users of emulated and virtual GICs keep running into, a test or more for each demand.

2   the state of a vCPU is that vCPU's, and survives a snapshot
3   interrupts that were queued twice, that were lost while disabled, registers that are almost right
13  a CPU's MPIDR is not its number
14  on a uniprocessor, GICD_ITARGETSR is RAZ/WI
"""

from __future__ import annotations

import copy
import errno
import json
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.dt import parse_dts
from irqframe.guest import Workload
from irqframe.machine import build, load_machine

PMR, IAR, RPR, HPPIR = 0x04, 0x0C, 0x14, 0x18


def seen(made: Any, cpu: int) -> list[Any]:
    """What a guest could read on a CPU without effect, its pins, and its counters."""
    distributor = [made.r(offset, cpu) for offset in range(0, 0xFFC, 4)]
    interface = [made.cr(offset, cpu) for offset in (0x00, 0x04, 0x08, 0x14, 0x18, 0x1C, 0x28, 0xD0, 0xE0, 0xFC)]
    return [*distributor, *interface, made.pins(cpu), made.counters(cpu)]


def busy(board: Any) -> Any:
    """Three CPUs that differ in everything that a CPU has for itself, and SPIs in every state."""
    made = board(3).on(ctlr=0b0111, distributor=3)
    for cpu in range(3):
        made.cw(PMR, 0xF8 - 0x10 * cpu, cpu)
        made.cw(0x08, 2 + cpu, cpu)
        for sgi in range(16):
            made.w(0x400 + sgi, 0xA0, cpu, size=1)
        made.enable(20 + cpu, cpu=cpu, priority=0x20 + 0x10 * cpu)
        made.line(20 + cpu, 1, cpu)
        made.send(cpu, 0b111 & ~(1 << cpu), cpu)
        made.w(0x080, 1 << cpu, cpu)
    made.enable(40, targets=0b001)
    made.enable(41, edge=True, targets=0b110, priority=0x10)
    made.enable(42, edge=True, targets=0)
    for intid in (40, 41, 42):
        made.line(intid, 1)
    assert made.iar(1) == 41
    return made


def drained(made: Any) -> list[list[int]]:
    """Acknowledge and end everything that there is, CPU after CPU."""
    trace = []
    for cpu in range(len(made.vm.vcpus)):
        taken = [made.iar(cpu)]
        while taken[-1] & 0x3FF < 1020 and len(taken) < 40:
            if taken[-1] & 0x3FF >= 16:
                made.line(taken[-1] & 0x3FF, 0, cpu)
            made.eoi(taken[-1], cpu)
            taken.append(made.iar(cpu))
        trace.append([*taken, made.cr(RPR, cpu)])
    return trace


# 2: the state of a vCPU


def test_demand_02_a_fresh_vm_goes_on_where_the_saved_one_was(board: Any) -> None:
    made, other = busy(board), board(3)
    other.vm.restore_state(json.loads(json.dumps(made.vm.save_state())))
    assert [seen(other, cpu) for cpu in range(3)] == [seen(made, cpu) for cpu in range(3)]
    trace = drained(made)
    assert sum(map(len, trace)) > 12 and drained(other) == trace
    assert [seen(other, cpu) for cpu in range(3)] == [seen(made, cpu) for cpu in range(3)]


def test_demand_02_every_vcpu_gets_its_own_state(board: Any) -> None:
    saved = busy(board).vm.save_state()
    parts = [json.dumps(one["state"], sort_keys=True) for one in saved["vcpus"]]
    assert len(set(parts)) == 3
    other = board(3)
    other.vm.restore_state(saved)
    again = other.vm.save_state()
    assert [json.dumps(one["state"], sort_keys=True) for one in again["vcpus"]] == parts


MUTATIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "mask": lambda one: one.update(pmr=0x08),
    "interface off": lambda one: one.update(ctlr=0),
    "binary points": lambda one: one.update(bpr=7, abpr=7),
    "running priorities": lambda one: one.update(active=["80", "1"]),
    "PPIs disabled": lambda one: one["private"].update(enabled=0xFFFF),
    "a PPI active": lambda one: one["private"].update(active=1 << 25),
    "priorities": lambda one: one["private"].update(priority="f0" * 32),
    "groups": lambda one: one["private"].update(group=0xFFFF_FFFF),
    "lines low": lambda one: one["private"].update(line=0, owed=0),
    "no SGIs": lambda one: one.update(sources="00" * 16, private={**one["private"], "latch": 0}),
    "counters": lambda one: one["counts"].update(delivered=99),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("cpu", [0, 1, 2])
def test_demand_02_what_changes_in_one_vcpus_state_changes_that_vcpu(board: Any, mutation: str, cpu: int) -> None:
    saved = busy(board).vm.save_state()
    changed = copy.deepcopy(saved)
    MUTATIONS[mutation](changed["vcpus"][cpu]["state"])
    as_it_was, other = board(3), board(3)
    as_it_was.vm.restore_state(saved)
    other.vm.restore_state(changed)
    for index in range(3):
        assert (seen(other, index) != seen(as_it_was, index)) is (index == cpu), f"vCPU {index}"


def test_demand_02_the_state_of_another_vcpu_is_refused(board: Any) -> None:
    made = busy(board)
    saved = made.vm.save_state()
    before = [seen(made, cpu) for cpu in range(3)]
    swapped = copy.deepcopy(saved)
    swapped["vcpus"][1]["state"] = saved["vcpus"][0]["state"]
    with pytest.raises(VmError, match="EINVAL"):
        made.vm.restore_state(swapped)
    assert [seen(made, cpu) for cpu in range(3)] == before


# 3: regressions of other models


def test_demand_03_an_interrupt_is_never_queued_twice(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    assert [made.line(40, 1) for _ in range(3)] == [Injected.LATCHED, Injected.COALESCED, Injected.COALESCED]
    made.set_bit(0x200, 40)
    assert [made.iar(), made.iar()] == [40, 1023]
    made.eoi(40)
    assert made.iar() == 1023 and not made.irq()


def test_demand_03_an_interrupt_is_never_queued_on_two_cpus(board: Any) -> None:
    made = board(4).on()
    made.enable(40, edge=True, targets=0b0011)
    made.line(40, 1)
    made.w(0x800 + 40, 0b1100, size=1)
    assert sorted(made.iar(cpu) for cpu in range(4)) == [40, 1023, 1023, 1023]


def test_demand_03_many_at_once_are_each_taken_once(board: Any) -> None:
    """More than a hardware interface has list registers for."""
    made = board(2).on()
    intids = [*range(32, 62), *range(100, 120)]
    for intid in intids:
        made.enable(intid, edge=True)
        made.line(intid, 1)
    taken = []
    while made.irq() and len(taken) <= len(intids):
        taken.append(made.iar())
        made.eoi(taken[-1])
    assert taken == intids


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_demand_03_a_disabled_interrupt_stays_pending(board: Any, edge: bool) -> None:
    made = board(2).on()
    made.enable(40, edge=edge)
    made.set_bit(0x180, 40)
    made.line(40, 1)
    assert made.bit(0x200, 40) and not made.irq() and made.iar() == 1023
    made.set_bit(0x100, 40)
    assert made.irq() and made.iar() == 40


def test_demand_03_disabling_what_is_pending_or_active_keeps_it(board: Any) -> None:
    made = board(2).on()
    made.enable(40, edge=True)
    made.line(40, 1)
    made.set_bit(0x180, 40)
    made.set_bit(0x100, 40)
    assert made.iar() == 40
    made.line(40, 1)
    made.set_bit(0x180, 40)
    made.eoi(40)
    assert not made.irq() and made.bit(0x200, 40) and not made.bit(0x300, 40)
    made.set_bit(0x100, 40)
    assert made.iar() == 40


def test_demand_03_registers_bytes_are_lanes(board: Any) -> None:
    made = board(4)
    for base, values in ((0x400 + 40, (0x08, 0x10, 0x18, 0x20)), (0x800 + 40, (0b0001, 0b0010, 0b0100, 0b1000))):
        for lane, value in enumerate(values):
            made.w(base + lane, value, size=1)
        assert made.r(base) == int.from_bytes(bytes(values), "little")
        for lane, value in enumerate(values):
            assert made.r(base + lane, size=1) == value
        assert made.r(base - 4) == made.r(base + 4) == 0


@pytest.mark.parametrize("setter", [0x100, 0x200, 0x300], ids=["enable", "pending", "active"])
def test_demand_03_registers_set_and_clear_by_ones(board: Any, setter: int) -> None:
    made = board(2)
    made.w(setter + 4, 0b0110)
    made.w(setter + 4, 0b1000)
    assert made.r(setter + 4) == made.r(setter + 0x84) == 0b1110
    made.w(setter + 0x84, 0b0100)
    assert made.r(setter + 4) == made.r(setter + 0x84) == 0b1010
    made.w(setter + 0x84, 0)
    made.w(setter + 4, 0)
    assert made.r(setter + 4) == made.r(setter + 0x84) == 0b1010


@pytest.mark.parametrize(
    "offset", [0x004, 0x008, 0x800, 0xC00, 0xFE8], ids=["TYPER", "IIDR", "ITARGETSR0", "ICFGR0", "PIDR2"]
)
def test_demand_03_registers_that_are_read_only_stay(board: Any, offset: int) -> None:
    made = board(2)
    before = made.r(offset)
    assert before
    for value in (0, 0xFFFF_FFFF):
        made.w(offset, value)
        assert made.r(offset) == before


@pytest.mark.parametrize("offset", [0x00C, 0x010, 0x040, 0x07C, 0x7FC, 0xBFC, 0xD00, 0xE00, 0xF04, 0xF30, 0xFCC])
def test_demand_03_registers_that_are_reserved_are_raz_wi(board: Any, offset: int) -> None:
    made = busy(board)
    before = [seen(made, cpu) for cpu in range(3)]
    for size in (1, 2, 4, 8):
        made.w(offset, (1 << 8 * size) - 1, size=size)
        assert made.r(offset, size=size) == 0
    assert [seen(made, cpu) for cpu in range(3)] == before


# 13: MPIDRs

MPIDRS = (0x0000_0300, 0x0000_0001, 0x0001_0000, 0x01_0000_0102)


def test_demand_13_targets_are_numbers_of_interfaces_and_not_affinities(board: Any) -> None:
    made = board(4, mpidrs=MPIDRS).on()
    assert [vcpu.mpidr for vcpu in made.vm.vcpus] == list(MPIDRS)
    for cpu in range(4):
        assert made.r(0x800, cpu) == (1 << cpu) * 0x0101_0101
        made.enable(40 + cpu, targets=1 << cpu)
        made.line(40 + cpu, 1)
        assert [made.irq(other) for other in range(4)] == [other == cpu for other in range(4)]
        assert made.iar(cpu) == 40 + cpu


def test_demand_13_sgis_name_numbers_of_interfaces_and_not_affinities(board: Any) -> None:
    made = board(4, mpidrs=MPIDRS).on()
    for source in range(4):
        for target in range(4):
            made.send(3, 1 << target, source)
            assert made.iar(target) == source << 10 | 3
            made.eoi(source << 10 | 3, target)


def test_demand_13_state_knows_its_vcpus_by_their_affinities(board: Any) -> None:
    saved = board(4, mpidrs=MPIDRS).on().vm.save_state()
    assert [one["mpidr"] for one in saved["vcpus"]] == list(MPIDRS)
    board(4, mpidrs=MPIDRS).vm.restore_state(saved)
    with pytest.raises(VmError, match="EINVAL"):
        board(4).vm.restore_state(saved)


MACHINE = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    compatible = "linux,dummy-virt";
    interrupt-parent = <&intc>;
    cpus { #address-cells = <1>; #size-cells = <0>; CPUS };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>; };
    intc: intc@8000000 {
        compatible = "arm,gic-400";
        reg = <0 0x8000000 0 0x1000>, <0 0x8010000 0 0x2000>;
        #interrupt-cells = <3>;
        interrupt-controller;
    };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
    block@a000000 { compatible = "virtio,mmio"; reg = <0 0xa000000 0 0x200>; interrupts = <0 16 1>; };
};
"""


def workload(affinities: tuple[int, ...], events: int) -> Any:
    """Run a machine of these CPUs as `irqframe run` does."""
    cpus = "".join(
        f'cpu@{mpidr:x} {{ device_type = "cpu"; compatible = "arm,cortex-a53"; reg = <{mpidr:#x}>;'
        f' enable-method = "psci"; }};'
        for mpidr in affinities
    )
    machine = load_machine(parse_dts(MACHINE.replace("CPUS", cpus), "m.dts"))
    vm = build(machine)
    driver = vm.flow.call("guest_driver", vm)
    with vm.adopted():
        return Workload(machine, vm, driver, seed=1).run(events), vm


def test_demand_13_the_guest_works_whatever_the_affinities(board: Any) -> None:
    outcome, vm = workload((0x100, 0x1, 0x10000, 0x203), 1000)
    assert outcome.events >= 1000
    for vcpu in vm.vcpus:
        assert vm.flow.table.counters(vcpu).delivered > 50


# 14: the uniprocessor


def test_demand_14_itargetsr_is_raz_wi_on_a_uniprocessor(board: Any) -> None:
    made = board(1)
    for offset in range(0x800, 0xC00, 4):
        made.w(offset, 0xFFFF_FFFF)
        assert made.r(offset) == 0
    for offset in range(0x800, 0x8FC):
        made.w(offset, 1, size=1)
        assert made.r(offset, size=1) == 0


@pytest.mark.parametrize("again", ["power-on", "reset", "restored"])
def test_demand_14_every_spi_of_a_uniprocessor_is_delivered(board: Any, again: str) -> None:
    made = board(1)
    if again == "reset":
        made.vm.reset()
    if again == "restored":
        made.vm.restore_state(board(1).vm.save_state())
    made.on()
    for intid in (32, 100, 287):
        made.w(0x400 + intid, 0x80, size=1)
        made.w(0x800 + intid, 0, size=1)
        made.set_bit(0x100, intid)
        made.line(intid, 1)
        assert made.iar() == intid
        made.line(intid, 0)
        made.eoi(intid)


def test_demand_14_a_uniprocessors_state_cannot_lose_its_target(board: Any) -> None:
    made = board(1)
    saved = copy.deepcopy(made.vm.save_state())
    saved["shared"]["spis"][0]["targets"] = "00" * 32
    with pytest.raises(VmError, match=errno.errorcode[errno.EINVAL]):
        made.vm.restore_state(saved)


def test_demand_14_the_guest_works_on_a_uniprocessor() -> None:
    outcome, vm = workload((0,), 500)
    assert outcome.events >= 500 and vm.flow.table.counters(vm.vcpus[0]).delivered > 300
