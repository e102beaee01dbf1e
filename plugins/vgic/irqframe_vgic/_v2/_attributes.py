"""Device attributes of KVM's GICv2 (Linux, Documentation/virt/kvm/devices/arm-vgic.rst): addresses, INTIDs, init."""

from __future__ import annotations

import errno
from typing import Final

from irqframe.errors import VmError
from irqframe.vm import Vm
from irqframe_vgic._v2._parameters import Parameters, with_intids
from irqframe_vgic._v2._tree import Layout
from irqframe_vgic._v2._userspace import TABLES, UserRegisters

GROUP_ADDR: Final = 0
GROUP_NR_IRQS: Final = 3
GROUP_CTRL: Final = 4

ADDR_DIST: Final = 0
ADDR_CPU: Final = 1
CTRL_INIT: Final = 0

_KNOWN: Final = {(GROUP_ADDR, ADDR_DIST), (GROUP_ADDR, ADDR_CPU), (GROUP_NR_IRQS, 0), (GROUP_CTRL, CTRL_INIT)}

# KVM_VGIC_V2_DIST_SIZE and KVM_VGIC_V2_CPU_SIZE.
_SIZES: Final = {ADDR_DIST: 0x1000, ADDR_CPU: 0x2000}
_ADDRESS_LIMIT: Final = 1 << 48


class Attributes:
    """What was set by attributes.

    Attributes:
        initialised: whether CTRL_INIT was written.
        registers: those that userspace has.
    """

    def __init__(self) -> None:
        self.registers = UserRegisters()
        self.initialised = False
        self._addresses: dict[int, int] = {}
        self._intids_set = False

    @property
    def layout(self) -> Layout | None:
        """Where the frames are, None until both addresses are set."""
        if len(self._addresses) < len(_SIZES):
            return None
        dist, cpu = (self._addresses[attr] for attr in (ADDR_DIST, ADDR_CPU))
        return Layout((dist, _SIZES[ADDR_DIST]), (cpu, _SIZES[ADDR_CPU]))

    def has(self, vm: Vm, group: int, attr: int) -> bool:
        """Whether the attribute exists."""
        if group in TABLES:
            return self.registers.has(vm, group, attr)
        return (group, attr) in _KNOWN

    def get(self, vm: Vm, group: int, attr: int, parameters: Parameters) -> int:
        """An attribute's value.

        Raises:
            VmError: ENXIO for one that is not there, cannot be read, or is not set; of a register as `UserRegisters`.
        """
        if group in TABLES:
            return self.registers.get(vm, group, attr)
        if (group, attr) == (GROUP_NR_IRQS, 0):
            return parameters.spis + 32
        if group == GROUP_ADDR and attr in self._addresses:
            return self._addresses[attr]
        raise VmError(errno.ENXIO, f"attribute {attr} of group {group} has no value")

    def set(self, vm: Vm, group: int, attr: int, value: int, parameters: Parameters) -> Parameters | None:
        """Set an attribute.

        Returns:
            The parameters, if they change.

        Raises:
            VmError: ENXIO for one that is not there; EBUSY for INTIDs that are set already or come too late, and for
                initialising before there are vCPUs; EINVAL, E2BIG or EEXIST as KVM; of a register as `UserRegisters`.
        """
        if group in TABLES:
            self.registers.set(vm, group, attr, value)
            return None
        if not self.has(vm, group, attr):
            raise VmError(errno.ENXIO, f"the GIC has no attribute {attr} of group {group}")
        if group == GROUP_ADDR:
            self._set_address(attr, value)
        elif group == GROUP_NR_IRQS:
            if self._intids_set or self.initialised or vm.finalized:
                raise VmError(errno.EBUSY, "the number of INTIDs is settled already")
            changed = with_intids(parameters, value)
            self._intids_set = True
            return changed
        elif not vm.vcpus:
            raise VmError(errno.EBUSY, "the GIC is initialised when the vCPUs are there")
        else:
            self.initialised = True
        return None

    def _set_address(self, attr: int, value: int) -> None:
        if value % 0x1000:
            raise VmError(errno.EINVAL, f"address {value:#x} is not a multiple of 0x1000")
        if not 0 <= value <= _ADDRESS_LIMIT - _SIZES[attr]:
            raise VmError(errno.E2BIG, f"address {value:#x} is beyond the guest's {_ADDRESS_LIMIT:#x}")
        if attr in self._addresses:
            raise VmError(errno.EEXIST, f"the address is set to {self._addresses[attr]:#x} already")
        self._addresses[attr] = value
