"""Random histories of a GIC: what an operating system and devices do to it, and now and then anything at all.

1. Each sequence has a few interrupts that most of it is about, so that things meet.
2. What was acknowledged is ended, usually the last one first; sometimes something else is.
3. Priorities, masks and binary points come from few values, for which comparisons are close.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from random import Random
from typing import Final, TypeAlias

from oracle.operations import LINE, READ, WRITE, Op

PRIORITIES: Final = (0x00, 0x10, 0x40, 0x48, 0x80, 0xA0, 0xA1, 0xF0, 0xFE, 0xFF)
MASKS: Final = (0xFF, 0xFF, 0xFF, 0xF0, 0xA1, 0x80, 0x41, 0x00)

BITS: Final = (0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380)
"""Registers of one bit per INTID."""
SPECIAL: Final = 1020
"""From here on, an INTID that was read is none."""

#: Does an operation, and returns what it read; None if nothing was read, or the operation is left out.
Do: TypeAlias = Callable[[Op], int | None]
#: How often an action is, in relation to the others, and the action.
Action: TypeAlias = tuple[int, Callable[[], object]]


class Sequence(ABC):
    """One history.

    Args:
        random: where chance comes from.
        do: does an operation.
        cpus: how many CPUs there are.
    """

    def __init__(self, random: Random, do: Do, cpus: int) -> None:
        self._random = random
        self._do = do
        self._cpus = cpus
        self._spis = [32, 287, *random.sample(range(33, 287), 4)]
        self._ppis = random.sample(range(16, 32), 2)
        self._sgis = random.sample(range(16), 3)
        self._acknowledged: list[list[int]] = [[] for _ in range(cpus)]
        self._ended: list[list[int]] = [[] for _ in range(cpus)]

    @abstractmethod
    def set_up(self) -> None:
        """What an operating system does first."""

    @abstractmethod
    def actions(self) -> tuple[Action, ...]:
        """What may happen then."""

    def run(self, length: int) -> None:
        """Set up, usually, then `length` times something."""
        if self._random.random() < 0.95:
            self.set_up()
        weights, actions = zip(*self.actions(), strict=True)
        for action in self._random.choices(actions, weights, k=length):
            action()

    def _write(self, at: int, value: int, cpu: int | None = None, size: int = 4) -> None:
        self._do(Op(WRITE, self._cpu() if cpu is None else cpu, at, value, size))

    def _load(self, at: int, cpu: int | None = None, size: int = 4) -> int | None:
        return self._do(Op(READ, self._cpu() if cpu is None else cpu, at, 0, size))

    def _line(self) -> None:
        intid = self._random.choice(self._spis + self._ppis)
        self._do(Op(LINE, self._cpu(), intid, self._random.randrange(2)))

    def _cpu(self) -> int:
        return self._random.randrange(self._cpus)

    def _any(self) -> int:
        """Mostly one of the interrupts that this is about."""
        if self._random.random() < 0.03:
            return self._random.randrange(1024)
        return self._random.choice(self._spis + self._ppis + self._sgis)

    def _value(self) -> int:
        """32 bits: few, many, or random ones."""
        random = self._random
        return random.choice((0, 0xFFFF_FFFF, 1 << random.randrange(32), random.getrandbits(32)))

    def _groups(self, both: bool) -> int:
        """A word of a group register: all in one group, unless both are in use."""
        return self._random.getrandbits(32) if both else self._random.choice((0, 0xFFFF_FFFF))
