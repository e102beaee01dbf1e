"""The account of one source: every raise ends as delivered, coalesced, dropped or still pending.

The device's side and the guest's side write into it apart: `raised` and what became of it from the injection,
`delivered` from the guest's handler. A source has at most one interrupt waiting, so a delivery without one is a doubled
interrupt, and one that waits at the end is a lost one.
"""

from __future__ import annotations

from irqframe.errors import GuestError
from irqframe.flow import Injected

_DROPPED = Injected.DROPPED
_LATCHED = Injected.LATCHED
_COALESCED = Injected.COALESCED


class Account:
    """What happened to one source on one or on every CPU.

    Args:
        name: of the source.
        controller: node path of its controller, or what delivers it.
        cpus: number of CPUs.

    Attributes:
        name: as given.
        controller: as given.
        route: how it is delivered, in a few words; the workload keeps it up to date.
        raised: how often it was raised.
        coalesced: raises that found one waiting.
        dropped: raises lost, by reason.
        delivered: handler runs, by index of the CPU.
        waiting: raised and neither delivered nor lost: 0 or 1 per target.
    """

    __slots__ = ("coalesced", "controller", "delivered", "dropped", "name", "raised", "route", "waiting")

    def __init__(self, name: str, controller: str, cpus: int) -> None:
        self.name = name
        self.controller = controller
        self.route = ""
        self.raised = 0
        self.coalesced = 0
        self.dropped: dict[Injected, int] = {}
        self.delivered = [0] * cpus
        self.waiting = [False] * cpus

    def raise_(self, outcome: Injected, target: int, provoked: bool = False) -> None:
        """Enter a raise.

        Args:
            outcome: what the injection returned.
            target: index of the CPU it goes to.
            provoked: whether the script wants it to be dropped.

        Raises:
            GuestError: if it was dropped although the script did not provoke that, if it coalesced with nothing, if it
                is the first to wait although an earlier one was never delivered, or if the outcome is none.
        """
        self.raised += 1
        if outcome is _LATCHED:
            if self.waiting[target]:
                raise GuestError(
                    f"{self.name}: a raise for CPU {target} found none waiting; the one before it was lost"
                )
            self.waiting[target] = True
        elif outcome is _COALESCED:
            if not self.waiting[target]:
                raise GuestError(f"{self.name}: a raise for CPU {target} coalesced, but none was waiting there")
            self.coalesced += 1
        elif not isinstance(outcome, Injected):
            raise GuestError(f"{self.name}: the irqchip says {outcome!r} of a raise, which is no Injected")
        elif outcome >= _DROPPED:
            self.dropped[outcome] = self.dropped.get(outcome, 0) + 1
            if not provoked:
                raise GuestError(f"{self.name}: a raise for CPU {target} was dropped: {outcome.name.lower()}")
        else:
            raise GuestError(f"{self.name}: a raise for CPU {target} came to nothing: {outcome.name.lower()}")

    def deliver(self, cpu: int) -> None:
        """Enter a run of the handler.

        Raises:
            GuestError: if nothing was waiting for that CPU.
        """
        if not self.waiting[cpu]:
            where = [index for index, waits in enumerate(self.waiting) if waits]
            what = f"it waits for CPU {where[0]}" if where else "nothing was raised: it came twice"
            raise GuestError(f"{self.name} was delivered to CPU {cpu}, but {what}")
        self.waiting[cpu] = False
        self.delivered[cpu] += 1

    def move(self, before: int, after: int) -> None:
        """The guest routed the source to another CPU: what waits goes with it."""
        if self.waiting[before]:
            self.waiting[before] = False
            self.waiting[after] = True

    @property
    def pending(self) -> int:
        """How many wait."""
        return sum(self.waiting)

    @property
    def balance(self) -> int:
        """Raises that nothing accounts for; 0 if every one is."""
        dropped = sum(self.dropped.values())
        return self.raised - sum(self.delivered) - self.coalesced - dropped - self.pending
