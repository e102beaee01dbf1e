"""Reset, save and restore."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe import Injected, PluginError, VmError, hookimpl
from irqframe.vm import VCpu, Vm

# Reset


def test_reset_of_the_vm(chip: Any, vm: Vm) -> None:
    with vm.adopted():
        vm.inject(1, 40, 1)
        vm.reset()
    assert [entry for entry in chip.log if entry[0] == "reset"] == [("reset", 0), ("reset", 1), ("reset", None)]
    assert vm.vcpus[1].chip == set()


def test_reset_of_a_vcpu_runs_under_its_ownership(chip: Any, vm: Vm) -> None:
    owned = []
    original = chip.record

    def record(name: str, *what: Any) -> None:
        original(name, *what)
        owned.append((name, vm.vcpus[0].owned))

    chip.record = record
    vm.reset_vcpu(vm.vcpus[0])
    assert ("reset", True) in owned
    assert all(was for _, was in owned)


def test_reset_without_the_callback(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    refused(errno.EOPNOTSUPP, make_vm(without("reset")).reset)


# Save and restore


def test_round_trip_through_json(chip: Any, make_vm: Callable[..., Vm], vm: Vm) -> None:
    with vm.adopted():
        vm.inject(0, 40, 1)
        vm.inject(1, 41, 1)
    text = json.dumps(vm.save_state())
    other = make_vm(type(chip)())
    other.restore_state(json.loads(text))
    assert [vcpu.chip for vcpu in other.vcpus] == [{40}, {41}]
    assert json.dumps(other.save_state()) == text


def test_form_of_a_saved_state(vm: Vm) -> None:
    assert vm.save_state() == {
        "version": 1,
        "irqchip": "recording",
        "shared": {"version": 1},
        "vcpus": [
            {"vcpu_id": 0, "mpidr": 0, "state": {"version": 1, "pending": []}},
            {"vcpu_id": 1, "mpidr": 1, "state": {"version": 1, "pending": []}},
        ],
    }


def test_what_was_posted_is_in_the_saved_state(vm: Vm) -> None:
    assert vm.inject(0, 40, 1) is Injected.POSTED
    assert vm.save_state()["vcpus"][0]["state"]["pending"] == [40]
    with vm.adopted():
        vm.vcpus[0].post(lambda: vm.vcpus[0].chip.add(41))
        assert vm.save_state()["vcpus"][0]["state"]["pending"] == [40, 41]


def test_what_was_posted_before_restoring_is_gone(vm: Vm) -> None:
    state = vm.save_state()
    vm.inject(0, 40, 1)
    vm.restore_state(state)
    with vm.adopted():
        vm.drain_owned()
        assert vm.vcpus[0].chip == set()


def test_restored_vcpu_computes_its_lines_again(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.enter()
    state = vm.save_state()
    state["vcpus"][0]["state"]["pending"] = [40]
    vm.restore_state(state)
    assert vcpu.requests  # the guest must be left
    vcpu.leave()
    vcpu.enter()
    assert vcpu.irq_line
    vcpu.put()


@pytest.mark.parametrize("lacking", ["save_state", "restore_state"])
def test_without_the_callback(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None], lacking: str
) -> None:
    vm = make_vm(without(lacking))
    if lacking == "save_state":
        refused(errno.EOPNOTSUPP, vm.save_state)
    else:
        refused(errno.EOPNOTSUPP, vm.restore_state, vm.save_state())


def damaged(vm: Vm) -> Iterator[Any]:
    """Every way in which a saved state can be of the wrong shape, each with what was done to it."""
    yield "no mapping", []
    yield "nothing", None
    for key in ("version", "irqchip", "shared", "vcpus"):
        for value in (None, 2, "x", [], [None], {}):
            if not (key == "shared" and value == {}):
                yield f"{key} = {value!r}", vm.save_state() | {key: value}
    for key in ("vcpu_id", "mpidr", "state"):
        for value in (None, -1, "x", []):
            state = vm.save_state()
            state["vcpus"][1][key] = value
            yield f"vcpus[1].{key} = {value!r}", state
    state = vm.save_state()
    state["vcpus"].reverse()
    yield "vCPUs in another order", state
    state = vm.save_state()
    state["vcpus"].pop()
    yield "a vCPU less", state


def test_damaged_states_are_refused_and_change_nothing(vm: Vm) -> None:
    with vm.adopted():
        vm.inject(0, 40, 1)
    before = vm.save_state()
    for what, state in damaged(vm):
        with pytest.raises(VmError) as caught:
            vm.restore_state(state)
        assert caught.value.errno == errno.EINVAL, what
        assert vm.save_state() == before, what


def test_a_part_that_the_irqchip_refuses_undoes_the_others(vm: Vm) -> None:
    with vm.adopted():
        vm.inject(0, 40, 1)
    before = vm.save_state()
    state = vm.save_state()
    state["vcpus"][0]["state"]["pending"] = [50]
    state["vcpus"][1]["state"]["pending"] = "fifty"
    with pytest.raises(VmError, match="pending"):
        vm.restore_state(state)
    assert vm.save_state() == before


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def test_anything_that_json_can_say_is_refused(vm: Vm) -> None:
    @given(values)
    def refuses(state: Any) -> None:
        with pytest.raises(VmError):
            vm.restore_state(state)

    refuses()


def test_irqchip_that_saves_no_mapping(chip: Any, make_vm: Callable[..., Vm]) -> None:
    class Odd(type(chip)):
        @hookimpl
        def irqchip_save_state(self, vm: Vm, vcpu: VCpu) -> Any:
            return "state"

    with pytest.raises(PluginError, match="irqchip_save_state"):
        make_vm(Odd()).save_state()
