"""What a recording says of each source: how often it was raised and delivered, and whether it contradicts itself.

1. A source has an interrupt waiting, or not: a raise that is not dropped makes it pending, a run of the handler takes
   it. That is a plain target of `irqframe.bits`, its INTIDs the sources' numbers: one for what each CPU has for itself,
   and one for everything that can be moved, for it waits wherever it is routed.
2. The recording's raises and deliveries are records, replayed many at a time: what they leave behind says which raises
   found one waiting, and which of the devices on a shared line a run of the handler was for.
3. Where a record says otherwise than the recorded outcome, the recording is none of a whole run of a sound irqchip.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from irqframe.bits import PENDING, RECORD, LowestFirst, Op, replay
from irqframe.flow import Injected

BATCH: Final = 1 << 16
"""How many records are replayed at a time."""

_ORDER: Final = sys.byteorder


class Recorded:
    """What a recording says of one source.

    Args:
        name: of the source.

    Attributes:
        name: as given.
        raised: how often.
        delivered: how often.
    """

    __slots__ = ("delivered", "name", "raised")

    def __init__(self, name: str) -> None:
        self.name = name
        self.raised = 0
        self.delivered = 0


class Compared(NamedTuple):
    """One source, as recorded and as replayed.

    Attributes:
        name: of the source.
        raised: how often: recorded, replayed.
        delivered: how often: recorded, replayed.
    """

    name: str
    raised: tuple[int, int]
    delivered: tuple[int, int]

    @property
    def same(self) -> bool:
        """Whether the two agree."""
        return self.raised[0] == self.raised[1] and self.delivered[0] == self.delivered[1]


class Recordings:
    """What a recording says of every source of a machine.

    Args:
        names: of the sources.
        cpus: how many the machine has.

    Attributes:
        sources: in the order of the names; the records' numbers are places in it.
        contradictions: raises whose outcome does not follow from what was raised and delivered before.
        records: what is not replayed yet; whoever reads the recording adds to it what `raise_` and `deliver` return.
    """

    def __init__(self, names: Iterable[str], cpus: int) -> None:
        self.sources = [Recorded(name) for name in names]
        self.contradictions = 0
        self.records = bytearray()
        self._targets = [LowestFirst(max(len(self.sources), 1)) for _ in range(cpus + 1)]
        self._results = array("i", bytes(4 * BATCH))

    def raise_(self, number: int, cpu: int, outcome: Injected | None) -> bytes:
        """The records of a raise.

        Args:
            number: of the source.
            cpu: index of the CPU whose own it is, -1 if it can be moved.
            outcome: the recorded one, None if there is none.
        """
        if outcome is not None and outcome >= Injected.DROPPED:
            return b""
        return RECORD.pack(Op.PEND, outcome or 0, cpu + 1, number)

    def deliver(self, number: int, cpu: int) -> bytes:
        """The record of a run of the handler that may be for source `number`; the rest as for `raise_`."""
        return RECORD.pack(Op.CLEAR, PENDING, cpu + 1, number)

    def replay(self) -> None:
        """Replay the records that were added; due whenever these are more than a batch."""
        for start in range(0, len(self.records), BATCH * RECORD.size):
            self._replay(bytes(self.records[start : start + BATCH * RECORD.size]))
        self.records.clear()

    def _replay(self, records: bytes) -> None:
        count = replay(self._targets, records, self._results)
        # There are few that differ, however many there are.
        seen = Counter(zip(memoryview(records).cast("Q"), self._results[:count], strict=True))
        for (record, result), times in seen.items():
            op, value, _, number = RECORD.unpack(record.to_bytes(RECORD.size, _ORDER))
            if op == Op.CLEAR:
                self.sources[number].delivered += times if result & PENDING else 0
            elif value and (value == Injected.COALESCED) is not (result == 0):
                self.contradictions += times
