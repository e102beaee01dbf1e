"""The driver: what an operating system does with the controller, through its registers alone."""

from irqframe import GuestError, Source
from irqframe.guest import Driver, ScriptedCpu
from irqframe.vm import Vm
from irqframe_toy._latch import ALL, Register


class ToyDriver(Driver):
    """Drives a toy whose registers are at `base`; hwirq n is line n."""

    def __init__(self, vm: Vm, base: int) -> None:
        super().__init__(vm)
        self.base = base

    def probe(self, cpu: ScriptedCpu) -> None:
        """Disable every line, and see that it is so."""
        self._write(cpu, Register.ENABLE_CLEAR, ALL)
        enabled = self._read(cpu, Register.ENABLE_SET)
        if enabled:
            raise GuestError(f"no toy at {self.base:#x}: lines {enabled:#x} cannot be disabled")

    def starting(self, cpu: ScriptedCpu) -> None:
        """The one CPU needs nothing besides."""

    def dying(self, cpu: ScriptedCpu) -> None:
        """Disable every line."""
        self._write(cpu, Register.ENABLE_CLEAR, ALL)

    def handle_irq(self, cpu: ScriptedCpu) -> None:
        """Claim, handle, end: the claim disabled the line, so enabling it ends the interrupt."""
        line = self._read(cpu, Register.CLAIM)
        if line == ALL:
            self.spurious += 1
            return
        self.handler(cpu, line)
        self._write(cpu, Register.ENABLE_SET, 1 << line)

    def request(self, cpu: ScriptedCpu, source: Source, target: int) -> int:
        """Enable a line; there is one CPU that it can go to."""
        self._write(cpu, Register.ENABLE_SET, 1 << source.number)
        return source.number

    def request_percpu(self, cpu: ScriptedCpu, source: Source) -> int:
        """Every line is shared, so no machine asks for this."""
        raise GuestError(f"the toy has no per-CPU interrupt {source.number}")

    def _read(self, cpu: ScriptedCpu, register: Register) -> int:
        return cpu.read(self.base + register)

    def _write(self, cpu: ScriptedCpu, register: Register, value: int) -> None:
        cpu.write(self.base + register, value)
