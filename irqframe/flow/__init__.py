"""The contract between a VM and its interrupt controller: hook spec, discovery, and the sealed dispatch table.

A part is imported when a name of it is asked for: a plugin's module needs the base class and the markers, and no more.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from irqframe.flow._blame import blaming
    from irqframe.flow._discovery import LOAD_PLUGINS, Plugin, check, discover, find
    from irqframe.flow._flow import Flow
    from irqframe.flow._irqchip import ALL_QUIRKS, Irqchip
    from irqframe.flow._markers import PREFIX, PROJECT, hookimpl
    from irqframe.flow._table import CALLBACKS, REFERENCE_CALLBACKS, FlowTable, arguments, specification
    from irqframe.flow._types import (
        Counters,
        DescribeRequest,
        Hypercall,
        HypercallClaim,
        HypercallHandler,
        Injected,
        Lines,
        MessageLines,
        MmioClaim,
        NodeRef,
        NodeSpec,
        Phandle,
        PropertyValue,
        RoutingEntry,
        RoutingKind,
        Source,
        SourceKind,
        SysregClaim,
        SysregEncoding,
        TrapClaim,
        Trigger,
        VCpuRef,
        VmRef,
    )

_HOMES = {
    "irqframe.flow._blame": ("blaming",),
    "irqframe.flow._discovery": (
        "LOAD_PLUGINS",
        "Plugin",
        "check",
        "discover",
        "find",
    ),
    "irqframe.flow._flow": ("Flow",),
    "irqframe.flow._irqchip": (
        "ALL_QUIRKS",
        "Irqchip",
    ),
    "irqframe.flow._markers": (
        "PREFIX",
        "PROJECT",
        "hookimpl",
    ),
    "irqframe.flow._table": (
        "CALLBACKS",
        "REFERENCE_CALLBACKS",
        "FlowTable",
        "arguments",
        "specification",
    ),
    "irqframe.flow._types": (
        "Counters",
        "DescribeRequest",
        "Hypercall",
        "HypercallClaim",
        "HypercallHandler",
        "Injected",
        "Lines",
        "MessageLines",
        "MmioClaim",
        "NodeRef",
        "NodeSpec",
        "Phandle",
        "PropertyValue",
        "RoutingEntry",
        "RoutingKind",
        "Source",
        "SourceKind",
        "SysregClaim",
        "SysregEncoding",
        "TrapClaim",
        "Trigger",
        "VCpuRef",
        "VmRef",
    ),
}

__all__ = [
    "ALL_QUIRKS",
    "CALLBACKS",
    "LOAD_PLUGINS",
    "PREFIX",
    "PROJECT",
    "REFERENCE_CALLBACKS",
    "Counters",
    "DescribeRequest",
    "Flow",
    "FlowTable",
    "Hypercall",
    "HypercallClaim",
    "HypercallHandler",
    "Injected",
    "Irqchip",
    "Lines",
    "MessageLines",
    "MmioClaim",
    "NodeRef",
    "NodeSpec",
    "Phandle",
    "Plugin",
    "PropertyValue",
    "RoutingEntry",
    "RoutingKind",
    "Source",
    "SourceKind",
    "SysregClaim",
    "SysregEncoding",
    "TrapClaim",
    "Trigger",
    "VCpuRef",
    "VmRef",
    "arguments",
    "blaming",
    "check",
    "discover",
    "find",
    "hookimpl",
    "specification",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
