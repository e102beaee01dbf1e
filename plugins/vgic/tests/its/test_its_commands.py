"""Each command's visible effect, and what is an error; S41 and S42 of the tests' list for an ITS."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_vgic._its._commands import COMMANDS

from irqframe import Injected

BOTH = pytest.mark.parametrize("implementation", ["kvm", "qemu"])

# Opcodes and fields of the ITS command pages, written down apart from the table.
PAGES = {
    "MOVI": (0x01, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32), "ICID": (2, 0, 16)}),
    "INT": (0x03, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32)}),
    "CLEAR": (0x04, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32)}),
    "SYNC": (0x05, {"RDbase": (2, 16, 35)}),
    "MAPD": (0x08, {"DeviceID": (0, 32, 32), "Size": (1, 0, 5), "ITT_addr": (2, 8, 44), "V": (2, 63, 1)}),
    "MAPC": (0x09, {"ICID": (2, 0, 16), "RDbase": (2, 16, 35), "V": (2, 63, 1)}),
    "MAPTI": (0x0A, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32), "pINTID": (1, 32, 32), "ICID": (2, 0, 16)}),
    "MAPI": (0x0B, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32), "ICID": (2, 0, 16)}),
    "INV": (0x0C, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32)}),
    "INVALL": (0x0D, {"ICID": (2, 0, 16)}),
    "MOVALL": (0x0E, {"RDbase1": (2, 16, 35), "RDbase2": (3, 16, 35)}),
    "DISCARD": (0x0F, {"DeviceID": (0, 32, 32), "EventID": (1, 0, 32)}),
}


def test_the_table_of_commands() -> None:
    assert {command.name for command in COMMANDS} == PAGES.keys()
    for command in COMMANDS:
        opcode, fields = PAGES[command.name]
        assert command.opcode == opcode and command.about
        assert {field.name: (field.word, field.low, field.high - field.low + 1) for field in command.fields} == fields


@pytest.fixture
def one(bench: Any) -> Any:
    """Device 3 with events 0 and 1 as LPIs 8200 and 8201 on CPU 0."""
    made = bench().on()
    made.device(3, (0, 8200, 0), (1, 8201, 0))
    return made


def test_int_and_clear(one: Any) -> None:
    assert not one.do(one.of_event("INT", 3, 0), one.of_event("INT", 3, 1), one.of_event("CLEAR", 3, 0))
    assert one.taken() == [8201] and one.balanced()
    assert one.counters().raised == 2 and one.counters().withdrawn == 1


def test_a_message_is_an_int(one: Any) -> None:
    assert one.message(3, 1) is Injected.LATCHED
    assert one.message(3, 1) is Injected.COALESCED
    assert one.taken() == [8201] and one.balanced()


def test_a_message_by_its_doorbell(one: Any) -> None:
    assert one.vm.signal_msi(0x809_0040, 1, 3) is Injected.LATCHED
    assert one.vm.signal_msi(0x809_0040, 1, 4) is Injected.DROPPED_UNROUTED
    assert one.taken() == [8201]


def test_a_store_of_a_cpu_is_a_message_of_device_0(one: Any) -> None:
    one.device(0, (2, 8202, 1))
    one.w(0x10040, 2, 4, cpu=0)
    assert one.taken(1) == [8202]
    one.w(0x10040, 2, 2)
    assert one.taken(1) == [8202]
    for size in (1, 8):
        one.w(0x10040, 2, size)
    assert one.taken(1) == []


def test_discard_unmaps_and_clears(one: Any) -> None:
    one.message(3, 0)
    assert not one.do(one.of_event("DISCARD", 3, 0))
    assert one.taken() == []
    assert one.message(3, 0) is Injected.DROPPED_UNROUTED
    assert one.message(3, 1) is Injected.LATCHED
    assert one.do(one.of_event("DISCARD", 3, 0)) == 1
    assert one.vm.dropped == {Injected.DROPPED_UNROUTED: 1} and one.balanced()


def test_movi_moves_the_event_and_what_is_pending(one: Any) -> None:
    one.message(3, 0)
    assert not one.do(one.movi(3, 0, 1))
    assert one.taken(0) == [] and one.taken(1) == [8200]
    one.message(3, 0)
    one.message(3, 1)
    assert one.taken(0) == [8201] and one.taken(1) == [8200] and one.balanced()


def test_movall_moves_what_is_pending_and_no_mapping(one: Any) -> None:
    one.message(3, 0)
    one.message(3, 1)
    assert not one.do(one.movall(0, 1))
    assert one.taken(0) == [] and one.taken(1) == [8200, 8201]
    one.message(3, 0)
    assert one.taken(0) == [8200] and one.balanced()


def test_mapc_retargets_a_collection(one: Any) -> None:
    one.message(3, 0)
    one.taken()
    assert not one.do(one.mapc(0, 1))
    one.message(3, 0)
    assert one.taken(0) == [] and one.taken(1) == [8200]
    assert not one.do(one.mapc(0, 0, valid=0))
    assert one.message(3, 0) is Injected.DROPPED_UNROUTED
    assert not one.do(one.mapc(0, 0))
    assert one.message(3, 0) is Injected.LATCHED


def test_mapd_unmaps_a_device(one: Any) -> None:
    assert one.message(3, 0) is Injected.LATCHED
    assert not one.do(one.mapd(3, 0, valid=0))
    assert one.message(3, 0) is Injected.DROPPED_UNROUTED
    assert one.do(one.mapti(3, 0, 8200, 0)) == 1
    assert one.taken() == [8200], "what is pending stays"


def test_mapti_again_replaces_the_mapping(one: Any) -> None:
    one.message(3, 0)
    one.taken()
    assert not one.do(one.mapti(3, 0, 8300, 1))
    one.message(3, 0)
    assert one.taken(0) == [] and one.taken(1) == [8300]


def test_mapi_is_mapti_with_one_number(bench: Any) -> None:
    made = bench().on()
    assert not made.do(made.mapd(3, made.TABLES, 14), made.mapi(3, 8205, 1))
    assert made.message(3, 8205) is Injected.LATCHED
    assert made.taken(1) == [8205]
    assert made.do(made.mapi(3, 8191, 1)) == 1


def test_inv_and_invall_look_at_the_configuration_again(one: Any) -> None:
    one.configure(8200, 0xA0)
    one.configure(8201, 0xA0)
    one.message(3, 0)
    one.message(3, 1)
    one.configure(8200, 0xA1)
    one.configure(8201, 0x81)
    assert one.taken() == []
    assert not one.do(one.of_event("INV", 3, 0))
    assert one.taken() == [8200]
    assert not one.do(one.invall(1))
    assert one.taken() == []
    assert not one.do(one.invall(0))
    assert one.taken() == [8201]


def test_sync_is_accepted_for_every_processor(one: Any) -> None:
    assert not one.do(one.sync(0), one.sync(1))
    assert one.do(one.sync(2), one.sync(1 << 34)) == 2


def bad_commands(one: Any) -> list[tuple[int, ...]]:
    events = ("INT", "CLEAR", "DISCARD", "INV")
    return [
        *(one.of_event(name, 4, 0) for name in events),
        *(one.of_event(name, 3, 2) for name in events),
        *(one.of_event(name, 3, 32) for name in events),
        *(one.of_event(name, 3, 1 << 31) for name in events),
        *(one.of_event(name, 0xFFFF_FFFF, 0) for name in events),
        one.movi(3, 0, 5),
        one.movi(3, 2, 1),
        one.movi(3, 0, 0xFFFF),
        one.mapti(4, 0, 8202, 0),
        one.mapti(3, 32, 8202, 0),
        one.mapti(3, 2, 8191, 0),
        one.mapti(3, 2, 0x1_0000, 0),
        one.mapti(3, 2, 0xFFFF_FFFF, 0),
        one.mapti(3, 2, 8202, 0x2000),
        one.mapi(3, 2, 0),
        one.mapd(0x2000, one.TABLES),
        one.mapd(5, one.TABLES, 17),
        one.mapd(5, one.TABLES, 32),
        one.mapc(0, 2),
        one.mapc(0, (1 << 35) - 1),
        one.mapc(0x2000, 0),
        one.invall(7),
        one.invall(0xFFFF),
        one.movall(0, 2),
        one.movall(2, 0),
        *((opcode, 0, 0, 0) for opcode in (0x00, 0x02, 0x06, 0x07, 0x10, 0x29, 0x2E, 0xFF)),
    ]


@BOTH
def test_an_error_drops_the_command_and_the_queue_goes_on(bench: Any, implementation: str) -> None:
    made = bench(implementation=implementation).on()
    made.device(3, (0, 8200, 0), (1, 8201, 0))
    for command in bad_commands(made):
        assert made.do(command, made.of_event("INT", 3, 1)) == 1, command
        assert made.message(3, 0) is Injected.LATCHED, command
        assert made.taken(0) == [8200, 8201] and made.taken(1) == [], command
        assert made.r(0x90) & 1 == 0, "never stalled"
    assert made.balanced()


def test_an_event_whose_collection_is_not_mapped(one: Any) -> None:
    assert not one.do(one.mapti(3, 2, 8202, 9))
    assert one.message(3, 2) is Injected.DROPPED_UNROUTED
    for name in ("INT", "CLEAR", "INV", "DISCARD"):
        assert one.do(one.of_event(name, 3, 2)) == 1
    assert one.do(one.movi(3, 2, 0)) == 1
    assert not one.do(one.mapc(9, 1))
    assert one.message(3, 2) is Injected.LATCHED and one.taken(1) == [8202]


# The queue


def test_commands_wait_while_the_its_is_disabled(one: Any) -> None:
    """They run when Enabled becomes 1, as on QEMU."""
    one.w(0, 0, 4)
    before = one.r(0x90)
    one.w(0x88, one.queue(one.of_event("INT", 3, 0)))
    assert one.r(0x90) == before and one.taken() == []
    assert one.message(3, 0) is Injected.DROPPED_DISABLED
    one.w(0, 1, 4)
    assert one.r(0x90) == one.r(0x88) and one.taken() == [8200]


def test_the_queue_wraps(one: Any) -> None:
    for turn in range(300):
        assert not one.do(one.of_event("INT", 3, turn & 1))
        assert one.taken() == [8200 + (turn & 1)]
    assert one.r(0x90) == (5 + 300) * 32 % 4096


def test_a_whole_queue_at_once(one: Any) -> None:
    one.do(*[one.of_event("INT", 3, 0)] * 127)
    assert one.counters().raised == 127 and one.taken() == [8200]


def test_nothing_runs_beyond_the_queue_or_without_one(one: Any) -> None:
    before = one.r(0x90)
    one.w(0x88, 4096)
    assert one.r(0x88) == 4096 and one.r(0x90) == before
    one.w(0x88, before | 1)
    assert one.r(0x88) == before
    one.w(0, 0, 4)
    one.w(0x80, one.QUEUE)
    one.w(0x88, one.queue(one.of_event("INT", 3, 0)))
    one.w(0, 1, 4)
    assert one.r(0x90) == 0 and one.taken() == []


def test_commands_that_are_not_ram_are_errors(one: Any) -> None:
    one.w(0, 0, 4)
    one.w(0x80, 1 << 63 | 0xF_FFFF_FFFF_F000 | 0xFF)
    one.w(0, 1, 4)
    before = one.its.refused
    one.w(0x88, 0xF_FFE0)
    assert one.its.refused - before == 0x8000 - 1 and one.r(0x90) == 0xF_FFE0
