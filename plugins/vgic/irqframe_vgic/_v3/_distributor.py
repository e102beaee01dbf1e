"""The distributor of a GICv3: shared interrupts that are routed by affinity.

1. GICD_IROUTER names one CPU by its affinity, or with Interrupt_Routing_Mode any that participates. An SPI for an
   affinity that no CPU has stays pending and goes to nobody (S26 in the tests); its home is CPU 0 meanwhile.
2. With Interrupt_Routing_Mode one participating CPU is chosen, by the INTID, so that the SPIs spread; it is chosen anew
   when a CPU begins or ceases to participate: what is pending moves. A GIC without 1 of N heeds the affinity alone. A
   CPU participates until it disables the group, sleeps, or leaves itself out (GICR_CTLR.DPG), as it does before it is
   powered off.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Final

from irqframe.flow import Injected
from irqframe.vm import MPIDR_AFFINITY, Vm
from irqframe_vgic._block import Block
from irqframe_vgic._debugfs import Route
from irqframe_vgic._intids import FIRST_ESPI, MAX_SPIS, PRIVATE, SGIS
from irqframe_vgic._its._its import Its
from irqframe_vgic._shared import Shared, patiently
from irqframe_vgic._v3._interface import CpuInterface
from irqframe_vgic._v3._parameters import Parameters

CTLR_MASK: Final = 0b11
"""EnableGrp0 and EnableGrp1: what of GICD_CTLR can be written (GICD_CTLR page, DS = 1)."""
CTLR_FIXED: Final = 1 << 4 | 1 << 6
"""ARE and DS, RAO/WI: affinity routing always, one security state."""

ANY_CPU: Final = 1 << 31
"""GICD_IROUTER.Interrupt_Routing_Mode."""
ROUTE_MASK: Final = MPIDR_AFFINITY | ANY_CPU

_CLUSTER: Final = 16
"""CPUs that one bit each of a target list names (ICC_SGI1R_EL1 page)."""


class Distributor(Shared[CpuInterface]):
    """The part of a GICv3 that belongs to no CPU.

    Args:
        vm: the VM.
        parameters: what the implementation chooses.

    Attributes:
        routes: GICD_IROUTER of each SPI, by INTID.
        its: the ITSs.
        receiver: the CPU interface that each SPI goes to; not there for one that goes to nobody.
    """

    parameters: Parameters

    def __init__(self, vm: Vm, parameters: Parameters) -> None:
        intids = parameters.intids
        blocks = {
            first >> 5: Block(first, min(32, intids - first), shared=True) for first in range(PRIVATE, intids, 32)
        }
        for first in range(FIRST_ESPI, FIRST_ESPI + parameters.espis, 32):
            blocks[first >> 5] = Block(first, shared=True)
        super().__init__(vm, parameters, blocks)
        self.routes = {block.first + n: 0 for block, n in self.intids()}
        self.its: tuple[Its, ...] = ()
        self.receiver: dict[int, CpuInterface] = {}
        self._counting = threading.Lock()
        self._participants: tuple[tuple[CpuInterface, ...], ...] = ((), ())

    def add_cpu(self, cpu: CpuInterface) -> None:
        """Another CPU interface; SPIs are at home at the first one until `start`."""
        del self.cpus[cpu.vcpu.index :]
        self.cpus.append(cpu)
        self.homes = dict.fromkeys(self.routes, self.cpus[0])

    def start(self) -> None:
        """Every CPU interface is there."""
        del self.cpus[len(self.vm.vcpus) :]
        self.rehome()

    def reset(self) -> None:
        """The shared part as after power-on, but the lines; every count of every CPU interface starts again."""
        self.ctlr = 0
        for block in self.blocks.values():
            block.reset()
        for cpu in self.cpus:
            cpu.vcpu.call(cpu.reset_redistributor)
        self.routes = dict.fromkeys(self.routes, 0)
        self.rehome()
        self.start_counts()
        self.settle_lines()
        for its in self.its:
            its.reset()

    # What the registers of one bit, two bits or a byte per INTID need

    @property
    def bank(self) -> Mapping[int, Block]:
        """The interrupts that they are about."""
        return self.blocks

    # Routing

    def rehome(self) -> None:
        """Find every SPI's receiver and home anew, after the routes were replaced at once."""
        self._count_participants()
        self.receiver = {}
        for block, n in self.intids():
            intid = block.first + n
            found = self._choose(block, n)
            if found is not None:
                self.receiver[intid] = found
            self.homes[intid] = self.cpus[0] if found is None else found

    def receivers(self, block: Block, n: int) -> tuple[CpuInterface, ...]:
        """The one that it is routed to, if there is one."""
        found = self.receiver.get(block.first + n)
        return () if found is None else (found,)

    def pin_of(self, intid: int) -> int:
        """Pin n is SPI n; extended SPIs follow the last SPI that there can be."""
        return intid - PRIVATE if intid < FIRST_ESPI else intid - FIRST_ESPI + MAX_SPIS

    def route(self, intid: int, value: int, lanes: int) -> None:
        """GICD_IROUTER: route an SPI; what is pending moves, what is active stays active (S27, S29 in the tests)."""
        self.at_home(intid, self._route, intid, value, lanes)

    def _route(self, intid: int, value: int, lanes: int) -> None:
        self.routes[intid] = (self.routes[intid] & ~lanes | value) & ROUTE_MASK
        self._reroute(intid)

    def _reroute(self, intid: int, restored: bool = False) -> None:
        block, n = self.blocks[intid >> 5], intid & 31
        before, after = self.receiver.get(intid), self._choose(block, n)
        if before is after:
            return
        if after is None:
            del self.receiver[intid]
        else:
            self.receiver[intid] = after
        home = self.cpus[0] if after is None else after
        if restored:
            self.homes[intid] = home
        else:
            self.move(block, n, home)
        for cpu in (before, after):
            if cpu is not None:
                self.tell(cpu, block, n)

    def _choose(self, block: Block, n: int) -> CpuInterface | None:
        intid = block.first + n
        route = self.routes[intid]
        if not (route & ANY_CPU and self.parameters.one_of_n):
            return self.cpu_at(route)
        able = self._participants[block.group >> n & 1]
        return able[intid % len(able)] if able else None

    def cpu_at(self, affinity: int) -> CpuInterface | None:
        """The CPU interface of an affinity, None if there is no such CPU."""
        vcpu = self.vm.vcpu_by_mpidr(affinity & MPIDR_AFFINITY)
        return None if vcpu is None else vcpu.chip

    def shown_route(self, block: Block, n: int, cpu: CpuInterface | None) -> Route:
        """Where an interrupt goes, for the text of the GIC's state."""
        if cpu is not None:
            return Route(cpu.vcpu.index, cpu.vcpu.mpidr)
        intid = block.first + n
        return Route(self.homes[intid].vcpu.index, self.routes[intid])

    # Messages

    def message(self, intid: int, level: int) -> Injected:
        """GICD_SETSPI_NSR and GICD_CLRSPI_NSR: an edge, or the level of an SPI that is level-triggered; any thread.

        Returns:
            What became of it; POSTED if another thread owns its home.
        """
        return self._message(intid, level, next(self._stamps))

    def _message(self, intid: int, level: int, stamp: int) -> Injected:
        home = self.homes[intid]
        if not home.vcpu.owned:
            home.vcpu.post(partial(self._message, intid, level, stamp))
            return Injected.POSTED
        if not self.blocks[intid >> 5].edge >> (intid & 31) & 1:
            return self.set_stamped(intid, level, stamp)
        return self.pulse(intid) if level else Injected.NOTHING

    # 1 of N

    def change_group(self, block: Block, value: int) -> None:
        """GICD_IGROUPR: other CPUs may participate for the other group."""
        for intid in (block.first + n for n in range(32) if value >> n & 1):
            if self.routes.get(intid, 0) & ANY_CPU:
                self.at_home(intid, self._reroute, intid)

    def participation_changed(self, restored: bool = False) -> None:
        """A CPU begins or ceases to participate: SPIs for any CPU are routed anew.

        Args:
            restored: because its saved state was taken over, whose counts have what it owes already.
        """
        if not self.parameters.one_of_n:
            return
        self._count_participants()
        for intid in [intid for intid, route in self.routes.items() if route & ANY_CPU]:
            self.at_home(intid, self._reroute, intid, restored)

    def _count_participants(self) -> None:
        # Whoever counts last must have seen what everybody before changed.
        with self._counting:
            self._participants = (
                tuple(cpu for cpu in self.cpus if cpu.participates(0)),
                tuple(cpu for cpu in self.cpus if cpu.participates(1)),
            )

    # SGIs

    def send_sgi(self, by: CpuInterface, value: int, group: int) -> None:
        """ICC_SGI1R_EL1 and ICC_SGI0R_EL1: an SGI to the CPUs of a target list, or to all but the sender.

        The list names CPUs of one cluster: Aff3.Aff2.Aff1, and Aff0 from 16 times the range selector on.
        """
        sgi = value >> 24 & (SGIS - 1)
        if value >> 40 & 1:
            targets = [cpu for cpu in self.cpus if cpu is not by]
        else:
            targets = self._listed(value)
        for cpu in targets:
            patiently(self.vm, cpu.vcpu, cpu.receive_sgi, sgi, group)

    def _listed(self, value: int) -> list[CpuInterface]:
        cluster = (value >> 48 & 0xFF) << 32 | (value >> 32 & 0xFF) << 16 | (value >> 16 & 0xFF) << 8
        first = _CLUSTER * (value >> 44 & 0xF) if self.parameters.range_selector else 0
        found = (self.cpu_at(cluster | first + n) for n in range(_CLUSTER) if value >> n & 1)
        return [cpu for cpu in found if cpu is not None]
