"""The scripted guest's driver: what Linux's irq-gic-v3.c does, in its order, through registers and system registers.

1. All interrupts are Group 1 and have one priority, 0xa0; the mask is 0xf0. EOImode 0: an end of interrupt drops the
   priority and deactivates.
2. A CPU finds its redistributor by the affinity that each tells, walking the regions of the tree.
3. One exception takes one interrupt.
4. A CPU that goes off does what Linux does before it powers a CPU down: IPIs and PPIs disabled, Group 1 off, and the
   redistributor put to sleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from irqframe.dt import Node
from irqframe.errors import GuestError
from irqframe.flow import NodeRef, Source, SourceKind, SysregEncoding
from irqframe.guest import Driver, Msi, ScriptedCpu
from irqframe.vm import Vm
from irqframe_vgic._intids import MAX_INTIDS, MAX_SPIS, PRIVATE, SGIS
from irqframe_vgic._its._driver import FIRST_LPI, LpiDriver
from irqframe_vgic._v3 import _driver_registers as regs
from irqframe_vgic._v3._driver_redistributors import Redistributors, wait
from irqframe_vgic._v3._driver_registers import EXTENDED, PLAIN, Bank
from irqframe_vgic._v3._tree import ITS_COMPATIBLE, Layout, its_frame

_MASK: Final = 0xF0
_PRIORITIES: Final = 0xA0A0_A0A0
_ALL: Final = 0xFFFF_FFFF
_SPECIAL: Final = range(MAX_INTIDS, 1024)
_PPIS: Final = PRIVATE - SGIS
_FIRST_EPPI: Final = 1056
_FIRST_ESPI: Final = 4096

# How many system registers of active priorities there are, by the bits of a priority.
_ACTIVE_WORDS: Final = {8: 4, 7: 4, 6: 2, 5: 1, 4: 1}


class Gicv3Driver(Driver):
    """The driver of a GICv3, its LPIs and its ITSs.

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
        self._doorbells = layout.doorbells
        self._mpidrs = tuple(vcpu.mpidr for vcpu in vm.vcpus)
        self._redistributors = Redistributors(layout, len(vm.vcpus))
        self._typer = 0
        self._intids = 0
        self._espis = 0
        self._ppis = _PPIS
        bases = tuple(base for base, _ in layout.its)
        self._lpis = LpiDriver(vm.memory, bases, len(vm.vcpus)) if bases else None
        self._lpis_found = False
        self._mbis = [[messages.start, messages.stop] for messages in layout.mbis]
        self.msis = bool(bases or self._mbis)

    # Set-up

    def probe(self, cpu: ScriptedCpu) -> None:
        """gic_of_init and gic_dist_init: everything shared disabled, Group 1, level-triggered, for the boot CPU."""
        version = cpu.read(self._gicd + regs.PIDR2) >> 4 & 0xF
        if version not in regs.ARCHITECTURES:
            raise GuestError(f"GICD_PIDR2 says architecture version {version}; this driver is for 3 and 4")
        self._typer = cpu.read(self._gicd + regs.GICD_TYPER)
        self._intids = min(((self._typer & 0x1F) + 1) * 32, MAX_INTIDS)
        self._espis = ((self._typer >> 27) + 1) * 32 if self._typer >> 8 & 1 else 0
        self._ppis = min(map(_ppis, self._redistributors.types(cpu)), default=_PPIS)
        cpu.write(self._gicd + regs.GICD_CTLR, 0)
        self._wait_for_distributor(cpu)
        self._put_to_rest(cpu, self._gicd, EXTENDED, range(self._espis))
        self._put_to_rest(cpu, self._gicd, PLAIN, range(PRIVATE, self._intids))
        self._wait_for_distributor(cpu)
        cpu.write(self._gicd + regs.GICD_CTLR, regs.GICD_ENABLE)
        self._wait_for_distributor(cpu)
        for index in range(PRIVATE, self._intids):
            cpu.write(self._gicd + PLAIN.irouter + 8 * index, cpu.mpidr, size=8)
        for index in range(self._espis):
            cpu.write(self._gicd + EXTENDED.irouter + 8 * index, cpu.mpidr, size=8)

    def _put_to_rest(self, cpu: ScriptedCpu, base: int, bank: Bank, indices: range) -> None:
        """gic_dist_config: Group 1, level-triggered, one priority, neither active nor enabled."""
        for index in indices[::32]:
            cpu.write(base + bank.igroupr + index // 8, _ALL)
        for index in indices[::16]:
            cpu.write(base + bank.icfgr + index // 4, 0)
        for index in indices[::4]:
            cpu.write(base + bank.ipriorityr + index, _PRIORITIES)
        for index in indices[::32]:
            cpu.write(base + bank.icactiver + index // 8, _ALL)
            cpu.write(base + bank.icenabler + index // 8, _ALL)

    def starting(self, cpu: ScriptedCpu) -> None:
        """gic_cpu_init and its_cpu_init; the first CPU to come finds the ITSs."""
        base = self._redistributors.find(cpu)
        self._redistributors.wake(cpu)
        self._start_private(cpu, base + regs.SGI_BASE)
        self._start_interface(cpu)
        if self._lpis is not None:
            if not self._lpis_found:
                self._lpis.probe(cpu, self._typer)
                self._lpis_found = True
            self._lpis.starting(cpu, base)
        # What gic_smp_init requests, and each CPU enables for itself.
        cpu.write(base + regs.SGI_BASE + PLAIN.isenabler, (1 << SGIS) - 1)

    def _start_private(self, cpu: ScriptedCpu, base: int) -> None:
        """gic_cpu_config: Group 1, neither active nor enabled, one priority."""
        indices = range(SGIS + self._ppis)
        for index in indices[::32]:
            cpu.write(base + PLAIN.igroupr + index // 8, _ALL)
        for index in indices[::32]:
            cpu.write(base + PLAIN.icactiver + index // 8, _ALL)
            cpu.write(base + PLAIN.icenabler + index // 8, _ALL)
        for index in indices[::4]:
            cpu.write(base + PLAIN.ipriorityr + index, _PRIORITIES)
        self._redistributors.wait_for_writes(cpu)

    def _start_interface(self, cpu: ScriptedCpu) -> None:
        """gic_cpu_sys_reg_init."""
        cpu.msr(regs.ICC_SRE, cpu.mrs(regs.ICC_SRE) | 1)
        if not cpu.mrs(regs.ICC_SRE) & 1:
            raise GuestError(f"CPU {cpu.index}: ICC_SRE_EL1.SRE is 0 and stays so")
        ctlr = cpu.mrs(regs.ICC_CTLR)
        bits = (ctlr >> 8 & 7) + 1
        if bits not in _ACTIVE_WORDS:
            raise GuestError(f"CPU {cpu.index}: ICC_CTLR_EL1 says that priorities have {bits} bits; expected 4 to 8")
        if (self._espis or self._ppis > _PPIS) and not ctlr & regs.CTLR_EXT_RANGE:
            raise GuestError(f"CPU {cpu.index}: the GIC has extended INTIDs, and ICC_CTLR_EL1 says it takes none")
        groups = (regs.ICC_AP0R0, regs.ICC_AP1R0) if self._has_group0(cpu, bits) else (regs.ICC_AP1R0,)
        cpu.msr(regs.ICC_PMR, _MASK)
        cpu.msr(regs.ICC_BPR1, 0)
        cpu.msr(regs.ICC_CTLR, 0)
        for first in groups:
            for n in reversed(range(_ACTIVE_WORDS[bits])):
                cpu.msr(SysregEncoding(*first[:4], first.op2 + n), 0)
        cpu.msr(regs.ICC_IGRPEN1, 1)
        if any(mpidr & 0xF0 for mpidr in self._mpidrs) and not cpu.mrs(regs.ICC_CTLR) & regs.CTLR_RSS:
            raise GuestError(f"CPU {cpu.index} cannot send SGIs to CPUs whose Aff0 is above 15")

    @staticmethod
    def _has_group0(cpu: ScriptedCpu, bits: int) -> bool:
        """gic_has_group0: without Group 0, a guest sees priorities shifted, and the lowest bit lost."""
        before = cpu.mrs(regs.ICC_PMR)
        cpu.msr(regs.ICC_PMR, 1 << 8 - bits)
        found = cpu.mrs(regs.ICC_PMR)
        cpu.msr(regs.ICC_PMR, before)
        return found != 0

    def dying(self, cpu: ScriptedCpu) -> None:
        """The PPIs and IPIs are disabled, as their users do, then gic_cpu_pm_notifier."""
        base = self._redistributors.found[cpu.index]
        for index in range(0, SGIS + self._ppis, 32):
            cpu.write(base + regs.SGI_BASE + PLAIN.icenabler + index // 8, _ALL)
        self._redistributors.wait_for_writes(cpu)
        cpu.msr(regs.ICC_IGRPEN1, 0)
        self._redistributors.put_to_sleep(cpu)

    def _wait_for_distributor(self, cpu: ScriptedCpu) -> None:
        wait(cpu, self._gicd + regs.GICD_CTLR, regs.GICD_RWP, 0)

    # Interrupts

    def handle_irq(self, cpu: ScriptedCpu) -> None:
        """gic_handle_irq."""
        intid = cpu.mrs(regs.ICC_IAR1)
        if intid in _SPECIAL:
            self.spurious += 1
            return
        self.handler(cpu, intid)
        cpu.msr(regs.ICC_EOIR1, intid)

    def request_percpu(self, cpu: ScriptedCpu, source: Source) -> int:
        """gic_set_type and gic_unmask_irq of a PPI; what the GIC does not let be chosen stays as it is."""
        self._configure(cpu, source.number, edge=not source.trigger.is_level)
        self._enable(cpu, source.number)
        return source.number

    def request(self, cpu: ScriptedCpu, source: Source, target: int) -> int:
        """gic_set_type, gic_set_affinity and gic_unmask_irq of an SPI."""
        number = source.number
        intid = number + PRIVATE if number < MAX_SPIS else number - MAX_SPIS + _FIRST_ESPI
        end = self._intids if number < MAX_SPIS else _FIRST_ESPI + self._espis
        if source.kind is not SourceKind.SPI or not PRIVATE <= intid < end:
            raise GuestError(f"the GIC has no {source.kind.value} {number}; it has INTIDs below {end}")
        self._set_up(cpu, intid, edge=not source.trigger.is_level, target=target)
        return intid

    def send_ipi(self, cpu: ScriptedCpu, targets: Sequence[int], ipi: int) -> None:
        """gic_ipi_send_mask: one SGI for each run of CPUs that have all affinity but four bits of Aff0 in common."""
        mask = cluster = 0
        for mpidr in (self._mpidrs[target] for target in targets):
            if mask and mpidr & ~0xF != cluster:
                cpu.msr(regs.ICC_SGI1R, regs.sgi_value(cluster, mask, ipi))
                mask = 0
            cluster = mpidr & ~0xF
            mask |= 1 << (mpidr & 0xF)
        if mask:
            cpu.msr(regs.ICC_SGI1R, regs.sgi_value(cluster, mask, ipi))

    def set_affinity(self, cpu: ScriptedCpu, hwirq: int, target: int) -> None:
        """gic_set_affinity, which masks an interrupt while it changes its route; its_set_affinity of an LPI."""
        if hwirq >= FIRST_LPI and self._lpis is not None:
            self._lpis.move(cpu, hwirq, target)
            return
        base, bank, index = self._place(cpu, hwirq)
        address, bit = base + bank.isenabler + index // 32 * 4, 1 << index % 32
        enabled = cpu.read(address) & bit
        if enabled:
            cpu.write(base + bank.icenabler + index // 32 * 4, bit)
            self._wait_for_distributor(cpu)
        cpu.write(base + bank.irouter + 8 * index, self._mpidrs[target], size=8)
        if enabled:
            cpu.write(address, bit)

    def alloc_msis(self, cpu: ScriptedCpu, devid: int, count: int, target: int) -> list[Msi]:
        """LPIs of the first ITS that can have the device; SPIs if there is no ITS."""
        if self._lpis is not None:
            return self._lpis.alloc(cpu, devid, count, target)
        return self._alloc_spis(cpu, count, target)

    def alloc_msis_at(self, cpu: ScriptedCpu, controller: NodeRef, devid: int, count: int, target: int) -> list[Msi]:
        """LPIs of the ITS that the tree names, or SPIs if it names the GIC."""
        if self._lpis is None or ITS_COMPATIBLE not in controller.compatible:
            return self._alloc_spis(cpu, count, target)
        # The nodes that the core hands over are those of its own trees.
        return self._lpis.alloc(cpu, devid, count, target, its_frame(cast("Node", controller))[0])

    def _alloc_spis(self, cpu: ScriptedCpu, count: int, target: int) -> list[Msi]:
        """mbi_irq_domain_alloc: SPIs of one range, a power of two of them."""
        aligned = 1 << (count - 1).bit_length() if count > 0 else 0
        for messages in self._mbis:
            first = -(-messages[0] // aligned) * aligned if aligned else 0
            if aligned and first + aligned <= min(messages[1], self._intids):
                messages[0] = first + aligned
                for intid in range(first, first + count):
                    self._set_up(cpu, intid, edge=True, target=target)
                doorbell = self._doorbells + regs.GICD_SETSPI_NSR
                return [Msi(doorbell, intid, intid, intid - PRIVATE) for intid in range(first, first + count)]
        raise GuestError(f"the GIC has no {count} SPIs left for messages")

    # One interrupt

    def _place(self, cpu: ScriptedCpu, intid: int) -> tuple[int, Bank, int]:
        """convert_offset_index: frame, registers and index of an interrupt; a private one's of the calling CPU."""
        if intid >= _FIRST_ESPI:
            return self._gicd, EXTENDED, intid - _FIRST_ESPI
        if PRIVATE <= intid < MAX_INTIDS:
            return self._gicd, PLAIN, intid
        index = intid if intid < PRIVATE else intid - _FIRST_EPPI + PRIVATE
        return self._redistributors.found[cpu.index] + regs.SGI_BASE, PLAIN, index

    def _set_up(self, cpu: ScriptedCpu, intid: int, *, edge: bool, target: int) -> None:
        if not self._configure(cpu, intid, edge=edge):
            raise GuestError(f"the GIC does not take the trigger of INTID {intid}")
        self.set_affinity(cpu, intid, target)
        self._enable(cpu, intid)

    def _configure(self, cpu: ScriptedCpu, intid: int, *, edge: bool) -> bool:
        """gic_configure_irq: whether the register says afterwards what was wanted."""
        base, bank, index = self._place(cpu, intid)
        address, bit = base + bank.icfgr + index // 16 * 4, 2 << index % 16 * 2
        before = cpu.read(address)
        wanted = before | bit if edge else before & ~bit
        if wanted == before:
            return True
        cpu.write(address, wanted)
        return cpu.read(address) == wanted

    def _enable(self, cpu: ScriptedCpu, intid: int) -> None:
        base, bank, index = self._place(cpu, intid)
        cpu.write(base + bank.isenabler + index // 32 * 4, 1 << index % 32)


def _ppis(typer: int) -> int:
    """How many PPIs a redistributor has, extended ones too (GICR_TYPER page, PPInum)."""
    number = typer >> 27 & 0x1F
    return _PPIS + 32 * number if number <= 2 else _PPIS
