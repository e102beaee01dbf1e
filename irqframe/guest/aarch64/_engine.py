"""What runs the code of one vCPU: the contract that both makes of the engine keep.

1. The CPU is stopped at the start of a block only, before its first instruction; a block that is not executed is not
   counted. What asks for the stop is looked at in this order: a stale TLB or stale code, the budget, `attend()`, an
   interrupt that is asserted and not masked.
2. Only what `Stop` lists ends a run. An interrupt that is taken does not, nor does an exception.
3. Handlers of `Exits` are called with the CPU stopped. What they raise ends the run and comes out of `run`, at the next
   block at the latest.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

IRQ: Final = 1
"""Bit of `Engine.lines`: IRQ is asserted."""
FIQ: Final = 2
"""Bit of `Engine.lines`: FIQ is asserted."""

INSTRUCTIONS_PER_TICK: Final = 16
"""In virtual time the counter, of 62.5 MHz, goes on by one for so many instructions: each takes a nanosecond."""

RECENT: Final = 16
"""How many exits and exceptions `Engine.recent` remembers."""


class Stop(IntEnum):
    """Why a run ended."""

    BUDGET = 0
    """The budget of instructions is used up, or the deadline has passed."""
    WFI = 1
    """The guest waits for an interrupt; PC is past the WFI."""
    ATTENTION = 2
    """`attend()` was called."""
    FAULT = 3
    """The CPU cannot go on; `Engine.fault` says why."""


class Exits(NamedTuple):
    """What leaves the guest. Each is called with the CPU stopped, and it goes on when the call returns.

    Attributes:
        hypercall: (x0, x1, x2, x3) -> x0 to x3 afterwards.
        mmio_read: (guest physical address, size of 1, 2 or 4) -> value.
        mmio_write: (guest physical address, size, value).
        sysreg_read: (packed encoding) -> value; None: UNDEFINED.
        sysreg_write: (packed encoding, value) -> True: served; False: the CPU is to do it; None: UNDEFINED.
        lines: () -> IRQ and FIQ bits, asked after every exit.
    """

    hypercall: Callable[[int, int, int, int], tuple[int, int, int, int]]
    mmio_read: Callable[[int, int], int]
    mmio_write: Callable[[int, int, int], None]
    sysreg_read: Callable[[int], int | None]
    sysreg_write: Callable[[int, int], bool | None]
    lines: Callable[[], int]


class Engine(Protocol):
    """One CPU that executes code.

    Attributes:
        executed: instructions since creation; those of a block count when it is entered.
        lines: bit 0: IRQ is asserted, bit 1: FIQ. Set by the caller before a run, and refreshed after every exit.
        counter_base: what virtual time adds to `executed`, in instructions. Set by the caller before a run.
        fault: why the last run ended with `Stop.FAULT`.
    """

    executed: int
    lines: int
    counter_base: int
    fault: str

    def run(self, budget: int, deadline: int = 0) -> Stop:
        """Execute.

        Args:
            budget: instructions; the block in which it is used up is finished.
            deadline: nanoseconds of CLOCK_MONOTONIC until which a used-up budget is only an occasion to look at the
                clock; 0 for none.

        Returns:
            Why it ended.
        """
        ...

    def attend(self) -> None:
        """Stop at the next block; from any thread, and in an exit's handler. Remembered until it is reported."""
        ...

    def shorten(self, limit: int, /) -> None:
        """The run that goes on, in whose exit this is called, is to end sooner; never later.

        Args:
            limit: instructions from now on; of a run with a deadline, another deadline.
        """
        ...

    def flush_tlb(self) -> None:
        """Forget translations of addresses before the next block."""
        ...

    def flush_code(self) -> None:
        """Forget translated code before the next block."""
        ...

    def reset(self, pc: int, x0: int) -> None:
        """Be as after power-on: EL1h, MMU off, everything masked, at `pc` with `x0`. Not while it runs."""
        ...

    def connect(self, others: tuple[Any, ...], /) -> None:
        """The other CPUs, which flush when this one does maintenance for all of them."""
        ...

    def registers(self) -> dict[str, int]:
        """x0 to x30, sp, pc, pstate, elr_el1, esr_el1, far_el1, vbar_el1, spsr_el1."""
        ...

    def recent(self) -> list[tuple[str, int, int]]:
        """The last exits and exceptions, oldest first: (kind, PC of the block or the exception, key)."""
        ...
