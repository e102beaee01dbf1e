"""Arm's serial port, the PrimeCell UART PL011 (Arm DDI 0183), as operating systems use it.

1. What the guest writes is sent at once: the transmit FIFO is always empty, and each character makes the transmit
   interrupt pending anew, as the FIFO's way down to its trigger level would.
2. Input waits at the console until the receive FIFO has room, so nothing overruns. The FIFO holds 16 characters, one
   with FEN clear.
3. The receive interrupt becomes pending when the FIFO comes up to its trigger level, and ends when the guest has read
   it to below, or clears it. The receive timeout becomes pending with any input, for the line is silent after it, and
   ends when the FIFO is empty, or the guest clears it.
4. Sending and receiving need no enable bit in UARTCR: software that skips the set-up has its console all the same.
5. Not there: line errors, break, loopback, modem lines (UARTFR shows them inactive), DMA.

It identifies itself as revision r1p1: from r1p5 on, drivers take the FIFOs for 32 deep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from irqframe.guest.devices._device import Console, nobody
from irqframe.guest.devices._line import Line
from irqframe.guest.devices._registers import Register, Registers, primecell
from irqframe.vm import VCpu, Vm

DEPTH: Final = 16
"""Characters that the receive FIFO holds of revisions before r1p5."""

TRIGGERS: Final = (2, 4, 8, 12, 14, 14, 14, 14)
"""Receive trigger level by UARTIFLS[5:3]: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO; reserved values are taken as 7/8."""

# Offsets that the code names.
LCR_H: Final = 0x2C
IFLS: Final = 0x34
IMSC: Final = 0x38

# Bits of UARTFR and of UARTLCR_H.
FR_TXFE: Final = 1 << 7
FR_RXFF: Final = 1 << 6
FR_RXFE: Final = 1 << 4
LCR_FEN: Final = 1 << 4

# Interrupts, the same bits in UARTIMSC, UARTRIS, UARTMIS and UARTICR.
RT: Final = 1 << 6
TX: Final = 1 << 5
RX: Final = 1 << 4


class Pl011:
    """A serial port.

    Args:
        vm: in which it lies.
        base: address of its frame.
        line: its one interrupt, UARTINTR.
        console: the other end of the line.
        name: of its node.

    Attributes:
        name: as given.
        lines: the interrupt.
        on_deadline: see `Device`; never called.
        sent: how many characters the guest wrote.
        received: how many it was given.
    """

    def __init__(self, vm: Vm, base: int, line: Line, console: Console, name: str = "pl011") -> None:
        self.name = name
        self.lines: tuple[Line, ...] = (line,)
        self.sent = 0
        self.received = 0
        self.on_deadline: Callable[[], None] = nobody
        self._line = line
        self._console = console
        self._fifo: deque[int] = deque()
        self._pending = 0
        self._registers = Registers(self, TABLE)
        self._held = self._registers.held
        self._registers.claim(vm, name, base)

    def deadline(self) -> int | None:
        """Never: nothing happens here by the time alone."""
        return None

    def update(self) -> None:
        """Take input that came."""
        # With no room, too: a console may have more to do than to be read, such as to see that Ctrl-C was pressed.
        data = self._console.read(max(self._depth - len(self._fifo), 0))
        if not data:
            return
        trigger = self._trigger
        for character in data:
            self._fifo.append(character)
            if len(self._fifo) == trigger:
                self._pending |= RX
        self._pending |= RT
        self.received += len(data)
        self._drive()

    @property
    def _depth(self) -> int:
        return DEPTH if self._held[LCR_H] & LCR_FEN else 1

    @property
    def _trigger(self) -> int:
        return TRIGGERS[self._held[IFLS] >> 3] if self._held[LCR_H] & LCR_FEN else 1

    def _drive(self) -> None:
        self._line(int(self._pending & self._held[IMSC] != 0))

    # What the table calls

    def _read_data(self, vcpu: VCpu) -> int:
        if not self._fifo:
            return 0
        character = self._fifo.popleft()
        self._settle()
        self.update()
        return character

    def _write_data(self, vcpu: VCpu, value: int) -> None:
        self.sent += 1
        self._console.write(bytes((value & 0xFF,)))
        self._pending |= TX
        self._drive()

    def _read_flags(self, vcpu: VCpu) -> int:
        held = len(self._fifo)
        return FR_TXFE | (0 if held else FR_RXFE) | (FR_RXFF if held >= self._depth else 0)

    def _write_line_control(self, vcpu: VCpu, value: int) -> None:
        changed = self._held[LCR_H] ^ value
        self._held[LCR_H] = value & 0xFF
        if changed & LCR_FEN:  # switching the FIFOs flushes them
            self._fifo.clear()
            self._settle()
            self.update()

    def _settle(self) -> None:
        """The FIFO has less in it: the conditions that ended are not pending any more."""
        if len(self._fifo) < self._trigger:
            self._pending &= ~RX
        if not self._fifo:
            self._pending &= ~RT
        self._drive()

    def _write_mask(self, vcpu: VCpu, value: int) -> None:
        self._held[IMSC] = value & 0x7FF
        self._drive()

    def _read_raw(self, vcpu: VCpu) -> int:
        return self._pending

    def _read_masked(self, vcpu: VCpu) -> int:
        return self._pending & self._held[IMSC]

    def _clear(self, vcpu: VCpu, value: int) -> None:
        self._pending &= ~value
        self._drive()

    def _ignore(self, vcpu: VCpu, value: int) -> None:
        """There are no errors to clear."""


TABLE: Final[Mapping[int, Register[Pl011]]] = MappingProxyType(
    {
        0x00: Register("UARTDR", "Data Register", Pl011._read_data, Pl011._write_data),
        0x04: Register("UARTRSR/UARTECR", "Receive Status Register / Error Clear Register", write=Pl011._ignore),
        0x18: Register("UARTFR", "Flag Register", Pl011._read_flags),
        0x20: Register("UARTILPR", "IrDA Low-Power Counter Register", keep=0xFF),
        0x24: Register("UARTIBRD", "Integer Baud Rate Register", keep=0xFFFF),
        0x28: Register("UARTFBRD", "Fractional Baud Rate Register", keep=0x3F),
        LCR_H: Register("UARTLCR_H", "Line Control Register", write=Pl011._write_line_control),
        0x30: Register("UARTCR", "Control Register", reset=0x300, keep=0xFF87),
        IFLS: Register("UARTIFLS", "Interrupt FIFO Level Select Register", reset=0x12, keep=0x3F),
        IMSC: Register("UARTIMSC", "Interrupt Mask Set/Clear Register", write=Pl011._write_mask),
        0x3C: Register("UARTRIS", "Raw Interrupt Status Register", Pl011._read_raw),
        0x40: Register("UARTMIS", "Masked Interrupt Status Register", Pl011._read_masked),
        0x44: Register("UARTICR", "Interrupt Clear Register", write=Pl011._clear),
        0x48: Register("UARTDMACR", "DMA Control Register", keep=0x7),
        **primecell("UART", "Peripheral and PrimeCell Identification Registers", b"\x11\x10\x14\x00\x0d\xf0\x05\xb1"),
    }
)
"""The registers, with the pages of Arm DDI 0183 that describe them."""
