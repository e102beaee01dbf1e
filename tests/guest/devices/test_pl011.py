"""The serial port, driven as Linux's amba-pl011 drives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.guest.devices import Line, Pl011, Wire
from irqframe.vm import Vm

BASE = 0x0900_0000
LINE = 1
DR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR = (
    BASE + offset for offset in (0x00, 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44)
)
RX, TX, RT = 1 << 4, 1 << 5, 1 << 6
TXFE, RXFF, RXFE = 1 << 7, 1 << 6, 1 << 4


@pytest.fixture
def uart(cpu: Any, console: Any) -> Pl011:
    return Pl011(cpu.vm, BASE, Line("uart", Wire(cpu.vm, LINE)), console)


def test_output_goes_out_at_once(cpu: Any, console: Any, uart: Pl011) -> None:
    """As earlycon does it: wait for TXFF clear, write, wait for BUSY clear."""
    for character in b"hello\n":
        assert not cpu.read(FR) & 1 << 5
        cpu.write(DR, character, size=1)
        assert not cpu.read(FR) & 1 << 3
    assert console.printed == b"hello\n"
    assert uart.sent == 6
    assert uart.deadline() is None


def test_each_character_makes_the_transmit_interrupt_pending(cpu: Any, uart: Pl011) -> None:
    assert cpu.read(RIS) == 0
    cpu.write(IMSC, TX)
    assert not cpu.pending(LINE)
    for _ in range(2):
        cpu.write(DR, ord("x"), size=2)
        assert cpu.read(MIS) == TX
        assert cpu.pending(LINE)
        cpu.write(ICR, TX)
        assert cpu.read(MIS) == 0
        assert not cpu.pending(LINE)
    cpu.write(DR, ord("x"))
    cpu.write(IMSC, 0)  # as Linux does when it has nothing more to send
    assert not cpu.pending(LINE)
    assert cpu.read(RIS) == TX
    assert uart.lines[0].raised == 3


def test_without_fifo_it_takes_one_character_at_a_time(cpu: Any, console: Any, uart: Pl011) -> None:
    console.typed = b"ab"
    uart.update()
    uart.update()
    assert cpu.read(FR) == TXFE | RXFF
    assert console.typed == b"b"
    assert cpu.read(RIS) == RX | RT
    assert cpu.read(DR) == ord("a")
    assert cpu.read(RIS) == RX | RT  # the next has come up
    assert cpu.read(DR) == ord("b")
    assert cpu.read(FR) == TXFE | RXFE
    assert cpu.read(RIS) == 0
    assert uart.received == 2


def test_little_input_is_told_by_the_timeout(cpu: Any, console: Any, uart: Pl011) -> None:
    cpu.write(LCR_H, 0x70)
    cpu.write(IMSC, RX | RT)
    console.typed = b"ab"
    uart.update()
    assert cpu.read(MIS) == RT
    assert cpu.pending(LINE)
    assert cpu.read(DR) == ord("a")
    assert cpu.pending(LINE)
    assert cpu.read(DR) == ord("b")
    assert not cpu.pending(LINE)


@pytest.mark.parametrize(("select", "level"), [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14), (7, 14)])
def test_the_receive_interrupt_comes_and_goes_at_the_trigger_level(
    cpu: Any, console: Any, uart: Pl011, select: int, level: int
) -> None:
    cpu.write(IFLS, select << 3)
    cpu.write(LCR_H, 0x70)
    console.typed = bytes(level - 1)
    uart.update()
    assert not cpu.read(RIS) & RX
    console.typed = b"x"
    uart.update()
    assert cpu.read(RIS) & RX
    cpu.read(DR)
    assert not cpu.read(RIS) & RX


def test_the_receive_interrupt_stays_while_the_trigger_level_is_held(cpu: Any, console: Any, uart: Pl011) -> None:
    cpu.write(LCR_H, 0x70)
    console.typed = bytes(9)
    uart.update()
    cpu.read(DR)
    assert cpu.read(RIS) & RX
    cpu.read(DR)
    assert not cpu.read(RIS) & RX


def test_the_reset_value_of_the_trigger_is_half_the_fifo(cpu: Any, console: Any, uart: Pl011) -> None:
    assert cpu.read(IFLS) == 0x12
    cpu.write(LCR_H, 0x70)
    console.typed = bytes(8)
    uart.update()
    assert cpu.read(RIS) == RX | RT


def test_a_receive_interrupt_that_was_cleared_comes_with_more_input_only(cpu: Any, console: Any, uart: Pl011) -> None:
    """Linux drains the FIFO when it opens the port, for this reason."""
    cpu.write(LCR_H, 0x70)
    console.typed = bytes(9)
    uart.update()
    cpu.write(ICR, RX | RT)
    assert cpu.read(RIS) == 0
    console.typed = b"x"
    uart.update()
    assert cpu.read(RIS) == RT
    for _ in range(10):
        cpu.read(DR)
    assert cpu.read(FR) & RXFE


def test_input_waits_outside_while_the_fifo_is_full(cpu: Any, console: Any, uart: Pl011) -> None:
    cpu.write(LCR_H, 0x70)
    text = bytes(range(100))
    console.typed = text
    uart.update()
    uart.update()
    assert len(console.typed) == 84
    assert cpu.read(FR) == TXFE | RXFF
    taken = []
    while not cpu.read(FR) & RXFE:
        taken.append(cpu.read(DR))
    assert bytes(taken) == text
    assert cpu.read(RIS) == 0


def test_the_console_is_looked_at_with_the_fifo_full_too(cpu: Any, console: Any, uart: Pl011) -> None:
    console.typed = b"ab"
    asked: list[int] = []
    read, console.read = console.read, lambda most: (asked.append(most), read(most))[1]
    for _ in range(3):
        uart.update()
    assert asked == [1, 0, 0] and console.typed == b"b"


def test_switching_the_fifo_flushes_it(cpu: Any, console: Any, uart: Pl011) -> None:
    cpu.write(LCR_H, 0x70)
    console.typed = bytes(10)
    uart.update()
    cpu.write(LCR_H, 0x60)
    assert cpu.read(FR) == TXFE | RXFE
    assert cpu.read(RIS) == 0
    assert cpu.read(DR) == 0


def test_writing_line_control_again_keeps_the_fifo(cpu: Any, console: Any, uart: Pl011) -> None:
    cpu.write(LCR_H, 0x70)
    console.typed = b"abc"
    uart.update()
    cpu.write(LCR_H, 0x50)
    assert cpu.read(DR) == ord("a")


@pytest.mark.parametrize(
    ("register", "reset", "mask"),
    [(IBRD, 0, 0xFFFF), (FBRD, 0, 0x3F), (LCR_H, 0, 0xFF), (CR, 0x300, 0xFF87), (IFLS, 0x12, 0x3F), (IMSC, 0, 0x7FF)],
)
def test_what_is_set_up_reads_back(cpu: Any, uart: Pl011, register: int, reset: int, mask: int) -> None:
    assert cpu.read(register) == reset
    cpu.write(register, 0xFFFFFFFF)
    assert cpu.read(register) == mask
    assert cpu.read(register, size=1) == mask & 0xFF
    cpu.write(register, 0)
    assert cpu.read(register) == 0


@pytest.mark.parametrize(("address", "size"), [(IBRD, 8), (IBRD + 1, 1), (IBRD + 2, 2)])
def test_an_access_of_no_register_reads_0_and_writes_nothing(cpu: Any, uart: Pl011, address: int, size: int) -> None:
    cpu.write(IBRD, 0x1234)
    cpu.write(address, 0x55, size)
    assert cpu.read(IBRD) == 0x1234
    assert cpu.read(address, size) == 0


def test_the_identification_is_what_linux_matches(cpu: Any, uart: Pl011) -> None:
    """amba_ids of amba-pl011.c: 0x00041011 under mask 0x000fffff; AMBA_CID is 0xb105f00d."""
    word = lambda offset: sum(cpu.read(BASE + offset + 4 * n) << 8 * n for n in range(4))  # noqa: E731
    assert word(0xFE0) & 0x000FFFFF == 0x00041011
    assert word(0xFF0) == 0xB105F00D
    assert word(0xFE0) >> 20 & 0xF < 3  # from revision 3 on, get_fifosize_arm says 32
    cpu.write(BASE + 0xFE0, 0xFF)
    assert cpu.read(BASE + 0xFE0) == 0x11


def test_the_frame_is_named_for_trap_counts(cpu: Any, uart: Pl011) -> None:
    assert cpu.vm.mmio.name(FR) == "UARTFR"
    assert cpu.vm.mmio.name(BASE + 0x800) == "pl011+0x800"


@given(
    accesses=st.lists(
        st.tuples(st.integers(0, 0xFF8), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1) | st.none())
    )
)
def test_no_access_is_an_error(accesses: list[tuple[int, int, int | None]]) -> None:
    class Quiet:
        def read(self, most: int) -> bytes:
            return bytes(most)

        def write(self, data: bytes) -> None:
            assert len(data) == 1

    vm = Vm()
    vcpu = vm.create_vcpu()
    Pl011(vm, BASE, Line("uart", None), Quiet())
    for offset, size, value in accesses:
        if value is None:
            assert 0 <= vm.mmio.read(vcpu, BASE + offset, size) < 1 << 32
        else:
            vm.mmio.write(vcpu, BASE + offset, size, value)
