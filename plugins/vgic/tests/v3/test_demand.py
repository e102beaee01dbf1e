"""What users of emulated and virtual GICs keep running into, for the GICv3: a test or more for each demand.

2   the state of a vCPU is that vCPU's, and survives a snapshot
3   interrupts that were queued twice, that were lost while disabled, registers that are almost right
13  a CPU's MPIDR is not its number

The rows are those of `test_demand.py` for the GICv2; row 14 is about GICD_ITARGETSR, which a GICv3 has not.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.dt import parse_dts
from irqframe.guest import Workload
from irqframe.machine import build, load_machine

TABLES, TABLE_BYTES, SGI = 0x4010_0000, 0x60_0000, 0x1_0000
ANY = 1 << 31
READABLE = ("PMR", "HPPIR0", "HPPIR1", "BPR0", "BPR1", "AP0R0", "AP1R0", "RPR", "CTLR", "SRE", "IGRPEN0", "IGRPEN1")
REDISTRIBUTOR = (0x0000, 0x0014, 0x0070, 0x0078, *(SGI + at for at in (0x80, 0x100, 0x200, 0x300, 0xC00, 0xC04)))
PRIORITIES = tuple(SGI + 0x400 + 4 * n for n in range(8))


def seen(made: Any, cpu: int) -> list[Any]:
    """What a guest could read of a CPU without effect, its pins, and its counters."""
    registers = [made.rr(cpu, offset) for offset in (*REDISTRIBUTOR, *PRIORITIES)]
    return [*registers, *(made.mrs(name, cpu) for name in READABLE), made.pins(cpu), made.counters(cpu)]


def shared(made: Any) -> list[int]:
    """What a guest could read of the distributor without effect."""
    every = [made.r(base + 4 * n) for base in (0x80, 0x100, 0x200, 0x300) for n in range(8)]
    routes = [made.r(0x6000 + 8 * intid, size=8) for intid in range(32, 256)]
    return [made.r(0), *every, *(made.r(0x400 + 4 * n) for n in range(64)), *routes]


def busy(board: Any) -> Any:
    """Three CPUs that differ in everything that a CPU has for itself, and SPIs and LPIs in every state."""
    made = board(3, its=True).on()
    made.lpis_on({8192 + cpu: 0x40 + 0x10 * cpu for cpu in range(3)})
    for cpu in range(3):
        made.map_event(cpu + 1, 0, 8192 + cpu, cpu)
        made.msr("PMR", 0xF8 - 0x10 * cpu, cpu)
        made.msr("BPR0", 2 + cpu, cpu)
        for sgi in range(16):
            made.enable(sgi, priority=0xA0, cpu=cpu)
        made.enable(20 + cpu, cpu=cpu, priority=0x20 + 0x10 * cpu)
        made.line(20 + cpu, 1, cpu)
        made.send(cpu, 0b111 & ~(1 << cpu), cpu)
        made.message(cpu + 1, 0)
    made.enable(40)
    made.enable(41, edge=True, route=1, priority=0x10)
    made.enable(42, edge=True, route=0x77)
    for intid in (40, 41, 42):
        made.line(intid, 1)
    assert made.iar(1) == 41
    return made


def taken_over(made: Any, other: Any) -> Any:
    """The other board, with the state of the first and its tables in memory."""
    for at in range(TABLES, TABLES + TABLE_BYTES, 0x10_0000):
        other.vm.memory.write(at, made.vm.memory.read(at, 0x10_0000))
    other.vm.restore_state(json.loads(json.dumps(made.vm.save_state())))
    return other


def drained(made: Any) -> list[list[int]]:
    """Acknowledge and end everything that there is, CPU after CPU."""
    trace = []
    for cpu in range(len(made.vm.vcpus)):
        taken = [made.iar(cpu)]
        while not 1020 <= taken[-1] < 1024 and len(taken) < 40:
            if 16 <= taken[-1] < 1020:
                made.line(taken[-1], 0, cpu)
            made.eoi(taken[-1], cpu)
            taken.append(made.iar(cpu))
        trace.append([*taken, made.mrs("RPR", cpu)])
    return trace


# 2: the state of a vCPU


def test_demand_02_a_fresh_vm_goes_on_where_the_saved_one_was(board: Any) -> None:
    made = busy(board)
    other = taken_over(made, board(3, its=True))
    assert [seen(other, cpu) for cpu in range(3)] == [seen(made, cpu) for cpu in range(3)]
    assert shared(other) == shared(made)
    trace = drained(made)
    assert {8192, 8194, 40} <= {intid for one in trace for intid in one}
    assert drained(other) == trace
    assert [seen(other, cpu) for cpu in range(3)] == [seen(made, cpu) for cpu in range(3)]


def test_demand_02_every_vcpu_gets_its_own_state(board: Any) -> None:
    made = busy(board)
    parts = [json.dumps(one["state"], sort_keys=True) for one in made.vm.save_state()["vcpus"]]
    assert len(set(parts)) == 3
    again = taken_over(made, board(3, its=True)).vm.save_state()
    assert [json.dumps(one["state"], sort_keys=True) for one in again["vcpus"]] == parts


MUTATIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "mask": lambda one: one.update(pmr=0x08),
    "groups off": lambda one: one.update(groups=0),
    "binary points": lambda one: one.update(bpr=7, abpr=7),
    "EOImode": lambda one: one.update(ctlr=0b10),
    "running priorities": lambda one: one.update(active=["80", "1"]),
    "asleep": lambda one: one.update(asleep=True),
    "PPIs disabled": lambda one: one["private"][0].update(enabled=0xFFFF),
    "a PPI active": lambda one: one["private"][0].update(active=1 << 25),
    "priorities": lambda one: one["private"][0].update(priority="f0" * 32),
    "lines low": lambda one: one["private"][0].update(line=0, owed=one["private"][0]["latch"]),
    "counters": lambda one: one["counts"].update(delivered=99),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_demand_02_what_changes_in_one_vcpus_state_changes_that_vcpu(board: Any, mutation: str) -> None:
    made = busy(board)
    saved, other = made.vm.save_state(), taken_over(made, board(3, its=True))
    as_it_was = [shared(other), *(seen(other, index) for index in range(3))]
    for cpu in range(3):
        changed = copy.deepcopy(saved)
        MUTATIONS[mutation](changed["vcpus"][cpu]["state"])
        other.vm.restore_state(changed)
        now = [shared(other), *(seen(other, index) for index in range(3))]
        assert [one != before for one, before in zip(now, as_it_was, strict=True)] == [
            False,
            *(index == cpu for index in range(3)),
        ]


@pytest.mark.parametrize("wrong", [{"pmr": 0x107}, {"bpr": 1}, {"groups": 4}, {"private": []}, {"lpis": None}])
def test_demand_02_state_that_no_vcpu_can_have_changes_none(board: Any, wrong: dict[str, Any]) -> None:
    made = busy(board)
    saved = copy.deepcopy(made.vm.save_state())
    before = [seen(made, cpu) for cpu in range(3)]
    saved["vcpus"][2]["state"].update(wrong)
    with pytest.raises(VmError, match="EINVAL"):
        made.vm.restore_state(saved)
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


def test_demand_03_an_lpi_is_never_queued_twice(board: Any) -> None:
    made = board(2, its=True).on()
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 1)
    assert [made.message(1, 0) for _ in range(3)] == [Injected.LATCHED, Injected.COALESCED, Injected.COALESCED]
    assert [made.iar(1), made.iar(1)] == [8192, 1023]
    # MOVI of what is pending takes it along.
    made.message(1, 0)
    made.command(0x09, 0, 1 << 63 | 0)
    made.command(0x01 | 1 << 32, 0, 0)
    assert [made.iar(1), made.iar(0), made.iar(0)] == [1023, 8192, 1023]


@pytest.mark.parametrize("route", [1, ANY])
def test_demand_03_an_interrupt_is_never_queued_on_two_cpus(board: Any, route: int) -> None:
    made = board(4).on()
    made.enable(40, edge=True, route=0)
    made.line(40, 1)
    made.w(0x6000 + 8 * 40, route, size=8)
    assert [made.owed(cpu) for cpu in range(4)] == [made.irq(cpu) for cpu in range(4)]
    assert sorted(made.iar(cpu) for cpu in range(4)) == [40, 1023, 1023, 1023]


def test_demand_03_many_at_once_are_each_taken_once(board: Any) -> None:
    """More than a hardware interface has list registers for."""
    made = board(2, its=True).on()
    lpis = range(8192, 8212)
    made.lpis_on(dict.fromkeys(lpis, 0x80))
    made.map_event(1, 0, 8192, 0)
    for event, lpi in enumerate(lpis):
        made.command(0x0A | 1 << 32, event | lpi << 32, 0)
    intids = [*range(32, 62), *range(100, 120)]
    for intid in intids:
        made.enable(intid, edge=True)
        made.line(intid, 1)
    for event in range(len(lpis)):
        made.message(1, event)
    taken = []
    while made.irq() and len(taken) <= len(intids) + len(lpis):
        taken.append(made.iar())
        made.eoi(taken[-1])
    assert taken == [*intids, *lpis]


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_demand_03_a_disabled_interrupt_stays_pending(board: Any, edge: bool) -> None:
    made = board(2).on()
    made.enable(40, edge=edge)
    made.set_bit(0x180, 40)
    made.line(40, 1)
    assert made.bit(0x200, 40) and not made.irq() and made.iar() == 1023
    made.set_bit(0x100, 40)
    assert made.irq() and made.iar() == 40


def test_demand_03_a_disabled_lpi_stays_pending(board: Any) -> None:
    made = board(1, its=True).on()
    made.lpis_on({8192: 0x40})
    made.map_event(1, 0, 8192, 0)
    made.vm.memory.write(TABLES, bytes([0x40]))
    made.command(0x0C | 1 << 32, 0)
    made.message(1, 0)
    assert not made.irq() and made.iar() == 1023
    made.vm.memory.write(TABLES, bytes([0x41]))
    made.command(0x0C | 1 << 32, 0)
    assert made.irq() and made.iar() == 8192


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


@pytest.mark.parametrize("frame", ["gicd", "gicr"])
def test_demand_03_registers_bytes_are_lanes(board: Any, frame: str) -> None:
    made = board(4)
    base = 0x400 + 40 if frame == "gicd" else SGI + 0x400 + 20
    read = made.r if frame == "gicd" else lambda offset, size=4: made.rr(2, offset, 1, size)
    write = made.w if frame == "gicd" else lambda offset, value, size: made.rw(2, offset, value, 3, size)
    values = (0x08, 0x10, 0x18, 0x20)
    for lane, value in enumerate(values):
        write(base + lane, value, size=1)
    assert read(base) == int.from_bytes(bytes(values), "little")
    assert [read(base + lane, size=1) for lane in range(4)] == list(values)
    assert read(base - 4) == read(base + 4) == 0


@pytest.mark.parametrize("setter", [0x100, 0x200, 0x300], ids=["enable", "pending", "active"])
def test_demand_03_registers_set_and_clear_by_ones(board: Any, setter: int) -> None:
    made = board(2)
    for read, write, at in ((made.r, made.w, setter + 4), (*private(made), SGI + setter)):
        write(at, 0b0110)
        write(at, 0b1000)
        assert read(at) == read(at + 0x80) == 0b1110
        write(at + 0x80, 0b0100)
        assert read(at) == read(at + 0x80) == 0b1010
        write(at + 0x80, 0)
        write(at, 0)
        assert read(at) == read(at + 0x80) == 0b1010
    assert made.rr(0, SGI + setter) == 0


def private(made: Any) -> tuple[Callable[[int], int], Callable[[int, int], None]]:
    """How CPU 0 reads and writes the redistributor of CPU 1."""
    return (lambda offset: made.rr(1, offset, 0), lambda offset, value: made.rw(1, offset, value, 0))


@pytest.mark.parametrize("offset", [0x0004, 0x0008, 0xFFE8], ids=["TYPER", "IIDR", "PIDR2"])
def test_demand_03_registers_that_are_read_only_stay(board: Any, offset: int) -> None:
    made = board(2)
    for read, write, at in ((made.r, made.w, offset), (*private(made), offset)):
        before = read(at)
        assert before or read is not made.r
        for value in (0, 0xFFFF_FFFF):
            write(at, value)
            assert read(at) == before


@pytest.mark.parametrize("offset", [0x0014, 0x0078, 0x0800, 0x0BFC, 0x0E00, 0x0F00, 0x6000, 0x60F8, 0xBFFC, 0xFFCC])
def test_demand_03_registers_that_are_reserved_are_raz_wi(board: Any, offset: int) -> None:
    """GICD_ITARGETSR, GICD_SGIR and the routes of private interrupts among them: a GICv2 has these."""
    made = busy(board)
    before = [*shared(made), *(seen(made, cpu) for cpu in range(3))]
    for size in (1, 2, 4, 8):
        if offset % size == 0:
            made.w(offset, (1 << 8 * size) - 1, size=size)
            assert made.r(offset, size=size) == 0
    assert [*shared(made), *(seen(made, cpu) for cpu in range(3))] == before


# 13: MPIDRs

MPIDRS = (0x0000_0300, 0x0000_0001, 0x0001_0000, 0x01_0000_0102)


def test_demand_13_redistributors_tell_affinities_and_numbers(board: Any) -> None:
    made = board(4, mpidrs=MPIDRS, its=True)
    for cpu, mpidr in enumerate(MPIDRS):
        typer = made.rr(cpu, 0x0008, size=8)
        assert typer >> 32 == (mpidr >> 8 & 0xFF00_0000) | mpidr & 0xFF_FFFF
        assert typer >> 8 & 0xFFFF == cpu


def test_demand_13_spis_are_routed_to_affinities(board: Any) -> None:
    made = board(4, mpidrs=MPIDRS).on()
    for cpu, mpidr in enumerate(MPIDRS):
        made.enable(40 + cpu, route=mpidr)
        assert made.r(0x6000 + 8 * (40 + cpu), size=8) == mpidr
        made.line(40 + cpu, 1)
        assert [made.irq(other) for other in range(4)] == [other == cpu for other in range(4)]
        assert made.iar(cpu) == 40 + cpu
    # The numbers of CPUs are the affinities of others, or of nobody.
    for number, taker in ((0, None), (1, 1), (2, None), (3, None)):
        made.enable(50 + number, edge=True, route=number)
        made.line(50 + number, 1)
        assert [cpu for cpu in range(4) if made.irq(cpu)] == [] if taker is None else [taker]


def test_demand_13_sgis_name_affinities(board: Any) -> None:
    made = board(4, mpidrs=MPIDRS).on()
    for cpu in range(4):
        made.enable(3, cpu=cpu)
    for source in range(4):
        for target, mpidr in enumerate(MPIDRS):
            cluster = (mpidr >> 8 & 0xFF) << 16 | (mpidr >> 16 & 0xFF) << 32 | (mpidr >> 32 & 0xFF) << 48
            made.send(3, cluster | 1 << (mpidr & 0xF), source)
            assert [made.irq(other) for other in range(4)] == [other == target for other in range(4)]
            assert made.iar(target) == 3
            made.eoi(3, target)


def test_demand_13_collections_name_numbers(board: Any) -> None:
    """GITS_TYPER.PTA is 0: an RDbase is a processor number, whatever the affinity."""
    made = board(4, mpidrs=MPIDRS, its=True).on()
    made.lpis_on({8192 + cpu: 0x40 for cpu in range(4)})
    for cpu in range(4):
        made.map_event(cpu + 1, 0, 8192 + cpu, cpu)
        made.message(cpu + 1, 0)
        assert [made.irq(other) for other in range(4)] == [other == cpu for other in range(4)]
        assert made.iar(cpu) == 8192 + cpu


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
    cpus { #address-cells = <2>; #size-cells = <0>; CPUS };
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x8000000>; };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>; };
    intc: intc@8000000 {
        compatible = "arm,gic-v3";
        reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0xf60000>;
        #interrupt-cells = <3>;
        interrupt-controller;
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
        its: msi-controller@8080000 {
            compatible = "arm,gic-v3-its";
            reg = <0 0x8080000 0 0x20000>;
            msi-controller;
            #msi-cells = <1>;
        };
    };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
    block@a000000 {
        compatible = "virtio,mmio";
        reg = <0 0xa000000 0 0x200>;
        interrupts = <0 16 1>;
    };
    sender { compatible = "acme,sender"; msi-parent = <&its 5>; };
};
"""


def test_demand_13_the_guest_works_whatever_the_affinities() -> None:
    cpus = "".join(
        f'cpu@{mpidr:x} {{ device_type = "cpu"; compatible = "arm,cortex-a53"; reg = <{mpidr >> 32} '
        f'{mpidr & 0xFFFF_FFFF:#x}>; enable-method = "psci"; }};'
        for mpidr in MPIDRS
    )
    machine = load_machine(parse_dts(MACHINE.replace("CPUS", cpus), "m.dts"))
    vm = build(machine)
    with vm.adopted():
        outcome = Workload(machine, vm, vm.flow.call("guest_driver", vm), seed=1).run(1000)
        assert outcome.events >= 1000
        assert all(vm.flow.table.counters(vcpu).delivered > 50 for vcpu in vm.vcpus)
