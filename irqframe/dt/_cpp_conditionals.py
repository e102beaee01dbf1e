"""Which parts of a file are read: `#if` to `#endif` (C11 6.10.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class UnpairedError(Exception):
    """A directive that does not go with those before it; the text says why."""


@dataclass(slots=True)
class _Group:
    """An `#if` that is open.

    Attributes:
        start: offset of its `#`.
        outer: whether what is around it is read.
        live: whether the part that is being passed is read.
        taken: whether one of its parts is read, or was.
        last: whether `#else` was there.
    """

    start: int
    outer: bool
    live: bool
    taken: bool
    last: bool = False


class Conditionals:
    """The groups that are open in one file.

    Attributes:
        live: whether what comes next is read.
    """

    def __init__(self) -> None:
        self.live = True
        self._open: list[_Group] = []

    def begin(self, start: int, condition: Callable[[], bool]) -> None:
        """`#if`, at offset `start`; the condition is asked for only if it matters."""
        live = self.live and condition()
        self._open.append(_Group(start, self.live, live, live))
        self.live = live

    def other(self, condition: Callable[[], bool], *, last: bool = False) -> None:
        """`#elif`, or `#else`, which is the `last` part.

        Raises:
            UnpairedError: there is no `#if`, or its `#else` was there.
        """
        if not self._open:
            raise UnpairedError("there is no #if before it")
        group = self._open[-1]
        if group.last:
            raise UnpairedError("it stands behind #else")
        group.last = last
        group.live = group.outer and not group.taken and condition()
        group.taken = group.taken or group.live
        self.live = group.live

    def end(self) -> None:
        """`#endif`.

        Raises:
            UnpairedError: there is no `#if`.
        """
        if not self._open:
            raise UnpairedError("there is no #if before it")
        self.live = self._open.pop().outer

    def unclosed(self) -> Iterator[int]:
        """Offsets of those that have no `#endif`."""
        return (group.start for group in self._open)
