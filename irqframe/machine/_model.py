"""A machine: what the device tree says of its interrupts, in terms that no irqchip owns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from irqframe.dt import Cpu, InterruptRef, MsiRef, Node, Region, Tree, to_dtb, to_dts
from irqframe.flow import Irqchip, Plugin, Source
from irqframe.machine._device import Device
from irqframe.machine._guest_nodes import RAM_SIZE


@dataclass(frozen=True, slots=True)
class MachineSource:
    """One wired interrupt of a device.

    Attributes:
        name: what reports call it, unique in the machine: "virtio_mmio@a000000", "timer (virt)".
        ref: where it comes from and how it gets to its controller.
        source: what it is to the irqchip.
        cpus: indices of the CPUs that have a per-CPU interrupt; None: all.
    """

    name: str
    ref: InterruptRef
    source: Source
    cpus: frozenset[int] | None = None


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

    @classmethod
    def build(
        cls,
        irqchip: str,
        cpus: int | Sequence[int] = 1,
        memory: int | tuple[int, int] = RAM_SIZE,
        devices: Iterable[Device | str] = ("pl011",),
        *,
        bootargs: str | None = None,
        initrd: tuple[int, int] | None = None,
        timer: bool = True,
        pmu: bool = True,
        plugins: Sequence[Plugin] | None = None,
    ) -> Machine:
        """Build a machine from nothing.

        Args:
            irqchip: name of the irqchip, as `irqframe plugins` lists it.
            cpus: how many, or the MPIDR of each.
            memory: how many bytes of RAM, or its address and size.
            devices: in the order of the tree; by name ("pl011", "virtio-mmio") where nothing is to be said of them.
            bootargs: the kernel's command line in /chosen.
            initrd: address and size of an initial RAM disk, in /chosen.
            timer: whether there is a generic timer.
            pmu: whether there is a performance monitor.
            plugins: the irqchips to choose from; None: the installed ones.

        Returns:
            The machine, as `load_machine` makes it of the tree that was written. The same call gives the same tree.

        Raises:
            ValueError: there is no CPU, two have the same MPIDR, a device has no such name, or two things would lie on
                the same address.
            InputError: the irqchip cannot serve such a machine (E0608), or what was built is wrong.
            PluginError: the irqchip is not installed, broken, or breaks the hook spec.
        """
        from irqframe.machine._builder import build_machine

        return build_machine(
            irqchip,
            cpus,
            memory,
            devices,
            bootargs=bootargs,
            initrd=initrd,
            timer=timer,
            pmu=pmu,
            plugins=plugins,
        )

    def dtb(self) -> bytes:
        """Its tree as a DTB, which is what a guest boots from."""
        return to_dtb(self.tree)

    def dts(self) -> str:
        """Its tree as device-tree source."""
        return to_dts(self.tree)
