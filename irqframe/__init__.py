"""irqframe: a workbench for virtual interrupt controllers.

What a plugin needs most stands here; the rooms `irqframe.flow`, `irqframe.vm`, `irqframe.bits`, `irqframe.dt` and
`irqframe.guest` hold the rest. Nothing is imported before it is asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; `typing` has the same, and takes longer than all of this
if TYPE_CHECKING:
    from irqframe.errors import (
        GuestError,
        InputError,
        IrqframeError,
        NodeError,
        PluginError,
        SpecifierError,
        TriggerError,
        VmError,
    )
    from irqframe.flow import Injected, Irqchip, Source, SourceKind, Trigger, hookimpl
    from irqframe.machine import Device, Machine

__version__ = "0.1.0"

_HOMES = {
    "irqframe.errors": (
        "GuestError",
        "InputError",
        "IrqframeError",
        "NodeError",
        "PluginError",
        "SpecifierError",
        "TriggerError",
        "VmError",
    ),
    "irqframe.flow": ("Injected", "Irqchip", "Source", "SourceKind", "Trigger", "hookimpl"),
    "irqframe.machine": ("Device", "Machine"),
}

__all__ = [
    "Device",
    "GuestError",
    "Injected",
    "InputError",
    "Irqchip",
    "IrqframeError",
    "Machine",
    "NodeError",
    "PluginError",
    "Source",
    "SourceKind",
    "SpecifierError",
    "Trigger",
    "TriggerError",
    "VmError",
    "hookimpl",
]


if not TYPE_CHECKING:  # or every name would be one of ours

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
