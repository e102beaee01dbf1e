"""The compiled make: `irqframe._native` has what happens per interrupt, here is what happens once in a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from irqframe import _native
from irqframe.bits import _replay
from irqframe.bits._replay import Fields
from irqframe.bits._saved import read_counts, read_order, read_priority, read_state
from irqframe.bits._target import PENDING, STATE_BITS, Target

if TYPE_CHECKING:
    from typing_extensions import Buffer


class LowestFirst(_native.LowestFirst):
    """Delivers the lowest INTID first."""

    __slots__ = ()

    def save(self) -> dict[str, Any]:
        """The state as plain data: the bytes in hexadecimal, and the counters."""
        return _saved(self)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned, from a target of the same size and policy.

        Raises:
            ValueError: if it does not fit; nothing has changed then.
        """
        state = read_state(saved, len(self.state), STATE_BITS)
        counts = read_counts(saved)
        self._load(state)
        self.raised, self.coalesced, self.delivered = counts


class Fifo(_native.Fifo):
    """Delivers first what became deliverable first.

    An interrupt that is raised again while it waits keeps its place; one that was masked and is unmasked goes to the
    end.
    """

    __slots__ = ()

    def save(self) -> dict[str, Any]:
        """The state as plain data: the bytes in hexadecimal, the counters, and the order of delivery."""
        return _saved(self) | {"order": self.order()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned, from a target of the same size and policy.

        Raises:
            ValueError: if it does not fit; nothing has changed then.
        """
        state = read_state(saved, len(self.state), STATE_BITS)
        counts = read_counts(saved)
        self._load(state, read_order(saved, [intid for intid, byte in enumerate(state) if byte == PENDING]))
        self.raised, self.coalesced, self.delivered = counts


class Priority(_native.Priority):
    """Delivers the most urgent interrupt first, the lowest INTID among equals."""

    __slots__ = ()

    def save(self) -> dict[str, Any]:
        """The state as plain data: the bytes and the priorities in hexadecimal, and the counters."""
        return _saved(self) | {"priority": self.priority.hex()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned, from a target of the same size and policy.

        Raises:
            ValueError: if it does not fit; nothing has changed then.
        """
        size = len(self.state)
        priority = read_priority(saved, size)
        state = read_state(saved, size, STATE_BITS)
        counts = read_counts(saved)
        self._load(state, priority)
        self.raised, self.coalesced, self.delivered = counts

    def replace(self, state: bytes | bytearray, priority: bytes | bytearray, /) -> None:
        """Give every interrupt another byte and another priority, which costs less than to change many; uncounted.

        Raises:
            ValueError: if there is not one of each for every interrupt, or a byte has bits that mean nothing; nothing
                has changed then.
        """
        self._load(state, priority)


COMPILED: Final = (LowestFirst, Fifo, Priority)

for _policy in COMPILED:
    Target.register(_policy)


def replay(targets: Sequence[Any], records: Buffer | Iterable[Fields], out: Buffer | None = None) -> int:
    """Do what records say; as the make in Python does, which takes over where a target is not of this make.

    A buffer is replayed without the GIL. Who calls one of the targets meanwhile gets a RuntimeError.
    """
    targets = tuple(targets)
    run = _native.replay if all(type(target) in COMPILED for target in targets) else _replay.run
    return _replay.checked(*run(targets, records, out))


replay.__doc__ = _replay.replay.__doc__


def _saved(target: LowestFirst | Fifo | Priority) -> dict[str, Any]:
    return {
        "state": target.state.hex(),
        "raised": target.raised,
        "coalesced": target.coalesced,
        "delivered": target.delivered,
    }
