"""A few instructions of A64, so that a test needs no cross assembler, and a CPU of each make of the engine."""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irqframe.dt import load
from irqframe.flow import discover
from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import Engine, Exits, Stop
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import Vm


def _system(l_bit: int, op0: int, op1: int, crn: int, crm: int, op2: int, rt: int) -> int:
    return 0xD5000000 | l_bit << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt


class A64:
    """Encodings (Arm ARM, "Alphabetical list of A64 base instructions"); 31 is SP or XZR, as there."""

    NOP = 0xD503201F
    WFE = 0xD503205F
    WFI = 0xD503207F
    ISB = 0xD5033FDF
    DSB_SY = 0xD5033F9F
    ERET = 0xD69F03E0
    RET = 0xD65F03C0
    UDF = 0x00000000

    @staticmethod
    def movz(rd: int, value: int, shift: int = 0) -> int:
        return 0xD2800000 | shift // 16 << 21 | value << 5 | rd

    @staticmethod
    def movk(rd: int, value: int, shift: int = 0) -> int:
        return 0xF2800000 | shift // 16 << 21 | value << 5 | rd

    @staticmethod
    def add(rd: int, rn: int, value: int) -> int:
        return 0x91000000 | value << 10 | rn << 5 | rd

    @staticmethod
    def sub(rd: int, rn: int, value: int) -> int:
        return 0xD1000000 | value << 10 | rn << 5 | rd

    @staticmethod
    def mov(rd: int, rm: int) -> int:
        return 0xAA0003E0 | rm << 16 | rd

    @staticmethod
    def ldr(rt: int, rn: int, offset: int = 0) -> int:
        return 0xF9400000 | offset // 8 << 10 | rn << 5 | rt

    @staticmethod
    def str(rt: int, rn: int, offset: int = 0) -> int:
        return 0xF9000000 | offset // 8 << 10 | rn << 5 | rt

    @staticmethod
    def ldr_w(rt: int, rn: int, offset: int = 0) -> int:
        return 0xB9400000 | offset // 4 << 10 | rn << 5 | rt

    @staticmethod
    def str_w(rt: int, rn: int, offset: int = 0) -> int:
        return 0xB9000000 | offset // 4 << 10 | rn << 5 | rt

    @staticmethod
    def ldrh(rt: int, rn: int) -> int:
        return 0x79400000 | rn << 5 | rt

    @staticmethod
    def strb(rt: int, rn: int) -> int:
        return 0x39000000 | rn << 5 | rt

    @staticmethod
    def ldxr(rt: int, rn: int) -> int:
        return 0xC85F7C00 | rn << 5 | rt

    @staticmethod
    def stxr(rs: int, rt: int, rn: int) -> int:
        return 0xC8007C00 | rs << 16 | rn << 5 | rt

    @staticmethod
    def b(offset: int) -> int:
        return 0x14000000 | offset // 4 & 0x3FFFFFF

    @staticmethod
    def cbnz(rt: int, offset: int) -> int:
        return 0xB5000000 | (offset // 4 & 0x7FFFF) << 5 | rt

    @staticmethod
    def br(rn: int) -> int:
        return 0xD61F0000 | rn << 5

    @staticmethod
    def blr(rn: int) -> int:
        return 0xD63F0000 | rn << 5

    @staticmethod
    def svc(immediate: int = 0) -> int:
        return 0xD4000001 | immediate << 5

    @staticmethod
    def hvc(immediate: int = 0) -> int:
        return 0xD4000002 | immediate << 5

    @staticmethod
    def smc(immediate: int = 0) -> int:
        return 0xD4000003 | immediate << 5

    @staticmethod
    def brk(immediate: int = 0) -> int:
        return 0xD4200000 | immediate << 5

    @staticmethod
    def mrs(rt: int, *register: int) -> int:
        return _system(1, *register, rt)

    @staticmethod
    def msr(register: tuple[int, int, int, int, int], rt: int) -> int:
        return _system(0, *register, rt)

    @staticmethod
    def sys(op1: int, crn: int, crm: int, op2: int, rt: int = 31) -> int:
        return _system(0, 1, op1, crn, crm, op2, rt)

    @staticmethod
    def daifset(bits: int) -> int:
        return 0xD50340DF | bits << 8

    @staticmethod
    def daifclr(bits: int) -> int:
        return 0xD50340FF | bits << 8

    @staticmethod
    def spsel(value: int) -> int:
        return 0xD50040BF | value << 8

    # System registers: op0, op1, CRn, CRm, op2.
    MIDR_EL1 = (3, 0, 0, 0, 0)
    MPIDR_EL1 = (3, 0, 0, 0, 5)
    ID_AA64MMFR1_EL1 = (3, 0, 0, 7, 1)
    SCTLR_EL1 = (3, 0, 1, 0, 0)
    CPACR_EL1 = (3, 0, 1, 0, 2)
    TTBR0_EL1 = (3, 0, 2, 0, 0)
    TCR_EL1 = (3, 0, 2, 0, 2)
    SPSR_EL1 = (3, 0, 4, 0, 0)
    ELR_EL1 = (3, 0, 4, 0, 1)
    SP_EL0 = (3, 0, 4, 1, 0)
    CURRENT_EL = (3, 0, 4, 2, 2)
    ICC_PMR_EL1 = (3, 0, 4, 6, 0)
    ESR_EL1 = (3, 0, 5, 2, 0)
    FAR_EL1 = (3, 0, 6, 0, 0)
    MAIR_EL1 = (3, 0, 10, 2, 0)
    VBAR_EL1 = (3, 0, 12, 0, 0)
    ISR_EL1 = (3, 0, 12, 1, 0)
    ICC_SGI1R_EL1 = (3, 0, 12, 11, 5)
    ICC_IAR1_EL1 = (3, 0, 12, 12, 0)
    ICC_EOIR1_EL1 = (3, 0, 12, 12, 1)
    ICC_SRE_EL1 = (3, 0, 12, 12, 5)
    ICC_IGRPEN1_EL1 = (3, 0, 12, 12, 7)
    CNTKCTL_EL1 = (3, 0, 14, 1, 0)
    DAIF = (3, 3, 4, 2, 1)
    CNTFRQ_EL0 = (3, 3, 14, 0, 0)
    CNTPCT_EL0 = (3, 3, 14, 0, 1)
    CNTVCT_EL0 = (3, 3, 14, 0, 2)
    CNTP_CTL_EL0 = (3, 3, 14, 2, 1)
    CNTV_TVAL_EL0 = (3, 3, 14, 3, 0)
    CNTV_CTL_EL0 = (3, 3, 14, 3, 1)
    CNTV_CVAL_EL0 = (3, 3, 14, 3, 2)
    TPIDR_EL0 = (3, 3, 13, 0, 2)
    OSLAR_EL1 = (2, 0, 1, 0, 4)
    VMPIDR_EL2 = (3, 4, 0, 0, 5)
    HCR_EL2 = (3, 4, 1, 1, 0)
    CNTVOFF_EL2 = (3, 4, 14, 0, 3)
    SCR_EL3 = (3, 6, 1, 1, 0)


@pytest.fixture(scope="session")
def a64() -> type[A64]:
    """See the class."""
    return A64


RAM = 0x40000000
RAM_SIZE = 1 << 20
VECTORS = 0x2000
"""Where the vectors are, from `RAM`."""
PAGES = 0x80000
"""Where the page tables are."""
VIRTUAL = 0x80000000
"""A page that page tables map, EL0's too."""
DEVICE = 0x09000000

# Descriptors (Arm ARM, "VMSAv8-64 translation table format descriptors"): a table, a block of EL1's, a page of EL0's.
TABLE = 3
BLOCK = 1 << 10 | 1
USER_PAGE = 1 << 10 | 1 << 6 | 3


class Guest:
    """An engine, its RAM, and exits that write down what comes.

    Attributes:
        engine: the make under test.
        log: every exit, in order: ("hvc", x0..x3), ("read", gpa, size), ("write", gpa, size, value), ("mrs", packed),
            ("msr", packed, value).
        on_exit: called with each entry of the log.
        lines: what the exit `lines` says.
        registers: packed encoding -> value, of what is not refused.
    """

    def __init__(self, make: Callable[..., Engine], ram: Any = None, mpidr: int = 0, **how: Any) -> None:
        from irqframe.guest.aarch64._setup import make_uc

        self.ram = mmap.mmap(-1, RAM_SIZE) if ram is None else ram
        self.log: list[tuple[Any, ...]] = []
        self.on_exit: Callable[[tuple[Any, ...]], None] = lambda _: None
        self.lines = 0
        self.registers: dict[int, int] = {}
        self.results = (0xA0, 0xA1, 0xA2, 0xA3)
        self.loaded = 0x5A
        buffer = ctypes.addressof(ctypes.c_char.from_buffer(self.ram))
        self.uc, offset = make_uc(mpidr, [(RAM, RAM_SIZE, buffer)])
        exits = Exits(self._hypercall, self._read, self._write, self._mrs, self._msr, lambda: self.lines)
        how.setdefault("virtual", True)
        served = [pack(*register) for register in (A64.ICC_PMR_EL1, A64.ICC_IAR1_EL1, A64.ICC_EOIR1_EL1)]
        self.engine = make(self.uc, offset, exits, [(DEVICE, 0x1000)], served, **how)

    def _note(self, *entry: Any) -> None:
        self.log.append(entry)
        self.on_exit(entry)

    def _hypercall(self, *arguments: int) -> tuple[int, int, int, int]:
        self._note("hvc", *arguments)
        return self.results

    def _read(self, address: int, size: int) -> int:
        self._note("read", address, size)
        return self.loaded

    def _write(self, address: int, size: int, value: int) -> None:
        self._note("write", address, size, value)

    def _mrs(self, packed: int) -> int | None:
        self._note("mrs", packed)
        return self.registers.get(packed)

    def _msr(self, packed: int, value: int) -> bool | None:
        self._note("msr", packed, value)
        if packed not in self.registers:
            return None
        self.registers[packed] = value
        return True

    def put(self, at: int, *words: int) -> None:
        """Code at an offset of RAM."""
        self.ram[at : at + 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)

    def start(self, *words: int, at: int = 0, x0: int = 0) -> None:
        """Code at an offset of RAM, where the CPU begins; a vector waits for interrupts at once."""
        self.put(at, *words)
        for vector in range(VECTORS, VECTORS + 0x800, 0x80):
            if self.ram[vector : vector + 4] == bytes(4):
                self.put(vector, A64.WFI)
        self.engine.reset(RAM + at, x0)
        self.set_system(A64.VBAR_EL1, RAM + VECTORS)

    def run(self, *words: int, budget: int = 10_000) -> Stop:
        """Execute code at the start of RAM, from reset on."""
        self.start(*words)
        return self.engine.run(budget)

    def set_system(self, register: tuple[int, ...], value: int) -> None:
        self.uc.cpr_write(*register, value)

    def enter(self, mode: int, at: int, *words: int, masked: int = 0x3C0) -> None:
        """Have the CPU go to other code in a mode by ERET: PSTATE.M and DAIF."""
        self.put(at, *words)
        self.start(A64.ERET)
        self.set_system(A64.ELR_EL1, RAM + at)
        self.set_system(A64.SPSR_EL1, mode | masked)

    def page(self, physical: int) -> None:
        """What `VIRTUAL` is; 0: nothing."""
        entry = physical | USER_PAGE if physical else 0
        self.ram[PAGES + 0x2000 : PAGES + 0x2008] = struct.pack("<Q", entry)

    def mmu_on(self, physical: int) -> None:
        """Identity below 2 GiB for EL1; after `start`."""
        level_1 = BLOCK, RAM | BLOCK, RAM + PAGES + 0x1000 | TABLE
        self.ram[PAGES : PAGES + 24] = struct.pack("<3Q", *level_1)
        self.ram[PAGES + 0x1000 : PAGES + 0x1008] = struct.pack("<Q", RAM + PAGES + 0x2000 | TABLE)
        self.page(physical)
        self.set_system(A64.MAIR_EL1, 0xFF)
        self.set_system(A64.TCR_EL1, 32 | 1 << 23)
        self.set_system(A64.TTBR0_EL1, RAM + PAGES)
        self.set_system(A64.SCTLR_EL1, self.uc.cpr_read(*A64.SCTLR_EL1) | 1)

    def x(self, number: int) -> int:
        return self.engine.registers()[f"x{number}"]

    @property
    def pc(self) -> int:
        return self.engine.registers()["pc"]


@pytest.fixture(params=["python", "native"])
def make(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    """Every make of the engine, one after the other; skipped where it cannot be had."""
    pytest.importorskip("unicorn", reason="unicorn is not installed")
    if request.param == "native":
        pytest.importorskip("irqframe._native", reason="the C extension is not built")
        from irqframe.guest.aarch64._compiled import CompiledEngine

        return CompiledEngine
    from irqframe.guest.aarch64._hooks import HookedEngine

    return HookedEngine


@pytest.fixture
def guest_of() -> type[Guest]:
    """Guests of a given make."""
    return Guest


@pytest.fixture
def make_guest(make: Callable[..., Engine]) -> Callable[..., Guest]:
    """Guests of the caller's wishes."""
    return lambda **how: Guest(make, **how)


@pytest.fixture
def guest(make: Callable[..., Engine]) -> Guest:
    """One CPU in virtual time."""
    return Guest(make)


@pytest.fixture
def real_guest(make: Callable[..., Engine]) -> Guest:
    """One CPU in real time."""
    return Guest(make, virtual=False)


VIRT = Path(__file__).parents[3] / "docs/examples/virt-gicv2.dts"


@pytest.fixture(scope="session")
def virt() -> Machine:
    return load_machine(load(str(VIRT)), discover({}))


@pytest.fixture
def vm(virt: Machine) -> Iterator[Vm]:
    """The calling thread owns its vCPUs."""
    made = build(virt)
    with made.adopted():
        yield made
    made.destroy()
