"""The guest: CPUs that take interrupts each on a thread of its own, and mask, move and send some in between.

1. A CPU sleeps until it is kicked, as long as that takes: a kick that is lost leaves it asleep.
2. One CPU masks and unmasks a given interrupt, and no CPU sleeps while it has one masked.
3. An interrupt is moved by one CPU at a time, which `Ways.mover` names. That is what an operating system's lock of the
   interrupt is for; the scripted drivers have none, because one thread runs all their CPUs elsewhere.
   On a GIC an SPI is for any CPU every fifth time: each CPU then may take it.
4. An IPI is sent again only when the last one of that sender to that CPU was handled.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from sources import Source

from irqframe import Injected
from irqframe.guest import Driver, ScriptedCpu
from irqframe.vm import VCpu

TURN = 8
"""Interrupts that a CPU takes between two chores."""
MASKED = 3
"""Interrupts that a CPU keeps masked."""
ANY = 4
"""Where an interrupt goes that is for any CPU; there are so many."""
PATIENCE = 30.0
"""Seconds after which what has not happened will not."""


class Ways(NamedTuple):
    """What is done differently on each irqchip.

    Attributes:
        mask: (CPU, hwirq).
        unmask: (CPU, hwirq).
        move: (CPU, hwirq, index of a CPU, or ANY).
        mover: (hwirq, where it goes) -> index of the CPU that moves it.
        anywhere: (hwirq) -> whether it can be for any CPU.
    """

    mask: Callable[[ScriptedCpu, int], None]
    unmask: Callable[[ScriptedCpu, int], None]
    move: Callable[[ScriptedCpu, int, int], None]
    mover: Callable[[int, int], int]
    anywhere: Callable[[int], bool]


class CpuThread(threading.Thread):
    """One CPU.

    Args:
        vcpu: the vCPU.
        driver: the guest's driver.
        ways: see there.
        routes: hwirq -> index of the CPU that it goes to; written by whoever moves it.
        handled: by CPU, how often it has handled each hwirq.
        failed: set once anything has.

    Attributes:
        taken: how many interrupts it has handled since its last chore.
        own: a source that this CPU's thread raises itself.
        ipis: how often it has sent its IPI to each CPU.
        outcomes: of what it has raised itself.
        chores: how many of each kind it has done.
        error: what ended it.
    """

    def __init__(
        self,
        vcpu: VCpu,
        driver: Driver,
        ways: Ways,
        routes: dict[int, int],
        handled: list[list[int]],
        failed: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self.taken = 0
        self.own: Source | None = None
        self.ipis = [0] * len(handled)
        self.outcomes: Counter[Injected] = Counter()
        self.chores: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._vcpu = vcpu
        self._driver = driver
        self._ways = ways
        self._routes = routes
        self._handled = handled
        self._failed = failed
        self._errands: deque[Callable[[ScriptedCpu], object]] = deque()
        self._ending = False
        self._masked: deque[int] = deque()
        self._turns = 0

    def do(self, errands: Iterable[Callable[[ScriptedCpu], object]]) -> None:
        """Have the CPU run guest code, and wait until it did."""
        done = threading.Event()
        self._errands.extend((*errands, lambda cpu: done.set()))
        self._vcpu.kick()
        if not done.wait(PATIENCE) or self.error is not None:
            raise self.error or TimeoutError(f"CPU {self._vcpu.index} hangs")

    def end(self) -> None:
        """Let the CPU's thread end, and wait until it did."""
        self._ending = True
        self._vcpu.kick()
        self.join(PATIENCE)
        if self.is_alive():
            raise TimeoutError(f"CPU {self._vcpu.index} does not end")

    def run(self) -> None:
        """Take interrupts until told to end; a chore after every so many; asleep when there is nothing to do."""
        try:
            self._vcpu.load()
            cpu = ScriptedCpu(self._vcpu, self._driver.handle_irq)
            self._vcpu.enter()
            self._run(cpu)
            self._vcpu.put()
        except BaseException as error:
            self.error = error
            self._failed.set()

    def _run(self, cpu: ScriptedCpu) -> None:
        vcpu = self._vcpu
        while not self._ending:
            self._take(cpu)
            while self._errands:
                self._errands.popleft()(cpu)
            if self.taken >= TURN:
                self.taken = 0
                self._chore(cpu)
            elif not cpu.irq_asserted:
                self._unmask_all(cpu)
                if not self._errands:
                    vcpu.wait(None)

    def _take(self, cpu: ScriptedCpu) -> None:
        """Take what is asserted, until it is time for a chore."""
        vcpu, handle = self._vcpu, self._driver.handle_irq
        while self.taken < TURN:
            if vcpu.requests or not vcpu.in_guest:
                vcpu.reenter()
            if not vcpu.irq_line:
                return
            handle(cpu)

    # Chores

    def _chore(self, cpu: ScriptedCpu) -> None:
        self._turns += 1
        chores = (self._move, self._mask, self._send, self._raise_own)
        chore = chores[self._turns % len(chores)]
        if chore(cpu):
            self.chores[chore.__name__.strip("_")] += 1

    def _move(self, cpu: ScriptedCpu) -> bool:
        """Move one of those that are this CPU's to move, to the CPU after that which it goes to."""
        routes, ways = self._routes, self._ways
        mine = [hwirq for hwirq, target in routes.items() if ways.mover(hwirq, target) == cpu.index]
        if not mine:
            return False
        hwirq = mine[self._turns // 4 % len(mine)]
        target = (routes[hwirq] + 1) % (ANY + ways.anywhere(hwirq))
        ways.move(cpu, hwirq, target)
        routes[hwirq] = target
        return True

    def _mask(self, cpu: ScriptedCpu) -> bool:
        """Mask one of every four, wherever it goes, and unmask the one that is masked longest."""
        mine = [hwirq for hwirq in self._routes if hwirq % len(self._handled) == cpu.index]
        hwirq = mine[self._turns // 4 % len(mine)]
        if len(self._masked) >= min(MASKED, len(mine)):
            self._ways.unmask(cpu, self._masked.popleft())
        if hwirq in self._masked:
            return False
        self._masked.append(hwirq)
        self._ways.mask(cpu, hwirq)
        return True

    def _unmask_all(self, cpu: ScriptedCpu) -> None:
        while self._masked:
            self._ways.unmask(cpu, self._masked.popleft())

    def _send(self, cpu: ScriptedCpu) -> bool:
        """Send this CPU's IPI to another CPU."""
        index = cpu.index
        others = len(self._handled) - 1
        target = (index + 1 + self._turns // 4 % others) % (others + 1)
        if self._handled[target][self._driver.ipi_hwirq(index)] < self.ipis[target]:
            return False
        self.ipis[target] += 1
        self._driver.send_ipi(cpu, [target], index)
        return True

    def _raise_own(self, cpu: ScriptedCpu) -> bool:
        """A device that this thread emulates raises its line, twice: the second coalesces if it goes to this CPU."""
        if self.own is None:
            return False
        for _ in range(2):
            self.own.raised += 1
            self.outcomes[self.own.fire()] += 1
        return True


def ways_of(irqchip: str, driver: Any) -> Ways:
    """What is done differently on an irqchip, with a driver of its own."""
    return WAYS[irqchip](driver)


def _of_rvic(driver: Any) -> Ways:
    """What is pending is moved by hand: by the CPU to which the interrupt goes, which takes none meanwhile."""
    return Ways(driver.mask, driver.unmask, driver.set_affinity, lambda hwirq, target: target, lambda hwirq: False)


def _of_gic(driver: Any, to_any: Callable[[ScriptedCpu, int], None]) -> Ways:
    """GICD_ICENABLER and GICD_ISENABLER; messages of an ITS are not masked, and CPU 0 alone sends it commands."""

    def write(register: int, cpu: ScriptedCpu, hwirq: int) -> None:
        if _is_spi(hwirq):
            cpu.write(driver._gicd + register + hwirq // 32 * 4, 1 << hwirq % 32)

    def move(cpu: ScriptedCpu, hwirq: int, target: int) -> None:
        if target == ANY:
            to_any(cpu, hwirq)
        else:
            driver.set_affinity(cpu, hwirq, target)

    return Ways(
        partial(write, 0x180), partial(write, 0x100), move, lambda hwirq, _: hwirq % 4 if _is_spi(hwirq) else 0, _is_spi
    )


def _of_gicv2(driver: Any) -> Ways:
    """For any CPU: a byte of GICD_ITARGETSR with every bit."""
    return _of_gic(driver, lambda cpu, hwirq: cpu.write(driver._gicd + 0x800 + hwirq, 0b1111, size=1))


def _of_gicv3(driver: Any) -> Ways:
    """For any CPU: GICD_IROUTER.Interrupt_Routing_Mode."""
    return _of_gic(driver, lambda cpu, hwirq: cpu.write(driver._gicd + 0x6000 + 8 * hwirq, 1 << 31, size=8))


def _is_spi(hwirq: int) -> bool:
    return hwirq < 1020


WAYS: dict[str, Callable[[Any], Ways]] = {"rvic": _of_rvic, "gicv2": _of_gicv2, "gicv3": _of_gicv3}
