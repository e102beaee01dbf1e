"""Saved state of the LPIs of one redistributor, and the check of it."""

from __future__ import annotations

from typing import NamedTuple

from irqframe_vgic import _saved
from irqframe_vgic._v3._lpi_registers import PENDBASER_MASK, PROPBASER_MASK, capacity
from irqframe_vgic._v3._lpi_set import ENABLE, FIRST_LPI, PRIORITY
from irqframe_vgic._v3._lpis import Lpis


class SavedLpis(NamedTuple):
    """Saved state that was checked.

    Attributes:
        enabled: GICR_CTLR.EnableLPIs.
        propbaser: GICR_PROPBASER.
        pendbaser: GICR_PENDBASER.
        pending: (INTID, configuration byte) of each that is pending.
    """

    enabled: bool
    propbaser: int
    pendbaser: int
    pending: tuple[tuple[int, int], ...]


def save(lpis: Lpis) -> dict[str, object]:
    """Plain data: the registers, and of every pending LPI its INTID and its configuration byte."""
    return {
        "version": _saved.VERSION,
        "enabled": lpis.enabled,
        "propbaser": lpis.propbaser,
        "pendbaser": lpis.pendbaser,
        "pending": [[intid, byte] for intid, byte in lpis.pending()],
    }


def checked(saved: object) -> SavedLpis:
    """What `save` returned, every value checked; nothing changes.

    Raises:
        VmError: EINVAL for data that does not fit.
    """
    data = _saved.mapping(saved)
    enabled = _saved.flag(data, "enabled")
    propbaser = _saved.number(data, "propbaser", PROPBASER_MASK)
    pendbaser = _saved.number(data, "pendbaser", PENDBASER_MASK)
    least, end = FIRST_LPI, FIRST_LPI + (capacity(propbaser) if enabled else 0)
    pending: list[tuple[int, int]] = []
    for pair in _saved.items(data, "pending"):
        if not _is_pending(pair, least, end):
            raise _saved.refusal("pending", f"[INTID {least}..{end - 1}, configuration byte]", pair)
        pending.append((pair[0], pair[1]))
        least = pair[0] + 1
    return SavedLpis(enabled, propbaser, pendbaser, tuple(pending))


def take(lpis: Lpis, saved: SavedLpis) -> None:
    """Take over what `checked` returned; the CPU interface's `update` must follow."""
    lpis.reset()
    lpis.propbaser = saved.propbaser
    lpis.pendbaser = saved.pendbaser
    lpis.restore(saved.enabled, saved.pending)


def _is_pending(pair: object, first: int, end: int) -> bool:
    """Whether it is [INTID from `first` to before `end`, configuration byte]."""
    if not isinstance(pair, list | tuple) or len(pair) != 2 or type(pair[0]) is not int or not first <= pair[0] < end:
        return False
    return _saved.fits(pair[1], PRIORITY | ENABLE)
