"""Interrupts of the host that stand for a guest's: the physical timer behind a guest's virtual timer."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from irqframe.errors import VmError


@dataclass(slots=True)
class HostIrq:
    """One interrupt of the host.

    Attributes:
        number: the host's number for it, 1 or more.
        name: who has it.
        active: taken by the host and not yet ended on the guest's behalf; while it is, it cannot fire again.
        fired: how often it was taken.
        retake: called when it was deactivated, to take it again if the line is still high; or None.
    """

    number: int
    name: str
    active: bool = False
    fired: int = 0
    retake: Callable[[], None] | None = None

    def fire(self) -> bool:
        """The physical line is high: take the interrupt, unless it is active already.

        Returns:
            Whether it was taken.
        """
        if self.active:
            return False
        self.active = True
        self.fired += 1
        return True


class HostIrqs:
    """Every host interrupt that the VM uses."""

    def __init__(self) -> None:
        self._irqs: dict[int, HostIrq] = {}
        self._last = 0

    def allocate(self, name: str, retake: Callable[[], None] | None = None) -> HostIrq:
        """Take a host interrupt that nobody had.

        Args:
            name: who has it.
            retake: as in `HostIrq`.
        """
        self._last += 1
        irq = HostIrq(self._last, name, retake=retake)
        self._irqs[irq.number] = irq
        return irq

    def free(self, number: int) -> None:
        """Give a host interrupt back; its number is not used again.

        Raises:
            VmError: EINVAL if there is none of that number.
        """
        del self._irqs[self[number].number]

    def __getitem__(self, number: int) -> HostIrq:
        try:
            return self._irqs[number]
        except KeyError:
            raise VmError(errno.EINVAL, f"there is no host interrupt {number}") from None

    def deactivate(self, number: int) -> None:
        """End a host interrupt on the guest's behalf, so that it can fire again.

        If its line is still high it fires again before this returns, which comes back to the irqchip as an injection:
        an irqchip calls it when its own state is settled.

        Args:
            number: as given to `irqchip_map_phys_irq`.

        Raises:
            VmError: EINVAL if there is none of that number.
        """
        irq = self[number]
        irq.active = False
        if irq.retake is not None:
            irq.retake()
