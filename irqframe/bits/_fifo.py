"""Delivery in the order in which interrupts became deliverable.

The queue keeps an entry for an interrupt that was withdrawn until it comes to the front: each entry carries the number
of the turn it was made for, and is stale if the interrupt's turn is another by then. So nothing searches the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from irqframe.bits._saved import read_order
from irqframe.bits._target import MASKED, Target


class Fifo(Target):
    """Delivers first what became deliverable first.

    An interrupt that is raised again while it waits keeps its place; one that was masked and is unmasked goes to the
    end.
    """

    __slots__ = ("_most", "_queue", "_turn", "_turns")

    def __init__(self, size: int, initial: int = MASKED) -> None:
        super().__init__(size, initial)
        self._queue: deque[tuple[int, int]] = deque()
        self._turns: dict[int, int] = {}
        self._turn = 0
        self._most = 2 * size

    def first(self) -> int:
        """The interrupt that has been deliverable for longest, -1 if there is none."""
        queue = self._queue
        turns = self._turns
        while queue:
            intid, turn = queue[0]
            if turns.get(intid) == turn:
                return intid
            queue.popleft()
        return -1

    def order(self) -> list[int]:
        """The deliverable interrupts in the order of delivery."""
        return [intid for intid, turn in self._queue if self._turns.get(intid) == turn]

    def save(self) -> dict[str, Any]:
        """As `Target.save`, with the order of delivery."""
        return super().save() | {"order": self.order()}

    def _enter(self, intid: int) -> None:
        self._turn = turn = self._turn + 1
        self._turns[intid] = turn
        queue = self._queue
        queue.append((intid, turn))
        # Stale entries are dropped at the front; were they only ever withdrawn behind it, they would pile up.
        if len(queue) > self._most:
            turns = self._turns
            self._queue = deque(entry for entry in queue if turns.get(entry[0]) == entry[1])

    def _leave(self, intid: int) -> None:
        del self._turns[intid]

    def _forget(self) -> None:
        self._queue.clear()
        self._turns.clear()

    def _checked_order(self, saved: Mapping[str, Any], state: bytes) -> list[int]:
        return read_order(saved, super()._checked_order(saved, state))
