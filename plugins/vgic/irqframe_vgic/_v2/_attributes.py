"""Device attributes of KVM's GICv2 (Linux, Documentation/virt/kvm/devices/arm-vgic.rst): addresses, and registers."""

from __future__ import annotations

from typing import Final

from irqframe.vm import Vm
from irqframe_vgic import _attributes as base
from irqframe_vgic._v2._tree import Layout
from irqframe_vgic._v2._userspace import TABLES, UserRegisters

ADDR_DIST: Final = 0
ADDR_CPU: Final = 1

# KVM_VGIC_V2_DIST_SIZE and KVM_VGIC_V2_CPU_SIZE.
_SIZES: Final = {ADDR_DIST: 0x1000, ADDR_CPU: 0x2000}
_ALIGNMENT: Final = 0x1000


class Attributes(base.Attributes[Layout]):
    """What was set by attributes; those of registers are served by `UserRegisters`, which says what it raises."""

    def __init__(self) -> None:
        super().__init__(_SIZES)
        self._registers = UserRegisters()
        self._addresses: dict[int, int] = {}

    def layout(self, vm: Vm) -> Layout | None:
        """Where the frames are, None until both addresses are set."""
        if len(self._addresses) < len(_SIZES):
            return None
        dist, cpu = ((self._addresses[attr], size) for attr, size in _SIZES.items())
        return Layout(dist, cpu)

    def address(self, attr: int) -> int | None:
        """An address that was set."""
        return self._addresses.get(attr)

    def set_address(self, vm: Vm, attr: int, value: int) -> None:
        """Set the address of the distributor or of the CPU interface."""
        base.check_address(value, _SIZES[attr], _ALIGNMENT)
        base.check_unset(self.address(attr))
        self._addresses[attr] = value

    def has(self, vm: Vm, group: int, attr: int) -> bool:
        """Whether the attribute exists."""
        if group in TABLES:
            return self._registers.has(vm, group, attr)
        return super().has(vm, group, attr)

    def get(self, vm: Vm, group: int, attr: int, spis: int) -> int:
        """An attribute's value."""
        if group in TABLES:
            return self._registers.get(vm, group, attr)
        return super().get(vm, group, attr, spis)

    def set(self, vm: Vm, group: int, attr: int, value: int) -> None:
        """Set an attribute."""
        if group in TABLES:
            self._registers.set(vm, group, attr, value)
        else:
            super().set(vm, group, attr, value)
