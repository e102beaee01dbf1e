"""Device tree to machine, machine to VM, and machines re-targeted to another irqchip."""

from irqframe.machine._binding_made import scaffold
from irqframe.machine._build import build, split_quirks
from irqframe.machine._codes import CODES
from irqframe.machine._complete import Boot, boot_tree, lacks
from irqframe.machine._device import Device, pl011, virtio_mmio
from irqframe.machine._documents import BindingDocument, installed_bindings
from irqframe.machine._lines import Line, line_of
from irqframe.machine._load import examine, load_machine, plugin_bindings
from irqframe.machine._model import Default, Machine, MachineSource, MsiSource
from irqframe.machine._retarget import retarget
from irqframe.machine._topology import State, Topology, TopologyController, TopologySource, topology

__all__ = [
    "CODES",
    "BindingDocument",
    "Boot",
    "Default",
    "Device",
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
    "installed_bindings",
    "lacks",
    "line_of",
    "load_machine",
    "pl011",
    "plugin_bindings",
    "retarget",
    "scaffold",
    "split_quirks",
    "topology",
    "virtio_mmio",
]
