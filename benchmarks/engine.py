"""What an exit of real guest code costs: the compiled engine and its twin in Python, to the emulator's own binding.

The guest is a loop of one instruction that leaves it. What serves the exit is the same Python function each time, which
does nothing; so the figures are of the way there and back.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Callable

from _measure import measure
from _rows import Row, tell
from unicorn import Uc, arm64_const, unicorn_const

from irqframe.guest.aarch64 import Make
from irqframe.guest.aarch64._compiled import CompiledEngine
from irqframe.guest.aarch64._engine import Engine, Exits
from irqframe.guest.aarch64._hooks import HookedEngine
from irqframe.guest.aarch64._setup import make_uc

ROUNDS = 15
TURNS = 5_000
RAM, SIZE = 0x4000_0000, 1 << 20
FRAME = 0x0900_0000

SUBS_X9 = 0xF1000529  # subs x9, x9, #1
BACK = 0x54FFFFC1  # b.ne to the instruction before it
WFI = 0xD503207F
HVC = struct.pack("<4I", 0xD4000002, SUBS_X9, BACK, WFI)  # hvc #0
LOAD = struct.pack("<4I", 0xB9400140, SUBS_X9, BACK, WFI)  # ldr w0, [x10]


def hypercall(x0: int, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
    """Serves nothing."""
    return 0, 0, 0, 0


def load(gpa: int, size: int) -> int:
    """Serves nothing."""
    return 0


EXITS = Exits(hypercall, load, lambda *_: None, lambda _: None, lambda *_: None, lambda: 0)


class Guest:
    """A CPU with its own RAM and one of the loops in it."""

    def __init__(self, code: bytes) -> None:
        self._block = mmap.mmap(-1, SIZE)
        self._block[: len(code)] = code
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._block))
        self.uc, self.syndrome = make_uc(0, [(RAM, SIZE, address)])

    def prepare(self) -> None:
        """To the loop's beginning."""
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X9, TURNS)
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X10, FRAME)
        self.uc.reg_write(arm64_const.UC_ARM64_REG_PC, RAM)


def engine_loop(make: Make, code: bytes) -> Callable[[], None]:
    """The loop under one of the makes."""
    guest = Guest(code)
    frames = ((FRAME, 0x1000),)
    kind = CompiledEngine if make is Make.COMPILED else HookedEngine
    engine: Engine = kind(guest.uc, guest.syndrome, EXITS, frames, (), virtual=True)

    def loop() -> None:
        guest.prepare()
        engine.run(10 * TURNS)

    return loop


def plain_hypercalls() -> Callable[[], None]:
    """The loop with the binding's own hook, and its register accesses."""
    guest = Guest(HVC)
    registers = [getattr(arm64_const, f"UC_ARM64_REG_X{n}") for n in range(4)]

    def serve(uc: Uc, _number: int, _data: object) -> None:
        result = hypercall(*(uc.reg_read(register) for register in registers))
        for register, value in zip(registers, result, strict=True):
            uc.reg_write(register, value)

    guest.uc.hook_add(unicorn_const.UC_HOOK_INTR, serve)

    def loop() -> None:
        guest.prepare()
        guest.uc.emu_start(RAM, 0)

    return loop


def plain_loads() -> Callable[[], None]:
    """The loop with the binding's own MMIO callbacks."""
    guest = Guest(LOAD)
    guest.uc.mmio_map(FRAME, 0x1000, lambda _uc, offset, size, _data: load(FRAME + offset, size), None, None, None)

    def loop() -> None:
        guest.prepare()
        guest.uc.emu_start(RAM, 0)

    return loop


def rows() -> list[Row]:
    """The compiled engine and its twin, to the binding."""
    times = measure(
        {
            "hvc plain": plain_hypercalls(),
            "hvc python": engine_loop(Make.PYTHON, HVC),
            "hvc compiled": engine_loop(Make.COMPILED, HVC),
            "load plain": plain_loads(),
            "load python": engine_loop(Make.PYTHON, LOAD),
            "load compiled": engine_loop(Make.COMPILED, LOAD),
        },
        ROUNDS,
    )
    told: tuple[tuple[str, str, str, float | None], ...] = (
        ("a hypercall by the compiled engine, to one by the binding", "hvc compiled", "hvc plain", 0.25),
        ("a hypercall by the engine in Python, to one by the binding", "hvc python", "hvc plain", None),
        ("a load from a device by the compiled engine, to one by the binding", "load compiled", "load plain", None),
        ("a load from a device by the engine in Python, to one by the binding", "load python", "load plain", None),
    )
    per_exit = {case: each / TURNS * 1e6 for case, each in times.items()}
    return [
        Row(what, times[case] / times[to], bar, f"{per_exit[case]:,.0f} ns to {per_exit[to]:,.0f} ns")
        for what, case, to, bar in told
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
