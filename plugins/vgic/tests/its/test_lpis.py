"""LPIs of one redistributor: registers, tables, pending state, and the accounts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from irqframe_vgic._v3 import _lpi_state

from irqframe import Injected, VmError

ALL = (1 << 64) - 1


@pytest.fixture
def one(bench: Any) -> Any:
    """A bench whose LPIs are on, with two CPUs."""
    return bench().on()


def test_an_event_is_delivered_once(one: Any) -> None:
    lpis = one.cpus[0].lpis
    assert lpis.pend(8200) is Injected.LATCHED
    assert lpis.first_priority() == 0xA0 and lpis.first() == 8200 and one.vm.vcpus[0].irq_line
    assert one.taken() == [8200]
    assert lpis.first_priority() == 256 and lpis.first() == -1 and not one.vm.vcpus[0].irq_line
    assert one.counters().delivered == 1 and one.balanced()
    assert one.vm.flow.call("delivered", one.vm.vcpus[0]) == {8200: 1}


def test_a_second_event_coalesces_and_one_after_the_acknowledge_does_not(one: Any) -> None:
    """S3 for LPIs: there is no active state that would hold the second one back."""
    lpis = one.cpus[0].lpis
    assert [lpis.pend(8200), lpis.pend(8200)] == [Injected.LATCHED, Injected.COALESCED]
    assert one.iar() == 8200
    assert lpis.pend(8200) is Injected.LATCHED
    assert one.taken() == [8200] and one.balanced()


def test_order_is_priority_then_intid(one: Any) -> None:
    for intid, byte in ((8193, 0x41), (8192, 0xA1), (8195, 0x41), (8194, 0x43), (8200, 0xF1)):
        one.configure(intid, byte)
        one.cpus[0].lpis.pend(intid)
    assert one.cpus[0].lpis.first_priority() == 0x40, "bit 1 is no priority"
    assert one.taken() == [8193, 8194, 8195, 8192, 8200]


def test_pending_is_remembered_while_disabled(one: Any) -> None:
    """S5 for LPIs; S42: the byte counts after INV."""
    lpis = one.cpus[0].lpis
    one.configure(8200, 0xA0)
    assert lpis.pend(8200) is Injected.LATCHED
    assert lpis.first_priority() == 256 and lpis.owed == 1
    assert one.vm.flow.call("waiting", one.vm.vcpus[0]) == {8200: "pending, masked"}
    assert one.vm.flow.call("identify", one.vm.vcpus[0], 8200) == "LPI 8200"
    one.configure(8200, 0x21)
    lpis.invalidate(8200)
    assert lpis.first_priority() == 0x20
    one.configure(8200, 0x20)
    lpis.invalidate_all()
    assert lpis.first_priority() == 256
    one.configure(8200, 0x31)
    lpis.invalidate_all()
    assert one.taken() == [8200]


def test_a_change_of_priority_counts_from_inv_on(one: Any) -> None:
    lpis = one.cpus[0].lpis
    lpis.pend(8200)
    lpis.pend(8201)
    one.configure(8201, 0x11)
    assert lpis.first() == 8200
    lpis.invalidate(8201)
    assert lpis.first() == 8201
    one.configure(8200, 0x09)
    lpis.invalidate(8201)
    assert lpis.first() == 8201, "INV is for its own LPI"


def test_events_are_lost_while_lpis_are_disabled(one: Any) -> None:
    lpis = one.cpus[0].lpis
    lpis.write_enable(False)
    assert lpis.pend(8200) is Injected.DROPPED_DISABLED
    lpis.write_enable(True)
    assert one.taken() == [] and one.counters().dropped == {Injected.DROPPED_DISABLED: 1} and one.balanced()


@pytest.mark.parametrize(("bits", "last"), [(14, 0x3FFF), (15, 0x7FFF), (16, 0xFFFF), (24, 0xFFFF), (32, 0xFFFF)])
def test_the_number_of_lpis_is_propbasers(bench: Any, bits: int, last: int) -> None:
    made = bench()
    made.poke(made.PROP, b"\xa1" * 0xE000)
    made.enable_lpis(made.cpus[0], made.PEND, bits)
    lpis = made.cpus[0].lpis
    assert lpis.pend(last) is Injected.LATCHED
    for intid in (last + 1, 8191, 0, 1 << 31):
        assert lpis.pend(intid) is Injected.DROPPED, intid
    assert made.taken() == [last] and made.balanced()


@pytest.mark.parametrize("bits", [1, 10, 13])
def test_there_are_none_with_too_few_id_bits(bench: Any, bits: int) -> None:
    made = bench()
    made.enable_lpis(made.cpus[0], made.PEND, bits)
    assert made.cpus[0].lpis.pend(8192) is Injected.DROPPED
    made.cpus[0].lpis.write_enable(False)
    assert made.balanced()


def test_the_pending_table_is_read_when_lpis_are_enabled(bench: Any) -> None:
    made = bench()
    made.poke(made.PROP, b"\xa1" * 0x2000)
    made.poke(made.PEND, b"\xff" * 1024)
    made.poke(made.PEND + 8200 // 8, bytes([0b1000_0001]))
    made.poke(made.PEND + 16383 // 8, b"\x80")
    made.enable_lpis(made.cpus[0], made.PEND)
    assert made.cpus[0].lpis.owed == 3
    assert made.taken() == [8200, 8207, 16383], "and not what the first KiB says"
    assert made.counters().resampled == 3 and made.balanced()


def test_ptz_says_that_the_table_is_zero(bench: Any) -> None:
    made = bench()
    made.poke(made.PROP, b"\xa1" * 0x2000)
    made.poke(made.PEND + 8200 // 8, b"\x01")
    made.enable_lpis(made.cpus[0], made.PEND | 1 << 62)
    assert made.taken() == []


def test_the_pending_table_is_written_when_lpis_are_disabled(one: Any) -> None:
    lpis = one.cpus[0].lpis
    one.poke(one.PEND + 8192 // 8, b"\xff" * 1024)
    one.poke(one.PEND, b"\x5a" * 1024)
    for intid in (8192, 8201, 16383):
        lpis.pend(intid)
    one.iar()
    one.configure(16383, 0)
    lpis.invalidate(16383)
    lpis.write_enable(False)
    table = one.vm.memory.read(one.PEND, 0x800)
    assert table[:1024] == b"\x5a" * 1024, "the first KiB is not the redistributor's to write"
    expected = bytearray(1024)
    expected[(8201 - 8192) // 8] |= 1 << 1
    expected[(16383 - 8192) // 8] |= 1 << 7
    assert table[1024:] == bytes(expected)
    assert lpis.owed == 0 and not one.vm.vcpus[0].irq_line and one.balanced()
    one.configure(16383, 0x81)
    lpis.write_enable(True)
    assert one.taken() == [16383, 8201] and one.balanced()


def test_the_table_registers_are_fixed_while_lpis_are_enabled(one: Any) -> None:
    lpis = one.cpus[0].lpis
    before = lpis.propbaser, lpis.pendbaser
    lpis.write_propbaser(ALL, ALL)
    lpis.write_pendbaser(ALL, ALL)
    assert (lpis.propbaser, lpis.pendbaser) == before
    lpis.write_enable(False)
    lpis.write_propbaser(ALL, ALL)
    lpis.write_pendbaser(ALL, ALL)
    assert lpis.propbaser == 0x070F_FFFF_FFFF_FF9F and lpis.pendbaser == 0x470F_FFFF_FFFF_0F80
    lpis.write_propbaser(0, 0xFFFF_FFFF)
    assert lpis.propbaser == 0x070F_FFFF_0000_0000


def test_a_move_takes_the_pending_state_along(one: Any) -> None:
    first, second = one.cpus
    first.lpis.pend(8200)
    first.lpis.move(8200, second)
    assert one.taken(0) == [] and one.taken(1) == [8200]
    assert one.counters(0).raised == 0 and one.counters(1).raised == 1 and one.balanced()
    first.lpis.move(8200, second)
    first.lpis.pend(8201)
    first.lpis.move(8201, first)
    assert one.taken(0) == [8201] and one.taken(1) == [] and one.balanced()


def test_a_move_to_where_it_is_pending_already_coalesces(one: Any) -> None:
    first, second = one.cpus
    first.lpis.pend(8200)
    second.lpis.pend(8200)
    first.lpis.move(8200, second)
    assert one.taken(1) == [8200] and one.counters(1).coalesced == 1 and one.balanced()


def test_a_move_to_where_lpis_are_off_loses_it(one: Any) -> None:
    first, second = one.cpus
    second.lpis.write_enable(False)
    first.lpis.pend(8200)
    first.lpis.move(8200, second)
    assert one.counters(1).dropped == {Injected.DROPPED_DISABLED: 1} and one.balanced()


def test_all_move(one: Any) -> None:
    first, second = one.cpus
    for intid in (8200, 9000, 16383):
        first.lpis.pend(intid)
    first.lpis.move_all(second)
    assert one.taken(0) == [] and one.taken(1) == [8200, 9000, 16383] and one.balanced()


def test_clear(one: Any) -> None:
    lpis = one.cpus[0].lpis
    lpis.pend(8200)
    lpis.pend(8201)
    lpis.clear(8200)
    lpis.clear(8200)
    lpis.clear(1 << 20)
    assert one.taken() == [8201] and one.counters().withdrawn == 1 and one.balanced()


def test_tables_that_are_not_ram_read_as_zero(bench: Any) -> None:
    made = bench()
    everything = made.cpus[0].lpis
    everything.write_propbaser(0x1000 | 13, ALL)
    everything.write_pendbaser(0xF_FFFF_FFFF_0000, ALL)
    everything.write_enable(True)
    assert everything.pend(8200) is Injected.LATCHED
    everything.invalidate(8200)
    everything.invalidate_all()
    assert made.taken() == [] and everything.owed == 1
    everything.write_enable(False)
    assert everything.owed == 0 and made.balanced()


def test_a_table_that_leaves_ram_is_there_as_far_as_it_goes(bench: Any) -> None:
    made = bench()
    end = made.vm.memory.regions[0][0] + made.vm.memory.regions[0][1]
    made.poke(end - 0x1000, b"\xa1" * 0x1000)
    lpis = made.cpus[0].lpis
    lpis.write_propbaser(end - 0x1000 | 13, ALL)
    lpis.write_pendbaser(made.PEND, ALL)
    lpis.write_enable(True)
    lpis.pend(8192 + 0xFFF)
    lpis.pend(8192 + 0x1000)
    lpis.invalidate_all()
    assert made.taken() == [8192 + 0xFFF] and lpis.owed == 1


def test_reset_forgets_everything(one: Any) -> None:
    lpis = one.cpus[0].lpis
    lpis.pend(8200)
    lpis.reset()
    assert (lpis.enabled, lpis.propbaser, lpis.pendbaser, lpis.owed) == (False, 0, 0, 0)


def test_state_comes_back_with_the_configuration_that_counted(one: Any) -> None:
    lpis = one.cpus[0].lpis
    one.configure(8201, 0x30)
    for intid in (8200, 8201, 9000):
        lpis.pend(intid)
    one.configure(9000, 0x11)
    saved = _lpi_state.save(lpis)
    assert saved["pending"] == [[8200, 0xA1], [8201, 0x30], [9000, 0xA1]]
    other = one.cpus[1].lpis
    _lpi_state.take(other, _lpi_state.checked(saved))
    one.cpus[1].update()
    assert _lpi_state.save(other) == saved
    assert one.taken(1) == [8200, 9000], "and not by what the table says now"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 2),
        ("enabled", 1),
        ("enabled", None),
        ("propbaser", -1),
        ("propbaser", 0x60),
        ("propbaser", True),
        ("pendbaser", 1 << 63),
        ("pendbaser", "0"),
        ("pending", None),
        ("pending", [8200]),
        ("pending", [[8200]]),
        ("pending", [[8200, 0xA3]]),
        ("pending", [[8200, 0x1A1]]),
        ("pending", [[8200, 1.0]]),
        ("pending", [["8200", 1]]),
        ("pending", [[8191, 1]]),
        ("pending", [[16384, 1]]),
        ("pending", [[8201, 1], [8200, 1]]),
        ("pending", [[8200, 1], [8200, 1]]),
    ],
)
def test_state_that_does_not_fit_is_refused(one: Any, name: str, value: object) -> None:
    saved = _lpi_state.save(one.cpus[0].lpis) | {name: value}
    with pytest.raises(VmError, match=f"saved state: '{name}'"):
        _lpi_state.checked(saved)


def test_nothing_is_pending_in_the_state_of_lpis_that_are_off(one: Any) -> None:
    saved = _lpi_state.save(one.cpus[0].lpis) | {"enabled": False}
    assert _lpi_state.checked(saved).enabled is False
    with pytest.raises(VmError, match="'pending'"):
        _lpi_state.checked(saved | {"pending": [[8200, 1]]})


def test_random_histories_are_those_of_a_naive_model(one: Any) -> None:
    chance = random.Random(4)
    cpu = one.cpus[0]
    table = dict.fromkeys(range(8192, 8224), 0xA1)
    pending: dict[int, int] = {}
    for _ in range(20000):
        intid = chance.randrange(8192, 8224)
        step = chance.randrange(8)
        if step < 3:
            cpu.lpis.pend(intid)
            pending.setdefault(intid, table[intid])
        elif step == 3:
            table[intid] = chance.getrandbits(8)
            one.configure(intid, table[intid])
        elif step == 4:
            cpu.lpis.invalidate(intid)
            if intid in pending:
                pending[intid] = table[intid]
        elif step == 5 and chance.random() < 0.1:
            cpu.lpis.invalidate_all()
            pending = {one: table[one] for one in pending}
        elif step == 6:
            cpu.lpis.clear(intid)
            pending.pop(intid, None)
        elif step == 7:
            ready = [(byte & 0xFC, number) for number, byte in pending.items() if byte & 1]
            expected = min(ready)[1] if ready and min(ready) < (0xF8,) else 1023  # the mask has 5 bits
            assert one.iar() == expected
            pending.pop(expected, None)
        assert cpu.lpis.owed == len(pending)
        assert cpu.lpis.first_priority() == min((b & 0xFC for b in pending.values() if b & 1), default=256)
    assert one.balanced()
