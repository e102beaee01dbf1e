"""Device tree to machine, machine to VM, and machines re-targeted to another irqchip.

What only some commands need is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irqframe.machine._build import build, split_quirks
from irqframe.machine._codes import CODES
from irqframe.machine._load import examine, load_machine, plugin_bindings
from irqframe.machine._model import Default, Machine, MachineSource, MsiSource

if TYPE_CHECKING:
    from irqframe.machine._binding_made import scaffold
    from irqframe.machine._complete import Boot, boot_tree, lacks
    from irqframe.machine._cpu_count import with_cpus
    from irqframe.machine._device import Device, pl011, virtio_mmio
    from irqframe.machine._documents import BindingDocument, installed_bindings
    from irqframe.machine._frames import Frame, frames_of, reserved
    from irqframe.machine._guest_finding import guest_finding
    from irqframe.machine._lines import Line, line_of
    from irqframe.machine._retarget import retarget
    from irqframe.machine._test_device import with_test_device
    from irqframe.machine._topology import State, Topology, TopologyController, TopologySource, topology
    from irqframe.machine._unserved import hide_unserved

_HOMES = {
    "_binding_made": ("scaffold",),
    "_complete": ("Boot", "boot_tree", "lacks"),
    "_cpu_count": ("with_cpus",),
    "_device": ("Device", "pl011", "virtio_mmio"),
    "_documents": ("BindingDocument", "installed_bindings"),
    "_frames": ("Frame", "frames_of", "reserved"),
    "_guest_finding": ("guest_finding",),
    "_lines": ("Line", "line_of"),
    "_retarget": ("retarget",),
    "_test_device": ("with_test_device",),
    "_unserved": ("hide_unserved",),
    "_topology": ("State", "Topology", "TopologyController", "TopologySource", "topology"),
}

__all__ = [
    "CODES",
    "BindingDocument",
    "Boot",
    "Default",
    "Device",
    "Frame",
    "Line",
    "Machine",
    "MachineSource",
    "MsiSource",
    "State",
    "Topology",
    "TopologyController",
    "TopologySource",
    "boot_tree",
    "build",
    "examine",
    "frames_of",
    "guest_finding",
    "hide_unserved",
    "installed_bindings",
    "lacks",
    "line_of",
    "load_machine",
    "pl011",
    "plugin_bindings",
    "reserved",
    "retarget",
    "scaffold",
    "split_quirks",
    "topology",
    "virtio_mmio",
    "with_cpus",
    "with_test_device",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
