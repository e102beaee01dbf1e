"""Ownership: one thread has a vCPU's state, and everybody else leaves work in its inbox.

1. The owner is the thread that adopted the vCPU. Adopting takes the only lock, and holds it until the release.
2. Whoever is not the owner posts, and the vCPU is kicked. The owner does what was posted before it enters the guest.
3. What is left in the inbox when the owner releases the vCPU is done then.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from irqframe.errors import VmError

if TYPE_CHECKING:
    from irqframe.vm._vm import Vm

T = TypeVar("T")


class Owned(ABC):
    """What belongs to one thread at a time, with an inbox for all others.

    Args:
        vm: the VM it belongs to.

    Attributes:
        vm: as given.
        inbox: work that others posted, for the owner to do; only `post` puts something in, because it kicks.
        inbox_errors: the last 16 refusals of such work.
        owner: identifier of the thread that owns it, 0 if none does.
    """

    __slots__ = ("_depth", "_mutex", "inbox", "inbox_errors", "owner", "vm")

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.inbox: deque[Callable[[], object]] = deque()
        self.inbox_errors: deque[VmError] = deque(maxlen=16)
        self._mutex = threading.RLock()
        self.owner = 0
        self._depth = 0

    @abstractmethod
    def kick(self) -> None:
        """Make the owner look at its inbox soon, by a request that lasts until it enters; any thread."""

    @property
    def owned(self) -> bool:
        """Whether the calling thread owns this vCPU."""
        return self.owner == get_ident()

    def adopt(self) -> None:
        """Make the calling thread the owner, waiting until no other is; calls nest."""
        self._mutex.acquire()
        self._depth += 1
        self.owner = get_ident()

    def release(self) -> None:
        """Undo one `adopt`, by the same thread; what is still in the inbox is done first."""
        try:
            if self._depth == 1:
                self.drain()
        finally:
            self._depth -= 1
            if not self._depth:
                self.owner = 0
            self._mutex.release()

    def post(self, work: Callable[[], object]) -> None:
        """Have the owner do `work` before it next enters the guest, and kick it; any thread.

        A refusal (`VmError`) is kept in `inbox_errors`, because nobody waits for it.
        """
        try:
            self.inbox.append(work)
        finally:  # or an interrupt of the program leaves work behind of which nobody tells
            self.kick()

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Do `function(*args)` under this vCPU's ownership, and return what it returns; any thread.

        The owner does it at once. Another thread waits until the owner has done it, or the vCPU has no owner; an
        owner of other vCPUs goes on draining their inboxes meanwhile, so that two that wait for each other do not hang.
        """
        if self.owner == get_ident():
            return function(*args)
        errand = _Errand(partial(function, *args))
        self.post(errand)
        while not errand.done.is_set():
            if self._mutex.acquire(blocking=False):
                try:
                    self._drain_unowned()
                finally:
                    self._mutex.release()
                continue
            self.vm.drain_owned()
            errand.done.wait(0.001)
        result: T = errand.result()
        return result

    def drain(self) -> None:
        """Do what others posted; the owner calls it."""
        inbox = self.inbox
        while inbox:
            try:
                work = inbox.popleft()
            except IndexError:  # another thread emptied it, which it may while nobody owned the vCPU
                return
            try:
                work()
            except VmError as error:
                self.inbox_errors.append(error)

    def _drain_unowned(self) -> None:
        self.adopt()
        try:
            self.drain()
        finally:
            self.release()


class _Errand:
    """Work that somebody waits for."""

    __slots__ = ("_error", "_value", "_work", "done")

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None
        self.done = threading.Event()

    def __call__(self) -> None:
        # Whatever it raises belongs to the thread that waits, not to the one that does the work; but an end of the
        # program (KeyboardInterrupt, SystemExit) belongs to both.
        try:
            self._value = self._work()
        except Exception as error:
            self._error = error
        except BaseException as error:
            self._error = error
            raise
        finally:
            self.done.set()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value
