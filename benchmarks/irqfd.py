"""What an eventfd costs from its write to the injection, to a loop over epoll that only reads it: `make bench`.

All eventfds of a set are written; the thread that waits for them serves each, and the last one's service lets the
writer go on. CPU time of both threads, so the writes are in both figures, and so is the change of threads once per set.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from threading import Semaphore, Thread

from _measure import measure
from _rows import Row, tell

from irqframe import Injected, Irqchip, hookimpl
from irqframe.flow import RoutingEntry, RoutingKind
from irqframe.vm import Vm

EVENTFDS = 64
TURNS = 20
ROUNDS = 31
BAR = 3.0


class Chip(Irqchip):
    """Latches everything, and tells when a whole set was injected."""

    def __init__(self) -> None:
        super().__init__()
        self.injected = 0
        self.whole = Semaphore(0)

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        """As the specification says."""
        if level:
            self.injected += 1
            if not self.injected % EVENTFDS:
                self.whole.release()
        return Injected.LATCHED


class AtomicChip(Chip):
    """Likewise, and takes an edge at once, as rVIC and the GICs do."""

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        """As the specification says."""
        return self.irqchip_irqfd_set_irq(entry, vm, irq_source_id, level, line_status)


def eventfds() -> list[int]:
    """A set of them."""
    return [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(EVENTFDS)]


def writing(fds: list[int], whole: Semaphore) -> Callable[[], None]:
    """Writes every eventfd and waits until all were served."""
    write = os.eventfd_write

    def turns() -> None:
        for _ in range(TURNS):
            for fd in fds:
                write(fd, 1)
            whole.acquire()

    return turns


def reading() -> Callable[[], None]:
    """A thread that does nothing but read."""
    fds, whole = eventfds(), Semaphore(0)
    epoll = select.epoll()
    for fd in fds:
        epoll.register(fd, select.EPOLLIN)

    def serve() -> None:
        count = 0
        poll, read = epoll.poll, os.eventfd_read
        while True:
            for fd, _ in poll():
                read(fd)
                count += 1
                if not count % EVENTFDS:
                    whole.release()

    Thread(target=serve, daemon=True).start()
    return writing(fds, whole)


def injecting(chip: Chip) -> Callable[[], None]:
    """The irqfds of a VM whose irqchip does next to nothing."""
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(chip, "chip")
    vm.create_vcpu()
    vm.routing.replace(RoutingEntry(gsi, RoutingKind.IRQCHIP, pin=gsi) for gsi in range(EVENTFDS))
    vm.finalize()
    return writing(assigned(vm), chip.whole)


def assigned(vm: Vm) -> list[int]:
    """An eventfd per GSI."""
    fds = eventfds()
    for gsi, fd in enumerate(fds):
        vm.irqfds.assign(fd, gsi)
    return fds


def rows() -> list[Row]:
    """A row for each way into an irqchip."""
    times = measure(
        {"reading": reading(), "at once": injecting(AtomicChip()), "raised and lowered": injecting(Chip())}, ROUNDS
    )
    per_event = {case: seconds / EVENTFDS / TURNS * 1e3 for case, seconds in times.items()}
    return [
        Row(
            f"an eventfd written, to the injection ({way}), to a loop that only reads it",
            per_event[way] / per_event["reading"],
            BAR,
            f"{per_event[way]:.2f} us to {per_event['reading']:.2f} us",
        )
        for way in ("at once", "raised and lowered")
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
