"""The makes of `irqframe.bits` that are there, by name."""

from __future__ import annotations

from types import ModuleType

from irqframe.bits import pure


def makes() -> dict[str, ModuleType]:
    """Each is a module with the names of `irqframe.bits`."""
    try:
        from irqframe.bits import _compiled
    except ImportError:
        return {"Python": pure}
    return {"compiled": _compiled, "Python": pure}
