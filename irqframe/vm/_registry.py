"""Which vCPU is which, by the number userspace gave it and by affinity; each names one at most."""

from __future__ import annotations

import errno
from typing import Final

from irqframe.errors import VmError
from irqframe.vm._vcpu import VCpu

MPIDR_AFFINITY: Final = 0xFF00FFFFFF
"""The affinity fields of MPIDR_EL1: Aff3 in bits 39:32, Aff2 to Aff0 in bits 23:0."""


class Registry:
    """The vCPUs of one VM by number and by affinity; `Vm.vcpus` has them by index."""

    __slots__ = ("_by_id", "_by_mpidr")

    def __init__(self) -> None:
        self._by_id: dict[int, VCpu] = {}
        self._by_mpidr: dict[int, VCpu] = {}

    def by_id(self, vcpu_id: int) -> VCpu | None:
        """The vCPU that userspace gave that number, or None."""
        return self._by_id.get(vcpu_id)

    def by_mpidr(self, mpidr: int) -> VCpu | None:
        """The vCPU of that affinity, or None."""
        return self._by_mpidr.get(mpidr)

    def check_range(self, vcpu_id: int, mpidr: int, limit: int) -> None:
        """Whether one more vCPU may be made with that number and affinity.

        Raises:
            VmError: EINVAL if there would be more than `limit`, or the number or the affinity cannot be.
        """
        if not 0 <= vcpu_id < limit or len(self._by_id) >= limit:
            raise VmError(errno.EINVAL, f"vCPU id {vcpu_id} is not in 0..{limit - 1}")
        if mpidr & ~MPIDR_AFFINITY:
            raise VmError(errno.EINVAL, f"MPIDR {mpidr:#x} has bits outside of the affinity fields")

    def check_free(self, vcpu_id: int, mpidr: int) -> None:
        """Whether no vCPU has that number or affinity.

        Raises:
            VmError: EEXIST if one has.
        """
        if vcpu_id in self._by_id:
            raise VmError(errno.EEXIST, f"vCPU id {vcpu_id} is taken")
        if mpidr in self._by_mpidr:
            raise VmError(errno.EEXIST, f"MPIDR {mpidr:#x} is taken by vCPU {self._by_mpidr[mpidr].index}")

    def add(self, vcpu: VCpu) -> None:
        """Add a vCPU that was checked."""
        self._by_id[vcpu.vcpu_id] = vcpu
        self._by_mpidr[vcpu.mpidr] = vcpu

    def clear(self) -> None:
        """Forget them all."""
        self._by_id.clear()
        self._by_mpidr.clear()


def default_mpidr(vcpu_id: int) -> int:
    """The affinity KVM gives a vCPU: Aff0 = id[3:0], Aff1 = id[11:4], Aff2 = id[19:12]."""
    return vcpu_id & 0xF | (vcpu_id >> 4 & 0xFF) << 8 | (vcpu_id >> 12 & 0xFF) << 16
