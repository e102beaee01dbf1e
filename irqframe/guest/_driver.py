"""What an operating system's interrupt driver does, as an interface: each irqchip plugin brings one in Python.

The workload calls a driver as a kernel calls its own: probe on the boot CPU, start each CPU, request interrupts, send
IPIs, move interrupts, stop a CPU. The driver reaches its irqchip only as a guest may: through the `ScriptedCpu`.

Interrupts are named by *hwirq*, the number that the irqchip's acknowledge gives (its INTID).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from irqframe.errors import GuestError
from irqframe.flow import NodeRef, Source
from irqframe.guest._cpu import ScriptedCpu
from irqframe.vm import Vm


class Msi(NamedTuple):
    """A message that the guest has given to a device.

    Attributes:
        address: where the device writes.
        data: what it writes, 32 bits.
        hwirq: the interrupt it becomes.
        line: the shared line whose interrupt that is, numbered as an SPI source; -1 if it is none.
    """

    address: int
    data: int
    hwirq: int
    line: int = -1


def nobody(cpu: ScriptedCpu, hwirq: int) -> None:
    """The handler of a driver that nobody has given one."""
    raise GuestError(f"CPU {cpu.index} took interrupt {hwirq}, and nothing handles it")


class Driver(ABC):
    """A scripted guest's driver for one irqchip.

    Args:
        vm: the VM, finalized.

    Attributes:
        vm: as given.
        handler: called between acknowledge and end of interrupt with the CPU and the hwirq; the workload sets it.
        spurious: acknowledges that gave no interrupt.
        ipis: how many IPIs `send_ipi` has, numbered from 0; 0 if none.
        movable: whether `set_affinity` works.
        msis: whether `alloc_msis` and `alloc_msis_at` work.
    """

    ipis: int = 0
    movable: bool = False
    msis: bool = False

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.handler: Callable[[ScriptedCpu, int], None] = nobody
        self.spurious = 0

    @abstractmethod
    def probe(self, cpu: ScriptedCpu) -> None:
        """Find the irqchip and bring its shared parts to a known state; once, on the boot CPU.

        Raises:
            GuestError: if what is found is not what the driver can drive.
        """

    @abstractmethod
    def starting(self, cpu: ScriptedCpu) -> None:
        """Bring up the irqchip's part of a CPU, on that CPU; the boot CPU too. Nothing is enabled but IPIs."""

    @abstractmethod
    def dying(self, cpu: ScriptedCpu) -> None:
        """Shut down the irqchip's part of a CPU, on that CPU; shared interrupts were moved away before."""

    @abstractmethod
    def handle_irq(self, cpu: ScriptedCpu) -> None:
        """The IRQ exception: acknowledge, call `handler`, end the interrupt."""

    @abstractmethod
    def request_percpu(self, cpu: ScriptedCpu, source: Source) -> int:
        """Enable a per-CPU interrupt on the calling CPU.

        Returns:
            Its hwirq.
        """

    @abstractmethod
    def request(self, cpu: ScriptedCpu, source: Source, target: int) -> int:
        """Set up a shared wired interrupt for the CPU of index `target`, and enable it. A second request for one line
        shares it, and returns the same.

        Returns:
            Its hwirq.

        Raises:
            GuestError: if the irqchip has no room for it.
        """

    def ipi_hwirq(self, ipi: int) -> int:
        """The hwirq of an IPI; the same number unless a driver says otherwise."""
        return ipi

    def send_ipi(self, cpu: ScriptedCpu, targets: Sequence[int], ipi: int) -> None:
        """Send IPI `ipi` to the CPUs of index `targets`."""
        raise GuestError(f"{type(self).__name__} has no IPIs")

    def set_affinity(self, cpu: ScriptedCpu, hwirq: int, target: int) -> None:
        """Move a shared interrupt to the CPU of index `target`; what is pending moves with it."""
        raise GuestError(f"{type(self).__name__} cannot move interrupts")

    def alloc_msis(self, cpu: ScriptedCpu, devid: int, count: int, target: int) -> list[Msi]:
        """Take `count` messages for the device `devid`, delivered to the CPU of index `target`, and enable them.

        Raises:
            GuestError: if there are not so many.
        """
        raise GuestError(f"{type(self).__name__} has no MSIs")

    def alloc_msis_at(self, cpu: ScriptedCpu, controller: NodeRef, devid: int, count: int, target: int) -> list[Msi]:
        """`alloc_msis`, from the one of the irqchip's nodes that the tree names for the device; the workload calls it.

        A driver of one controller need not care which it is. A driver of several has DeviceIDs of each.
        """
        return self.alloc_msis(cpu, devid, count, target)
