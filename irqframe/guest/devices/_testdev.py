"""The test device `irqframe,testdev`: a guest raises its interrupts, and tells what it took of them.

1. Lines are those of the node's `interrupts`, by position; a line that is not there is never raised.
2. Messages carry the DeviceID of the node's `msi-parent`; a node without one sends none, and the guest's writes are
   counted in `refused`, as are messages that the irqchip refuses.
3. One delayed pulse is waiting at most; a write of PULSE_LATER replaces it.
4. A guest's numbers cost no memory: at most `MAX_COUNTED` of them are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

from irqframe.errors import VmError
from irqframe.flow import Injected
from irqframe.guest.devices._device import nobody
from irqframe.guest.devices._line import Line
from irqframe.guest.devices._registers import Register, Registers
from irqframe.vm import VCpu, Vm

ID: Final = 0x69726466
"""What register ID reads: "irdf"."""

MAX_COUNTED: Final = 1 << 16
"""So many pairs of vCPU and interrupt have a count of their own; the others share one."""

MSI_ADDR_LO: Final = 0x14
MSI_ADDR_HI: Final = 0x18
MSI_DATA: Final = 0x1C
CLOCK_HI: Final = 0x34

_MASK32: Final = 0xFFFFFFFF


class Handled(NamedTuple):
    """A run of one of the guest's handlers.

    Attributes:
        ns: when it told so, by the VM's clock.
        vcpu: on which.
        value: for which interrupt, as the guest calls it.
    """

    ns: int
    vcpu: int
    value: int


def _nothing(value: int) -> None:
    """Nobody listens."""


class TestDevice:
    """A test device.

    Args:
        vm: in which it lies.
        base: address of its frame.
        lines: its interrupts.
        devid: DeviceID of its messages; None: it sends none.
        seed: of its random numbers.
        record: how many runs of handlers are kept in `handled`.
        name: of its node.

    Attributes:
        name: as given.
        lines: as given.
        counts: (index of the vCPU, interrupt) -> runs of the handler.
        uncounted: runs beyond those that are counted apart.
        handled: the first runs, in order, as many as were asked for.
        messages: what became of the messages that were sent.
        refused: messages that were not.
        phase: of MARK, last.
        status: of EXIT, first; None while the guest runs.
        on_mark: called with the phase that begins.
        on_deadline: see `Device`.
        on_exit: called with the status when the guest ends.
    """

    __test__ = False  # pytest: no test class

    def __init__(
        self,
        vm: Vm,
        base: int,
        lines: Sequence[Line],
        devid: int | None = None,
        *,
        seed: int = 1,
        record: int = 0,
        name: str = "testdev",
    ) -> None:
        self.name = name
        self.lines = tuple(lines)
        self.counts: dict[tuple[int, int], int] = {}
        self.uncounted = 0
        self.handled: list[Handled] = []
        self.messages: dict[Injected, int] = {}
        self.refused = 0
        self.phase = 0
        self.status: int | None = None
        self.on_deadline: Callable[[], None] = nobody
        self.on_mark: Callable[[int], None] = _nothing
        self.on_exit: Callable[[int], None] = _nothing
        self._vm = vm
        self._devid = devid
        self._record = record
        self._random = Random(seed)
        self._pulse_at: int | None = None
        self._registers = Registers(self, TABLE)
        self._held = self._registers.held
        self._registers.claim(vm, name, base)

    def deadline(self) -> int | None:
        """When the delayed pulse is due."""
        return self._pulse_at

    def update(self) -> None:
        """Give the delayed pulse if it is due."""
        if self._pulse_at is not None and self._vm.clock.now() >= self._pulse_at:
            self._pulse_at = None
            for line in self.lines[:1]:
                line.pulse()

    # What the table calls

    def _count_lines(self, vcpu: VCpu) -> int:
        return len(self.lines)

    def _pulse(self, vcpu: VCpu, value: int) -> None:
        if value < len(self.lines):
            self.lines[value].pulse()

    def _raise(self, vcpu: VCpu, value: int) -> None:
        if value < len(self.lines):
            self.lines[value](1)

    def _lower(self, vcpu: VCpu, value: int) -> None:
        if value < len(self.lines):
            self.lines[value](0)

    def _send(self, vcpu: VCpu, value: int) -> None:
        if self._devid is None:
            self.refused += 1
            return
        address = self._held[MSI_ADDR_HI] << 32 | self._held[MSI_ADDR_LO]
        try:
            outcome = self._vm.signal_msi(address, self._held[MSI_DATA], self._devid)
        except VmError:
            self.refused += 1
        else:
            self.messages[outcome] = self.messages.get(outcome, 0) + 1

    def _handle(self, vcpu: VCpu, value: int) -> None:
        key = vcpu.index, value
        if key in self.counts or len(self.counts) < MAX_COUNTED:
            self.counts[key] = self.counts.get(key, 0) + 1
        else:
            self.uncounted += 1
        if len(self.handled) < self._record:
            self.handled.append(Handled(self._vm.clock.now(), vcpu.index, value))

    def _mark(self, vcpu: VCpu, value: int) -> None:
        self.phase = value
        self.on_mark(value)

    def _exit(self, vcpu: VCpu, value: int) -> None:
        if self.status is None:
            self.status = value
            self.on_exit(value)

    def _read_clock(self, vcpu: VCpu) -> int:
        now = self._vm.clock.now()
        self._held[CLOCK_HI] = now >> 32 & _MASK32
        return now & _MASK32

    def _pulse_later(self, vcpu: VCpu, value: int) -> None:
        self._pulse_at = self._vm.clock.now() + value
        self.update()
        self.on_deadline()

    def _draw(self, vcpu: VCpu) -> int:
        return self._random.getrandbits(32)


TABLE: Final[Mapping[int, Register[TestDevice]]] = MappingProxyType(
    {
        0x00: Register("TEST_ID", "reads 0x69726466", reset=ID),
        0x04: Register("TEST_LINES", "how many lines there are", TestDevice._count_lines),
        0x08: Register("TEST_PULSE", "the line is raised and lowered", write=TestDevice._pulse),
        0x0C: Register("TEST_RAISE", "the line is high", write=TestDevice._raise),
        0x10: Register("TEST_LOWER", "the line is low", write=TestDevice._lower),
        MSI_ADDR_LO: Register("TEST_MSI_ADDR_LO", "where messages go", keep=_MASK32),
        MSI_ADDR_HI: Register("TEST_MSI_ADDR_HI", "upper half of it", keep=_MASK32),
        MSI_DATA: Register("TEST_MSI_DATA", "what messages carry", keep=_MASK32),
        0x20: Register("TEST_MSI_SEND", "the message is sent", write=TestDevice._send),
        0x24: Register("TEST_HANDLED", "the handler of this interrupt runs", write=TestDevice._handle),
        0x28: Register("TEST_MARK", "this phase begins", write=TestDevice._mark),
        0x2C: Register("TEST_EXIT", "the guest ends: 0 passed, else failed", write=TestDevice._exit),
        0x30: Register("TEST_CLOCK_LO", "the VM's clock in ns; latches the upper half", TestDevice._read_clock),
        CLOCK_HI: Register("TEST_CLOCK_HI", "upper half of the clock when the lower one was read"),
        0x38: Register("TEST_PULSE_LATER", "line 0 is pulsed after so many ns", write=TestDevice._pulse_later),
        0x3C: Register("TEST_RANDOM", "the next random number", TestDevice._draw),
    }
)
"""The registers, each 32 bits, and what one does."""
