"""The engine in C: `irqframe._native`, given the functions of Unicorn's library by their addresses.

It links to nothing of Unicorn, and includes none of its headers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

from unicorn import Uc, arm64_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from irqframe import _native
from irqframe.guest.aarch64._engine import Exits, Stop
from irqframe.guest.aarch64._frames import whole_pages
from irqframe.guest.aarch64._power import Power


def _address(name: str) -> int:
    return ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value or 0


def _number(name: str) -> int:
    return int(getattr(arm64_const if "ARM64" in name else unicorn_const, name))


FUNCTIONS: Final = tuple(_address(name) for name in _native.FUNCTIONS)
NUMBERS: Final = tuple(_number(name) for name in _native.NUMBERS)


class CompiledEngine(_native.Engine):
    """One CPU, driven by C.

    Args:
        uc: made by `make_uc`.
        syndrome_offset: that came with it.
        exits: who serves what leaves the guest.
        frames: (base, size) of what is served as MMIO.
        served: encodings of the system registers that the exits serve.
        virtual: whether time is counted in instructions.
        smc: whether SMC is a hypercall, like HVC.
    """

    _power: Power

    def __new__(
        cls,
        uc: Uc,
        syndrome_offset: int,
        exits: Exits,
        frames: Sequence[tuple[int, int]],
        served: Sequence[int],
        *,
        virtual: bool,
        smc: bool = False,
    ) -> CompiledEngine:
        """Hook the CPU."""
        handle, pages = uc._uch.value, tuple(whole_pages(frames))
        made = super().__new__(
            cls, handle, FUNCTIONS, NUMBERS, syndrome_offset, exits, pages, tuple(served), virtual, smc
        )
        made._power = Power(uc)
        return made

    def run(self, budget: int, deadline: int = 0) -> Stop:
        """See `Engine.run`."""
        return Stop(super().run(budget, deadline))

    def reset(self, pc: int, x0: int) -> None:
        """See `Engine.reset`."""
        self._power.reset(pc, x0)
        self.flush_tlb()

    def registers(self) -> dict[str, int]:
        """See `Engine.registers`."""
        return self._power.registers()
