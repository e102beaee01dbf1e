"""The four states, exhaustively, through the hypercalls; the expected table is written down here a second time."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_rvic._transitions import OPERATIONS, TRANSITIONS, Event, State, derive

from irqframe.bits import Fifo, LowestFirst, Priority, Target
from irqframe.errors import PluginError

# rows: pending, masked; columns: signal, clear, mask, unmask, acknowledge (None: cannot happen)
EXPECTED = {
    "pm": ("Pm", "pm", "pM", "pm", None),
    "Pm": ("Pm", "pm", "PM", "Pm", "pM"),
    "pM": ("PM", "pM", "pM", "pm", None),
    "PM": ("PM", "pM", "PM", "Pm", None),
}
NAMES = ("RVIC_SIGNAL", "RVIC_CLEAR_PENDING", "RVIC_SET_MASKED", "RVIC_CLEAR_MASKED")
WAYS = {"pm": ("U",), "Pm": ("U", "S"), "pM": (), "PM": ("S",)}
STEPS = {"U": "RVIC_CLEAR_MASKED", "S": "RVIC_SIGNAL"}


def dumped(made: Any, intid: int) -> str:
    columns = made.vm.flow.call("debugfs", made.vm)["rvic-0/irqs"].splitlines()[intid].split(" ")
    assert (columns[6] == "Q") == (columns[2:4] == ["P", "m"])
    return str(columns[2] + columns[3])


@pytest.mark.parametrize("order", ["lowest", "fifo", "priorities"])
@pytest.mark.parametrize("before", EXPECTED)
@pytest.mark.parametrize("column", range(5))
def test_transition(machine: Any, order: str, before: str, column: int) -> None:
    made = machine(priorities=True) if order == "priorities" else machine(order=order)
    made.enable(0)
    for step in WAYS[before]:
        made.ok(STEPS[step], 0, 20)
    assert dumped(made, 20) == before
    after = EXPECTED[before][column]
    if column < 4:
        made.ok(NAMES[column], 0, 20)
        assert dumped(made, 20) == after
    elif after is not None:
        assert made.ack() == 20
        assert dumped(made, 20) == after
    else:
        assert made.ack() is None
        assert dumped(made, 20) == before
    assert made.cpu(0).irq_line == (dumped(made, 20) == "Pm")


@pytest.mark.parametrize("before", EXPECTED)
def test_masks_and_pending_change_while_disabled(machine: Any, before: str) -> None:
    made = machine()
    made.enable(0)
    for step in WAYS[before]:
        made.ok(STEPS[step], 0, 20)
    made.ok("RVIC_DISABLE")
    for column in (1, 2, 3):
        made.ok(NAMES[column], 0, 20)
    assert dumped(made, 20) == "pm"
    assert not made.cpu(0).irq_line


def test_the_table_is_the_specifications() -> None:
    letters = {State.IDLE: "pm", State.PENDING: "Pm", State.MASKED: "pM", State.MASKED_PENDING: "PM"}
    found = {
        letters[state]: tuple(
            letters[a] if (a := TRANSITIONS.get((state, event))) is not None else None for event in Event
        )
        for state in State
    }
    assert found == EXPECTED


@pytest.mark.parametrize("policy", [LowestFirst, Fifo, Priority])
@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS))
def test_operations_do_what_the_table_says(policy: type[Target], state: State, event: Event) -> None:
    target = policy(8, initial=0)
    target.set(3, state)
    operate = OPERATIONS[event].bind(target)
    operate() if OPERATIONS[event].selects else operate(3)
    assert target.state[3] == TRANSITIONS[state, event]
    assert target.deliverable == (target.state[3] == State.PENDING)


def test_a_table_that_no_operation_serves_is_refused() -> None:
    odd = dict(TRANSITIONS) | {(State.MASKED, Event.UNMASK): State.PENDING}
    with pytest.raises(PluginError, match="CLEAR_MASKED"):
        derive(odd)
    missing = {pair: after for pair, after in TRANSITIONS.items() if pair != (State.IDLE, Event.MASK)}
    with pytest.raises(PluginError, match="SET_MASKED"):
        derive(missing)


def test_behaviour_follows_from_the_table() -> None:
    """Exchange two events in the table, and the operations derived from it are exchanged."""
    swapped = {Event.MASK: Event.UNMASK, Event.UNMASK: Event.MASK}
    odd = {(state, swapped.get(event, event)): after for (state, event), after in TRANSITIONS.items()}
    found = derive(odd)
    assert found[Event.MASK] == OPERATIONS[Event.UNMASK]
    assert found[Event.UNMASK] == OPERATIONS[Event.MASK]


def drain(made: Any) -> list[int]:
    order = []
    while (intid := made.ack()) is not None:
        order.append(intid)
    return order


@pytest.mark.parametrize(("order", "expected"), [("lowest", [10, 20, 30]), ("fifo", [30, 10, 20])])
def test_order_of_delivery(machine: Any, order: str, expected: list[int]) -> None:
    made = machine(order=order)
    made.enable(0)
    for intid in (30, 10, 20):
        made.deliverable(intid)
    made.ok("RVIC_SIGNAL", 0, 30)  # a signal to one that waits keeps its place
    assert drain(made) == expected


def test_fifo_mask_and_unmask_sends_to_the_end(machine: Any) -> None:
    made = machine(order="fifo")
    made.enable(0)
    for intid in (30, 10, 20):
        made.deliverable(intid)
    made.ok("RVIC_SET_MASKED", 0, 30)
    made.ok("RVIC_CLEAR_MASKED", 0, 30)
    assert drain(made) == [10, 20, 30]


def test_fifo_masked_and_pending_takes_its_place_at_unmask(machine: Any) -> None:
    made = machine(order="fifo")
    made.enable(0)
    made.ok("RVIC_SIGNAL", 0, 5)
    made.deliverable(20)
    made.ok("RVIC_CLEAR_MASKED", 0, 5)
    assert drain(made) == [20, 5]


def test_signal_between_acknowledge_and_unmask_is_latched_once(machine: Any) -> None:
    made = machine()
    made.enable(0)
    made.deliverable(7)
    assert made.ack() == 7
    made.ok("RVIC_SIGNAL", 0, 7)
    made.ok("RVIC_SIGNAL", 0, 7)
    assert made.ack() is None
    made.ok("RVIC_CLEAR_MASKED", 0, 7)
    assert drain(made) == [7]
    assert made.counters().coalesced == 1
    assert made.balance() == 0
