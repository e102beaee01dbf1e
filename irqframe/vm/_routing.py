"""GSI routing: which pin of the irqchip, or which message, a GSI is.

The table is replaced whole. What a raise needs is bound when the table or the flow changes: a GSI leads straight to the
callbacks and entries it has, and irqfds are told.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from irqframe.errors import VmError
from irqframe.flow import Injected, RoutingEntry, RoutingKind

if TYPE_CHECKING:
    from irqframe.vm._vm import Vm

MAX_ROUTES: Final = 4096
"""Most entries a table may have (KVM_MAX_IRQ_ROUTES)."""

IRQCHIP_PINS: Final = 988
"""KVM_IRQCHIP_NUM_PINS, the pin limit of the reference; a limit here only under quirk K6, see MAX_ROUTES."""

SOURCE_USERSPACE: Final = 0
"""Source id of a raise by userspace (KVM_USERSPACE_IRQ_SOURCE_ID)."""
SOURCE_RESAMPLE: Final = 1
"""Source id of a resampling irqfd's line (KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID)."""

Route = tuple[Callable[..., Any], RoutingEntry]

#: A GSI's only route, bound: (source id, level, line status) -> what became of it.
Single = Callable[[int, int, bool], Injected]


class GsiLine:
    """A GSI as a device holds it that raises it often: what `Vm.set_irq` looks up each time is bound ahead of time.

    Both are other callables once routing has changed, so a device fetches them for each use.

    Attributes:
        raise_: () -> what became of the raise; raises what `Vm.set_irq` does.
        lower: () -> likewise, for the level 0.
    """

    __slots__ = ("lower", "raise_")

    def __init__(self, raise_: Callable[[], Injected], lower: Callable[[], Injected]) -> None:
        self.raise_ = raise_
        self.lower = lower


class GsiRouting:
    """The routing table of one VM.

    Attributes:
        single: the bound route of every GSI that has one route only; replaced whole.
    """

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._entries: tuple[RoutingEntry, ...] = ()
        self._routes: dict[int, tuple[Route, ...]] = {}
        self.single: dict[int, Single] = {}
        self._lines: dict[int, GsiLine] = {}

    @property
    def entries(self) -> tuple[RoutingEntry, ...]:
        """The table, in the order in which it was set."""
        return self._entries

    def replace(self, entries: Iterable[RoutingEntry]) -> None:
        """Set the whole table (KVM_SET_GSI_ROUTING).

        Args:
            entries: at most 4096. A GSI may have several entries, but only one of each kind.

        Raises:
            VmError: EINVAL for too many, a number out of range, a GSI with two entries of one kind, or a kind that the
                irqchip does not take; the old table stays.
        """
        table = tuple(islice(entries, MAX_ROUTES + 1))
        if len(table) > MAX_ROUTES:
            raise VmError(errno.EINVAL, f"more than {MAX_ROUTES} routing entries")
        seen = set()
        for entry in table:
            self._check(entry)
            if (entry.gsi, entry.kind) in seen:
                raise VmError(errno.EINVAL, f"GSI {entry.gsi} has two entries of kind {entry.kind.value}")
            seen.add((entry.gsi, entry.kind))
        with self._vm.lock:
            self._entries = table
            self.bind()

    def set_default(self, pins: int) -> None:
        """GSI n goes to pin n, for `pins` pins; what was set before is gone.

        Raises:
            VmError: EINVAL for more pins than a table has entries, or under quirk K6 for more than 988.
        """
        limit = IRQCHIP_PINS if "K6" in self._vm.quirks else MAX_ROUTES
        if pins > limit:
            raise VmError(errno.EINVAL, f"{pins} pins; default routing has at most {limit}")
        self.replace(RoutingEntry(gsi, RoutingKind.IRQCHIP, pin=gsi) for gsi in range(pins))

    def bind(self) -> None:
        """Resolve every entry to the callback that serves it now."""
        table = self._vm.flow.table
        callbacks = {
            RoutingKind.IRQCHIP: table.irqfd_set_irq or _refuse,
            RoutingKind.MSI: table.set_msi or _refuse,
        }
        routes: dict[int, tuple[Route, ...]] = {}
        for entry in self._entries:
            routes[entry.gsi] = (*routes.get(entry.gsi, ()), (callbacks[entry.kind], entry))
        self._routes = routes
        self.single = {
            gsi: partial(callback, entry, self._vm) for gsi, ((callback, entry), *more) in routes.items() if not more
        }
        self._vm.irqfds.rebind()
        self.bind_lines()

    def line(self, gsi: int) -> GsiLine:
        """A GSI for a device to hold, the same one every time; it follows the table."""
        with self._vm.lock:
            if gsi not in self._lines:
                self._lines[gsi] = GsiLine(*self._ways(gsi))
            return self._lines[gsi]

    def bind_lines(self) -> None:
        """Resolve every line; the VM calls it when it is finalized, and when it ends."""
        for gsi, line in self._lines.items():
            line.raise_, line.lower = self._ways(gsi)

    def _ways(self, gsi: int) -> tuple[Callable[[], Injected], Callable[[], Injected]]:
        """To raise and to lower a GSI: straight to its only callback, once the VM is finalized."""
        single = self.single.get(gsi)
        if single is None or not self._vm.finalized:
            set_irq = self._vm.set_irq
            return partial(set_irq, gsi, 1), partial(set_irq, gsi, 0)
        return partial(single, SOURCE_USERSPACE, 1, False), partial(single, SOURCE_USERSPACE, 0, False)

    def set_irq(self, gsi: int, level: int, source_id: int, line_status: bool) -> Injected:
        """Raise or lower a GSI through every entry it has.

        Returns:
            What became of it; of several entries, the first one's outcome. DROPPED_UNROUTED if it has no entry.

        Raises:
            VmError: what the irqchip raises, once every entry was tried; EINVAL for an entry that was set before there
                was an irqchip, of a kind that the irqchip does not take.
        """
        single = self.single.get(gsi)
        if single is not None:
            return single(source_id, level, line_status)
        routes = self._routes.get(gsi)
        if routes is None:
            return Injected.DROPPED_UNROUTED if level else Injected.NOTHING
        return _every(routes, self._vm, source_id, level, line_status)

    def routes(self, gsi: int) -> tuple[Route, ...]:
        """The (callback, entry) pairs that a GSI leads to; () if it has none."""
        return self._routes.get(gsi, ())

    def _check(self, entry: RoutingEntry) -> None:
        vm = self._vm
        if not 0 <= entry.gsi < 1 << 32:
            raise VmError(errno.EINVAL, f"GSI {entry.gsi} is not a number of 32 bits")
        if entry.kind is RoutingKind.IRQCHIP:
            limit = IRQCHIP_PINS if "K6" in vm.quirks else MAX_ROUTES
            if not 0 <= entry.pin < limit:
                raise VmError(errno.EINVAL, f"pin {entry.pin} of GSI {entry.gsi} is not below {limit}")
        elif not (0 <= entry.address < 1 << 64 and 0 <= entry.data < 1 << 32):
            raise VmError(errno.EINVAL, f"GSI {entry.gsi} has no 64-bit address or no 32-bit data")
        # Before there is an irqchip an entry is taken on trust, and refused when it is raised; the reference captures
        # the callback here and refuses (quirk K24).
        if vm.flow.chip is None and "K24" not in vm.quirks:
            return
        callback = "irqfd_set_irq" if entry.kind is RoutingKind.IRQCHIP else "set_msi"
        if not vm.flow.has(callback):
            name = vm.flow.chip_name or "no irqchip"
            raise VmError(errno.EINVAL, f"{name} does not take routing entries of kind {entry.kind.value}")


def _every(routes: tuple[Route, ...], vm: Vm, source_id: int, level: int, line_status: bool) -> Injected:
    outcomes: list[Injected] = []
    refusals: list[VmError] = []
    for callback, entry in routes:
        try:
            outcomes.append(callback(entry, vm, source_id, level, line_status))
        except VmError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]
    return outcomes[0]


def _refuse(entry: RoutingEntry, vm: Vm, source_id: int, level: int, line_status: bool) -> Injected:
    """Stands for the callback that the irqchip does not have."""
    raise VmError(
        errno.EINVAL, f"{vm.flow.chip_name} does not take routing entries of kind {entry.kind.value} (GSI {entry.gsi})"
    )
