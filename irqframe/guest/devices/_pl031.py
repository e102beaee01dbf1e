"""Arm's real-time clock, the PrimeCell RTC PL031 (Arm DDI 0224).

1. It counts the seconds of the VM's clock, from a moment that the VM is given. It runs from the beginning: RTCCR reads
   1, and writing it has no effect, as the specification wants it of a clock that was started.
2. Writing RTCLR sets the count, not the place in the running second: the next tick comes when the VM's clock says.
3. The alarm becomes pending when the count comes to RTCMR, at once if it is there when RTCMR or RTCLR is written.
   Before the first such write there is no alarm. 136 years after an alarm, it does not come again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from irqframe.guest.devices._device import nobody
from irqframe.guest.devices._line import Line
from irqframe.guest.devices._registers import Register, Registers, primecell
from irqframe.vm import VCpu, Vm

EPOCH: Final = 1_577_836_800
"""2020-01-01 00:00:00 UTC, in seconds of POSIX: when a VM's clock starts unless the caller says otherwise."""

SECOND: Final = 1_000_000_000

# Offsets that the code names.
MR: Final = 0x04
LR: Final = 0x08
IMSC: Final = 0x10

_MASK32: Final = 0xFFFFFFFF


class Pl031:
    """A real-time clock.

    Args:
        vm: in which it lies, and whose clock it follows.
        base: address of its frame.
        line: its interrupt, RTCINTR.
        epoch: what it shows when the VM's clock is 0, seconds.
        name: of its node.

    Attributes:
        name: as given.
        lines: the interrupt.
        on_deadline: see `Device`.
    """

    def __init__(self, vm: Vm, base: int, line: Line, epoch: int = EPOCH, name: str = "pl031") -> None:
        self.name = name
        self.lines: tuple[Line, ...] = (line,)
        self.on_deadline: Callable[[], None] = nobody
        self._line = line
        self._clock = vm.clock
        self._offset = epoch
        self._alarm: int | None = None
        self._pending = 0
        self._registers = Registers(self, TABLE)
        self._held = self._registers.held
        self._registers.claim(vm, name, base)

    def deadline(self) -> int | None:
        """When the alarm comes, if it interrupts."""
        return self._alarm if self._held[IMSC] else None

    def update(self) -> None:
        """Look whether the alarm has come."""
        if self._alarm is not None and self._clock.now() >= self._alarm:
            self._alarm = None
            self._pending = 1
        self._line(self._pending & self._held[IMSC])

    def _count(self) -> int:
        return self._offset + self._clock.now() // SECOND & _MASK32

    def _arm(self) -> None:
        ahead = self._held[MR] - self._count() & _MASK32
        now = self._clock.now()
        self._alarm = (now // SECOND + ahead) * SECOND if ahead else now
        self.update()
        self.on_deadline()

    # What the table calls

    def _read_data(self, vcpu: VCpu) -> int:
        return self._count()

    def _write_match(self, vcpu: VCpu, value: int) -> None:
        self.update()
        self._held[MR] = value
        self._arm()

    def _write_load(self, vcpu: VCpu, value: int) -> None:
        self.update()
        self._held[LR] = value
        self._offset = self._offset + value - self._count()
        self._arm()

    def _write_mask(self, vcpu: VCpu, value: int) -> None:
        self._held[IMSC] = value & 1
        self.update()
        self.on_deadline()

    def _read_raw(self, vcpu: VCpu) -> int:
        self.update()
        return self._pending

    def _read_masked(self, vcpu: VCpu) -> int:
        self.update()
        return self._pending & self._held[IMSC]

    def _clear(self, vcpu: VCpu, value: int) -> None:
        self.update()
        self._pending &= ~value
        self.update()


TABLE: Final[Mapping[int, Register[Pl031]]] = MappingProxyType(
    {
        0x00: Register("RTCDR", "Data Register", Pl031._read_data),
        MR: Register("RTCMR", "Match Register", write=Pl031._write_match),
        LR: Register("RTCLR", "Load Register", write=Pl031._write_load),
        0x0C: Register("RTCCR", "Control Register", reset=1),
        IMSC: Register("RTCIMSC", "Interrupt Mask Set or Clear register", write=Pl031._write_mask),
        0x14: Register("RTCRIS", "Raw Interrupt Status register", Pl031._read_raw),
        0x18: Register("RTCMIS", "Masked Interrupt Status register", Pl031._read_masked),
        0x1C: Register("RTCICR", "Interrupt Clear Register", write=Pl031._clear),
        **primecell("RTC", "Peripheral and PrimeCell Identification Registers", b"\x31\x10\x14\x00\x0d\xf0\x05\xb1"),
    }
)
"""The registers, with the pages of Arm DDI 0224 that describe them."""
