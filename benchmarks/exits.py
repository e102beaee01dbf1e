"""What an exit of real code costs that an operation of the compiled core serves, to an empty hook in C.

The guest is a loop of hypercalls to an rVIC. Under the empty hook, a C function that returns at once on a plain `Uc`,
it is the same loop, and nobody can serve it for less; through Python it is what an exit costs without operations.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from _measure import measure
from _rows import Row, tell
from engine import RAM, Guest
from unicorn import unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from irqframe import _native
from irqframe.guest.aarch64 import Launched, launch
from irqframe.machine import Machine

ROUNDS = 25
TURNS = 5_000
BAR = 3

ENABLE, CLEAR_MASKED, SIGNAL, ACKNOWLEDGE = 0xC500_0202, 0xC500_0205, 0xC500_0207, 0xC500_0209

HVC, WFI, SUBS_X9 = 0xD4000002, 0xD503207F, 0xF1000529
B_NE = 0x54000001


def movz(register: int, value: int) -> int:
    """MOVZ Xd, #value."""
    return 0xD2800000 | value << 5 | register


def movk(register: int, value: int) -> int:
    """MOVK Xd, #value, LSL #16."""
    return 0xF2A00000 | value << 5 | register


def call(function: int, x1: int = 0, x2: int = 0) -> list[int]:
    """A hypercall of the rVIC."""
    return [movz(0, function & 0xFFFF), movk(0, function >> 16), movz(1, x1), movz(2, x2), HVC]


def loop(*calls: list[int]) -> bytes:
    """The calls, `TURNS` times."""
    body = [*(word for each in calls for word in each), SUBS_X9]
    back = B_NE | (-len(body) & 0x7FFFF) << 5
    words = [movz(9, TURNS), *body, back, WFI]
    return struct.pack(f"<{len(words)}I", *words)


LOOPS = {
    "acknowledge": loop(call(ACKNOWLEDGE)),
    "cycle": loop(call(SIGNAL, 0, 1), call(ACKNOWLEDGE), call(CLEAR_MASKED, 0, 1)),
}


def empty(code: bytes) -> Callable[[], object]:
    """The loop under the empty hook."""
    guest = Guest(code)
    everywhere = ctypes.c_uint64(1), ctypes.c_uint64(0)
    hook, address = ctypes.c_size_t(), ctypes.c_void_p(_native.EMPTY_HOOKS[0])
    status = uclib.uc_hook_add(
        guest.uc._uch, ctypes.byref(hook), unicorn_const.UC_HOOK_INTR, address, None, *everywhere
    )
    assert status == 0
    return lambda: guest.uc.emu_start(RAM, 0)


def served(folder: Path, code: bytes, kept: list[Launched], *, operations: bool) -> Callable[[], object]:
    """The loop on a machine with an rVIC, nothing of which is taken away."""
    image = folder / "loop.bin"
    image.write_bytes(code)
    guest = launch(Machine.build("rvic", devices=()), image, virtual=True, operations=operations)
    kept.append(guest)
    cpu = guest.runner.cpus[0]
    vcpu, entry = cpu.vcpu, cpu.engine.registers()["pc"]
    vcpu.enter()
    for x in (ENABLE,), (CLEAR_MASKED, vcpu.mpidr, 1):
        assert vcpu.hypercall(*x)[0] == 0

    def run() -> None:
        cpu.engine.reset(entry, 0)
        cpu.enter()
        cpu.engine.run(100 * TURNS)

    return run


def rows() -> list[Row]:
    """Each loop by operations and through Python, to the empty hook."""
    kept: list[Launched] = []
    with tempfile.TemporaryDirectory() as folder:
        cases = {}
        for name, code in LOOPS.items():
            cases[f"{name} empty"] = empty(code)
            for way, operations in (("bound", True), ("python", False)):
                cases[f"{name} {way}"] = served(Path(folder), code, kept, operations=operations)
        times = measure(cases, ROUNDS)
    for guest in kept:
        counts = guest.vm.vcpus[0].hypercall_counts
        assert counts[ACKNOWLEDGE] >= TURNS
        guest.close()
    found = []
    calls = {"acknowledge": ("an ACKNOWLEDGE hypercall", 1), "cycle": ("SIGNAL, ACKNOWLEDGE, CLEAR_MASKED", 3)}
    for name, (what, count) in calls.items():
        for way, said in (("bound", "by an operation"), ("python", "through Python")):
            one, other = (times[f"{name} {each}"] / TURNS / count * 1e6 for each in (way, "empty"))
            bar = BAR if (name, way) == ("acknowledge", "bound") else None
            detail = f"{one:,.0f} ns to {other:,.0f} ns a call"
            found.append(Row(f"{what} {said}, to an empty hook in C", one / other, bar, detail))
    return found


if __name__ == "__main__":
    sys.exit(tell(rows))
