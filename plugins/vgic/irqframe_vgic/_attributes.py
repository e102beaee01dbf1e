"""Device attributes of KVM's GICs (Linux, Documentation/virt/kvm/devices/arm-vgic.rst, arm-vgic-v3.rst) that both have.

They are the addresses of the frames, the number of INTIDs, and initialisation.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Final, Generic, TypeVar

from irqframe.errors import VmError
from irqframe.vm import Vm
from irqframe_vgic._intids import MAX_INTIDS, PRIVATE

L = TypeVar("L")

GROUP_ADDR: Final = 0
GROUP_NR_IRQS: Final = 3
GROUP_CTRL: Final = 4
CTRL_INIT: Final = 0

_ADDRESS_LIMIT: Final = 1 << 48


class Attributes(ABC, Generic[L]):
    """What was set by attributes.

    Args:
        addresses: the attributes of the group of addresses.

    Attributes:
        initialised: whether CTRL_INIT was written.
        spis: how many SPIs were asked for, None if that was left open.
    """

    def __init__(self, addresses: Collection[int]) -> None:
        self._known = {(GROUP_ADDR, attr) for attr in addresses} | {(GROUP_NR_IRQS, 0), (GROUP_CTRL, CTRL_INIT)}
        self.initialised = False
        self.spis: int | None = None

    @abstractmethod
    def layout(self, vm: Vm) -> L | None:
        """Where the frames are, None until every address is set."""

    @abstractmethod
    def address(self, attr: int) -> int | None:
        """An address that was set."""

    @abstractmethod
    def set_address(self, vm: Vm, attr: int, value: int) -> None:
        """Set an address.

        Raises:
            VmError: EINVAL, E2BIG or EEXIST as KVM.
        """

    def has(self, vm: Vm, group: int, attr: int) -> bool:
        """Whether the attribute exists."""
        return (group, attr) in self._known

    def get(self, vm: Vm, group: int, attr: int, spis: int) -> int:
        """An attribute's value; `spis` is how many SPIs there are.

        Raises:
            VmError: ENXIO for one that is not there, cannot be read, or is not set.
        """
        if (group, attr) == (GROUP_NR_IRQS, 0):
            return spis + PRIVATE
        value = self.address(attr) if group == GROUP_ADDR else None
        if value is None:
            raise VmError(errno.ENXIO, f"attribute {attr} of group {group} has no value")
        return value

    def set(self, vm: Vm, group: int, attr: int, value: int) -> None:
        """Set an attribute.

        Raises:
            VmError: ENXIO for one that is not there; EBUSY for INTIDs that are set already or come too late, and for
                initialising before there are vCPUs; EINVAL, E2BIG or EEXIST as KVM.
        """
        if not self.has(vm, group, attr):
            raise VmError(errno.ENXIO, f"the GIC has no attribute {attr} of group {group}")
        work: Callable[[Vm, int, int], None] = {
            GROUP_ADDR: self.set_address,
            GROUP_NR_IRQS: self._set_intids,
            GROUP_CTRL: self._initialise,
        }[group]
        work(vm, attr, value)

    def _set_intids(self, vm: Vm, attr: int, value: int) -> None:
        """KVM_DEV_ARM_VGIC_GRP_NR_IRQS; of 1024 INTIDs the last four are special numbers."""
        if self.spis is not None or self.initialised or vm.finalized:
            raise VmError(errno.EBUSY, "the number of INTIDs is settled already")
        if value % 32 or not 64 <= value <= 1024:
            raise VmError(errno.EINVAL, f"{value} INTIDs; expected a multiple of 32 from 64 to 1024")
        self.spis = min(value, MAX_INTIDS) - PRIVATE

    def _initialise(self, vm: Vm, attr: int, value: int) -> None:
        if not vm.vcpus:
            raise VmError(errno.EBUSY, "the GIC is initialised when the vCPUs are there")
        self.initialised = True


def check_address(value: int, size: int, alignment: int) -> None:
    """Whether a frame can be there.

    Raises:
        VmError: EINVAL if it is not aligned, E2BIG if it ends behind the guest's addresses.
    """
    if value % alignment:
        raise VmError(errno.EINVAL, f"address {value:#x} is not a multiple of {alignment:#x}")
    if not 0 <= value <= _ADDRESS_LIMIT - size:
        raise VmError(errno.E2BIG, f"address {value:#x} is beyond the guest's {_ADDRESS_LIMIT:#x}")


def check_unset(address: int | None) -> None:
    """Whether an address is still open.

    Raises:
        VmError: EEXIST if it is not.
    """
    if address is not None:
        raise VmError(errno.EEXIST, f"the address is set to {address:#x} already")
