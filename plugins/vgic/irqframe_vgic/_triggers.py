"""How a GIC's interrupts can be triggered, as specifiers say it (Linux, arm,gic.yaml and arm,gic-v3.yaml).

The bindings have no active-low and no falling-edge SPIs; a PPI says what it is, and the GIC cannot choose.
"""

from __future__ import annotations

from typing import Final

from irqframe.errors import TriggerError
from irqframe.flow import SourceKind, Trigger

_SENSE: Final = 0xF
_SHARED: Final = (Trigger.NONE, Trigger.EDGE_RISING, Trigger.LEVEL_HIGH)
_PER_CPU: Final = (*_SHARED, Trigger.EDGE_FALLING, Trigger.LEVEL_LOW)


def trigger_of(flags: int, kind: SourceKind, name: str) -> Trigger:
    """The trigger that the flags of a specifier, its third cell, say.

    Args:
        flags: as given; bits above the trigger are ignored.
        kind: of the interrupt.
        name: what errors call such an interrupt, with its article.

    Raises:
        TriggerError: for one that it cannot have.
    """
    trigger = flags & _SENSE
    if trigger in (_SHARED if kind is SourceKind.SPI else _PER_CPU):
        return Trigger(trigger)
    expected = "1 (rising edge) or 4 (level high)" if kind is SourceKind.SPI else "one of 1, 2, 4 and 8"
    raise TriggerError(f"{trigger} is no trigger of {name}", cell=2, expected=expected)
