"""A CPU of plain Unicorn: what these tests say holds of the library, whatever our engine makes of it."""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest

RAM = 0x40000000
RAM_SIZE = 1 << 20
DEVICE = 0x09000000
NOWHERE = 0x1000
"""A physical address where nothing is."""

SCR = (3, 6, 1, 1, 0)
HCR = (3, 4, 1, 1, 0)

# A table descriptor, and a block that EL1 may read, write and execute (Arm ARM,
# "VMSAv8-64 translation table format descriptors").
TABLE = 3
BLOCK = 1 << 10 | 1


class Cpu:
    """A Cortex-A72 set up by hand.

    Attributes:
        uc: the binding's object.
        ram: the buffer behind `RAM`.
        blocks: (address, size) of every block that began.
        exceptions: (number, PC) of every exception; the first stops the CPU.
    """

    def __init__(self, unicorn: Any, ram: Any = None, model: int | None = None, firmware: bool = True) -> None:
        self.lib = unicorn
        self.const = unicorn.arm64_const
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(self.const.UC_CPU_ARM64_A72 if model is None else model)
        self.ram = mmap.mmap(-1, RAM_SIZE) if ram is None else ram
        buffer = ctypes.addressof(ctypes.c_char.from_buffer(self.ram))
        self.uc.mem_map_ptr(RAM, RAM_SIZE, unicorn.UC_PROT_ALL, buffer)
        if firmware:
            self.uc.cpr_write(*SCR, 0x501)
            self.uc.cpr_write(*HCR, 1 << 31)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_exits([])
        self.blocks: list[tuple[int, int]] = []
        self.exceptions: list[tuple[int, int]] = []

    def see_blocks(self) -> list[tuple[int, int]]:
        self.uc.hook_add(self.lib.UC_HOOK_BLOCK, lambda uc, address, size, _: self.blocks.append((address, size)))
        return self.blocks

    def see_exceptions(self) -> list[tuple[int, int]]:
        def take(uc: Any, number: int, _: object) -> None:
            self.exceptions.append((number, self.pc))
            uc.emu_stop()

        self.uc.hook_add(self.lib.UC_HOOK_INTR, take)
        return self.exceptions

    def put(self, at: int, *words: int) -> None:
        """Write code into the buffer, past Unicorn."""
        self.ram[at : at + 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)

    def run(self, at: int, *words: int, **limits: int) -> None:
        """Execute at an offset of RAM, where the words are put first."""
        self.put(at, *words)
        self.uc.emu_start(RAM + at, 0, **limits)

    def go_on(self) -> None:
        self.uc.emu_start(self.pc, 0)

    @property
    def pc(self) -> int:
        return int(self.uc.reg_read(self.const.UC_ARM64_REG_PC))

    @pc.setter
    def pc(self, value: int) -> None:
        self.uc.reg_write(self.const.UC_ARM64_REG_PC, value)

    @property
    def pstate(self) -> int:
        """Without the flags, which are undefined at reset."""
        return int(self.uc.reg_read(self.const.UC_ARM64_REG_PSTATE)) & 0x0FFFFFFF

    @pstate.setter
    def pstate(self, value: int) -> None:
        self.uc.reg_write(self.const.UC_ARM64_REG_PSTATE, value)

    def x(self, number: int) -> int:
        return int(self.uc.reg_read(self._x(number)))

    def set_x(self, number: int, value: int) -> None:
        self.uc.reg_write(self._x(number), value)

    def _x(self, number: int) -> int:
        return int(self.const.UC_ARM64_REG_X0 + number if number < 29 else self.const.UC_ARM64_REG_X29 + number - 29)

    def mmu_on(self, second: int = RAM) -> None:
        """Identity for what is below 2 GiB; 0x80000000 is one page of RAM, at `second`."""
        for at, entries in {
            0x80000: (BLOCK, RAM | BLOCK, RAM + 0x81000 | TABLE),
            0x81000: (RAM + 0x82000 | TABLE,),
        }.items():
            self.ram[at : at + 8 * len(entries)] = struct.pack(f"<{len(entries)}Q", *entries)
        self.map_page(second)
        self.uc.cpr_write(3, 0, 10, 2, 0, 0xFF)  # MAIR_EL1: attribute 0 is normal memory
        self.uc.cpr_write(3, 0, 2, 0, 2, 32 | 1 << 23)  # TCR_EL1: 4 GiB by TTBR0, nothing by TTBR1
        self.uc.cpr_write(3, 0, 2, 0, 0, RAM + 0x80000)  # TTBR0_EL1
        self.uc.cpr_write(3, 0, 1, 0, 0, self.uc.cpr_read(3, 0, 1, 0, 0) | 1)  # SCTLR_EL1.M

    def map_page(self, physical: int) -> None:
        """What is at 0x80000000; 0: nothing."""
        entry = physical | 1 << 10 | 3 if physical else 0
        self.ram[0x82000:0x82008] = struct.pack("<Q", entry)


@pytest.fixture
def unicorn() -> Any:
    """The binding; a test that uses it is skipped where it is not installed."""
    pytest.importorskip("unicorn", reason="unicorn is not installed")
    import unicorn.arm64_const
    import unicorn.unicorn_const

    return unicorn


@pytest.fixture
def cpu(unicorn: Any) -> Cpu:
    """Set up as firmware would."""
    return Cpu(unicorn)


@pytest.fixture
def make_cpu(unicorn: Any) -> Callable[..., Cpu]:
    """More of them: (ram, model, firmware)."""
    return lambda **how: Cpu(unicorn, **how)


@pytest.fixture
def stops_after(cpu: Cpu) -> Callable[[int], Sequence[int]]:
    """Stop the CPU when so many blocks have begun; the addresses of those."""

    def install(count: int) -> Sequence[int]:
        begun: list[int] = []

        def hook(uc: Any, address: int, _size: int, _: object) -> None:
            begun.append(address)
            if len(begun) >= count:
                uc.emu_stop()

        cpu.uc.hook_add(cpu.lib.UC_HOOK_BLOCK, hook)
        return begun

    return install
