"""The engine in Python: hooks of Unicorn's binding, for where there is no C compiler. The rules are those of `_engine`.

1. Unicorn is stopped from the block hook and at an exception, never in the middle of a block: there PC would name an
   instruction that has been executed.
2. Whatever must happen between two blocks (a flush, the entry of an interrupt) stops Unicorn, is done, and starts it
   again.
3. Unicorn comes back without having been asked at a WFI, and at an access to where nothing is.
"""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from unicorn import Uc, UcError, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from irqframe.guest.aarch64 import _callbacks as on
from irqframe.guest.aarch64 import _registers as reg
from irqframe.guest.aarch64._engine import FIQ, IRQ, RECENT, Engine, Exits, Stop
from irqframe.guest.aarch64._exceptions import KINDS, PSTATE_F, PSTATE_I, STORM, VECTOR_FIQ, VECTOR_IRQ, Exceptions
from irqframe.guest.aarch64._frames import whole_pages
from irqframe.guest.aarch64._power import Power
from irqframe.guest.aarch64._sysregs import SystemRegisters

UNDEFINED: Final = 1
HVC: Final = 11
SMC: Final = 13

#: What Unicorn ends with at a fetch from where nothing is, or from a frame: no other page is kept from being executed.
NOT_FETCHED: Final = frozenset({unicorn_const.UC_ERR_FETCH_UNMAPPED, unicorn_const.UC_ERR_FETCH_PROT})
#: What it ends with at any access to where nothing is.
UNMAPPED: Final = NOT_FETCHED | {unicorn_const.UC_ERR_READ_UNMAPPED, unicorn_const.UC_ERR_WRITE_UNMAPPED}

NOT_SUPPORTED: Final = (1 << 64) - 1
"""What SMC answers when the conduit is HVC."""

_start: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t
)(("uc_emu_start", uclib))
_stop: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(("uc_emu_stop", uclib))


class HookedEngine:
    """One CPU, driven by Python.

    Args:
        uc: made by `make_uc`.
        syndrome_offset: that came with it.
        exits: who serves what leaves the guest.
        frames: (base, size) of what is served as MMIO.
        served: packed encodings of the system registers that the exits serve and Unicorn has not got.
        virtual: whether time is counted in instructions.
        smc: whether SMC is a hypercall, like HVC.

    Attributes:
        executed: see `Engine`, and so the others.
        lines: see there.
        counter_base: see there.
        fault: see there.
    """

    def __init__(
        self,
        uc: Uc,
        syndrome_offset: int,
        exits: Exits,
        frames: Sequence[tuple[int, int]],
        served: Sequence[int],
        *,
        virtual: bool,
        smc: bool = False,
    ) -> None:
        self.executed = 0
        self.lines = 0
        self.counter_base = 0
        self.fault = ""
        self._uc = uc
        self._power = Power(uc)
        self._exits = exits
        self._conduits = (HVC, SMC) if smc else (HVC,)
        self._registers = reg.Registers(uc)
        self._arguments = reg.Batch(self._registers.handle, reg.X[:4])
        self._exceptions = Exceptions(uc, self._registers, syndrome_offset)
        self._recent: deque[tuple[str, int, int]] = deque(maxlen=RECENT)
        self._held = False
        self._attention = False
        self._stale_tlb = False
        self._stale_code = False
        self._failure: BaseException | None = None
        self._budget = self._limit = self._deadline = 0
        self._block_start = self._before_block = self._at_exception = 0
        self._reason: Stop | None = None
        self._asked = False
        self._sysregs = SystemRegisters(self, exits, self._registers, served, virtual=virtual)
        self._callbacks = on.Callbacks(uc, self._failed)
        self._install(frames)

    def run(self, budget: int, deadline: int = 0) -> Stop:
        """See `Engine.run`."""
        self.fault = ""
        self._budget = budget
        self._limit = self.executed + budget
        self._deadline = deadline
        while (stop := self._run_on()) is None:
            pass
        return stop

    def attend(self) -> None:
        """See `Engine.attend`."""
        self._attention = True
        self._held = True

    def shorten(self, limit: int, /) -> None:
        """See `Engine.shorten`."""
        if self._deadline:
            self._deadline = min(self._deadline, limit)
        else:
            self._limit = min(self._limit, self.executed + limit)

    def flush_tlb(self) -> None:
        """See `Engine.flush_tlb`."""
        self._stale_tlb = True
        self._held = True

    def flush_code(self) -> None:
        """See `Engine.flush_code`."""
        self._stale_code = True
        self._held = True

    def reset(self, pc: int, x0: int) -> None:
        """See `Engine.reset`."""
        self._power.reset(pc, x0)
        self._exceptions.in_a_row = 0
        self.flush_tlb()

    def registers(self) -> dict[str, int]:
        """See `Engine.registers`."""
        return self._power.registers()

    def connect(self, others: tuple[Engine, ...]) -> None:
        """See `Engine.connect`."""
        if others and not self._sysregs.others:
            self._callbacks.instruction(on.SYS, self._sysregs.on_sys)
        self._sysregs.others = tuple(others)

    def recent(self) -> list[tuple[str, int, int]]:
        """See `Engine.recent`."""
        return list(self._recent)

    def left(self, kind: str, key: int) -> None:
        """After an exit: remember it, and ask for the lines again."""
        self._recent.append((kind, self._block_start, key))
        self.lines = self._exits.lines()

    # Between two blocks

    def _run_on(self) -> Stop | None:
        """Execute until Unicorn comes back; None: go on."""
        self._flush()
        if self.lines and self._take_interrupt():
            return Stop.FAULT
        self._asked = False
        self._reason = None
        status = _start(self._registers.handle, self._registers.read(reg.PC), 0, 0, 0)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if status in UNMAPPED:
            return self._take_external_abort(status)
        if self._asked:
            return self._reason
        if status:
            self.fault = f"Unicorn cannot go on at {self._registers.read(reg.PC):#x}: {UcError(status)}"
            return Stop.FAULT
        return Stop.WFI

    def _flush(self) -> None:
        """Do what the next block waits for."""
        # Another thread's `attend` sets its flag, then `_held`: either that comes after this, or its flag is seen.
        self._held = False
        if self._attention:
            self._held = True
        if self._stale_tlb:
            self._stale_tlb = False
            self._uc.ctl(unicorn_const.UC_CTL_TLB_FLUSH, unicorn_const.UC_CTL_IO_WRITE)
        if self._stale_code:
            self._stale_code = False
            self._uc.ctl_flush_tb()

    def _deliverable(self) -> int:
        """Offset of the vector of what is asserted and not masked, FIQ first; 0: nothing is."""
        pstate = self._registers.pstate()
        if self.lines & FIQ and not pstate & PSTATE_F:
            return VECTOR_FIQ
        return VECTOR_IRQ if self.lines & IRQ and not pstate & PSTATE_I else 0

    def _take_interrupt(self) -> bool:
        """Enter the vector of what is asserted and not masked; whether it is a storm."""
        offset = self._deliverable()
        if not offset:
            return False
        pc = self._exceptions.take_interrupt(offset)
        return self._taken("fiq" if offset == VECTOR_FIQ else "irq", pc, 0)

    def _take_external_abort(self, status: int) -> Stop | None:
        fetch = status in NOT_FETCHED
        write = status == unicorn_const.UC_ERR_WRITE_UNMAPPED
        pc = self._exceptions.take_external_abort(fetch=fetch, write=write)
        return Stop.FAULT if self._taken("external abort", pc, self._exceptions.syndrome) else None

    def _taken(self, kind: str, pc: int, key: int) -> bool:
        """Remember an exception; whether it is one too many."""
        self._recent.append((kind, pc, key))
        into_block = (pc - self._block_start) >> 2
        inside = 0 <= into_block < self.executed - self._before_block
        reached = self._before_block + into_block if inside else self.executed
        storm = self._exceptions.is_storm(reached - self._at_exception)
        self._at_exception = self.executed
        if storm:
            self.fault = f"{STORM} exceptions in a row, the last ({kind}) at {pc:#x}"
        return storm

    # In Unicorn

    def _install(self, frames: Sequence[tuple[int, int]]) -> None:
        callbacks = self._callbacks
        callbacks.hook(on.BLOCK, self._on_block)
        callbacks.hook(on.INTERRUPT, self._on_exception)
        callbacks.instruction(on.MSR, self._sysregs.on_msr)
        callbacks.instruction(on.MRS, self._sysregs.on_mrs)
        for base, size in whole_pages(frames):
            callbacks.mmio(base, size, self._on_load, self._on_store)

    def _on_block(self, _uc: int, address: int, size: int, _data: int) -> None:
        executed = self.executed
        if (executed >= self._limit or self.lines or self._held) and self._must_stop(executed):
            return
        self._block_start = address
        self._before_block = executed
        self.executed = executed + (size >> 2)

    def _must_stop(self, executed: int) -> bool:
        if self._stale_tlb or self._stale_code or self._failure is not None:
            return self._ask(None)
        if executed >= self._limit:
            if time.monotonic_ns() >= self._deadline:
                return self._ask(Stop.BUDGET)
            self._limit = executed + self._budget
        if self._attention:
            self._attention = False
            return self._ask(Stop.ATTENTION)
        return bool(self.lines) and bool(self._deliverable()) and self._ask(None)

    def _ask(self, reason: Stop | None) -> bool:
        self._asked = True
        self._reason = reason
        _stop(self._registers.handle)
        return True

    def _on_exception(self, _uc: int, number: int, _data: int) -> None:
        if number in self._conduits:
            self._hypercall("hvc" if number == HVC else "smc")
        elif number == SMC:
            self._registers.write(reg.X[0], NOT_SUPPORTED)
        elif number != UNDEFINED or not self._sysregs.serve_undefined():
            pc = self._exceptions.take_synchronous(number)
            kind = KINDS.get(number, "exception")
            if self._taken(kind, pc, self._exceptions.syndrome):
                self._ask(Stop.FAULT)

    def _hypercall(self, kind: str) -> None:
        arguments = self._arguments
        arguments.load()
        x0, x1, x2, x3 = arguments.values[:]
        arguments.values[:] = [*self._exits.hypercall(x0, x1, x2, x3)]
        arguments.store()
        self.left(kind, x0)

    def _on_load(self, address: int, size: int) -> int:
        value = self._exits.mmio_read(address, size)
        self.left("read", address)
        return value

    def _on_store(self, address: int, size: int, value: int) -> None:
        self._exits.mmio_write(address, size, value)
        self.left("write", address)

    def _failed(self, error: BaseException) -> None:
        """A callback raised: the first error comes out of `run`."""
        if self._failure is None:
            self._failure = error
        self._held = True
