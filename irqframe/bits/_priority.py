"""Delivery by priority, then by INTID: the lowest value is the most urgent, as on a GIC.

For each of the 256 priorities there is a set of waiting interrupts, kept as a heap that may hold stale entries; an
integer has one bit per priority in use. Selection is the lowest bit and the front of one heap: it does not look at the
other interrupts, however many wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Final

from irqframe.bits._saved import read_priority
from irqframe.bits._target import MASKED, PENDING, STATE_BITS, Target, no_intid

PRIORITIES: Final = 256
"""Priority values are 0 (most urgent) to 255."""


class Priority(Target):
    """Delivers the most urgent interrupt first, the lowest INTID among equals.

    Attributes:
        priority: of each interrupt; change it with `set_priority` only.
    """

    __slots__ = ("_heaps", "_used", "_waiting", "priority")

    def __init__(self, size: int, initial: int = MASKED) -> None:
        super().__init__(size, initial)
        self.priority = bytearray(size)
        self._heaps: dict[int, list[int]] = {}
        self._waiting: dict[int, int] = {}
        self._used = 0

    def set_priority(self, intid: int, priority: int, /) -> None:
        """Give an interrupt a priority; one that waits moves to its new place.

        Args:
            intid: 0 to size - 1.
            priority: 0 to 255.

        Raises:
            ValueError: for another priority; nothing has changed then.
        """
        if not 0 <= priority < PRIORITIES:
            raise ValueError(f"priority {priority} is not in 0..{PRIORITIES - 1}")
        if intid < 0:
            raise no_intid(intid)
        priorities = self.priority
        before = priorities[intid]
        priorities[intid] = priority
        if self.state[intid] == PENDING and before != priority:
            priorities[intid] = before
            self._leave(intid)
            priorities[intid] = priority
            self._enter(intid)

    def first(self) -> int:
        """The most urgent deliverable interrupt, -1 if there is none."""
        used = self._used
        if not used:
            return -1
        level = (used & -used).bit_length() - 1
        heap = self._heaps[level]
        state = self.state
        priority = self.priority
        while state[heap[0]] != PENDING or priority[heap[0]] != level:
            heappop(heap)
        return heap[0]

    def first_priority(self) -> int:
        """Priority of `first`, 256 if there is none: it needs no search at all."""
        used = self._used
        return (used & -used).bit_length() - 1 if used else PRIORITIES

    def save(self) -> dict[str, Any]:
        """As `Target.save`, with the priorities in hexadecimal."""
        return super().save() | {"priority": self.priority.hex()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned.

        Raises:
            ValueError: if it does not fit; nothing has changed then.
        """
        priority = read_priority(saved, len(self.priority))
        before = bytes(self.priority)
        self.priority[:] = priority
        try:
            super().restore(saved)
        except ValueError:
            self.priority[:] = before
            raise

    def replace(self, state: bytes | bytearray, priority: bytes | bytearray, /) -> None:
        """Give every interrupt another byte and another priority, which costs less than to change many; uncounted.

        Raises:
            ValueError: if there is not one of each for every interrupt, or a byte has bits that mean nothing; nothing
                has changed then.
        """
        if len(priority) != len(self.priority):
            raise ValueError("there must be a priority for every interrupt")
        if len(state) != len(self.state):
            raise ValueError("there must be a state byte for every interrupt")
        if max(state, default=0) > STATE_BITS:
            raise ValueError("a state byte has bits that mean nothing")
        self.priority[:] = priority
        self._take(state, [intid for intid, byte in enumerate(state) if byte == PENDING])

    def reset(self) -> None:
        """As `Target.reset`; every priority is 0."""
        self.priority[:] = bytes(len(self.priority))
        super().reset()

    def _enter(self, intid: int) -> None:
        level = self.priority[intid]
        count = self._waiting.get(level, 0)
        self._waiting[level] = count + 1
        if not count:
            # What is left of a heap whose interrupts have all gone is stale.
            self._used |= 1 << level
            self._heaps[level] = [intid]
            return
        heap = self._heaps[level]
        heappush(heap, intid)
        # An entry outlives its interrupt's turn until it is at the front: keep the heap from filling with such.
        if len(heap) > 2 * count + 64:
            live = {i for i in heap if self.state[i] == PENDING and self.priority[i] == level}
            heap[:] = live
            heapify(heap)

    def _leave(self, intid: int) -> None:
        level = self.priority[intid]
        count = self._waiting[level] - 1
        self._waiting[level] = count
        if not count:
            self._used &= ~(1 << level)

    def _rebuild(self, order: list[int]) -> None:
        # As often `_enter`, without a heap's work: what is in order is a heap.
        self.deliverable = len(order)
        priority, heaps = self.priority, self._heaps
        for intid in order:
            heaps.setdefault(priority[intid], []).append(intid)
        self._waiting = {level: len(heap) for level, heap in heaps.items()}
        self._used = sum(1 << level for level in heaps)

    def _forget(self) -> None:
        self._heaps.clear()
        self._waiting.clear()
        self._used = 0
