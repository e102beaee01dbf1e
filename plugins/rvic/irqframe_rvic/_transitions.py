"""The four states of an interrupt, and what each event makes of them.

1. `TRANSITIONS` is the state machine. A pair that it does not have cannot happen.
2. What the code runs is derived from it: for each event the method of `irqframe.bits.Target` whose effect on the state
   byte is the table's, for every state. A table that no such method serves is refused when this module is imported.
3. The state diagram in the documentation is drawn from the same table.

Only a deliverable interrupt can be acknowledged. There is no active state: the end of an interrupt is UNMASK. An
interrupt that is signalled between ACKNOWLEDGE and UNMASK waits as MASKED_PENDING.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from irqframe.bits import MASKED, PENDING, Target
from irqframe.errors import PluginError


class State(IntEnum):
    """State of one interrupt; the value is its byte in a `Target`."""

    IDLE = 0
    PENDING = PENDING
    """Deliverable."""
    MASKED = MASKED
    """The state after reset."""
    MASKED_PENDING = MASKED | PENDING


class Event(Enum):
    """What can happen to an interrupt."""

    SIGNAL = "SIGNAL"
    """RVIC_SIGNAL, an injection, an rVID input, or RVIC_RESAMPLE of a line that is high."""
    CLEAR_PENDING = "CLEAR_PENDING"
    MASK = "SET_MASKED"
    UNMASK = "CLEAR_MASKED"
    ACKNOWLEDGE = "ACKNOWLEDGE"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = MappingProxyType(
    {
        (State.IDLE, Event.SIGNAL): State.PENDING,
        (State.IDLE, Event.CLEAR_PENDING): State.IDLE,
        (State.IDLE, Event.MASK): State.MASKED,
        (State.IDLE, Event.UNMASK): State.IDLE,
        (State.PENDING, Event.SIGNAL): State.PENDING,
        (State.PENDING, Event.CLEAR_PENDING): State.IDLE,
        (State.PENDING, Event.MASK): State.MASKED_PENDING,
        (State.PENDING, Event.UNMASK): State.PENDING,
        (State.PENDING, Event.ACKNOWLEDGE): State.MASKED,
        (State.MASKED, Event.SIGNAL): State.MASKED_PENDING,
        (State.MASKED, Event.CLEAR_PENDING): State.MASKED,
        (State.MASKED, Event.MASK): State.MASKED,
        (State.MASKED, Event.UNMASK): State.IDLE,
        (State.MASKED_PENDING, Event.SIGNAL): State.MASKED_PENDING,
        (State.MASKED_PENDING, Event.CLEAR_PENDING): State.MASKED,
        (State.MASKED_PENDING, Event.MASK): State.MASKED_PENDING,
        (State.MASKED_PENDING, Event.UNMASK): State.PENDING,
    }
)


class Operation(NamedTuple):
    """A change that a `Target` can make to a state byte.

    Attributes:
        set: bits it sets.
        clear: bits it clears.
        method: name of the `Target`'s method, which counts what is to be counted.
        arguments: after the INTID.
        selects: whether the target chooses the interrupt itself, among the deliverable ones.
    """

    set: int
    clear: int
    method: str
    arguments: tuple[int, ...] = ()
    selects: bool = False

    def result(self, state: State) -> State:
        """What the operation makes of a state."""
        return State(state & ~self.clear | self.set)

    def bind(self, target: Target) -> Callable[..., int]:
        """The operation on `target`: (INTID) -> something, or () -> INTID if it selects."""
        method: Callable[..., int] = getattr(target, self.method)
        if not self.arguments:
            return method
        extra = self.arguments
        return lambda intid: method(intid, *extra)


_OPERATIONS: Final = (
    Operation(set=PENDING, clear=0, method="pend"),
    Operation(set=0, clear=PENDING, method="clear", arguments=(PENDING,)),
    Operation(set=MASKED, clear=0, method="mask"),
    Operation(set=0, clear=MASKED, method="unmask"),
    Operation(set=MASKED, clear=PENDING, method="acknowledge", selects=True),
)


def derive(transitions: Mapping[tuple[State, Event], State]) -> Mapping[Event, Operation]:
    """Find for each event the operation that does what the table says.

    Args:
        transitions: (state, event) -> next state.

    Returns:
        The operation of every event.

    Raises:
        PluginError: if the table asks for what no operation of a `Target` does.
    """
    return MappingProxyType({event: _serves(event, transitions) for event in Event})


def _serves(event: Event, transitions: Mapping[tuple[State, Event], State]) -> Operation:
    rows = {before: after for (before, of), after in transitions.items() if of is event}
    for operation in _OPERATIONS:
        # An operation that selects only ever meets a deliverable interrupt; any other must serve every state.
        met = {State.PENDING} if operation.selects else set(State)
        if rows.keys() == met and all(operation.result(before) is after for before, after in rows.items()):
            return operation
    raise PluginError("rvic", f"no operation of a target does what the transition table says of {event.value}")


OPERATIONS: Final = derive(TRANSITIONS)
"""What the code runs, by event."""
