"""irqfd and resamplefd: eventfds of the host that raise a GSI, and that hear of its end of interrupt (KVM_IRQFD).

1. One thread per VM serves every irqfd. It starts with the first assignment and owns no vCPU: what it injects, the
   irqchip posts to the inbox of the vCPU that owns the target.
2. A plain irqfd is an edge source. A write is injected at once through `irqchip_set_irq_inatomic`; where the irqchip
   has none, or answers that it would block, the line is raised and lowered.
3. A resampling irqfd is a level source. A write raises the line; when the guest ends the interrupt, the line is lowered
   and the resamplefd signalled, so that a device which still wants service writes again. The irqfds of one GSI share
   one line, the OR of them: each hears of every end of interrupt.
4. Writes that come before the thread looks are one: the eventfd adds them up, `signals` counts them all.
5. Order of locks: Vm.lock, then the one here. Neither is held while an irqfd injects, or while somebody waits for the
   thread.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from irqframe.errors import VmError
from irqframe.flow import Injected, RoutingKind
from irqframe.vm._irqfd_thread import IrqfdThread, OwnedFd, eventfd_identity
from irqframe.vm._routing import SOURCE_RESAMPLE, SOURCE_USERSPACE

if TYPE_CHECKING:
    from irqframe.vm._vm import Vm

KEPT_ERRORS: Final = 16
"""How many of the last errors are kept."""

#: The two ways of one routing entry: () -> outcome or None, and (level, line status) -> outcome.
_Path = tuple[Callable[[], Injected | None] | None, Callable[[int, bool], Injected]]


class Irqfds:
    """Every irqfd of one VM.

    Attributes:
        signals: what was written to irqfds, added up.
        outcomes: what became of the raises, by outcome; several writes that were read as one are one raise.
        errors: the last 16 errors that the irqchip raised while an irqfd injected or was acknowledged.
        error_count: how many there were.
        acks: pin -> called when the guest has ended its interrupt; replaced whole.
    """

    def __init__(self, vm: Vm) -> None:
        self.signals = 0
        self.outcomes: dict[Injected, int] = {}
        self.errors: deque[Exception] = deque(maxlen=KEPT_ERRORS)
        self.error_count = 0
        self.acks: dict[int, Callable[[], None]] = {}
        self._vm = vm
        self._lock = threading.Lock()
        self._assigned: dict[int, _Irqfd] = {}
        self._resamplers: dict[int, _Resampler] = {}
        self._thread: IrqfdThread | None = None

    def assign(self, fd: int, gsi: int, resamplefd: int | None = None) -> None:
        """Let an eventfd raise a GSI (KVM_IRQFD).

        What was written to it before counts. The irqfd keeps descriptors of its own, and makes `fd` non-blocking. It
        lasts until `deassign`, which comes before `fd` is closed.

        Args:
            fd: an eventfd.
            gsi: what it raises.
            resamplefd: for a level source, the eventfd that is written when the guest has ended the interrupt.

        Raises:
            VmError: ENOSYS where the host has no eventfds, EAGAIN before the VM is finalized, EINVAL for a descriptor
                that is no eventfd or a negative GSI, EBUSY if the eventfd is an irqfd already, of this GSI or another,
                or what the host says when it has no descriptors left.
        """
        if not (hasattr(os, "eventfd") and hasattr(select, "epoll")):
            raise VmError(errno.ENOSYS, "irqfds need eventfd and epoll, which this host does not have")
        if not self._vm.finalized:
            raise VmError(errno.EAGAIN, "the irqchip is not finalized")
        if gsi < 0:
            raise VmError(errno.EINVAL, f"there is no GSI {gsi}")
        identity = eventfd_identity(fd)
        if resamplefd is not None:
            eventfd_identity(resamplefd)
        with self._lock:
            there = self._assigned.get(identity)
            if there is not None:
                raise VmError(errno.EBUSY, f"eventfd {fd} is the irqfd of GSI {there.gsi} already")
            try:
                irqfd = _Irqfd(
                    self, OwnedFd(os.dup(fd)), gsi, None if resamplefd is None else OwnedFd(os.dup(resamplefd))
                )
                os.set_blocking(irqfd.fd.number, False)
                if self._thread is None:
                    self._thread = IrqfdThread(self._vm)
                thread = self._thread
            except OSError as error:
                raise VmError(error.errno or errno.EMFILE, f"eventfd {fd}: {error.strerror}") from error
            self._assigned[identity] = irqfd
            self._join_resampler(irqfd)
            self._bind()
            thread.add(irqfd)

    def deassign(self, fd: int, gsi: int) -> None:
        """Undo `assign`. What was written before is injected still, and nothing after it returns.

        An eventfd that is not the GSI's irqfd is left alone, as by the reference.

        Raises:
            VmError: EINVAL for a descriptor that is no eventfd.
        """
        identity = eventfd_identity(fd)
        with self._lock:
            irqfd = self._assigned.get(identity)
            if irqfd is None or irqfd.gsi != gsi or self._thread is None:
                return
            del self._assigned[identity]
            thread = self._thread
        thread.remove((irqfd,))
        self._leave_resampler(irqfd)

    def close(self) -> None:
        """Deassign every irqfd and end the thread; `Vm.destroy` does it.

        Raises:
            VmError: EDEADLK on the irqfd thread itself.
        """
        with self._lock:
            thread = self._thread
            if thread is None:
                return
            if thread.is_current:
                raise VmError(errno.EDEADLK, "the irqfd thread cannot end itself")
            irqfds = tuple(self._assigned.values())
            self._assigned.clear()
            self._thread = None
        thread.remove(irqfds)
        for irqfd in irqfds:
            self._leave_resampler(irqfd)
        thread.stop()

    def rebind(self) -> None:
        """Resolve every irqfd's GSI to the callbacks that serve it now; GSI routing calls it when it changes."""
        with self._lock:
            self._bind()

    def record(self, error: Exception) -> None:
        """Keep an error that nobody waits for."""
        with self._lock:
            self.errors.append(error)
            self.error_count += 1

    def count(self, outcome: Injected) -> None:
        """Count what became of a raise; the irqfd thread calls it."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def paths(self, gsi: int) -> tuple[_Path, ...]:
        """How an edge reaches each entry of a GSI, bound ahead of time."""
        vm = self._vm
        fast = vm.flow.table.set_irq_inatomic
        return tuple(
            (
                None if fast is None else partial(fast, entry, vm, SOURCE_USERSPACE, 1, False),
                partial(callback, entry, vm, SOURCE_USERSPACE),
            )
            for callback, entry in vm.routing.routes(gsi)
        )

    def drop(self) -> None:
        """Count a raise of a GSI without entries."""
        self._vm.count_drop(Injected.DROPPED_UNROUTED)
        self.count(Injected.DROPPED_UNROUTED)

    def set_level(self, gsi: int, level: int) -> None:
        """Set the line that the resampling irqfds of a GSI share."""
        try:
            outcome = self._vm.set_irq(gsi, level, source_id=SOURCE_RESAMPLE)
        # Whatever the irqchip raises, the other irqfds are served on; nobody waits who could be told.
        except Exception as error:
            self.record(error)
        else:
            if level:
                self.count(outcome)

    def _join_resampler(self, irqfd: _Irqfd) -> None:
        if irqfd.resamplefd is not None:
            resampler = self._resamplers.setdefault(irqfd.gsi, _Resampler(self, irqfd.gsi))
            resampler.resamplefds = (*resampler.resamplefds, irqfd.resamplefd)

    def _leave_resampler(self, irqfd: _Irqfd) -> None:
        if irqfd.resamplefd is None:
            return
        with self._lock:
            resampler = self._resamplers[irqfd.gsi]
            resampler.resamplefds = tuple(fd for fd in resampler.resamplefds if fd is not irqfd.resamplefd)
            last = not resampler.resamplefds
            if last:
                del self._resamplers[irqfd.gsi]
                self._bind()
        if last:  # nobody is left who would lower the line
            self.set_level(irqfd.gsi, 0)

    def _bind(self) -> None:
        for irqfd in self._assigned.values():
            irqfd.paths = () if irqfd.resamplefd is not None else self.paths(irqfd.gsi)
        by_pin: dict[int, tuple[_Resampler, ...]] = {}
        for resampler in self._resamplers.values():
            for _, entry in self._vm.routing.routes(resampler.gsi):
                if entry.kind is RoutingKind.IRQCHIP:
                    by_pin[entry.pin] = (*by_pin.get(entry.pin, ()), resampler)
        self.acks = {pin: partial(_acknowledge, resamplers) for pin, resamplers in by_pin.items()}


class _Irqfd:
    """One assignment.

    Attributes:
        paths: of an edge to each entry of its GSI; a level source has none, its line is set.
    """

    __slots__ = ("_irqfds", "fd", "gsi", "left", "paths", "resamplefd")

    def __init__(self, irqfds: Irqfds, fd: OwnedFd, gsi: int, resamplefd: OwnedFd | None) -> None:
        self._irqfds = irqfds
        self.fd = fd
        self.gsi = gsi
        self.resamplefd = resamplefd
        self.paths: tuple[_Path, ...] = ()
        self.left = threading.Event()

    def serve(self) -> None:
        """Inject what was written, if anything was; the irqfd thread calls it."""
        try:
            signals = os.eventfd_read(self.fd.number)
        except BlockingIOError:
            return
        irqfds = self._irqfds
        irqfds.signals += signals
        outcomes = irqfds.outcomes
        paths = self.paths  # another thread may replace it meanwhile
        for fast, slow in paths:
            try:
                outcome = None if fast is None else fast()
                if outcome is None:
                    outcome = slow(1, False)
                    slow(0, False)
            # Whatever the irqchip raises, the other irqfds are served on; nobody waits who could be told.
            except Exception as error:
                irqfds.record(error)
            else:
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if not paths:
            self._serve_other()

    def _serve_other(self) -> None:
        """What was written raises a line that stays high, or nothing."""
        if self.resamplefd is not None:
            self._irqfds.set_level(self.gsi, 1)
        else:
            self._irqfds.drop()


class _Resampler:
    """The line that the resampling irqfds of one GSI share."""

    __slots__ = ("_irqfds", "gsi", "resamplefds")

    def __init__(self, irqfds: Irqfds, gsi: int) -> None:
        self._irqfds = irqfds
        self.gsi = gsi
        self.resamplefds: tuple[OwnedFd, ...] = ()

    def acknowledge(self) -> None:
        """The guest has ended the interrupt. The line falls first: who hears of it may raise it again at once."""
        self._irqfds.set_level(self.gsi, 0)
        for fd in self.resamplefds:
            try:
                os.eventfd_write(fd.number, 1)
            except BlockingIOError:
                continue  # the counter is full: it is signalled


def _acknowledge(resamplers: tuple[_Resampler, ...]) -> None:
    for resampler in resamplers:
        resampler.acknowledge()
