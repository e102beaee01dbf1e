"""The fast-path bitmap core: the state of one interrupt target, under three orders of delivery, and that of a GIC.

There are two makes that do the same: a compiled one, and `irqframe.bits.pure`. What stands here is the compiled one
where it was built and IRQFRAME_PURE is not set to 1.
"""

from typing import TYPE_CHECKING, Final

from irqframe.bits._bank import BITMAPS, COALESCED, LATCHED, UNCHANGED
from irqframe.bits._make import is_compiled
from irqframe.bits._operations import Directory, Operation, accessing, acknowledging, directory, pending, unmasking
from irqframe.bits._preemption import ALONE, AMONG_OTHERS, IDLE, LEFT, NOTHING, NOWHERE, REFUSED
from irqframe.bits._priority import PRIORITIES
from irqframe.bits._records import RECORD, BadRecordError, Op, Refusal
from irqframe.bits._target import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED, Target

MAKE: Final = "compiled" if is_compiled() else "python"
"""Which make this is."""

# To a type checker both are the one in Python, which is the reference.
if TYPE_CHECKING or MAKE == "python":
    from irqframe.bits.pure import Account, Bank, Fifo, LowestFirst, Preemption, Priority, replay
else:
    from irqframe._native import Account, Bank, Preemption
    from irqframe.bits._compiled import Fifo, LowestFirst, Priority, replay

__all__ = [
    "ACTIVE",
    "ALONE",
    "AMONG_OTHERS",
    "BITMAPS",
    "COALESCED",
    "GROUP_OFF",
    "IDLE",
    "LATCHED",
    "LEFT",
    "MAKE",
    "MASKED",
    "NOTHING",
    "NOWHERE",
    "PENDING",
    "PRIORITIES",
    "RECORD",
    "REFUSED",
    "UNCHANGED",
    "UNTARGETED",
    "Account",
    "BadRecordError",
    "Bank",
    "Directory",
    "Fifo",
    "LowestFirst",
    "Op",
    "Operation",
    "Preemption",
    "Priority",
    "Refusal",
    "Target",
    "accessing",
    "acknowledging",
    "directory",
    "pending",
    "replay",
    "unmasking",
]
