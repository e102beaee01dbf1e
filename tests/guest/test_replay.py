"""A recording made again: the same on the machine it was recorded on, whole on any other, and whatever it says."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqframe import GuestError
from irqframe.dt import load
from irqframe.flow import Injected, discover
from irqframe.guest import Outcome, Replay, ScriptedCpu, Workload
from irqframe.guest import _replay as module
from irqframe.guest._recorded import Recordings
from irqframe.machine import Machine, build, load_machine, retarget
from irqframe.observe import JsonLines, Step, Steps
from irqframe.vm import Vm

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CHIPS = ("rvic", "gicv2", "gicv3")
CPUS = 4


@cache
def on(chip: str) -> Machine:
    """The machine of the examples, with an irqchip."""
    plugins = discover({})
    machine = load_machine(load(str(EXAMPLES / "virt-rvic.dts")), plugins)
    return load_machine(retarget(machine, next(one for one in plugins if one.name == chip)), plugins)


Told = list[tuple[int, str, str]]


class Recording(NamedTuple):
    text: str
    outcome: Outcome

    @property
    def steps(self) -> list[Step]:
        return list(Steps(io.BytesIO(self.text.encode()), "trace"))

    @property
    def told(self) -> Told:
        return [step[:3] for step in self.steps]


def recorded(chip: str, events: int, seed: int, *, traps: bool = True) -> Recording:
    stream = io.StringIO()
    lines = JsonLines(stream)

    def observe(vm: Vm) -> None:
        if traps:
            vm.trap_observer = lambda vcpu, what, name: lines.record(0, vcpu.index, what, -1, name)

    machine = on(chip)
    vm = build(machine, prepare=observe)
    with vm.adopted():
        driver = vm.flow.call("guest_driver", vm)
        watch = lambda vcpu, kind, intid, source: lines.record(0, vcpu, kind, intid, source)  # noqa: E731
        outcome = Workload(machine, vm, driver, seed, watch).run(events)
    return Recording(stream.getvalue(), outcome)


def replayed(machine: Machine, steps: Iterable[Step], told: Told | None = None) -> Replay:
    vm = build(machine)
    with vm.adopted():
        driver = vm.flow.call("guest_driver", vm)
        watch = None if told is None else lambda vcpu, kind, intid, source: told.append((vcpu, kind, source))
        replay = Replay(machine, vm, driver, watch)
        replay.run(steps)
    return replay


def accounts(outcome: Outcome) -> list[object]:
    return [
        (one.name, one.raised, one.delivered, one.coalesced, one.dropped, one.waiting)
        for one in sorted(outcome.accounts, key=lambda one: one.name)
    ]


# The machine that was recorded


@settings(max_examples=10)
@given(st.sampled_from(CHIPS), st.integers(1, 900), st.integers(0, 2**32))
def test_on_the_same_machine_everything_is_as_it_was(chip: str, events: int, seed: int) -> None:
    recording = recorded(chip, events, seed)
    told: Told = []
    replay = replayed(on(chip), recording.steps, told)
    assert told == recording.told
    assert accounts(replay.outcome) == accounts(recording.outcome)
    assert replay.raises == replay.outcome.events == recording.outcome.events
    assert replay.outcome.moves == recording.outcome.moves
    assert replay.outcome.handled == recording.outcome.handled
    assert not replay.unmade and not replay.contradictions
    assert all(one.same for one in replay.compared())


@pytest.mark.parametrize("chip", CHIPS)
def test_nobody_need_watch(chip: str) -> None:
    recording = recorded(chip, 500, 1)
    assert accounts(replayed(on(chip), recording.steps).outcome) == accounts(recording.outcome)


@pytest.mark.parametrize("chip", CHIPS)
def test_what_is_compared_is_what_the_recorded_run_counted(chip: str) -> None:
    """The recording's account comes from its lines alone; the recorded run's own is the witness."""
    recording = recorded(chip, 2000, 3)
    rows = {one.name: one for one in replayed(on(chip), recording.steps).compared()}
    for account in recording.outcome.accounts:
        row = rows[account.name]
        assert (row.raised[0], row.delivered[0]) == (account.raised, sum(account.delivered))


# Another machine


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("other", CHIPS)
def test_another_irqchip_accounts_for_every_raise(chip: str, other: str) -> None:
    recording = recorded(chip, 1500, 5)
    replay = replayed(on(other), recording.steps)
    assert replay.outcome.fault == ""
    assert replay.outcome.events == replay.raises == recording.outcome.events
    differ = [one for one in replay.compared() if not one.same]
    # An rVIC drops what the script raises for a CPU that is off, a GIC keeps it.
    assert len(differ) == (0 if chip == other or "rvic" not in (chip, other) else 1)
    assert all(abs(one.delivered[0] - one.delivered[1]) <= 1 for one in differ)
    assert not replay.contradictions


@settings(max_examples=8)
@given(st.sampled_from(CHIPS), st.sampled_from(CHIPS), st.integers(0, 2**32))
def test_without_its_traps_a_recording_replays_too(chip: str, other: str, seed: int) -> None:
    recording = recorded(chip, 500, seed, traps=False)
    replay = replayed(on(other), recording.steps)
    assert (replay.outcome.events, replay.outcome.fault) == (recording.outcome.events, "")


def test_a_machine_without_the_devices() -> None:
    virt = load_machine(load(str(EXAMPLES / "virt-gicv2.dts")), discover({}))
    replay = replayed(virt, recorded("rvic", 500, 1).steps)
    assert replay.outcome.fault == ""
    left_out = {name for name, reason in replay.unmade if reason == module.NO_SOURCE}
    assert {"serial@9000000", "pmu"} <= left_out and "IPI 0" not in left_out
    assert replay.outcome.events == replay.raises - sum(replay.unmade.values()) > 0
    assert replay.moves[1] < replay.moves[0]


# What steps mean


def step(kind: str, source: str = "", vcpu: int = 0, trapped: bool = True) -> Step:
    return Step(vcpu, kind, source, trapped)


DISK, EDGE = "virtio@a000000", "virtio@a000200"


@pytest.mark.parametrize("chip", CHIPS)
def test_the_guest_runs_where_a_delivery_was_heard(chip: str) -> None:
    twice = [step("raise", f"{EDGE} LATCHED"), step("raise", f"{EDGE} COALESCED")]
    apart = [twice[0], step("deliver", EDGE), twice[0]]
    assert [one.coalesced for one in replayed(on(chip), twice).outcome.accounts if one.raised] == [1]
    assert [one.coalesced for one in replayed(on(chip), apart).outcome.accounts if one.raised] == [0]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_raise_behind_a_delivery_is_made_within_the_handler(chip: str) -> None:
    told: Told = []
    within = step("raise", f"{EDGE} LATCHED", trapped=False)
    steps = [step("raise", f"{EDGE} LATCHED"), step("deliver", EDGE), within, step("deliver", EDGE)]
    replay = replayed(on(chip), steps, told)
    kinds = [kind for _, kind, _ in told if kind != "move"]
    assert kinds == ["raise", "deliver", "raise", "deliver"]
    assert replay.outcome.events == 2 and all(one.same for one in replay.compared())


def test_one_that_finds_no_such_run_is_made_after_it() -> None:
    within = step("raise", f"{EDGE} LATCHED", trapped=False)
    steps = [step("raise", f"{EDGE} COALESCED"), *[step("deliver", EDGE)] * 3, within, within]
    replay = replayed(on("gicv2"), steps)
    assert replay.raises == replay.outcome.events == 3
    # The first coalesced with none, and the last should have.
    assert replay.contradictions == 2


def test_a_raise_for_another_cpu_moves_its_source_there() -> None:
    told: Told = []
    replayed(on("gicv3"), [step("raise", f"{EDGE} LATCHED", vcpu=vcpu) for vcpu in (1, 2, 2)], told)
    assert [(vcpu, kind) for vcpu, kind, _ in told] == [
        *[(1, "move"), (1, "raise")],
        *[(2, "move"), (2, "raise"), (2, "raise"), (2, "deliver")],
    ]


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([step("raise", "gpu LATCHED")], module.NO_SOURCE),
        ([step("raise", "IPI 99 LATCHED")], module.NO_SOURCE),
        ([step("raise", "input 99999 (unused) DROPPED")], module.NO_SOURCE),
        ([step("raise", "input 01 (unused) DROPPED")], module.NO_SOURCE),
        ([step("raise", "input \u0663 (unused) DROPPED")], module.NO_SOURCE),
        ([step("raise", "input 1 (unused) DROPPED")], module.NO_SOURCE),
        ([step("raise", "LATCHED")], module.NO_SOURCE),
        ([step("raise", "input 40 (unused) DROPPED_UNROUTED")] * 2, module.NOBODY),
        ([step("raise", "")], module.NO_SOURCE),
        ([step("raise", "IPI 0 LATCHED", vcpu=4)], module.NO_CPU),
        ([step("raise", "IPI 0 LATCHED", vcpu=-1)], module.NO_CPU),
        ([step("off", vcpu=1), step("raise", "IPI 0 LATCHED", vcpu=1)], module.CPU_OFF),
        (
            [step("raise", "IPI 0 LATCHED"), *[step("raise", "serial@9000000")] * 2],
            module.LINE_HIGH,
        ),
    ],
)
def test_what_cannot_be_made_is_counted(steps: list[Step], reason: str) -> None:
    replay = replayed(on("rvic"), steps)
    assert [why for _, why in replay.unmade] == [reason]
    assert sum(replay.unmade.values()) == 1
    assert replay.outcome.fault == ""


def test_sources_that_do_not_exist_are_named_up_to_a_number() -> None:
    replay = replayed(on("gicv2"), (step("raise", f"gpu{number} LATCHED") for number in range(1000)))
    assert len(replay.unmade) == module.UNMADE + 1
    assert replay.unmade[None, module.NO_SOURCE] == 1000 - module.UNMADE
    assert sum(replay.unmade.values()) == replay.raises == 1000


@pytest.mark.parametrize("chip", CHIPS)
def test_nothing_is_moved_to_a_cpu_that_is_off(chip: str) -> None:
    told: Told = []
    steps = [
        step("off", vcpu=1),
        step("move", EDGE, vcpu=1),
        step("raise", f"{EDGE} LATCHED", vcpu=1),
        step("on", vcpu=1),
    ]
    replay = replayed(on(chip), steps, told)
    assert [(vcpu, kind) for vcpu, kind, _ in told] == [(1, "off"), (3, "raise"), (1, "on"), (3, "deliver")]
    assert replay.moves == [1, 0]


@pytest.mark.parametrize(("chip", "delivered"), [("rvic", 1), ("gicv2", 2), ("gicv3", 2)])
def test_what_stays_routed_to_a_cpu_that_was_off_works_when_it_is_back(chip: str, delivered: int) -> None:
    """An rVIC drops the first raise, a GIC keeps it, and it is taken before the second."""
    raised = step("raise", f"{EDGE} LATCHED", vcpu=1)
    replay = replayed(on(chip), [step("move", EDGE, vcpu=1), step("off", vcpu=1), raised, step("on", vcpu=1), raised])
    (account,) = (one for one in replay.outcome.accounts if one.raised)
    assert (account.raised, sum(account.delivered), account.coalesced) == (2, delivered, 0)


def test_the_last_cpu_stays_on() -> None:
    replay = replayed(on("rvic"), [step("off", vcpu=cpu) for cpu in (0, 1, 2, 3, 3, 9, -1)] + [step("on", vcpu=3)])
    assert replay.switches == [8, 3]


def test_nothing_at_all() -> None:
    replay = replayed(on("rvic"), [])
    assert (replay.raises, replay.outcome.events, replay.compared()) == (0, 0, [])


def test_deliveries_without_end_let_the_guest_run() -> None:
    def endless() -> Iterator[Step]:
        yield step("raise", f"{EDGE} LATCHED")
        for _ in range(3000):
            yield step("deliver", EDGE)
            yield step("raise", f"{EDGE} LATCHED", trapped=False)

    replay = replayed(on("rvic"), endless())
    assert (replay.raises, replay.outcome.events) == (3001, 3001)
    assert replay.contradictions == 0


names = st.sampled_from(
    [
        DISK,
        EDGE,
        "serial@9000000",
        "pmu",
        "timer (virt)",
        "IPI 0",
        "IPI 3",
        "gpu",
        "input 0 (unused)",
        "input 40 (unused)",
    ]
)
any_step = st.one_of(
    st.builds(
        lambda name, outcome, vcpu, trapped: Step(vcpu, "raise", f"{name} {outcome}", trapped),
        st.one_of(names, st.sampled_from([one.name for one in on("rvic").sources + on("rvic").msis])),
        st.sampled_from(list(Injected.__members__)),
        st.integers(-1, CPUS),
        st.booleans(),
    ),
    st.builds(Step, st.integers(-1, CPUS), st.sampled_from(["deliver", "move"]), names, st.booleans()),
    st.builds(Step, st.integers(-1, CPUS), st.sampled_from(["off", "on"]), st.just(""), st.just(True)),
)


@settings(max_examples=50)
@given(st.sampled_from(CHIPS), st.lists(any_step, max_size=60))
def test_whatever_a_recording_says_is_accounted_for(chip: str, steps: list[Step]) -> None:
    replay = replayed(on(chip), steps)
    assert replay.outcome.fault == ""
    assert replay.raises == sum(one.kind == "raise" for one in steps)
    assert replay.outcome.events + sum(replay.unmade.values()) == replay.raises
    assert not any(one.balance for one in replay.outcome.accounts)


# Teeth


def test_an_irqchip_that_loses_one_is_caught() -> None:
    machine = on("gicv2")
    steps = recorded("gicv2", 600, 1).steps
    vm = build(machine)
    left, edge = 4, 32 + next(one.source.number for one in machine.sources if one.name == EDGE)

    with vm.adopted():
        driver = vm.flow.call("guest_driver", vm)
        replay = Replay(machine, vm, driver)
        take = driver.handler

        def lose(cpu: ScriptedCpu, hwirq: int) -> None:
            nonlocal left
            left -= hwirq == edge
            if left or hwirq != edge:
                take(cpu, hwirq)

        driver.handler = lose
        with pytest.raises(GuestError, match=f"{EDGE} was raised for CPU ., and every CPU"):
            replay.run(steps)
    assert "it is lost" in replay.outcome.fault
    assert replay.compared()


# The recording's own account


def test_a_recording_that_was_cut_contradicts_itself() -> None:
    whole = recorded("rvic", 600, 1).steps
    first = next(index for index, one in enumerate(whole) if one.kind == "deliver")
    assert replayed(on("rvic"), whole).contradictions == 0
    assert replayed(on("rvic"), whole[:first] + whole[first + 1 :]).contradictions == 1


record = st.tuples(
    st.sampled_from(["raise", "deliver"]), st.integers(0, 2), st.integers(-1, 1), st.sampled_from(Injected)
)


@given(st.lists(record, max_size=200))
def test_the_account_of_a_recording_is_one_flag_per_source_and_cpu(
    listed: list[tuple[str, int, int, Injected]],
) -> None:
    """The witness keeps a set."""
    recordings = Recordings(("a", "b", "c"), 2)
    waiting: set[tuple[int, int]] = set()
    delivered: Counter[int] = Counter()
    contradictions = 0
    for what, number, cpu, outcome in listed:
        key = (number, cpu)
        if what == "deliver":
            recordings.records += recordings.deliver(number, cpu)
            delivered[number] += key in waiting
            waiting.discard(key)
            continue
        recordings.records += recordings.raise_(number, cpu, outcome)
        if outcome < Injected.DROPPED:
            is_second = outcome is Injected.COALESCED
            contradictions += outcome > 0 and is_second is not (key in waiting)
            waiting.add(key)
    recordings.replay()
    assert [one.delivered for one in recordings.sources] == [delivered[number] for number in range(3)]
    assert recordings.contradictions == contradictions
    assert not recordings.records
