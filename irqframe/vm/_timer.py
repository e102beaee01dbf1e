"""Devices inside the VM that inject through the flow: the two generic timers and the PMU of a vCPU.

A timer's line is high while it is enabled, not masked, and its compare value is not in the future (Arm ARM,
"Operation of the CompareValue views of the timers"). The counter counts nanoseconds of the VM's clock.

If the irqchip maps host interrupts, a timer is *direct*: its physical line takes a host interrupt, which stays active
until the irqchip deactivates it on the guest's behalf, and the irqchip asks for the level instead of being told. Else
it is *emulated*: every change of the line is injected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from irqframe.flow import Injected
from irqframe.vm._host_irq import HostIrq

if TYPE_CHECKING:
    from irqframe.vm._vcpu import VCpu

VIRTUAL_TIMER_INTID: Final = 27
"""PPI of the virtual timer unless the machine says otherwise (Server Base System Architecture, PPI assignments)."""
PHYSICAL_TIMER_INTID: Final = 30
"""PPI of the EL1 physical timer, likewise."""
PMU_INTID: Final = 23
"""PPI of the PMU's overflow, likewise."""


class PerCpuDevice:
    """A device with one level line into its own vCPU.

    Attributes:
        name: what reports call it.
        intid: the INTID of its line.
        asserted: the line, as last told to the irqchip.
        raised: how often the line rose.
        outcome: what became of the last of these.
        outcomes: what became of all of them.
    """

    __slots__ = ("_by_id", "_inject", "asserted", "intid", "name", "outcome", "outcomes", "raised", "vcpu")

    def __init__(self, vcpu: VCpu, name: str, intid: int) -> None:
        self.vcpu = vcpu
        self._inject = vcpu.vm.inject
        self._by_id = "K8" in vcpu.vm.quirks
        self.name = name
        self.intid = intid
        self.asserted = False
        self.raised = 0
        self.outcome = Injected.NOTHING
        self.outcomes: dict[Injected, int] = {}

    def own(self) -> None:
        """Reserve the INTID, at the vCPU's first run; once more has no effect.

        Raises:
            VmError: EEXIST if another device has it.
        """
        vcpu = self.vcpu
        set_owner = vcpu.vm.flow.table.set_owner
        if set_owner is not None:
            set_owner(vcpu, self.intid, self)

    def _raise_or_lower(self, level: bool) -> None:
        self.asserted = level
        inject = self._inject
        outcome = inject(self._cpu() if self._by_id else self.vcpu.index, self.intid, 1 if level else 0, self)
        if level:
            self.raised += 1
            self.outcome = outcome
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def _cpu(self) -> int:
        # Quirk K8: the reference passes the vCPU's id where an index is wanted, and makes 0 of one that is too large.
        vcpu = self.vcpu
        return vcpu.vcpu_id if vcpu.vcpu_id < len(vcpu.vm.vcpus) else 0


class Timer(PerCpuDevice):
    """A generic timer; a guest programs it without trapping, as under KVM.

    Attributes:
        compare: CVAL, nanoseconds of the VM's clock.
        enabled: CTL.ENABLE.
        masked: CTL.IMASK.
        host_irq: the host interrupt of a direct timer, else None.
    """

    __slots__ = ("compare", "enabled", "host_irq", "masked")

    def __init__(self, vcpu: VCpu, name: str, intid: int) -> None:
        super().__init__(vcpu, name, intid)
        self.compare = 0
        self.enabled = False
        self.masked = False
        self.host_irq: HostIrq | None = None

    @property
    def level(self) -> bool:
        """The line now."""
        return self._level()

    @property
    def deadline(self) -> int | None:
        """When the line will rise by itself, nanoseconds of the VM's clock; None if it will not."""
        return self.compare if self.enabled and not self.masked and not self.level else None

    def map(self) -> None:
        """If the irqchip maps host interrupts, map one; at the vCPU's first run, once more has no effect.

        Raises:
            VmError: what the irqchip raises; the timer is not mapped then.
        """
        vm = self.vcpu.vm
        map_phys_irq = vm.flow.table.map_phys_irq
        if map_phys_irq is None or self.host_irq is not None:
            return
        host_irq = vm.host_irqs.allocate(f"{self.name} of vCPU {self.vcpu.index}", self.update)
        try:
            map_phys_irq(self.vcpu, host_irq.number, self.intid, self._get_level)
        except BaseException:
            vm.host_irqs.free(host_irq.number)
            raise
        self.host_irq = host_irq

    def program(self, compare: int, *, enabled: bool = True, masked: bool = False) -> None:
        """Write CVAL and CTL.

        Args:
            compare: nanoseconds of the VM's clock.
            enabled: CTL.ENABLE.
            masked: CTL.IMASK.
        """
        self.compare = compare
        self.enabled = bool(enabled)
        self.masked = bool(masked)
        self.update()

    def stop(self) -> None:
        """Write 0 to CTL.ENABLE."""
        self.enabled = False
        self.update()

    def update(self) -> None:
        """Bring the line up to date, because time passed or the timer was programmed."""
        level = self._level()
        if self.host_irq is None:
            if level is not self.asserted:
                self._raise_or_lower(level)
        elif level and self.host_irq.fire():
            self._raise_or_lower(True)
        else:
            self.asserted = level

    def load(self) -> None:
        """The vCPU was loaded: the host's active state is the line's, or the guest's (kvm_timer_vcpu_load)."""
        if self.host_irq is not None:
            active = self.vcpu.vm.flow.table.map_is_active
            guest_active = active is not None and bool(active(self.vcpu, self.intid))
            if not self.level and not guest_active:
                self.host_irq.active = False
        self.update()

    def reset(self) -> None:
        """The vCPU is reset: the timer is off, its line low, a mapped interrupt forgotten (kvm_timer_vcpu_reset)."""
        self.enabled = self.masked = False
        self.compare = 0
        if self.asserted:
            self._raise_or_lower(False)
        if self.host_irq is not None:
            self.host_irq.active = False
            reset = self.vcpu.vm.flow.table.reset_mapped_irq
            if reset is not None:
                self.vcpu.call(reset, self.vcpu, self.intid)

    def _level(self) -> bool:
        return self.enabled and not self.masked and self.vcpu.vm.clock.now() >= self.compare

    def _get_level(self, intid: int) -> bool:
        return self.level


class Pmu(PerCpuDevice):
    """The overflow line of a vCPU's performance monitors."""

    __slots__ = ()

    def set_overflow(self, overflow: bool) -> None:
        """An enabled counter overflowed, or the guest cleared the overflow; telling the same again has no effect."""
        if overflow != self.asserted:
            self._raise_or_lower(overflow)

    def reset(self) -> None:
        """The vCPU is reset: nothing overflows."""
        self.set_overflow(False)
