"""Device tree to machine, machine to VM, and machines re-targeted to another irqchip."""

from irqframe.machine._build import build, split_quirks
from irqframe.machine._codes import CODES
from irqframe.machine._load import examine, load_machine, plugin_bindings
from irqframe.machine._model import Default, Machine, MachineSource, MsiSource
from irqframe.machine._retarget import retarget

__all__ = [
    "CODES",
    "Default",
    "Machine",
    "MachineSource",
    "MsiSource",
    "build",
    "examine",
    "load_machine",
    "plugin_bindings",
    "retarget",
    "split_quirks",
]
