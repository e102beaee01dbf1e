"""What is compiled: see `irqframe/csrc`. Everything here has a twin in Python that behaves the same."""

from collections.abc import Callable
from typing import Self

FUNCTIONS: tuple[str, ...]
"""Functions of the emulator's library that an `Engine` is given, in this order."""
NUMBERS: tuple[str, ...]
"""Numbers of its headers that it is given, likewise."""

class Engine:
    """One CPU; `irqframe.guest.aarch64` has the contract. Addresses are numbers."""

    executed: int
    lines: int
    counter_base: int
    fault: str

    def __new__(
        cls,
        uc: int,
        functions: tuple[int, ...],
        numbers: tuple[int, ...],
        syndrome_offset: int,
        exits: tuple[Callable[..., object], ...],
        frames: tuple[tuple[int, int], ...],
        served: tuple[int, ...],
        virtual: bool,
        smc: bool,
    ) -> Self: ...
    def run(self, budget: int, deadline: int = 0, /) -> int: ...
    def attend(self) -> None: ...
    def shorten(self, limit: int, /) -> None: ...
    def flush_tlb(self) -> None: ...
    def flush_code(self) -> None: ...
    def connect(self, peers: tuple[Engine, ...], /) -> None: ...
    def recent(self) -> list[tuple[str, int, int]]: ...
