"""What an exit of real code costs that an operation of the compiled core serves, to an empty hook in C.

The guest is a loop of hypercalls to an rVIC, or of accesses of a GIC's CPU interface. Under the empty hook, a C
function that returns at once on a plain `Uc`, it is the same loop, and nobody can serve it for less; the empty hook of
an MRS or MSR sets PC, as it must. Through Python it is what an exit costs without operations. Where an interrupt is
taken in each turn, it is one whose line stays high.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from _measure import measure
from _rows import Row, tell
from engine import RAM, Guest
from unicorn import arm64_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from irqframe import _native
from irqframe.flow import SysregEncoding
from irqframe.guest.aarch64 import Launched, launch
from irqframe.machine import Machine
from irqframe.vm import VCpu

ROUNDS = 25
TURNS = 5_000
BAR = 3

ENABLE, CLEAR_MASKED, SIGNAL, ACKNOWLEDGE = 0xC500_0202, 0xC500_0205, 0xC500_0207, 0xC500_0209
GICD, GICC, GICR, FRAME = 0x0800_0000, 0x0801_0000, 0x080A_0000, 0x1_0000
PPI = 20

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


def ldr(offset: int) -> int:
    """LDR W0, [X10, #offset]."""
    return 0xB9400140 | offset // 4 << 10


def str_(offset: int) -> int:
    """STR W0, [X10, #offset]."""
    return 0xB9000140 | offset // 4 << 10


def mrs(register: SysregEncoding) -> int:
    """MRS X0, register."""
    return 0xD5200000 | register.packed << 5


def msr(register: SysregEncoding) -> int:
    """MSR register, X0."""
    return 0xD5000000 | register.packed << 5


PMR, IAR1, EOIR1, IGRPEN1 = (
    SysregEncoding(3, 0, *place) for place in ((4, 6, 0), (12, 12, 0), (12, 12, 1), (12, 12, 7))
)
IAR, EOIR = 0xC, 0x10


def loop(body: list[int]) -> bytes:
    """The instructions, `TURNS` times, with GICC in x10."""
    back = B_NE | (-(len(body) + 1) & 0x7FFFF) << 5
    words = [movz(9, TURNS), movz(10, GICC & 0xFFFF), movk(10, GICC >> 16), *body, SUBS_X9, back, WFI]
    return struct.pack(f"<{len(words)}I", *words)


class Case(NamedTuple):
    """A loop.

    Attributes:
        what: what the guest does, as a row tells it.
        irqchip: of its machine.
        body: one turn.
        exits: how many exits that is.
        bar: of an exit by an operation.
        taken: whether an interrupt is taken in each turn.
    """

    what: str
    irqchip: str
    body: list[int]
    exits: int
    bar: float | None
    taken: bool


CASES = (
    Case("an ACKNOWLEDGE hypercall with nothing pending", "rvic", call(ACKNOWLEDGE), 1, BAR, taken=False),
    Case(
        "SIGNAL, ACKNOWLEDGE, CLEAR_MASKED, for one call",
        "rvic",
        [*call(SIGNAL, 0, 1), *call(ACKNOWLEDGE), *call(CLEAR_MASKED, 0, 1)],
        3,
        None,
        taken=True,
    ),
    Case("a load from GICC_IAR with nothing signalled", "gicv2", [ldr(IAR)], 1, BAR, taken=False),
    Case("GICC_IAR that takes, GICC_EOIR, for one access", "gicv2", [ldr(IAR), str_(EOIR)], 2, None, taken=True),
    Case("an MRS of ICC_IAR1_EL1 with nothing signalled", "gicv3", [mrs(IAR1)], 1, None, taken=False),
    Case(
        "ICC_IAR1_EL1 that takes, ICC_EOIR1_EL1, for one access",
        "gicv3",
        [mrs(IAR1), msr(EOIR1)],
        2,
        None,
        taken=True,
    ),
)


class Stepping(ctypes.Structure):
    """What the empty hook of an MRS or MSR needs: it is in `irqframe/csrc/hooks_empty.c`."""

    _fields_ = (("reg_read", ctypes.c_void_p), ("reg_write", ctypes.c_void_p), ("pc", ctypes.c_int))


def empty(case: Case) -> Callable[[], object]:
    """The loop under empty hooks."""
    guest = Guest(loop(case.body))
    exception, load, store, move = (ctypes.c_void_p(address) for address in _native.EMPTY_HOOKS)
    uc = guest.uc._uch
    functions = (ctypes.cast(function, ctypes.c_void_p) for function in (uclib.uc_reg_read, uclib.uc_reg_write))
    stepping = Stepping(*functions, arm64_const.UC_ARM64_REG_PC)

    def add(kind: int, address: ctypes.c_void_p, *instruction: ctypes.c_int) -> None:
        everywhere = ctypes.c_uint64(1), ctypes.c_uint64(0)
        hook, data = ctypes.c_size_t(), ctypes.byref(stepping)
        assert uclib.uc_hook_add(uc, ctypes.byref(hook), kind, address, data, *everywhere, *instruction) == 0

    if case.irqchip == "rvic":
        add(unicorn_const.UC_HOOK_INTR, exception)
    elif case.irqchip == "gicv2":
        assert uclib.uc_mmio_map(uc, ctypes.c_uint64(GICC), ctypes.c_size_t(FRAME), load, None, store, None) == 0
    else:
        for instruction in (arm64_const.UC_ARM64_INS_MRS, arm64_const.UC_ARM64_INS_MSR):
            add(unicorn_const.UC_HOOK_INSN, move, ctypes.c_int(instruction))

    def run(kept: Stepping = stepping) -> None:
        guest.uc.emu_start(RAM, 0)

    return run


def prepare(vcpu: VCpu, case: Case) -> None:
    """The guest's irqchip works, and a PPI waits if one is to be taken."""
    if case.irqchip == "rvic":
        for x in (ENABLE,), (CLEAR_MASKED, vcpu.mpidr, 1):
            assert vcpu.hypercall(*x)[0] == 0
        return
    if case.irqchip == "gicv2":
        writes = (GICD, 1), (GICD + 0x100, 1 << PPI), (GICC + 4, 0xF8), (GICC, 1)
    else:
        sgis = GICR + FRAME
        writes = (GICD, 2), (GICR + 0x14, 0), (sgis + 0x80, 1 << PPI), (sgis + 0x100, 1 << PPI)
        vcpu.sysreg_write(PMR, 0xF8)
        vcpu.sysreg_write(IGRPEN1, 1)
    for gpa, value in writes:
        vcpu.mmio_write(gpa, 4, value)
    if case.taken:
        vcpu.vm.flow.table.inject_irq(vcpu.vm, vcpu.index, PPI, 1, None)


def served(folder: Path, case: Case, kept: list[tuple[Case, Launched]], *, operations: bool) -> Callable[[], object]:
    """The loop on a machine with the irqchip, nothing of which is taken away."""
    image = folder / "loop.bin"
    image.write_bytes(loop(case.body))
    guest = launch(Machine.build(case.irqchip, devices=()), image, virtual=True, operations=operations)
    kept.append((case, guest))
    cpu = guest.runner.cpus[0]
    vcpu, entry = cpu.vcpu, cpu.engine.registers()["pc"]
    vcpu.enter()
    prepare(vcpu, case)

    def run() -> None:
        cpu.engine.reset(entry, 0)
        cpu.enter()
        cpu.engine.run(100 * TURNS)

    return run


def check(case: Case, guest: Launched) -> None:
    """Every turn did what it should."""
    vcpu = guest.vm.vcpus[0]
    delivered = sum(guest.vm.flow.table.delivered(vcpu).values())
    turns = (vcpu.exits - 20) // case.exits
    assert turns >= TURNS
    assert delivered >= turns if case.taken else not delivered, (case, delivered, turns)


def rows() -> list[Row]:
    """Each loop by operations and through Python, to the empty hook."""
    kept: list[tuple[Case, Launched]] = []
    with tempfile.TemporaryDirectory() as folder:
        loops = {}
        for case in CASES:
            loops[case.what, "empty"] = empty(case)
            for way, operations in (("bound", True), ("python", False)):
                loops[case.what, way] = served(Path(folder), case, kept, operations=operations)
        times = measure(loops, ROUNDS)
    for case, guest in kept:
        check(case, guest)
        guest.close()
    found = []
    for case in CASES:
        for way, said in (("bound", "by an operation"), ("python", "through Python")):
            one, other = (times[case.what, each] / TURNS / case.exits * 1e6 for each in (way, "empty"))
            detail = f"{one:,.0f} ns to {other:,.0f} ns an exit"
            bar = case.bar if way == "bound" else None
            found.append(Row(f"{case.what}, {said}, to an empty hook in C", one / other, bar, detail))
    return found


if __name__ == "__main__":
    sys.exit(tell(rows))
