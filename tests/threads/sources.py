"""What raises interrupts: sources, and the threads of the devices behind them.

1. A source that waits for its turn is raised again only when its last raise was handled: so each raise of it must be
   handled once, however often its interrupt is masked and moved meanwhile.
2. A source that does not is raised as often as there is room: such raises coalesce. They are counted, and the sum of
   what was handled and what the irqchip says it coalesced must be the sum of the raises.
3. Nobody counts for anybody else: a count has one thread that writes it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from irqframe import Injected
from irqframe.vm import Vm

ROOM = 64
"""How much the vCPUs may have in their inboxes before what coalesces is raised on."""
PAUSE = 0.0002
"""Seconds for which a device that has nothing to raise leaves the vCPUs alone."""


class FaultError(Exception):
    """An interrupt was lost, or came twice, or something hangs."""


class Source:
    """What one device raises.

    Args:
        name: for a report.
        hwirq: what the guest takes.
        fire: raise it: () -> outcome.

    Attributes:
        name: as given; so are the next two.
        hwirq: see above.
        fire: see above.
        raised: how often it was.
    """

    __slots__ = ("fire", "hwirq", "name", "raised")

    def __init__(self, name: str, hwirq: int, fire: Callable[[], Injected]) -> None:
        self.name = name
        self.hwirq = hwirq
        self.fire = fire
        self.raised = 0


def pulse(vm: Vm, gsi: int) -> Callable[[], Injected]:
    """To raise an edge of a line."""
    line = vm.line(gsi)

    def fire() -> Injected:
        outcome = line.raise_()
        line.lower()
        return outcome

    return fire


def message(vm: Vm, address: int, data: int, devid: int) -> Callable[[], Injected]:
    """To send a message."""
    signal = vm.signal_msi
    return lambda: signal(address, data, devid)


class Injector(threading.Thread):
    """The devices that one thread runs.

    Args:
        events: how many raises in all.
        patient: sources that wait for their turn.
        hasty: those that do not.
        handled: by CPU, how often it has handled each hwirq.
        inboxes: of the vCPUs.
        lull: called now and then, when every injector has raised `every` more; all wait there until all is quiet.
        every: see there.
        failed: set once anything has.

    Attributes:
        patient: as given; `hasty` likewise.
        outcomes: of its raises.
        error: what ended it.
    """

    def __init__(
        self,
        events: int,
        patient: Sequence[Source],
        hasty: Sequence[Source],
        handled: Sequence[list[int]],
        inboxes: Sequence[Sequence[object]],
        lull: Callable[[], object],
        every: int,
        failed: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self.patient = patient
        self.hasty = hasty
        self.outcomes: Counter[Injected] = Counter()
        self.error: BaseException | None = None
        self._events = events
        self._handled = handled
        self._inboxes = inboxes
        self._lull = lull
        self._every = every
        self._failed = failed

    def run(self) -> None:
        """Raise, and stop for each lull; the last one is at the end."""
        try:
            for left in range(self._events, 0, -self._every):
                self._raise(min(left, self._every))
                self._lull()
        except BaseException as error:
            self.error = error
            self._failed.set()

    def _raise(self, events: int) -> None:
        while events > 0 and not self._failed.is_set():
            fired = self._raise_handled(events)
            if sum(map(len, self._inboxes)) < ROOM:
                fired += self._raise_anyway(events - fired)
            events -= fired
            if not fired:
                time.sleep(PAUSE)

    def _raise_handled(self, most: int) -> int:
        one, two, three, four = self._handled
        outcomes = self.outcomes
        fired = 0
        for source in self.patient:
            hwirq = source.hwirq
            behind = source.raised - (one[hwirq] + two[hwirq] + three[hwirq] + four[hwirq])
            if behind < 0:
                raise FaultError(f"{source.name}: {source.raised} were raised, and {-behind} more were handled")
            if not behind and fired < most:
                source.raised += 1
                outcomes[source.fire()] += 1
                fired += 1
        return fired

    def _raise_anyway(self, most: int) -> int:
        outcomes = self.outcomes
        for source in self.hasty[:most]:
            source.raised += 1
            outcomes[source.fire()] += 1
        return min(most, len(self.hasty))
