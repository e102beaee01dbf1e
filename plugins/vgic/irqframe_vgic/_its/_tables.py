"""What the ITS keeps in guest memory: which devices, collections and events are mapped, and to what.

The formats are the implementation's; these are those in which KVM saves its tables. Bit 63 of a device's and of a
collection's entry says that it is mapped; an event is mapped if its INTID is not 0.

    device        [48:5] bits 51:8 of the address of its interrupt translation table, [4:0] EventID bits - 1
    collection    [31:16] processor number, [15:0] its own number
    event         [47:16] INTID, [15:0] collection

A guest can write there whatever it likes, so an entry that makes no sense is taken as not mapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from irqframe.vm import GuestMemory
from irqframe_vgic import _ram
from irqframe_vgic._its._baser import Baser
from irqframe_vgic._its._parameters import COLLECTIONS, DEVICES, VALID, ItsParameters
from irqframe_vgic._v3._lpi_set import FIRST_LPI, ID_BITS
from irqframe_vgic._v3._lpis import Interface

END_LPI: Final = 1 << ID_BITS
"""One more than the largest INTID of an LPI."""

_ITT_ADDRESS: Final = 0x000F_FFFF_FFFF_FF00


class Device(NamedTuple):
    """A mapped device.

    Attributes:
        table: guest physical address of its interrupt translation table.
        event_bits: of its EventIDs.
    """

    table: int
    event_bits: int


class Event(NamedTuple):
    """A mapped event.

    Attributes:
        place: guest physical address of its entry.
        intid: the LPI.
        collection: number of the collection that says where the LPI goes.
    """

    place: int
    intid: int
    collection: int


class Tables:
    """The tables of one ITS.

    Args:
        memory: where they are.
        parameters: what the implementation chooses.
        cpus: the CPU interfaces by processor number.

    Attributes:
        basers: GITS_BASER0, GITS_BASER1, and so on, those that have a table.
        devices: the device table; `collections` likewise.
    """

    def __init__(self, memory: GuestMemory, parameters: ItsParameters, cpus: Sequence[Interface]) -> None:
        self._memory = memory
        self._parameters = parameters
        self._cpus = cpus
        bits = {DEVICES: parameters.device_bits, COLLECTIONS: parameters.collection_bits}
        self.basers = tuple(Baser(memory, kind, bits[kind.type]) for kind in parameters.tables)
        self.devices, self.collections = (
            next(baser for baser in self.basers if baser.kind.type == kind) for kind in (DEVICES, COLLECTIONS)
        )

    def reset(self) -> None:
        """Every GITS_BASER as after power-on."""
        for baser in self.basers:
            baser.register = baser.kind.reset

    # Devices

    def device(self, device: int) -> Device | None:
        """A device by DeviceID, None if it is not mapped."""
        entry = self.devices.load(device)
        event_bits = (entry & 0x1F) + 1
        if not entry & VALID or event_bits > self._parameters.event_bits:
            return None
        return Device(entry << 3 & _ITT_ADDRESS, event_bits)

    def map_device(self, device: int, table: int, event_bits: int) -> bool:
        """Map a device, and tell whether that could be; so do the next ones."""
        if event_bits > self._parameters.event_bits:
            return False
        return self.devices.store(device, VALID | (table & _ITT_ADDRESS) >> 3 | event_bits - 1)

    def unmap_device(self, device: int) -> bool:
        """Unmap a device with all its events."""
        return self.devices.store(device, 0)

    # Collections

    def collection(self, collection: int) -> Interface | None:
        """The CPU interface that a collection goes to, None if it is not mapped."""
        entry = self.collections.load(collection)
        return self.processor(entry >> 16 & 0xFFFF) if entry & VALID else None

    def processor(self, number: int) -> Interface | None:
        """The CPU interface of a processor number, None if there is none."""
        return self._cpus[number] if 0 <= number < len(self._cpus) else None

    def map_collection(self, collection: int, processor: int) -> bool:
        """Map a collection."""
        if self.processor(processor) is None:
            return False
        return self.collections.store(collection, VALID | processor << 16 | collection)

    def unmap_collection(self, collection: int) -> bool:
        """Unmap a collection."""
        return self.collections.store(collection, 0)

    # Events

    def event(self, device: int, event: int) -> Event | None:
        """A device's event by EventID, None if it is not mapped."""
        place = self._place(device, event)
        if place is None:
            return None
        entry = _ram.load_number(self._memory, place)
        intid = entry >> 16 & 0xFFFF_FFFF
        return Event(place, intid, entry & 0xFFFF) if FIRST_LPI <= intid < END_LPI else None

    def map_event(self, device: int, event: int, intid: int, collection: int) -> bool:
        """Map an event to an LPI and a collection, which need not be mapped yet."""
        place = self._place(device, event)
        if place is None or not FIRST_LPI <= intid < END_LPI or self.collections.place(collection) is None:
            return False
        return self._store_event(place, intid << 16 | collection)

    def retarget(self, event: Event, collection: int) -> bool:
        """Have an event go to another collection."""
        return self._store_event(event.place, event.intid << 16 | collection)

    def unmap_event(self, event: Event) -> bool:
        """Unmap an event."""
        return self._store_event(event.place, 0)

    def _place(self, device: int, event: int) -> int | None:
        found = self.device(device)
        if found is None or not 0 <= event < 1 << found.event_bits:
            return None
        return found.table + event * self._parameters.entry_size

    def _store_event(self, place: int, entry: int) -> bool:
        return _ram.store_number(self._memory, place, entry, self._parameters.entry_size)
