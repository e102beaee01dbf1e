"""At any point of any history a GICv3's state can be taken over by another machine, which then goes on alike.

Guest memory is copied along: the tables of LPIs and of the ITS are there.
"""

from __future__ import annotations

import copy
import ctypes
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.errors import VmError
from irqframe.flow import Source, SourceKind, Trigger

MOST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

RAM, TABLES, SGI, ANY = 0x4000_0000, 0x4010_0000, 0x1_0000, 1 << 31
MAX_CPUS = 4
DEVICE, EVENTS, FIRST_LPI = 1, 6, 8192
PPIS, SPIS = [16, 20, 31], [32, 40, 63, 64, 255]
ALL = [0, 1, 15, *PPIS, *SPIS]
PRIORITIES = [0x00, 0x10, 0x28, 0x80, 0xA0, 0xF8]
BITMAPS = [0x0080, 0x0100, 0x0180, 0x0200, 0x0280, 0x0300, 0x0380]
READABLE = ("PMR", "HPPIR0", "HPPIR1", "BPR0", "BPR1", "AP0R0", "AP1R0", "RPR", "CTLR", "SRE", "IGRPEN0", "IGRPEN1")

cpus = st.integers(0, MAX_CPUS - 1)
events = st.integers(0, EVENTS - 1)
words = st.one_of(
    st.sampled_from([0, 0xFFFF_FFFF]), st.integers(0, 31).map(lambda n: 1 << n), st.integers(0, 0xFFFF_FFFF)
)


def verb(name: str, where: st.SearchStrategy[Any], value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), where, cpus, value)


def strategies(routes: list[int]) -> st.SearchStrategy[list[Any]]:
    """Histories whose SPIs are routed to these."""
    acknowledge = verb("acknowledge", st.integers(0, 1), st.just(0))
    message = verb("message", events, st.just(0))
    return st.lists(
        st.one_of(
            acknowledge,
            acknowledge,
            message,
            message,
            verb("line", st.sampled_from(PPIS + SPIS), st.integers(0, 1)),
            verb("gicd", st.sampled_from([base + 4 * n for base in BITMAPS for n in (1, 2)]), words),
            verb("gicr", st.sampled_from([SGI + base for base in BITMAPS]), words),
            verb("gicd", st.sampled_from([0x0C08, 0x0C10]), words),
            verb("gicr", st.just(SGI + 0x0C04), words),
            verb("gicd", st.just(0x0000), st.integers(0, 3)),
            verb("gicr", st.just(0x0014), st.sampled_from([0, 2])),
            verb("gicr", st.just(0x0000), st.sampled_from([0, 1, 1 << 25 | 1])),
            verb("priority", st.sampled_from(ALL), st.sampled_from(PRIORITIES)),
            verb("route", st.sampled_from(SPIS), st.sampled_from(routes)),
            verb("msr", st.sampled_from(["PMR", "BPR0", "BPR1", "AP0R0", "AP1R0", "CTLR"]), words),
            verb("msr", st.sampled_from(["IGRPEN0", "IGRPEN1"]), st.integers(0, 1)),
            verb("msr", st.sampled_from(["SGI1R", "SGI0R"]), st.sampled_from([0xF, 0x0100_0003, 1 << 40])),
            verb("end", st.sampled_from(["EOIR0", "EOIR1", "DIR"]), st.integers(0, 7)),
            verb("configure", events, st.integers(0, 255)),
            verb("inv", events, st.just(0)),
            verb("int", events, st.sampled_from([0x03, 0x04, 0x0F])),
            verb("map", events, st.just(0)),
            verb("movi", events, st.just(0)),
            verb("movall", cpus, st.just(0)),
        ),
        min_size=12,
        max_size=40,
    )


def do(made: Any, operation: tuple[Any, Any, int, int]) -> Any:
    """Do an operation; what the guest or the device sees of it."""
    name, where, cpu, value = operation
    count = len(made.vm.vcpus)
    cpu %= count
    device = DEVICE << 32
    if name == "acknowledge":
        made.acknowledged[cpu].append(made.mrs(f"IAR{where}", cpu))
        return made.acknowledged[cpu][-1]
    if name == "end" and made.acknowledged[cpu]:
        return made.msr(where, made.acknowledged[cpu].pop(value % len(made.acknowledged[cpu])), cpu)
    actions = {
        "message": lambda: made.message(DEVICE, where),
        "line": lambda: made.line(where, value, cpu),
        "gicd": lambda: made.w(where, value, cpu),
        "gicr": lambda: made.rw(cpu, where, value),
        "priority": lambda: (
            made.rw(cpu, SGI + 0x400 + where, value, size=1) if where < 32 else made.w(0x400 + where, value, size=1)
        ),
        "route": lambda: made.w(0x6000 + 8 * where, value, size=8),
        "msr": lambda: made.msr(where, value, cpu),
        "end": lambda: None,
        "configure": lambda: made.vm.memory.write(TABLES + where, bytes([value])),
        "inv": lambda: made.command(0x0C | device, where, 0, 0),
        "int": lambda: made.command(value | device, where, 0, 0),
        "map": lambda: made.map_event(DEVICE, where, FIRST_LPI + where, cpu),
        "movi": lambda: made.command(0x01 | device, where, cpu, 0),
        "movall": lambda: made.command(0x0E, 0, (where % count) << 16, cpu << 16),
    }
    return actions[name]()


def seen(made: Any, cpu: int) -> list[Any]:
    private = [made.rr(cpu, offset) for offset in (0x0000, 0x0014, *range(SGI + 0x80, SGI + 0x0D00, 4))]
    tables = [made.rr(cpu, offset, size=8) for offset in (0x0008, 0x0070, 0x0078)]
    return [*private, *tables, *(made.mrs(name, cpu) for name in READABLE), made.pins(cpu), made.counters(cpu)]


def shared(made: Any) -> list[Any]:
    routes = [made.r(0x6000 + 8 * intid, size=8) for intid in SPIS]
    its = [made.its_read(offset) for offset in (0x0000, 0x0080, 0x0088, 0x0090, 0x0100, 0x0108)]
    return [*(made.r(offset) for offset in range(0, 0x0D00, 4)), *routes, *its]


def look(made: Any) -> list[Any]:
    return [shared(made), *(seen(made, cpu) for cpu in range(len(made.vm.vcpus)))]


def started(board: Any, count: int, implementation: str) -> Any:
    """A machine on which most of what happens has consequences."""
    made = board(count, implementation, its=True).on()
    made.lpis_on({FIRST_LPI + event: 0x20 * event for event in range(EVENTS)})
    for event in range(EVENTS):
        made.map_event(DEVICE, event, FIRST_LPI + event, event % count)
    for offset in (0x0104, 0x0108, 0x0084):
        made.w(offset, 0xFFFF_FFFF)
    for intid in SPIS:
        made.w(0x6000 + 8 * intid, intid % count, size=8)
    for cpu in range(count):
        made.rw(cpu, SGI + 0x0100, 0xFFFF_FFFF)
        made.rw(cpu, SGI + 0x0080, 0x00FF_00FF)
    return made


def copied(made: Any, board: Any, count: int, implementation: str) -> Any:
    """Another machine with the same guest memory."""
    fresh = board(count, implementation, its=True)
    for at in range(RAM, RAM + 0x70_0000, 0x10_0000):
        fresh.vm.memory.write(at, made.vm.memory.read(at, 0x10_0000))
    return fresh


counts = st.integers(1, MAX_CPUS)
implementations = st.sampled_from(["kvm", "qemu"])
to_any = strategies([0, 1, 2, 3, 0x0500, ANY, ANY | 1])
to_one = strategies([0, 1, 2, 0x0500])
#: Interrupts that are taken and ended, and little else.
busy = st.lists(
    st.one_of(
        verb("taken", st.sampled_from(PPIS + SPIS), st.just(0)),
        verb("taken", st.sampled_from(PPIS + SPIS), st.just(0)),
        verb("line", st.sampled_from(PPIS + SPIS), st.integers(0, 1)),
        verb("message", events, st.just(0)),
        verb("acknowledge", st.integers(0, 1), st.just(0)),
        verb("acknowledge", st.just(1), st.just(0)),
        verb("end", st.sampled_from(["EOIR0", "EOIR1", "EOIR1", "DIR"]), st.integers(0, 7)),
        verb("msr", st.just("CTLR"), st.integers(0, 3)),
        verb("msr", st.just("SGI1R"), st.sampled_from([0xF, 0x0100_0003])),
    ),
    min_size=40,
    max_size=80,
)


def take_and_end(made: Any, operation: tuple[Any, Any, int, int]) -> Any:
    """As `do`; and a line that rises, whatever that lets be taken and ended, and the line falls."""
    name, where, cpu, _ = operation
    cpu %= len(made.vm.vcpus)
    if name == "taken":
        seen = [made.line(where, 1, cpu), made.iar(cpu), made.pins(cpu)]
        return [*seen, made.eoi(seen[1], cpu), made.line(where, 0, cpu)]
    result = do(made, operation)
    if name == "acknowledge" and result in (1022, 1023):
        made.acknowledged[cpu].pop()
    return result


def test_accesses_that_need_no_python_are_the_same(board: Any, natively: Any, goes_alike: Any) -> None:
    totals = [0, 0]

    @MOST
    @given(st.integers(1, 2), implementations, busy, to_any, busy)
    def check(count: int, implementation: str, busy: list[Any], first: list[Any], second: list[Any]) -> None:
        plain, other = started(board, count, implementation), started(board, count, implementation)
        native, read, write = natively(other), other.mrs, other.msr

        def mrs(name: str, cpu: int = 0) -> int:
            value = ctypes.c_uint64()
            if name[:3] == "IAR" and native("gicv3_read_iar", cpu, int(name[3]), ctypes.byref(value)):
                return value.value
            return int(read(name, cpu))

        def msr(name: str, value: int, cpu: int = 0) -> None:
            if name[:4] == "EOIR":
                served = native("gicv3_write_eoir", cpu, int(name[4]), ctypes.c_uint64(value))
            else:
                served = name == "DIR" and native("gicv3_write_dir", cpu, ctypes.c_uint64(value))
            if not served:
                write(name, value, cpu)

        other.mrs, other.msr = mrs, msr
        goes_alike(plain, other, take_and_end, busy + first + second, look)
        totals[0] += native.served
        totals[1] += native.left

    check()
    assert totals[0] > totals[1] > 20, totals


def test_a_machine_that_takes_the_state_over_goes_on_alike(board: Any, go_on_alike: Any) -> None:
    @MOST
    @given(counts, implementations, to_any, to_any)
    def check(count: int, implementation: str, first: list[Any], second: list[Any]) -> None:
        made = started(board, count, implementation)
        for intid in (40, 64):
            do(made, ("route", intid, 0, ANY))
        for operation in first:
            do(made, operation)
        go_on_alike(made, copied(made, board, count, implementation), do, second, look)

    check()


def test_a_change_of_one_vcpus_state_is_seen_on_that_vcpu_only(board: Any) -> None:
    @MOST
    @given(to_one, st.integers(0, 2), st.data())
    def check(first: list[Any], cpu: int, data: st.DataObject) -> None:
        made = started(board, 3, "kvm")
        for operation in first:
            do(made, operation)
        changed = copy.deepcopy(made.vm.save_state())
        change(changed["vcpus"][cpu]["state"], data)
        other = copied(made, board, 3, "kvm")
        other.vm.restore_state(changed)
        assert other.vm.save_state() == changed
        assert shared(other) == shared(made)
        for index in range(3):
            if index != cpu:
                assert seen(other, index) == seen(made, index)

    check()


def change(state: dict[str, Any], data: st.DataObject) -> None:
    """A change that is a state of a vCPU too."""
    private = state["private"][0]
    what = data.draw(st.sampled_from(["ctlr", "groups", "pmr", "bpr", "active", "asleep", "lpis", "private", "SGIs"]))
    if what in ("ctlr", "groups"):
        state[what] = data.draw(st.integers(0, 3))
    elif what == "pmr":
        state["pmr"] = data.draw(st.sampled_from([0, 0x08, 0x80, 0xF8]))
    elif what == "bpr":
        state["bpr"], state["abpr"] = data.draw(st.integers(2, 7)), data.draw(st.integers(3, 7))
    elif what == "active":
        state["active"] = [f"{data.draw(words):x}", f"{data.draw(words):x}"]
    elif what == "asleep":
        state["asleep"] = not state["asleep"]
    elif what == "lpis":
        if state["lpis"]["enabled"]:
            state["lpis"]["pending"] = [[FIRST_LPI + event, 0x41] for event in sorted(data.draw(st.sets(events)))]
    elif what == "private":
        private["active"] = data.draw(words)
        private["enabled"] = data.draw(words)
        private["group"] = data.draw(words)
        private["priority"] = f"{data.draw(st.sampled_from(PRIORITIES)):02x}" * 32
    else:
        private["latch"] = data.draw(words)
    pending = private["latch"] | private["line"] & ~private["edge"]
    private["owed"] = private["owed"] & pending | pending & ~private["active"]


def paths(state: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 1 << 70),
    st.sampled_from(["", "zz", "00" * 32, "ff" * 16, "f" * 300]),
    st.floats(),
    st.just([]),
    st.just({}),
)


def test_any_other_state_is_refused_and_nothing_changes(board: Any, takes_or_refuses: Any) -> None:
    made = started(board, 2, "kvm")
    for operation in (("line", 40, 0, 1), ("message", 1, 0, 0), ("message", 2, 0, 0), ("acknowledge", 1, 0, 0)):
        do(made, operation)
    saved = json.dumps(made.vm.save_state())
    where = [
        path for path in paths(json.loads(saved)) if path and not (path[:2] == ("shared", "spis") and path[2:3] > (1,))
    ]

    @settings(MOST, max_examples=400)
    @given(st.sampled_from(where), JUNK)
    def check(path: tuple[Any, ...], junk: Any) -> None:
        state = json.loads(saved)
        place = state
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = junk
        takes_or_refuses(made, state)

    check()


def test_an_spi_for_any_cpu_is_still_in_the_account_that_it_was_in(board: Any) -> None:
    made, fresh = board(2).on(), board(2)
    made.enable(41, edge=True, route=ANY)
    made.line(41, 1)
    assert [made.owed(cpu) for cpu in (0, 1)] == [0, 1]
    fresh.vm.restore_state(made.vm.save_state())
    assert [fresh.owed(cpu) for cpu in (0, 1)] == [0, 1]
    assert fresh.iar(1) == 41 and fresh.owed(1) == 0


def test_a_gic_that_has_run_signals_nothing_of_before(board: Any) -> None:
    other = board(2).on()
    other.enable(40, edge=True, route=1)
    made = board(2).on()
    made.enable(40, edge=True, route=0)
    made.line(40, 1)
    made.vm.restore_state(other.vm.save_state())
    assert not made.irq(0) and made.mrs("HPPIR1", 0) == 1023


def test_what_was_delivered_outlives_a_reset_and_a_restored_state(board: Any) -> None:
    made = board(2).on()
    before = made.vm.save_state()
    for intid in (20, 40):
        made.enable(intid, edge=True, cpu=1, route=1)
    taken = []
    for intid in (20, 40, 20):
        made.line(intid, 1, cpu=1)
        made.line(intid, 0, cpu=1)
        taken.append(made.iar(1))
        made.eoi(taken[-1], 1)
    assert taken == [20, 40, 20] and made.iar(1) == 1023
    delivered = [made.vm.flow.call("delivered", vcpu) for vcpu in made.vm.vcpus]
    assert delivered == [{}, {20: 2, 40: 1}]
    made.vm.reset_vcpu(made.vm.vcpus[1])
    made.vm.restore_state(before)
    assert made.counters(1).delivered == 0
    assert [made.vm.flow.call("delivered", vcpu) for vcpu in made.vm.vcpus] == delivered


def test_what_an_intid_is_and_what_waits(board: Any) -> None:
    made = board(2).on()
    flow, cpus = made.vm.flow, made.vm.vcpus
    names = [flow.call("identify", cpus[1], intid) for intid in (3, 27, 40)]
    assert names == ["SGI 3", Source(SourceKind.PPI, 27, Trigger.NONE), Source(SourceKind.SPI, 8, Trigger.NONE)]
    made.enable(20, cpu=1)
    made.enable(40, edge=True, route=1)
    made.line(20, 1, cpu=1)
    made.line(40, 1)
    made.line(41, 1)
    assert flow.call("waiting", cpus[1]) == {20: "pending", 40: "pending"}
    assert flow.call("waiting", cpus[0]) == {41: "pending, masked"}, "it goes to nobody, and is at home here"
    taken = made.iar(1)
    assert taken == 20 and flow.call("waiting", cpus[1]) == {20: "pending, active", 40: "pending"}
    made.line(20, 0, cpu=1)
    assert flow.call("waiting", cpus[1])[20] == "active"


def test_a_route_of_0_is_not_in_a_saved_state(board: Any) -> None:
    made = board(2).on()
    state = json.loads(json.dumps(made.vm.save_state()))
    state["shared"]["routes"]["63"] = 0
    with pytest.raises(VmError, match=r"routes\[63\]"):
        made.vm.restore_state(state)
