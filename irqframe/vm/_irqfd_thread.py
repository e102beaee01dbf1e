"""The thread that serves a VM's irqfds, and the descriptors it waits on."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from irqframe.errors import VmError

if TYPE_CHECKING:
    from irqframe.vm._vm import Vm

POLL_SECONDS: Final = 0.001
"""How long a thread that waits for another leaves its own vCPUs' inboxes alone."""


class OwnedFd:
    """A file descriptor that is closed when nobody holds it any more.

    An end of interrupt may still be signalling a resamplefd while another thread deassigns it; were that thread to
    close it, its number might be another file's by then.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class Served(Protocol):
    """What the thread serves.

    Attributes:
        fd: an eventfd, non-blocking.
        left: set when the thread will not serve it any more.
    """

    fd: OwnedFd
    left: threading.Event

    def serve(self) -> None:
        """Something was written, perhaps."""


class IrqfdThread:
    """The thread that serves the irqfds, and what it waits on."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._epoll = select.epoll()
        self._control = OwnedFd(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        self._served: dict[int, Served] = {}
        self._leaving: deque[Served] = deque()
        self._stopping = False
        self._epoll.register(self._control.number, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="irqframe-irqfd", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the calling thread is this one."""
        return threading.current_thread() is self._thread

    def add(self, irqfd: Served) -> None:
        """Serve an irqfd from now on."""
        self._served[irqfd.fd.number] = irqfd
        self._epoll.register(irqfd.fd.number, select.EPOLLIN)

    def remove(self, irqfds: Iterable[Served]) -> None:
        """Serve irqfds once more, then no longer; returns when that is done."""
        irqfds = tuple(irqfds)
        if self.is_current:
            for irqfd in irqfds:
                self._remove(irqfd)
            return
        self._leaving.extend(irqfds)
        os.eventfd_write(self._control.number, 1)
        for irqfd in irqfds:
            # What it injects now may wait for a vCPU of ours; and another thread may end this one meanwhile.
            while not irqfd.left.wait(POLL_SECONDS) and self._thread.is_alive():
                self._vm.drain_owned()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        os.eventfd_write(self._control.number, 1)
        while self._thread.is_alive():
            self._thread.join(POLL_SECONDS)
            self._vm.drain_owned()
        self._epoll.close()

    def _run(self) -> None:
        poll = self._epoll.poll
        find = self._served.get
        control = self._control.number
        while not self._stopping:
            for number, _ in poll():
                if number == control:
                    os.eventfd_read(control)
                    while self._leaving:
                        self._remove(self._leaving.popleft())
                    continue
                # One that was removed may still be among the events of this round, and its number another's by now:
                # that one is asked in vain.
                irqfd = find(number)
                if irqfd is not None:
                    irqfd.serve()

    def _remove(self, irqfd: Served) -> None:
        self._epoll.unregister(irqfd.fd.number)
        del self._served[irqfd.fd.number]
        irqfd.serve()
        irqfd.left.set()


def eventfd_identity(fd: int) -> int:
    """What tells an eventfd from every other, however many descriptors it has; a bad one is refused."""
    try:
        with open(f"/proc/self/fdinfo/{fd:d}", encoding="ascii") as lines:
            info = dict(line.split(":", 1) for line in lines)
        if "eventfd-id" in info:
            return int(info["eventfd-id"])
        # Before Linux 5.2 there is no id; two descriptors of one eventfd are then taken for two eventfds.
        if os.readlink(f"/proc/self/fd/{fd:d}") == "anon_inode:[eventfd]":
            return -1 - fd
    except (OSError, ValueError):
        pass
    raise VmError(errno.EINVAL, f"descriptor {fd} is no eventfd")
