"""The LPIs of one redistributor: edges without active state, configured and kept by tables in guest memory.

1. Everything here is touched by the thread that owns the vCPU; the ITS posts (`irqframe.vm.Vm.post`).
2. An LPI is pending or not. It is pending while it is disabled too, and waits (GICR_PROPBASER page).
3. Its byte in the configuration table counts from when it becomes pending; a later change of the byte counts from the
   next INV or INVALL. A guest must send one of these, so it cannot tell the difference.
4. While EnableLPIs is 1 the pending state is held here, in a set that is made when the first LPI becomes pending. The
   set goes to another redistributor as a whole, and the smaller of two is added to the larger. The pending table is
   read when EnableLPIs becomes 1, unless the guest says that it is zero (GICR_PENDBASER.PTZ), and written when it
   becomes 0 (GICR_CTLR page).
5. Tables that are not RAM read as zero: nothing is enabled, nothing is pending.

Counted is as in `_lifecycle`: a raise that finds the LPI pending coalesces, one that finds EnableLPIs = 0 or no such
LPI is dropped. What goes to the pending table is withdrawn, and what comes from it is resampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from irqframe.bits import PRIORITIES
from irqframe.flow import Injected
from irqframe.vm import GuestMemory, VCpu
from irqframe_vgic import _ram
from irqframe_vgic._block import bits
from irqframe_vgic._lifecycle import Counts
from irqframe_vgic._v3._lpi_registers import (
    PENDBASER_MASK,
    PROPBASER_MASK,
    PTZ,
    capacity,
    configuration_table,
    pending_table,
)
from irqframe_vgic._v3._lpi_set import FIRST_LPI, LpiSet, union


class Interface(Protocol):
    """What the LPIs need of the CPU interface that they belong to."""

    @property
    def vcpu(self) -> VCpu:
        """The vCPU."""

    @property
    def counts(self) -> Counts:
        """What was counted."""

    @property
    def lpis(self) -> Lpis:
        """Its LPIs."""

    def offer_lpis(self) -> None:
        """LPIs have changed."""

    def look_at_lpis(self) -> None:
        """LPIs have changed: decide anew what is signalled."""


class Lpis:
    """The LPIs of one redistributor.

    Args:
        cpu: the CPU interface.

    Attributes:
        enabled: GICR_CTLR.EnableLPIs.
        propbaser: GICR_PROPBASER.
        pendbaser: GICR_PENDBASER, PTZ as it was written.
    """

    __slots__ = ("_cpu", "_waiting", "enabled", "pendbaser", "propbaser")

    def __init__(self, cpu: Interface) -> None:
        self._cpu = cpu
        self.reset()

    def reset(self) -> None:
        """Everything as after power-on; `update` must follow, and the counts start anew."""
        self.enabled = False
        self.propbaser = self.pendbaser = 0
        self._waiting: LpiSet | None = None

    @property
    def owed(self) -> int:
        """How many are pending: raised and not delivered."""
        return 0 if self._waiting is None else self._waiting.owed

    # Registers of the redistributor

    def write_enable(self, enable: bool) -> None:
        """GICR_CTLR.EnableLPIs."""
        if enable == self.enabled:
            return
        self.enabled = enable
        if enable:
            self._load()
        else:
            self._unload()
        self._cpu.look_at_lpis()

    def write_propbaser(self, value: int, lanes: int) -> None:
        """GICR_PROPBASER; ignored while EnableLPIs is 1, where the effect is UNPREDICTABLE."""
        if not self.enabled:
            self.propbaser = (self.propbaser & ~lanes | value) & PROPBASER_MASK

    def write_pendbaser(self, value: int, lanes: int) -> None:
        """GICR_PENDBASER; ignored while EnableLPIs is 1, where the effect is UNPREDICTABLE."""
        if not self.enabled:
            self.pendbaser = (self.pendbaser & ~lanes | value) & PENDBASER_MASK

    # Selection and delivery

    def first_priority(self) -> int:
        """Priority of the most urgent deliverable LPI, 256 if there is none."""
        waiting = self._waiting
        return PRIORITIES if waiting is None else waiting.first_priority()

    def first(self) -> int:
        """INTID of the most urgent deliverable LPI, the lowest among equals; -1 if there is none."""
        index = -1 if self._waiting is None else self._waiting.first()
        return index + FIRST_LPI if index >= 0 else -1

    def deliver(self, intid: int) -> None:
        """The guest acknowledges: no longer pending. The caller counts, and updates."""
        self._withdraw(intid)

    # What the ITS posts

    def pend(self, intid: int) -> Injected:
        """An event for an LPI.

        Returns:
            LATCHED or COALESCED; DROPPED_DISABLED if EnableLPIs is 0, DROPPED if there is no such LPI.
        """
        self._cpu.counts.raised += 1
        return self._arrive(intid)

    def clear(self, intid: int) -> Injected:
        """An LPI is no longer pending."""
        if self._withdraw(intid):
            self._cpu.counts.withdrawn += 1
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    def invalidate(self, intid: int) -> Injected:
        """The configuration byte of an LPI has changed."""
        waiting = self._waiting
        index = intid - FIRST_LPI
        if waiting is not None and waiting.holds(index):
            waiting.configure(index, self._configuration(index))
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    def invalidate_all(self) -> Injected:
        """Any configuration bytes have changed."""
        waiting = self._waiting
        if waiting is not None and waiting.owed:
            waiting.configure_all(self._table())
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    def move(self, intid: int, to: Interface) -> Injected:
        """An LPI goes to another CPU interface; if it is pending, it is so over there."""
        if to is not self._cpu and self._withdraw(intid):
            self._hand_over(intid, to)
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    def move_all(self, to: Interface) -> Injected:
        """Every pending LPI goes to another CPU interface."""
        waiting = self._waiting
        if waiting is not None and waiting.owed and to is not self._cpu:
            self._waiting = None
            given = self._cpu.counts.give_many(waiting.owed)
            to.vcpu.vm.post(to.vcpu, to.lpis.take_over_all, waiting, given, configuration_table(self.propbaser))
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    def take_over(self, intid: int, name: str) -> Injected:
        """A pending LPI comes from another CPU interface, out of its count of that name (`Counts.give`)."""
        self._cpu.counts.take(name)
        return self._arrive(intid)

    def take_over_all(self, coming: LpiSet, given: tuple[int, int], table: int) -> Injected:
        """Pending LPIs come from another CPU interface.

        Args:
            coming: these, which nobody else has any more.
            given: out of which of its counts (`Counts.give_many`).
            table: address of the configuration table that counted for them.
        """
        counts = self._cpu.counts
        counts.take_many(given)
        for index in coming.beyond(self._limit):
            coming.remove(index)
            self._lose()
        if coming.owed:
            waiting = self._waiting
            owed = self.owed + coming.owed
            self._waiting = now = coming if waiting is None else union(waiting, coming)
            counts.coalesced += owed - now.owed
            # That redistributors of one VM have different tables is UNPREDICTABLE (GICR_TYPER page, CommonLPIAff).
            if table == configuration_table(self.propbaser):
                now.configure_all(self._table())
            self._cpu.look_at_lpis()
        return Injected.NOTHING

    # State

    def pending(self) -> list[tuple[int, int]]:
        """(INTID, configuration byte that counts) of each that is pending, in order."""
        waiting = self._waiting
        return [] if waiting is None else [(index + FIRST_LPI, waiting.configuration(index)) for index in waiting]

    def restore(self, enabled: bool, pending: Iterable[tuple[int, int]]) -> None:
        """Take over checked state, after the registers; `update` must follow."""
        self.enabled = enabled
        self._waiting = None
        for intid, byte in pending:
            self._add(intid - FIRST_LPI, byte)
        self._cpu.offer_lpis()

    # Helpers

    @property
    def _limit(self) -> int:
        """How many LPIs there are."""
        return capacity(self.propbaser) if self.enabled else 0

    def _add(self, index: int, byte: int) -> None:
        if self._waiting is None:
            self._waiting = LpiSet()
        self._waiting.add(index, byte)

    def _load(self) -> None:
        """EnableLPIs becomes 1."""
        if self.pendbaser & PTZ:
            return
        table = _ram.load_table(self._memory, pending_table(self.pendbaser), self._limit // 8)
        configuration = self._table() if any(table) else b""
        for at, byte in enumerate(table):
            for bit in bits(byte):
                self._add(8 * at + bit, configuration[8 * at + bit])
                self._cpu.counts.resampled += 1

    def _unload(self) -> None:
        """EnableLPIs becomes 0."""
        waiting = self._waiting
        self._waiting = None
        table = bytearray(capacity(self.propbaser) // 8)
        for index in waiting or ():
            table[index >> 3] |= 1 << (index & 7)
            self._cpu.counts.withdrawn += 1
        _ram.store_table(self._memory, pending_table(self.pendbaser), bytes(table))

    @property
    def _memory(self) -> GuestMemory:
        return self._cpu.vcpu.vm.memory

    def _table(self) -> bytes:
        """The whole configuration table."""
        return _ram.load_table(self._memory, configuration_table(self.propbaser), self._limit)

    def _configuration(self, index: int) -> int:
        byte = _ram.load(self._memory, configuration_table(self.propbaser) + index, 1)
        return byte[0] if byte else 0

    def _withdraw(self, intid: int) -> bool:
        """Whether it was pending; it is not now."""
        waiting = self._waiting
        if waiting is None or not waiting.holds(intid - FIRST_LPI):
            return False
        waiting.remove(intid - FIRST_LPI)
        return True

    def _arrive(self, intid: int) -> Injected:
        """An event that was counted as raised."""
        waiting = self._waiting
        index = intid - FIRST_LPI
        if not 0 <= index < self._limit:
            return self._lose()
        if waiting is not None and waiting.holds(index):
            self._cpu.counts.coalesced += 1
            return Injected.COALESCED
        self._add(index, self._configuration(index))
        self._cpu.look_at_lpis()
        return Injected.LATCHED

    def _lose(self) -> Injected:
        reason = Injected.DROPPED if self.enabled else Injected.DROPPED_DISABLED
        dropped = self._cpu.counts.dropped
        dropped[reason] = dropped.get(reason, 0) + 1
        return reason

    def _hand_over(self, intid: int, to: Interface) -> None:
        """An LPI that is no longer pending here becomes so over there, and its raise goes with it."""
        to.vcpu.vm.post(to.vcpu, to.lpis.take_over, intid, self._cpu.counts.give())
