"""The scripted guest's driver of LPIs and ITSs: what Linux's irq-gic-v3-its.c does, in its order.

1. All LPIs have the priority 0xa0. Their configuration is one table for all CPUs; each CPU has a pending table.
2. Collection n is CPU n, at every ITS.
3. A device gets an interrupt translation table of 32 events or more when it first asks for messages; what it asks for
   later comes from the same table. Each ITS has its own DeviceIDs. Who does not know a device's ITS gets the first that
   can have the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from irqframe.errors import GuestError
from irqframe.guest import Msi, ScriptedCpu
from irqframe.vm import GuestMemory
from irqframe_vgic._its._driver_queue import CommandQueue, inv, invall, mapc, mapd, mapti, movi, sync
from irqframe_vgic._its._driver_tables import DeviceTable, give_tables
from irqframe_vgic._its._pages import Pages

FIRST_LPI: Final = 8192

# Offsets in an ITS's control frame, and of the register that messages go to.
_CTLR: Final = 0x0000
_TYPER: Final = 0x0008
_PIDR2: Final = 0xFFE8
_TRANSLATER: Final = 0x1_0040
_CTLR_ENABLED: Final = 1
_CTLR_QUIESCENT: Final = 1 << 31
_ARCHITECTURES: Final = (3, 4)

# Offsets in a redistributor's frame.
_RD_CTLR: Final = 0x0000
_RD_TYPER: Final = 0x0008
_PROPBASER: Final = 0x0070
_PENDBASER: Final = 0x0078
_ENABLE_LPIS: Final = 1

_CACHED: Final = 7 << 7 | 1 << 10
"""Inner write-back, inner shareable, in PROPBASER and PENDBASER."""
_TABLE: Final = 0x1_0000
"""Bytes, and alignment, of the configuration table and of a pending table for 16-bit INTIDs."""
_MAX_ID_BITS: Final = 16

_DISABLED_CONFIG: Final = 0xA0 | 1 << 1
_ENABLED_CONFIG: Final = _DISABLED_CONFIG | 1 << 0

_LEAST_EVENTS: Final = 32
_ITT_ALIGNMENT: Final = 256
_PATIENCE: Final = 10_000


class _Device:
    """A device that sends messages: its DeviceID, its ITS, how many events it can have and has."""

    def __init__(self, devid: int, its: _Its, events: int) -> None:
        self.devid = devid
        self.its = its
        self.events = events
        self.used = 0


class _Its:
    """One ITS.

    Args:
        memory: of the guest.
        pages: where its tables are taken from.
        base: address of its control frame.
        cpus: how many CPUs there are.

    Attributes:
        base: as given.
        queue: of its commands.
        targets: by CPU, how commands name its redistributor.
    """

    def __init__(self, memory: GuestMemory, pages: Pages, base: int, cpus: int) -> None:
        self.base = base
        self.targets = [0] * cpus
        self._memory = memory
        self._pages = pages
        self.queue = CommandQueue(memory, pages, base)
        self._typer = 0
        self._devices: DeviceTable | None = None

    def probe(self, cpu: ScriptedCpu) -> None:
        """its_probe_one: off, tables, queue, on."""
        version = cpu.read(self.base + _PIDR2) >> 4 & 0xF
        if version not in _ARCHITECTURES:
            raise GuestError(f"GITS_PIDR2 at {self.base:#x} says architecture version {version}; expected 3 or 4")
        cpu.write(self.base + _CTLR, cpu.read(self.base + _CTLR) & ~_CTLR_ENABLED)
        self._wait_until_quiescent(cpu)
        self._typer = cpu.read(self.base + _TYPER, size=8)
        self._devices = give_tables(cpu, self._memory, self._pages, self.base, (self._typer >> 13 & 0x1F) + 1)
        self.queue.set_up(cpu)
        cpu.write(self.base + _CTLR, cpu.read(self.base + _CTLR) | _CTLR_ENABLED)

    def _wait_until_quiescent(self, cpu: ScriptedCpu) -> None:
        for _ in range(_PATIENCE):
            if cpu.read(self.base + _CTLR) & _CTLR_QUIESCENT:
                return
        raise GuestError(f"the ITS at {self.base:#x} does not come to rest")

    def target(self, cpu: ScriptedCpu, redistributor: int) -> int:
        """How commands name a redistributor: by address, or by its number."""
        if self._typer >> 19 & 1:
            return redistributor
        return (cpu.read(redistributor + _RD_TYPER, size=8) >> 8 & 0xFFFF) << 16

    def map_device(self, cpu: ScriptedCpu, devid: int, events: int) -> bool:
        """its_create_device; False if the ITS cannot have such a device."""
        bits = (events - 1).bit_length()
        if bits > (self._typer >> 8 & 0x1F) + 1:
            return False
        if devid >> (self._typer >> 13 & 0x1F) + 1:
            return False
        if self._devices is not None and not self._devices.make_room(devid):
            return False
        entry = (self._typer >> 4 & 0xF) + 1
        itt = self._pages.take(max(entry * events, _ITT_ALIGNMENT), _ITT_ALIGNMENT)
        self.queue.post(cpu, mapd(devid, bits, itt))
        return True


class LpiDriver:
    """The driver of a GIC's LPIs.

    Args:
        memory: of the guest.
        its: addresses of the ITSs' control frames.
        cpus: how many CPUs there are.

    Raises:
        GuestError: if the guest has no memory for their tables.
    """

    def __init__(self, memory: GuestMemory, its: tuple[int, ...], cpus: int) -> None:
        self._memory = memory
        self._pages = Pages(memory)
        self._config = self._pages.take(_TABLE, _TABLE)
        self._pending = [0] * cpus
        self._its = tuple(_Its(memory, self._pages, base, cpus) for base in its)
        self._id_bits = 0
        self._next = FIRST_LPI
        self._end = FIRST_LPI
        self._devices: dict[tuple[_Its, int], _Device] = {}
        self._by_lpi: dict[int, tuple[_Device, int]] = {}

    def probe(self, cpu: ScriptedCpu, gicd_typer: int) -> None:
        """its_init: the INTIDs there are, the configuration table, each ITS.

        Raises:
            GuestError: if the GIC has no LPIs, or an ITS is not what the driver can drive.
        """
        if not gicd_typer >> 17 & 1:
            raise GuestError("GICD_TYPER says that there are no LPIs, and the machine has an ITS")
        self._id_bits = min((gicd_typer >> 19 & 0x1F) + 1, _MAX_ID_BITS)
        self._end = max(1 << self._id_bits, FIRST_LPI)
        limit = (gicd_typer >> 11 & 0x1F) + 1
        if limit > 1:
            self._end = min(self._end, FIRST_LPI + (1 << limit))
        self._memory.write(self._config, bytes([_DISABLED_CONFIG]) * _TABLE)
        for its in self._its:
            its.probe(cpu)

    def starting(self, cpu: ScriptedCpu, redistributor: int) -> None:
        """its_cpu_init: LPIs on, unless they are, and this CPU's collection at every ITS.

        Args:
            cpu: the CPU.
            redistributor: address of its redistributor.
        """
        if not cpu.read(redistributor + _RD_CTLR) & _ENABLE_LPIS:
            if not self._pending[cpu.index]:
                self._pending[cpu.index] = self._pages.take(_TABLE, _TABLE)
            cpu.write(redistributor + _PROPBASER, self._config | _CACHED | self._id_bits - 1, size=8)
            cpu.write(redistributor + _PENDBASER, self._pending[cpu.index] | _CACHED, size=8)
            cpu.write(redistributor + _RD_CTLR, cpu.read(redistributor + _RD_CTLR) | _ENABLE_LPIS)
        for its in self._its:
            its.targets[cpu.index] = target = its.target(cpu, redistributor)
            its.queue.post(cpu, mapc(cpu.index, target), sync(target))
            its.queue.post(cpu, invall(cpu.index), sync(target))

    def alloc(self, cpu: ScriptedCpu, devid: int, count: int, target: int, its: int | None = None) -> list[Msi]:
        """its_irq_domain_alloc, its_irq_domain_activate and its_unmask_irq of messages of a device.

        Args:
            cpu: the CPU that does it.
            devid: DeviceID.
            count: how many messages.
            target: index of the CPU that they go to.
            its: address of the device's ITS; None for any.

        Raises:
            GuestError: if no ITS can have the device, or it has no events left, or no LPIs are left.
        """
        if count < 1 or self._next + count > self._end:
            raise GuestError(f"{count} LPIs are wanted, and {self._end - self._next} are left")
        able = [one for one in self._its if its is None or one.base == its]
        known = (self._devices.get((one, devid)) for one in able)
        device = next(filter(None, known), None) or self._create(cpu, able, devid, count)
        if device.used + count > device.events:
            raise GuestError(f"device {devid:#x} has {device.events - device.used} of {count} events left")
        return [self._message(cpu, device, target) for _ in range(count)]

    def _create(self, cpu: ScriptedCpu, able: Sequence[_Its], devid: int, count: int) -> _Device:
        events = max(_LEAST_EVENTS, 1 << (count - 1).bit_length())
        for its in able:
            if its.map_device(cpu, devid, events):
                device = self._devices[its, devid] = _Device(devid, its, events)
                return device
        raise GuestError(f"no ITS can have a device {devid:#x} of {events} events")

    def _message(self, cpu: ScriptedCpu, device: _Device, target: int) -> Msi:
        event, lpi = device.used, self._next
        device.used += 1
        self._next += 1
        self._by_lpi[lpi] = device, event
        its = device.its
        its.queue.post(cpu, mapti(device.devid, event, lpi, target), sync(its.targets[target]))
        self._memory.write(self._config + lpi - FIRST_LPI, bytes([_ENABLED_CONFIG]))
        its.queue.post(cpu, inv(device.devid, event), sync(its.targets[target]))
        return Msi(its.base + _TRANSLATER, event, lpi)

    def move(self, cpu: ScriptedCpu, lpi: int, target: int) -> None:
        """its_set_affinity."""
        device, event = self._by_lpi[lpi]
        its = device.its
        its.queue.post(cpu, movi(device.devid, event, target), sync(its.targets[target]))
