"""Reset, and state as plain data: what is saved comes back, and what is damaged changes nothing."""

from __future__ import annotations

import copy
import errno
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.errors import VmError

OPERATIONS = ("RVIC_SIGNAL", "RVIC_CLEAR_PENDING", "RVIC_SET_MASKED", "RVIC_CLEAR_MASKED")
KINDS = [
    {},
    {"order": "fifo"},
    {"level_inputs": True, "priorities": True},
    {"quirks": ["as-is"]},
]

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 1), st.integers(0, 63)),
        st.tuples(st.just("ack"), st.integers(0, 1), st.just(0)),
        st.tuples(st.sampled_from(["RVIC_ENABLE", "RVIC_DISABLE"]), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("line"), st.integers(0, 1), st.integers(16, 31)),
        st.tuples(st.just("map"), st.integers(0, 31), st.integers(32, 63)),
        st.tuples(st.just("input"), st.integers(0, 31), st.integers(0, 1)),
        st.tuples(st.just("trigger"), st.integers(0, 31), st.sampled_from([1, 4])),
        st.tuples(st.just("priority"), st.integers(0, 63), st.integers(0, 255)),
    ),
    max_size=40,
)


def play(made: Any, script: list[tuple[str, int, int]]) -> None:
    for what, a, b in script:
        if what in OPERATIONS:
            made.hvc(what, made.mpidr(a), b)
        elif what == "ack":
            made.hvc("RVIC_ACKNOWLEDGE", cpu=a)
        elif what == "line":
            made.vm.inject(a, b, b & 1)
        elif what == "map":
            made.hvc("RVID_MAP", a, made.mpidr(a & 1), b)
        elif what == "input":
            made.vm.set_irq(a, b)
        elif what == "trigger":
            made.hvc("RVID_SET_TRIGGER", a, b)
        elif what == "priority":
            made.hvc("RVIC_SET_PRIORITY", 0, a, b)
        else:
            made.hvc(what, cpu=a)


def without_k21(kind: dict[str, Any]) -> dict[str, Any]:
    from irqframe_rvic import Rvic

    return {"quirks": sorted(Rvic.quirks.keys() - {"K21"}), "order": "fifo"} if kind.get("quirks") else kind


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps, after=steps)
def test_restored_machine_goes_on_as_the_first_did(machine: Any, kind: dict[str, Any], script: Any, after: Any) -> None:
    first, second = machine(**without_k21(kind)), machine(**without_k21(kind))
    play(first, script)
    state = json.loads(json.dumps(first.vm.save_state()))
    second.vm.restore_state(state)
    assert second.vm.save_state() == first.vm.save_state()
    play(first, after)
    play(second, after)
    assert second.vm.save_state() == first.vm.save_state()
    assert [cpu.irq_line for cpu in second.vm.vcpus] == [cpu.irq_line for cpu in first.vm.vcpus] or not after


def used(machine: Any, **kwargs: Any) -> Any:
    made = machine(**kwargs)
    made.enable()
    for intid in (30, 10, 20):
        made.deliverable(intid)
    made.deliverable(40, cpu=1)
    made.ok("RVID_MAP", 3, made.mpidr(1), 40)
    made.vm.inject(0, 25, 1)
    made.ok("RVIC_DISABLE", cpu=1)
    made.vm.inject(1, 26, 1)
    made.vm.set_irq(3, 1)
    return made


def test_one_vcpus_state_is_its_own(machine: Any) -> None:
    made = used(machine)
    before = made.vm.save_state()
    changed = copy.deepcopy(before)
    changed["vcpus"][1]["state"]["enabled"] = True
    changed["vcpus"][1]["state"]["target"]["state"] = "03" * 64
    made.vm.restore_state(changed)
    after = made.vm.save_state()
    assert after["vcpus"][0] == before["vcpus"][0]
    assert after["shared"] == before["shared"]
    assert after["vcpus"][1]["state"]["target"]["state"] == "03" * 64


HOSTILE: list[Any] = [
    None,
    True,
    False,
    -1,
    2,
    1 << 70,
    1.5,
    "",
    "zz",
    "00",
    "ff" * 64,
    [],
    [1],
    {},
    {"a": 1},
    [[0, 99]] * 32,
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, one in value.items():
            found += places(one, (*path, key))
    elif isinstance(value, list):
        for n, one in enumerate(value[:4]):
            found += places(one, (*path, n))
    return found


@pytest.mark.parametrize("kind", [{}, {"order": "fifo"}, {"level_inputs": True, "priorities": True}])
def test_damaged_state_is_refused_and_changes_nothing(machine: Any, kind: dict[str, Any]) -> None:
    made = used(machine, **kind)
    before = made.vm.save_state()
    refused = 0
    for part, cpu in [(before["shared"], None), (before["vcpus"][0]["state"], made.cpu(0))]:
        for path in places(part):
            for value in HOSTILE:
                damaged = copy.deepcopy(part)
                holder = damaged
                for key in path[:-1]:
                    holder = holder[key]
                if holder[path[-1]] == value and type(holder[path[-1]]) is type(value):
                    continue
                holder[path[-1]] = value
                try:
                    made.chip.irqchip_restore_state(made.vm, cpu, damaged)
                except VmError as error:
                    assert error.errno == errno.EINVAL
                    refused += 1
                    assert made.vm.save_state() == before, (path, value)
                else:
                    made.vm.restore_state(before)  # a change that is a good state too
        for bad in (None, [], "state", 7):
            with pytest.raises(VmError):
                made.chip.irqchip_restore_state(made.vm, cpu, bad)
    assert refused > 200


@pytest.mark.parametrize(
    "other",
    [{"total": 96}, {"trusted": 64, "total": 128}, {"order": "fifo"}, {"level_inputs": True}, {"priorities": True}],
)
def test_state_of_another_set_up_is_refused(machine: Any, other: dict[str, Any]) -> None:
    state = machine().vm.save_state()
    with pytest.raises(VmError) as caught:
        machine(**other).vm.restore_state(state)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "entry", [[0, 31], [0, 64], [0, -1], [2, 40], [-1, 40], [0, 40.0], [True, 40], [0], [0, 40, 1], 7]
)
def test_map_entries_that_lead_nowhere_are_refused(machine: Any, entry: Any) -> None:
    made = used(machine)
    before = made.vm.save_state()
    shared = copy.deepcopy(before["shared"])
    shared["map"][0] = [1, 50]
    shared["map"][5] = entry
    with pytest.raises(VmError) as caught:
        made.chip.irqchip_restore_state(made.vm, None, shared)
    assert caught.value.errno == errno.EINVAL
    assert made.vm.save_state() == before


def test_bits_of_other_irqchips_are_refused(machine: Any) -> None:
    made = machine()
    state = made.vm.save_state()["vcpus"][0]["state"]
    state["target"]["state"] = "04" + state["target"]["state"][2:]
    with pytest.raises(VmError, match="no rVIC interrupt has"):
        made.chip.irqchip_restore_state(made.vm, made.cpu(0), state)


def test_any_level_that_was_injected_is_saved_as_0_or_1(machine: Any) -> None:
    made = machine()
    inject = made.vm.flow.table.inject_irq  # the VM's own methods pass 0 and 1 only
    made.enable()
    for intid, level in ((20, 2), (21, -1), (22, 1 << 40), (23, 0)):
        inject(made.vm, 0, intid, level, None)
    assert [made.cpu(0).chip.level(intid) for intid in range(20, 24)] == [True, True, True, False]
    state = json.loads(json.dumps(made.vm.save_state()))
    again = machine()
    again.vm.restore_state(state)
    assert again.vm.save_state() == state


def test_reset_of_a_vcpu_is_its_own(machine: Any) -> None:
    made = used(machine)
    fresh = machine().vm.save_state()
    before = made.vm.save_state()
    made.vm.reset_vcpu(made.cpu(1))
    after = made.vm.save_state()
    assert after["vcpus"][0] == before["vcpus"][0]
    assert after["shared"] == before["shared"]
    lines = after["vcpus"][1]["state"].pop("lines")
    fresh["vcpus"][1]["state"].pop("lines")
    assert after["vcpus"][1] == fresh["vcpus"][1]
    assert bytes.fromhex(lines)[26] == 1  # the device's line is still high
    assert not made.cpu(1).irq_line


def test_reset_of_the_machine(machine: Any) -> None:
    made = used(machine, level_inputs=True)
    made.ok("RVID_SET_TRIGGER", 3, 4)
    made.vm.reset()
    shared = made.vm.save_state()["shared"]
    assert shared["map"] == [None] * 32
    assert set(shared["level_triggered"]) == {"0"}
    made.enable()
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 26)
    assert made.ack(1) == 26  # ENABLE sampled the line


# What the guest has acknowledged


def test_what_was_delivered_outlives_a_reset_and_a_restored_state(machine: Any) -> None:
    made = machine(cpus=2)
    made.enable()
    before = made.vm.save_state()
    taken: list[int | None] = []
    for intid in (20, 40, 20, 3):
        made.deliverable(intid, cpu=1)
        taken.append(made.ack(cpu=1))
    assert taken == [20, 40, 20, 3] and made.ack(cpu=1) is None
    delivered = {20: 2, 40: 1, 3: 1}
    assert made.vm.flow.call("delivered", made.cpu(1)) == delivered
    assert made.vm.flow.call("delivered", made.cpu(0)) == {}
    made.vm.reset_vcpu(made.cpu(1))
    made.vm.restore_state(before)
    assert made.counters(1).delivered == 0
    assert made.vm.flow.call("delivered", made.cpu(1)) == delivered


def test_what_was_delivered_is_a_snapshot(machine: Any) -> None:
    made = machine(cpus=1)
    made.enable()
    made.vm.flow.call("delivered", made.cpu(0))[20] = 7
    made.deliverable(20)
    assert made.ack() == 20 and made.vm.flow.call("delivered", made.cpu(0)) == {20: 1}
