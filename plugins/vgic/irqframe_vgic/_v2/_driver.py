"""The scripted guest's driver: what Linux's irq-gic.c and irq-gic-v2m.c do, in their order, through the registers.

Linux's EOImode 0: an end of interrupt drops the priority and deactivates. All interrupts have one priority, 0xa0, and
the mask is 0xf0. The CPUs' interface numbers are learnt as Linux does, by reading GICD_ITARGETSR0 to 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from irqframe.errors import GuestError
from irqframe.flow import Source, SourceKind
from irqframe.guest import Driver, Msi, ScriptedCpu
from irqframe.vm import Vm
from irqframe_vgic._intids import MAX_INTIDS, PRIVATE, SGIS
from irqframe_vgic._v2._v2m import MSI_SETSPI_NS, MSI_TYPER

if TYPE_CHECKING:
    from irqframe_vgic._v2._tree import Layout

# Offsets in the distributor's frame.
_CTLR: Final = 0x000
_TYPER: Final = 0x004
_ISENABLER: Final = 0x100
_ICENABLER: Final = 0x180
_ICACTIVER: Final = 0x380
_IPRIORITYR: Final = 0x400
_ITARGETSR: Final = 0x800
_ICFGR: Final = 0xC00
_SGIR: Final = 0xF00
_ICPIDR2: Final = 0xFE8

# Offsets in the CPU interface's frame.
_CPU_CTLR: Final = 0x00
_PMR: Final = 0x04
_IAR: Final = 0x0C
_EOIR: Final = 0x10
_APR: Final = 0xD0
_CPU_IIDR: Final = 0xFC

_ENABLE: Final = 1
_MASK: Final = 0xF0
_PRIORITIES: Final = 0xA0A0_A0A0
_ALL: Final = 0xFFFF_FFFF
_BYPASS: Final = 0x1E0
_SGI_MASK: Final = 0x0000_FFFF
_PPI_MASK: Final = 0xFFFF_0000
_SGI_TO_SELF: Final = 2 << 24


@dataclass(slots=True)
class _MsiRange:
    """What is left of a v2m frame's SPIs."""

    doorbell: int
    next: int
    end: int


class Gicv2Driver(Driver):
    """The driver of a GICv2 and of its v2m frames.

    Args:
        vm: the VM.
        layout: where the frames are, as the guest's device tree says.
    """

    ipis = SGIS
    movable = True
    msis = True

    def __init__(self, vm: Vm, layout: Layout) -> None:
        super().__init__(vm)
        self._gicd = layout.gicd[0]
        self._gicc = layout.gicc[0]
        self._frames = tuple(frame.base for frame in layout.v2m)
        self.msis = bool(self._frames)
        self._messages: list[_MsiRange] = []
        self._interfaces = [0] * len(vm.vcpus)
        self._intids = 0
        self._acknowledge = self._gicc + _IAR
        self._end = self._gicc + _EOIR

    def probe(self, cpu: ScriptedCpu) -> None:
        """gic_of_init and gic_dist_init: everything shared disabled, level-triggered, for the boot CPU."""
        version = cpu.read(self._gicd + _ICPIDR2) >> 4 & 0xF
        if version not in (1, 2):
            raise GuestError(f"GICD_ICPIDR2 says architecture version {version}; this driver is for 1 and 2")
        self._intids = min(((cpu.read(self._gicd + _TYPER) & 0x1F) + 1) * 32, MAX_INTIDS)
        cpu.write(self._gicd + _CTLR, 0)
        targets = self._interface(cpu) * 0x0101_0101
        for intid in range(PRIVATE, self._intids, 4):
            cpu.write(self._gicd + _ITARGETSR + intid, targets)
        for intid in range(PRIVATE, self._intids, 16):
            cpu.write(self._gicd + _ICFGR + intid // 4, 0)
        for intid in range(PRIVATE, self._intids, 4):
            cpu.write(self._gicd + _IPRIORITYR + intid, _PRIORITIES)
        for intid in range(PRIVATE, self._intids, 32):
            cpu.write(self._gicd + _ICACTIVER + intid // 8, _ALL)
            cpu.write(self._gicd + _ICENABLER + intid // 8, _ALL)
        cpu.write(self._gicd + _CTLR, _ENABLE)
        self._messages = [self._probe_frame(cpu, base) for base in self._frames]

    def starting(self, cpu: ScriptedCpu) -> None:
        """gic_cpu_init: this CPU's private interrupts to a known state, SGIs enabled, the interface on."""
        self._interfaces[cpu.index] = self._interface(cpu)
        cpu.write(self._gicd + _ICACTIVER, _ALL)
        cpu.write(self._gicd + _ICENABLER, _PPI_MASK)
        cpu.write(self._gicd + _ISENABLER, _SGI_MASK)
        for intid in range(0, PRIVATE, 4):
            cpu.write(self._gicd + _IPRIORITYR + intid, _PRIORITIES)
        cpu.write(self._gicc + _PMR, _MASK)
        if cpu.read(self._gicc + _CPU_IIDR) >> 16 & 0xF == 2:
            for n in range(4):
                cpu.write(self._gicc + _APR + 4 * n, 0)
        bypass = cpu.read(self._gicc + _CPU_CTLR) & _BYPASS
        cpu.write(self._gicc + _CPU_CTLR, bypass | _ENABLE)

    def dying(self, cpu: ScriptedCpu) -> None:
        """The PPIs are disabled, as their users do, then gic_cpu_if_down."""
        cpu.write(self._gicd + _ICENABLER, _PPI_MASK)
        cpu.write(self._gicc + _CPU_CTLR, cpu.read(self._gicc + _CPU_CTLR) & ~_ENABLE)

    def handle_irq(self, cpu: ScriptedCpu) -> None:
        """gic_handle_irq: acknowledge until there is nothing; the end names an SGI's source, as the acknowledge did."""
        taken = 0
        while True:
            acknowledged = cpu.read(self._acknowledge)
            intid = acknowledged & 0x3FF
            if intid >= MAX_INTIDS:
                break
            taken += 1
            self.handler(cpu, intid)
            cpu.write(self._end, acknowledged)
        if not taken:
            self.spurious += 1

    def request_percpu(self, cpu: ScriptedCpu, source: Source) -> int:
        """gic_set_type and gic_unmask_irq of a PPI; what the GIC does not let be chosen stays as it is."""
        self._configure(cpu, source.number, edge=not source.trigger.is_level)
        self._enable(cpu, source.number)
        return source.number

    def request(self, cpu: ScriptedCpu, source: Source, target: int) -> int:
        """gic_set_type, gic_set_affinity and gic_unmask_irq of an SPI."""
        intid = source.number + PRIVATE
        if source.kind is not SourceKind.SPI or not PRIVATE <= intid < self._intids:
            raise GuestError(f"the GIC has no {source.kind.value} {source.number}; it has INTIDs below {self._intids}")
        self._set_up(cpu, intid, edge=not source.trigger.is_level, target=target)
        return intid

    def send_ipi(self, cpu: ScriptedCpu, targets: Sequence[int], ipi: int) -> None:
        """gic_ipi_send_mask; a uniprocessor sends to itself."""
        if len(self._interfaces) == 1:
            cpu.write(self._gicd + _SGIR, _SGI_TO_SELF | ipi)
            return
        mask = 0
        for target in targets:
            mask |= self._interfaces[target]
        cpu.write(self._gicd + _SGIR, mask << 16 | ipi)

    def set_affinity(self, cpu: ScriptedCpu, hwirq: int, target: int) -> None:
        """gic_set_affinity: one byte."""
        cpu.write(self._gicd + _ITARGETSR + hwirq, self._interfaces[target], size=1)

    def alloc_msis(self, cpu: ScriptedCpu, devid: int, count: int, target: int) -> list[Msi]:
        """gicv2m_irq_domain_alloc: SPIs of one frame, a power of two of them, edge-triggered."""
        aligned = 1 << (count - 1).bit_length() if count > 0 else 0
        for messages in self._messages:
            first = -(-messages.next // aligned) * aligned if aligned else messages.next
            if count > 0 and first + aligned <= messages.end:
                messages.next = first + aligned
                for intid in range(first, first + count):
                    self._set_up(cpu, intid, edge=True, target=target)
                return [Msi(messages.doorbell, intid, intid, intid - PRIVATE) for intid in range(first, first + count)]
        raise GuestError(f"no v2m frame has {count} messages left")

    def _interface(self, cpu: ScriptedCpu) -> int:
        """gic_get_cpumask: this CPU's bit, 0 on a uniprocessor."""
        for n in range(0, PRIVATE, 4):
            mask = cpu.read(self._gicd + _ITARGETSR + n)
            mask |= mask >> 16
            mask |= mask >> 8
            if mask & 0xFF:
                return mask & 0xFF
        if len(self._interfaces) > 1:
            raise GuestError("GICD_ITARGETSR0 to 7 do not say which interface this CPU has")
        return 0

    def _probe_frame(self, cpu: ScriptedCpu, base: int) -> _MsiRange:
        typer = cpu.read(base + MSI_TYPER)
        first, count = typer >> 16 & 0x3FF, typer & 0x3FF
        if first < PRIVATE or not count or first + count > self._intids:
            raise GuestError(f"MSI_TYPER {typer:#x} of the v2m frame at {base:#x} names no SPIs")
        return _MsiRange(base + MSI_SETSPI_NS, first, first + count)

    def _set_up(self, cpu: ScriptedCpu, intid: int, *, edge: bool, target: int) -> None:
        if not self._configure(cpu, intid, edge=edge):
            raise GuestError(f"the GIC does not take the trigger of INTID {intid}")
        self.set_affinity(cpu, intid, target)
        self._enable(cpu, intid)

    def _configure(self, cpu: ScriptedCpu, intid: int, *, edge: bool) -> bool:
        """gic_configure_irq: whether GICD_ICFGR says afterwards what was wanted."""
        address = self._gicd + _ICFGR + intid // 16 * 4
        bit = 2 << intid % 16 * 2
        before = cpu.read(address)
        wanted = before | bit if edge else before & ~bit
        if wanted == before:
            return True
        cpu.write(address, wanted)
        return cpu.read(address) == wanted

    def _enable(self, cpu: ScriptedCpu, intid: int) -> None:
        cpu.write(self._gicd + _ISENABLER + intid // 32 * 4, 1 << intid % 32)
