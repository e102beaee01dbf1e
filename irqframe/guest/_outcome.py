"""What a run of a scripted guest found."""

from __future__ import annotations

from dataclasses import dataclass, field

from irqframe.guest._account import Account
from irqframe.guest._traps import TrapCounts


@dataclass(slots=True)
class Outcome:
    """What a run found.

    Attributes:
        accounts: one per source, in the order of the machine, IPIs last.
        events: raises.
        handled: runs of the guest's handler.
        moves: affinity moves; `moves_pending` of these with an interrupt waiting.
        spurious: acknowledges that gave no interrupt.
        traps: of the events.
        setup_traps: of everything before them.
        notes: what was left out, and why.
        fault: the first interrupt that is not accounted for, in a sentence; "" if every one is.
    """

    accounts: list[Account]
    events: int = 0
    handled: int = 0
    moves: int = 0
    moves_pending: int = 0
    spurious: int = 0
    traps: TrapCounts = field(default_factory=TrapCounts)
    setup_traps: TrapCounts = field(default_factory=TrapCounts)
    notes: list[str] = field(default_factory=list)
    fault: str = ""
