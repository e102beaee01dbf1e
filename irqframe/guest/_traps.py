"""Traps of a whole VM, by kind and by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from irqframe.vm import Vm


@dataclass(frozen=True, slots=True)
class TrapCounts:
    """How often the guest trapped.

    Attributes:
        hypercalls: by function name; "unknown" for ids that nobody serves.
        mmio: by register name.
        sysregs: by register name.
    """

    hypercalls: Mapping[str, int] = field(default_factory=dict)
    mmio: Mapping[str, int] = field(default_factory=dict)
    sysregs: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Traps of all kinds."""
        return sum(sum(kind.values()) for kind in (self.hypercalls, self.mmio, self.sysregs))

    def since(self, before: TrapCounts) -> TrapCounts:
        """What was added after `before` was counted."""
        return TrapCounts(
            _less(self.hypercalls, before.hypercalls),
            _less(self.mmio, before.mmio),
            _less(self.sysregs, before.sysregs),
        )


def count_traps(vm: Vm) -> TrapCounts:
    """Add up the traps of every vCPU."""
    hypercalls: Counter[str] = Counter()
    mmio: Counter[str] = Counter()
    sysregs: Counter[str] = Counter()
    for vcpu in vm.vcpus:
        for fid, times in vcpu.hypercall_counts.items():
            hypercalls[vm.hypercalls.name(fid)] += times
        if vcpu.unknown_hypercalls:
            hypercalls["unknown"] += vcpu.unknown_hypercalls
        for gpa, times in vcpu.mmio_counts.items():
            mmio[vm.mmio.name(gpa)] += times
        for encoding, times in vcpu.sysreg_counts.items():
            sysregs[vm.sysregs.name(encoding)] += times
    return TrapCounts(dict(hypercalls), dict(mmio), dict(sysregs))


def _less(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    counts = {name: times - before.get(name, 0) for name, times in after.items()}
    return {name: times for name, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if times}
