"""The traps of a VM that are its irqchip's: not those of other devices, nor calls to the firmware.

A hypercall is the firmware's by the owner in its function id (SMC Calling Convention, "Function Identifiers": Arm
Architecture Calls, Standard Secure Service Calls such as PSCI); an access is a device's by the frame it lies in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from irqframe.guest._traps import TrapCounts
from irqframe.guest.devices import Device
from irqframe.vm import Vm

FIRMWARE: Final = frozenset({0, 4})
"""Owners of hypercalls that are the firmware's."""

_OWNER_SHIFT: Final = 24
_OWNER_MASK: Final = 0x3F


def own_traps(vm: Vm, devices: Iterable[Device]) -> TrapCounts:
    """Add up the traps of every vCPU that the irqchip served.

    Args:
        vm: the VM.
        devices: of its machine; their frames bear their names.
    """
    names = {device.name for device in devices}
    hypercalls: Counter[str] = Counter()
    mmio: Counter[str] = Counter()
    sysregs: Counter[str] = Counter()
    for vcpu in vm.vcpus:
        for fid, times in vcpu.hypercall_counts.items():
            if fid >> _OWNER_SHIFT & _OWNER_MASK not in FIRMWARE:
                hypercalls[vm.hypercalls.name(fid)] += times
        for gpa, times in vcpu.mmio_counts.items():
            frame = vm.mmio.find(gpa, 1)
            if frame is not None and frame.name not in names:
                mmio[vm.mmio.name(gpa)] += times
        for encoding, times in vcpu.sysreg_counts.items():
            sysregs[vm.sysregs.name(encoding)] += times
    return TrapCounts(dict(hypercalls), dict(mmio), dict(sysregs))
