"""System registers and maintenance operations of a guest that the CPU does not do, or not right, by itself.

1. The timers' registers: Unicorn has them, but writes do nothing. Writes and reads are exits.
2. The counters, in virtual time: instructions / 16, without an exit. In real time they are left to Unicorn.
3. ISR_EL1, which Unicorn reads as 0: from the lines.
4. Registers that Unicorn has not got arrive as an undefined instruction. Those that are served are exits, and PC goes
   on by 4.
5. EL0 gets no more than it has: what CNTKCTL_EL1 keeps from it, and what has another op1 than 3, is left to the CPU,
   which takes the exception.
6. With several CPUs: TLBI ...IS, IC IALLUIS and IC IVAU, which Unicorn keeps to the one CPU, are told to the others.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from irqframe.flow import SysregEncoding
from irqframe.guest.aarch64 import _registers as reg
from irqframe.guest.aarch64._encodings import (
    CNTKCTL_EL1,
    COUNTERS,
    EL0_GATE,
    EL0_OP1,
    GENERIC_TIMER,
    ISR_EL1,
    TIMERS,
    maintenance,
    system_move,
)
from irqframe.guest.aarch64._engine import FIQ, INSTRUCTIONS_PER_TICK, IRQ, Engine, Exits

if TYPE_CHECKING:
    from irqframe.guest.aarch64._hooks import HookedEngine

_FIELDS: Final = ctypes.c_uint32 * 5


def _key(packed: int) -> tuple[int, ...]:
    """As `CpReg` has the fields."""
    name = SysregEncoding.unpack(packed)
    return name.crn, name.crm, name.op0, name.op1, name.op2


#: Fields -> packed, of what a hook does not let through at once.
_WRITTEN: Final = {_key(packed): packed for packed in TIMERS}
_READ_REAL: Final = {_key(packed): packed for packed in TIMERS | {ISR_EL1}}
_READ_VIRTUAL: Final = {_key(packed): packed for packed in GENERIC_TIMER | {ISR_EL1}}

_SERVED: Final = 1
_LEFT_TO_THE_CPU: Final = 0

_MODE: Final = 0xF
_XZR: Final = 31


class SystemRegisters:
    """The hooks' functions of one engine.

    Args:
        engine: whose.
        exits: who serves registers.
        registers: of the CPU.
        served: packed encodings of what Unicorn has not got and the exits serve.
        virtual: whether time is counted in instructions.

    Attributes:
        others: the engines of the other CPUs.
    """

    __slots__ = ("_engine", "_exits", "_read_by_hook", "_registers", "_served", "others")

    def __init__(
        self, engine: HookedEngine, exits: Exits, registers: reg.Registers, served: Iterable[int], *, virtual: bool
    ) -> None:
        self._engine = engine
        self._exits = exits
        self._registers = registers
        self._read_by_hook = _READ_VIRTUAL if virtual else _READ_REAL
        self._served = frozenset(served) - GENERIC_TIMER
        self.others: tuple[Engine, ...] = ()

    def on_msr(self, _uc: int, _number: int, register: int, _data: int) -> int:
        """Before an MSR."""
        packed = _WRITTEN.get(tuple(_FIELDS.from_address(register)))
        if packed is None or self._trapped(packed):
            return _LEFT_TO_THE_CPU
        return self._write(packed, reg.CpReg.from_address(register).value) or _LEFT_TO_THE_CPU

    def on_mrs(self, _uc: int, number: int, register: int, _data: int) -> int:
        """Before an MRS."""
        packed = self._read_by_hook.get(tuple(_FIELDS.from_address(register)))
        if packed is None or self._trapped(packed):
            return _LEFT_TO_THE_CPU
        value = self._value(packed)
        if value is None:
            return _LEFT_TO_THE_CPU
        self._registers.write(number, value)
        return _SERVED

    def on_sys(self, _uc: int, _number: int, register: int, _data: int) -> int:
        """Before a SYS, where there are other CPUs."""
        crn, crm, op0, op1, op2 = _FIELDS.from_address(register)
        kind = maintenance(op0, op1, crn, crm, op2)
        for other in self.others:
            if kind == "tlb":
                other.flush_tlb()
            elif kind == "code":
                other.flush_code()
        return _LEFT_TO_THE_CPU

    def serve_undefined(self) -> bool:
        """At an undefined instruction: serve it if it is an access to a register that is served.

        Returns:
            Whether it was one; PC is past it.
        """
        registers = self._registers
        pc = registers.read(reg.PC)
        word = registers.fetch(pc)
        move = system_move(word) if word is not None else None
        if move is None:
            return False
        packed, number, is_read = move
        if packed not in self._served or (self._at_el0() and SysregEncoding.unpack(packed).op1 != EL0_OP1):
            return False
        if not (self._load(packed, number) if is_read else self._store(packed, number)):
            return False
        registers.go_to(pc + 4)
        return True

    def _load(self, packed: int, number: int) -> bool:
        value = self._read(packed)
        if value is None:
            return False
        if number != _XZR:
            self._registers.write(reg.X[number], value)
        return True

    def _store(self, packed: int, number: int) -> bool:
        return bool(self._write(packed, self._registers.read(reg.X[number]) if number != _XZR else 0))

    def _value(self, packed: int) -> int | None:
        engine = self._engine
        if packed in COUNTERS:
            return (engine.counter_base + engine.executed) // INSTRUCTIONS_PER_TICK
        if packed == ISR_EL1:
            return (engine.lines & IRQ) << 7 | (engine.lines & FIQ) << 5
        return self._read(packed)

    def _read(self, packed: int) -> int | None:
        value = self._exits.sysreg_read(packed)
        self._engine.left("mrs", packed)
        return value

    def _write(self, packed: int, value: int) -> bool | None:
        served = self._exits.sysreg_write(packed, value)
        self._engine.left("msr", packed)
        return served

    def _at_el0(self) -> bool:
        return self._registers.pstate() & _MODE == 0

    def _trapped(self, packed: int) -> bool:
        """Whether the CPU is at EL0 and must take an exception."""
        if not self._at_el0():
            return False
        return not self._registers.system_read(CNTKCTL_EL1) & EL0_GATE.get(packed, 0)
