"""Device attributes of KVM's GICv3 (Linux, Documentation/virt/kvm/devices/arm-vgic-v3.rst): addresses of the frames.

1. Redistributors are in one region (ADDR_REDIST) or in several (ADDR_REDIST_REGION), and not in both kinds.
2. A region is a word: the count of redistributors in [63:52], the address in [51:16], flags 0, the index in [11:0].
   Regions come in the order of their index, from 0 on.
Register access by attributes is not there: `irqchip_save_state` is. Nor are ITSs, which are devices of their own there.
"""

from __future__ import annotations

import errno
from typing import Final

from irqframe.errors import VmError
from irqframe.vm import Vm
from irqframe_vgic import _attributes as base
from irqframe_vgic._v3._tree import FRAME, REDISTRIBUTOR, Layout

ADDR_DIST: Final = 2
ADDR_REDIST: Final = 3
ADDR_REDIST_REGION: Final = 5

_BASE: Final = 0x000F_FFFF_FFFF_0000
_FLAGS: Final = 0xF000
_INDEX: Final = 0xFFF


class Attributes(base.Attributes[Layout]):
    """What was set by attributes."""

    def __init__(self) -> None:
        super().__init__((ADDR_DIST, ADDR_REDIST, ADDR_REDIST_REGION))
        self._distributor: int | None = None
        self._single: int | None = None
        self._regions: list[tuple[int, int]] = []

    def layout(self, vm: Vm) -> Layout | None:
        """Where the frames are, None until the distributor and places for every vCPU are there."""
        regions = tuple(self._regions)
        if self._single is not None:
            regions = ((self._single, REDISTRIBUTOR * len(vm.vcpus)),)
        if self._distributor is None or not regions or not vm.vcpus:
            return None
        layout = Layout((self._distributor, FRAME), regions)
        return layout if len(layout.places(len(vm.vcpus))) == len(vm.vcpus) else None

    def address(self, attr: int) -> int | None:
        """An address that was set; regions cannot be read without their index."""
        return {ADDR_DIST: self._distributor, ADDR_REDIST: self._single}.get(attr)

    def set_address(self, vm: Vm, attr: int, value: int) -> None:
        """Set the address of the distributor, of all redistributors, or of a region of them.

        Raises:
            VmError: as KVM; EINVAL for both kinds of regions, or a region out of turn.
        """
        if attr == ADDR_REDIST_REGION:
            self._add_region(value)
            return
        size = FRAME if attr == ADDR_DIST else REDISTRIBUTOR * max(len(vm.vcpus), 1)
        base.check_address(value, size, FRAME)
        base.check_unset(self.address(attr))
        if attr == ADDR_DIST:
            self._distributor = value
        elif self._regions:
            raise VmError(errno.EINVAL, "the redistributors are in regions already")
        else:
            self._single = value

    def _add_region(self, value: int) -> None:
        count, index = value >> 52, value & _INDEX
        if self._single is not None:
            raise VmError(errno.EINVAL, "the redistributors are in one region already")
        if value & _FLAGS or not count or index != len(self._regions):
            raise VmError(
                errno.EINVAL,
                f"region {value:#x}; expected a count in [63:52], no flags, and index {len(self._regions)} in [11:0]",
            )
        address = value & _BASE
        base.check_address(address, count * REDISTRIBUTOR, FRAME)
        self._regions.append((address, count * REDISTRIBUTOR))
