"""A machine: what the device tree says of its interrupts, in terms that no irqchip owns."""

from __future__ import annotations

from dataclasses import dataclass

from irqframe.dt import Cpu, InterruptRef, MsiRef, Node, Region, Tree
from irqframe.flow import Irqchip, Source


@dataclass(frozen=True, slots=True)
class MachineSource:
    """One wired interrupt of a device.

    Attributes:
        name: what reports call it, unique in the machine: "virtio_mmio@a000000", "timer (virt)".
        ref: where it comes from and how it gets to its controller.
        source: what it is to the irqchip.
    """

    name: str
    ref: InterruptRef
    source: Source


@dataclass(frozen=True, slots=True)
class MsiSource:
    """One device that sends messages; of a PCI host, the first function that can.

    Attributes:
        name: what reports call it.
        ref: whose messages, and who takes them.
        devid: the DeviceID that its messages carry.
    """

    name: str
    ref: MsiRef
    devid: int


@dataclass(frozen=True, slots=True)
class Default:
    """Something that the tree does not say, and what is taken for it.

    Attributes:
        what: in a few words.
        value: likewise.
    """

    what: str
    value: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that was found to be sound; `irqframe.machine.build` makes a VM of it.

    Attributes:
        tree: as loaded, or as re-targeted.
        irqchip: entry-point key of the plugin that serves its interrupt controllers.
        chip: that plugin's class.
        cpus: in the order of the tree.
        memory: regions of RAM.
        controllers: every node that the irqchip serves, in the order of the tree.
        sources: every wired interrupt.
        msis: every device with messages.
        timer: sources of the generic timer that a VM models: virtual and physical.
        pmu: the per-CPU source of the performance monitor, or None.
        defaults: what the tree leaves open.
    """

    tree: Tree
    irqchip: str
    chip: type[Irqchip]
    cpus: tuple[Cpu, ...]
    memory: tuple[Region, ...]
    controllers: tuple[Node, ...]
    sources: tuple[MachineSource, ...]
    msis: tuple[MsiSource, ...]
    timer: tuple[Source | None, Source | None]
    pmu: Source | None
    defaults: tuple[Default, ...]
