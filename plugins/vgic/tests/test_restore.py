"""At any point of any history a GICv2's state can be taken over by another machine, which then goes on alike."""

from __future__ import annotations

import copy
import ctypes
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.flow import Source, SourceKind, Trigger

MOST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

MAX_CPUS = 4
PPIS, SPIS = [16, 20, 31], [32, 40, 63, 64, 80, 143, 287]
ALL = [0, 1, 15, *PPIS, *SPIS]
PRIORITIES = [0x00, 0x10, 0x28, 0x80, 0xA0, 0xF8]
BITMAPS = [0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380]
READABLE = (0x00, 0x04, 0x08, 0x14, 0x18, 0x1C, 0x28, 0xD0, 0xE0)

cpus = st.integers(0, MAX_CPUS - 1)
words = st.one_of(
    st.sampled_from([0, 0xFFFF_FFFF]), st.integers(0, 31).map(lambda n: 1 << n), st.integers(0, 0xFFFF_FFFF)
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("line"), st.sampled_from(PPIS + SPIS), cpus, st.integers(0, 1)),
        st.tuples(st.just("line"), st.sampled_from(PPIS + SPIS), cpus, st.integers(0, 1)),
        st.tuples(st.just("message"), st.sampled_from([80, 81, 143]), cpus, st.just(0)),
        st.tuples(st.just("bits"), st.sampled_from([base + 4 * n for base in BITMAPS for n in (0, 1, 2)]), cpus, words),
        st.tuples(st.just("byte"), st.sampled_from([0x400 + n for n in ALL]), cpus, st.sampled_from(PRIORITIES)),
        st.tuples(st.just("byte"), st.sampled_from([0x800 + n for n in SPIS]), cpus, st.integers(0, 15)),
        st.tuples(st.just("byte"), st.sampled_from([0xF10, 0xF11, 0xF1F, 0xF20, 0xF2F]), cpus, st.integers(0, 15)),
        st.tuples(st.just("bits"), st.sampled_from([0xC04, 0xC08, 0xC10]), cpus, words),
        st.tuples(st.just("bits"), st.just(0xF00), cpus, st.integers(0, 0x3FF).map(lambda v: v >> 2 << 16 | v & 0xF)),
        st.tuples(st.just("bits"), st.just(0x000), cpus, st.integers(0, 3)),
        st.tuples(st.just("own"), st.sampled_from([0x00, 0x04, 0x08, 0x1C, 0xD0, 0xE0]), cpus, words),
        st.tuples(st.just("acknowledge"), st.sampled_from([0x0C, 0x20]), cpus, st.just(0)),
        st.tuples(st.just("acknowledge"), st.sampled_from([0x0C, 0x20]), cpus, st.just(0)),
        st.tuples(st.just("end"), st.sampled_from([0x10, 0x24, 0x1000]), cpus, st.integers(0, 7)),
    ),
    min_size=12,
    max_size=40,
)

#: Interrupts that are taken and ended, and little else.
busy = st.lists(
    st.one_of(
        st.tuples(st.just("taken"), st.sampled_from(PPIS + SPIS), cpus, st.just(0)),
        st.tuples(st.just("taken"), st.sampled_from(PPIS + SPIS), cpus, st.just(0)),
        st.tuples(st.just("line"), st.sampled_from(PPIS + SPIS), cpus, st.integers(0, 1)),
        st.tuples(st.just("bits"), st.just(0xF00), cpus, st.integers(0, 0x3FF).map(lambda v: v >> 2 << 16 | v & 0xF)),
        st.tuples(st.just("acknowledge"), st.just(0x0C), cpus, st.just(0)),
        st.tuples(st.just("acknowledge"), st.sampled_from([0x0C, 0x20]), cpus, st.just(0)),
        st.tuples(st.just("end"), st.sampled_from([0x10, 0x10, 0x24, 0x1000]), cpus, st.integers(0, 7)),
        st.tuples(st.just("own"), st.just(0x00), cpus, st.sampled_from([0b0111, 0b1111, 0b10_0000_0111])),
    ),
    min_size=40,
    max_size=80,
)


def do(made: Any, operation: tuple[str, int, int, int]) -> Any:
    """Do an operation; what the guest or the device sees of it."""
    verb, where, cpu, value = operation
    cpu %= len(made.vm.vcpus)
    if verb == "line":
        return made.line(where, value, cpu)
    if verb == "message":
        return made.vm.signal_msi(0x0802_0040, where)
    if verb == "bits":
        return made.w(where, value, cpu)
    if verb == "byte":
        return made.w(where, value, cpu, size=1)
    if verb == "own":
        return made.cw(where, value, cpu)
    if verb == "acknowledge":
        made.acknowledged[cpu].append(made.cr(where, cpu))
        return made.acknowledged[cpu][-1]
    if made.acknowledged[cpu]:
        made.cw(where, made.acknowledged[cpu].pop(value % len(made.acknowledged[cpu])), cpu)
    return None


def seen(made: Any, cpu: int) -> list[Any]:
    distributor = [made.r(offset, cpu) for offset in (*range(0, 0xF00, 4), *range(0xF10, 0xF30, 4))]
    return [*distributor, *(made.cr(offset, cpu) for offset in READABLE), made.pins(cpu), made.counters(cpu)]


def look(made: Any) -> list[Any]:
    return [seen(made, cpu) for cpu in range(len(made.vm.vcpus))]


def started(board: Any, count: int, implementation: str) -> Any:
    """A machine on which most of what happens has consequences."""
    made = board(count, implementation).on(ctlr=0b0111, distributor=3)
    for cpu in range(count):
        for offset in (0x100, 0x104, 0x108):
            made.w(offset, 0xFFFF_FFFF, cpu)
    for n in range(8):
        made.w(0x820 + 4 * n, 0x0102_0301)
    return made


counts = st.integers(1, MAX_CPUS)
implementations = st.sampled_from(["kvm", "qemu"])


def test_a_machine_that_takes_the_state_over_goes_on_alike(board: Any, go_on_alike: Any) -> None:
    @MOST
    @given(counts, implementations, operations, operations)
    def check(count: int, implementation: str, first: list[Any], second: list[Any]) -> None:
        made = started(board, count, implementation)
        for operation in first:
            do(made, operation)
        go_on_alike(made, board(count, implementation), do, second, look)

    check()


def take_and_end(made: Any, operation: tuple[Any, Any, int, int]) -> Any:
    """As `do`; and a line that rises, whatever that lets be taken and ended, and the line falls."""
    name, where, cpu, _ = operation
    cpu %= len(made.vm.vcpus)
    if name == "taken":
        seen = [made.line(where, 1, cpu), made.iar(cpu), made.pins(cpu)]
        return [*seen, made.eoi(seen[1], cpu), made.deactivate(seen[1], cpu), made.line(where, 0, cpu)]
    result = do(made, operation)
    if name == "acknowledge" and result in (1022, 1023):
        made.acknowledged[cpu].pop()
    return result


def test_accesses_that_need_no_python_are_the_same(board: Any, natively: Any, goes_alike: Any) -> None:
    reads = {0x0C: "gicv2_read_iar", 0x20: "gicv2_read_aiar"}
    writes = {0x10: "gicv2_write_eoir", 0x24: "gicv2_write_aeoir", 0x1000: "gicv2_write_dir"}
    totals = [0, 0]

    @MOST
    @given(st.integers(1, 2), implementations, busy, operations, busy)
    def check(count: int, implementation: str, busy: list[Any], first: list[Any], second: list[Any]) -> None:
        plain, other = started(board, count, implementation), started(board, count, implementation)
        native, read, write = natively(other), other.cr, other.cw

        def cr(offset: int, cpu: int = 0, size: int = 4) -> int:
            value = ctypes.c_uint32()
            if offset in reads and native(reads[offset], cpu, ctypes.byref(value)):
                return value.value
            return int(read(offset, cpu, size))

        def cw(offset: int, value: int, cpu: int = 0, size: int = 4) -> None:
            if offset not in writes or not native(writes[offset], cpu, ctypes.c_uint32(value)):
                write(offset, value, cpu, size)

        other.cr, other.cw = cr, cw
        goes_alike(plain, other, take_and_end, busy + first + second, look)
        totals[0] += native.served
        totals[1] += native.left

    check()
    assert totals[0] > totals[1] > 20, totals


def test_python_serves_every_access_while_a_host_interrupts_line_is_high(board: Any, natively: Any) -> None:
    made = board(1).on()
    made.enable(20)
    native, value, level = natively(made), ctypes.c_uint32(), [True]
    host = made.vm.host_irqs.allocate("device", lambda: None)
    made.vm.flow.table.map_phys_irq(made.vm.vcpus[0], host.number, 20, lambda intid: level[0])
    accesses: list[tuple[str, Any]] = [(name, ctypes.byref(value)) for name in ("gicv2_read_iar", "gicv2_read_aiar")]
    accesses += [(f"gicv2_write_{name}", ctypes.c_uint32(20)) for name in ("eoir", "aeoir", "dir")]
    assert all(native(name, 0, argument) for name, argument in accesses) and value.value == 1023
    made.line(20, 1)
    assert made.irq() and not any(native(name, 0, argument) for name, argument in accesses)
    level[0] = False
    assert made.r(0x004) and not made.irq(), "who enters the guest asks for the level"
    assert all(native(name, 0, argument) for name, argument in accesses) and value.value == 1023


def test_a_change_of_one_vcpus_state_is_seen_on_that_vcpu_only(board: Any) -> None:
    @MOST
    @given(operations, st.integers(0, 2), st.data())
    def check(first: list[Any], cpu: int, data: st.DataObject) -> None:
        made = started(board, 3, "kvm")
        for operation in first:
            do(made, operation)
        saved = made.vm.save_state()
        changed = copy.deepcopy(saved)
        state = changed["vcpus"][cpu]["state"]
        change(state, data)
        other = board(3)
        other.vm.restore_state(changed)
        assert other.vm.save_state() == changed
        for index in range(3):
            if index != cpu:
                assert seen(other, index) == seen(made, index)
        if changed == saved:
            assert look(other) == look(made)

    check()


def change(state: dict[str, Any], data: st.DataObject) -> None:
    """A change that is a state of a vCPU too."""
    what = data.draw(st.sampled_from(["ctlr", "pmr", "bpr", "active", "enabled", "priority", "sources", "private"]))
    private = state["private"]
    if what == "ctlr":
        state["ctlr"] = data.draw(st.integers(0, 0x1F)) | data.draw(st.sampled_from([0, 1 << 9]))
    elif what == "pmr":
        state["pmr"] = data.draw(st.sampled_from([0, 0x08, 0x80, 0xF8]))
    elif what == "bpr":
        state["bpr"], state["abpr"] = data.draw(st.integers(2, 7)), data.draw(st.integers(3, 7))
    elif what == "active":
        state["active"] = [f"{data.draw(words):x}", f"{data.draw(words):x}"]
    elif what in ("enabled", "group"):
        private[what] = data.draw(words)
    elif what == "priority":
        private["priority"] = f"{data.draw(st.sampled_from(PRIORITIES)):02x}" * 32
    elif what == "sources":
        sources = bytes(data.draw(st.lists(st.integers(0, 7), min_size=16, max_size=16)))
        waiting = sum(1 << sgi for sgi, byte in enumerate(sources) if byte)
        state["sources"], private["latch"] = sources.hex(), private["latch"] & ~0xFFFF | waiting
    else:
        private["active"] = data.draw(words)
        pending = private["latch"] | private["line"] & ~private["edge"]
        private["owed"] = pending & ~private["active"] & ~0xFFFF


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
    for operation in (
        ("line", 40, 0, 1),
        ("line", 20, 1, 1),
        ("bits", 0xF00, 1, 0x3_0003),
        ("acknowledge", 0x0C, 0, 0),
    ):
        do(made, operation)
    saved = json.dumps(made.vm.save_state())
    where = [
        path
        for path in paths(json.loads(saved))
        if path and not (len(path) > 2 and path[:2] == ("shared", "spis") and path[2] > 1)
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


def test_what_was_delivered_outlives_a_reset_and_a_restored_state(board: Any) -> None:
    made = board(2).on()
    before = made.vm.save_state()
    for intid in (20, 40):
        made.enable(intid, edge=True, cpu=1, targets=2)
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
    made.enable(40, edge=True, targets=2)
    made.line(20, 1, cpu=1)
    made.line(40, 1)
    made.line(41, 1)
    assert flow.call("waiting", cpus[1]) == {20: "pending", 40: "pending"}
    assert flow.call("waiting", cpus[0]) == {41: "pending, masked"}, "it goes to nobody, and is at home here"
    taken = made.iar(1)
    assert taken == 20 and flow.call("waiting", cpus[1]) == {20: "pending, active", 40: "pending"}
    made.line(20, 0, cpu=1)
    assert flow.call("waiting", cpus[1])[20] == "active"
