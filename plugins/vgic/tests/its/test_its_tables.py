"""Tables in guest memory: flat and two-level, every page size, and memory that makes no sense."""

from __future__ import annotations

import random
from typing import Any

import pytest

from irqframe import Injected

VALID = 1 << 63
INDIRECT = 1 << 62
PAGES = [4096, 16384, 65536]
BOTH = pytest.mark.parametrize("implementation", ["kvm", "qemu"])


def with_tables(made: Any, devices: int, collections: int) -> Any:
    made.w(0, 0, 4)
    made.w(0x100, devices)
    made.w(0x108, collections)
    made.w(0, 1, 4)
    return made


@pytest.mark.parametrize("page_size", [0, 1, 2, 3])
def test_the_size_of_a_flat_table_is_its_pages(bench: Any, page_size: int) -> None:
    made = bench(implementation="qemu").on(collections=False)
    for pages in (1, 2, 3):
        with_tables(made, VALID | made.DEVICES | page_size << 8 | pages - 1, made.r(0x108))
        last = min(PAGES[min(page_size, 2)] * pages // 8, 1 << 16) - 1
        assert not made.do(made.mapd(last, made.TABLES))
        assert made.do(made.mapd(last + 1, made.TABLES)) == 1
        assert made.word(made.DEVICES + 8 * last) >> 63 == 1, "in the table's last entry"


@pytest.mark.parametrize("page_size", [0, 1, 2])
def test_a_two_level_table_has_the_pages_that_it_points_to(bench: Any, page_size: int) -> None:
    made = bench(implementation="qemu").on()
    page = PAGES[page_size]
    per_page = page // 8
    made.poke(made.DEVICES, (VALID | made.TABLES + 0x10_0000 | page - 1).to_bytes(8, "little"))
    if per_page * 3 < 1 << 16:
        made.poke(made.DEVICES + 16, (VALID | made.TABLES + 0x20_0000).to_bytes(8, "little"))
        made.poke(made.DEVICES + 8, (made.TABLES + 0x30_0000).to_bytes(8, "little"))
    with_tables(made, VALID | INDIRECT | made.DEVICES | page_size << 8, made.r(0x108))
    made.device(per_page - 1, (0, 8200, 0))
    assert made.word(made.TABLES + 0x10_0000 + page - 8) >> 63 == 1
    if per_page * 3 < 1 << 16:
        made.device(2 * per_page + 1, (0, 8201, 1))
        assert made.word(made.TABLES + 0x20_0000 + 8) >> 63 == 1
        assert made.message(2 * per_page + 1, 0) is Injected.LATCHED
        assert made.do(made.mapd(per_page, made.TABLES)) == 1, "a pointer that is not valid"
        assert made.do(made.mapd(3 * per_page, made.TABLES)) == 1, "one that was never written"
    assert made.message(per_page - 1, 0) is Injected.LATCHED
    assert made.taken(0) == [8200]


def test_a_two_level_table_of_collections(bench: Any) -> None:
    made = bench(implementation="qemu").on(collections=False)
    made.poke(made.COLLECTIONS + 8, (VALID | made.TABLES + 0x10_0000).to_bytes(8, "little"))
    with_tables(made, made.r(0x100), VALID | INDIRECT | made.COLLECTIONS)
    assert made.do(made.mapc(0, 1)) == 1
    assert not made.do(made.mapc(512, 1))
    made.device(3, (0, 8200, 512))
    made.message(3, 0)
    assert made.taken(1) == [8200]


def test_ids_are_bounded_by_typer_whatever_the_table_holds(bench: Any) -> None:
    made = bench(implementation="qemu").on()
    with_tables(made, VALID | made.DEVICES | 2 << 8 | 0xFF, made.r(0x108))
    assert made.do(made.mapd(1 << 16, made.TABLES), made.mapd(0x8000_0000, made.TABLES)) == 2
    assert not made.do(made.mapd(0xFFFF, made.TABLES))


@BOTH
def test_the_step_from_entry_to_entry_is_typers(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation).on()
    step = (made.r(0x8) >> 4 & 0xF) + 1
    assert step == {"kvm": 8, "qemu": 12}[implementation]
    made.device(3, (0, 8200, 0), (4, 8204, 0))
    table = made.TABLES + 3 * 0x1000
    assert made.word(table + 4 * step) >> 16 == 8204 and made.word(table) >> 16 == 8200


def test_the_formats_are_those_in_which_kvm_saves(bench: Any) -> None:
    """Device: valid, [48:5] address >> 8, size; collection: valid, [51:16] target, number; event: [47:16] INTID."""
    made = bench().on()
    made.device(3, (1, 8201, 1), bits=6)
    assert made.word(made.DEVICES + 24) == VALID | (made.TABLES + 0x3000) >> 8 << 5 | 5
    assert made.word(made.COLLECTIONS + 8) == VALID | 1 << 16 | 1
    assert made.word(made.TABLES + 0x3000 + 8) == 8201 << 16 | 1


def test_the_last_eventid_of_a_device(bench: Any) -> None:
    made = bench().on()
    made.device(3, (1, 8201, 0), bits=1)
    assert made.do(made.mapti(3, 2, 8202, 0)) == 1
    made.device(4, (0xFFFF, 8203, 0), bits=16)
    assert made.message(4, 0xFFFF) is Injected.LATCHED
    assert made.message(4, 0x1_0000) is Injected.DROPPED_UNROUTED
    assert made.message(4, -1) is Injected.DROPPED_UNROUTED
    assert made.message(-1, 0) is Injected.DROPPED_UNROUTED


@BOTH
def test_tables_that_are_not_ram_map_nothing(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation).on()
    for devices, collections in ((0x1000, made.COLLECTIONS), (made.DEVICES, 0xFFFF_FFFF_0000)):
        with_tables(made, VALID | devices | 2 << 8, VALID | collections | 2 << 8)
        refused = made.do(made.mapd(3, made.TABLES), made.mapc(0, 0), made.mapti(3, 0, 8200, 0))
        assert refused >= 1
        assert made.message(3, 0) is Injected.DROPPED_UNROUTED
    with_tables(made, made.DEVICES, made.COLLECTIONS)
    assert made.do(made.mapd(3, made.TABLES), made.mapc(0, 0)) == 2, "tables that are not valid"


def test_an_interrupt_translation_table_that_is_not_ram(bench: Any) -> None:
    made = bench().on()
    assert not made.do(made.mapd(3, 0xF_FFFF_FFFF_FF00))
    assert made.do(made.mapti(3, 0, 8200, 0)) == 1
    assert made.message(3, 0) is Injected.DROPPED_UNROUTED


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        ("event", 8191 << 16),
        ("event", 0x1_0000 << 16),
        ("event", 0xFFFF_FFFF << 16),
        ("event", 8200 << 16 | 0xFFFF),
        ("event", 0),
        ("collection", VALID | 2 << 16),
        ("collection", VALID | 0xFFFF << 16),
        ("collection", 0),
        ("device", 0),
        ("device", VALID | 0x1F),
        ("device", VALID | (1 << 49) - 32 | 4),
    ],
)
def test_an_entry_that_makes_no_sense_is_not_mapped(bench: Any, place: str, entry: int) -> None:
    made = bench().on()
    made.device(3, (0, 8200, 0))
    address = {"event": made.TABLES + 0x3000, "collection": made.COLLECTIONS, "device": made.DEVICES + 24}[place]
    made.poke(address, entry.to_bytes(8, "little"))
    for name in ("INT", "CLEAR", "INV", "DISCARD"):
        assert made.do(made.of_event(name, 3, 0)) == 1
    assert made.message(3, 0) is Injected.DROPPED_UNROUTED
    assert made.balanced()


def test_64_kib_pages_have_address_bits_above_47(bench: Any) -> None:
    made = bench().on()
    with_tables(made, VALID | 0x5000 | 2 << 8, made.r(0x108))
    assert made.its.tables.devices.place(1) == 5 << 48 | 8


# The cache


def test_a_translation_is_looked_up_once(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench().on()
    made.device(3, (0, 8200, 0))
    looked = []
    translate = made.its.translate
    monkeypatch.setattr(made.its, "translate", lambda *of: looked.append(of) or translate(*of))
    for _ in range(3):
        made.message(3, 0)
    assert looked == [(3, 0)]


def test_the_cache_is_bounded(bench: Any) -> None:
    made = bench().on()
    made.device(3, *((event, 8192 + event % 8000, 0) for event in range(100)), bits=16)
    data = b"".join((8192 + event % 8000 << 16).to_bytes(8, "little") for event in range(0x1_0000))
    made.poke(made.TABLES + 0x3000, data)
    for event in range(0x1_0000):
        made.message(3, event)
        assert len(made.its._cache) <= 4096
    assert made.cpus[0].lpis.owed == 8000 and made.balanced()


def test_a_mapping_is_never_that_of_yesterday(bench: Any) -> None:
    """Random commands, and after each of them every message goes where a naive model says."""
    made = bench(3).on()
    chance = random.Random(7)
    devices: dict[int, dict[int, tuple[int, int]]] = {}
    collections = {n: n for n in range(3)}
    for _ in range(1500):
        device, event, icid = chance.randrange(3), chance.randrange(4), chance.randrange(4)
        match chance.randrange(6):
            case 0:
                valid = chance.randrange(4) > 0
                made.poke(made.TABLES + device * 0x1000, bytes(0x100))
                made.do(made.mapd(device, made.TABLES + device * 0x1000, 2, int(valid)))
                devices.pop(device, None)
                if valid:
                    devices[device] = {}
            case 1:
                valid = chance.randrange(4) > 0
                target = chance.randrange(4)
                made.do(made.mapc(icid, target, int(valid)))
                if not valid:
                    collections.pop(icid, None)
                elif target < 3:
                    collections[icid] = target
            case 2 | 3:
                made.do(made.mapti(device, event, 8200 + 4 * device + event, icid))
                if device in devices:
                    devices[device][event] = (8200 + 4 * device + event, icid)
            case 4:
                made.do(made.movi(device, event, icid))
                found = devices.get(device, {}).get(event)
                if found and icid in collections and found[1] in collections:
                    devices[device][event] = (found[0], icid)
            case 5:
                made.do(made.of_event("DISCARD", device, event))
                found = devices.get(device, {}).get(event)
                if found and found[1] in collections:
                    del devices[device][event]
        for device in range(3):
            for event in range(4):
                found = devices.get(device, {}).get(event)
                outcome = made.message(device, event)
                if found is None or found[1] not in collections:
                    assert outcome is Injected.DROPPED_UNROUTED
                else:
                    assert outcome is Injected.LATCHED
                    assert made.taken(collections[found[1]]) == [found[0]]
    assert made.balanced()
