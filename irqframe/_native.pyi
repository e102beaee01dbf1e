"""What is compiled: see `irqframe/csrc`. Everything here has a twin in Python that behaves the same."""

from collections.abc import Callable
from typing import Any, Self, overload

from typing_extensions import Buffer

from irqframe.bits._bank import Account as Account
from irqframe.bits._bank import Bank as Bank
from irqframe.bits._preemption import Preemption as Preemption

FUNCTIONS: tuple[str, ...]
"""Functions of the emulator's library that an `Engine` is given, in this order."""
NUMBERS: tuple[str, ...]
"""Numbers of its headers that it is given, likewise."""

EMPTY_HOOKS: tuple[int, int, int, int]
"""Addresses of hooks that return at once, of an exception, a load, a store, and an MRS or MSR: what exits cost, for the
benchmarks. The last one goes on behind the instruction; what it needs for that is its argument."""

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
    def bind(
        self, rows: tuple[tuple[int, int, Operation], ...], tell: Callable[[int, list[tuple[int, int]]], object], /
    ) -> None: ...
    def connect(self, peers: tuple[Engine, ...], /) -> None: ...
    def recent(self) -> list[tuple[str, int, int]]: ...

class View:
    """Bytes of a target, as they are when they are looked at; `irqframe/csrc/bits_view.c`."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int, /) -> int: ...
    @overload
    def __getitem__(self, at: slice, /) -> bytearray: ...
    def __getattr__(self, name: str, /) -> Any: ...

class _Target:
    """What the targets share; `irqframe.bits` has the contract."""

    enabled: bool
    raised: int
    coalesced: int
    delivered: int
    @property
    def deliverable(self) -> int: ...
    @property
    def state(self) -> View: ...
    def __init__(self, size: int, initial: int = 2) -> None: ...
    def set(self, intid: int, bits: int, /) -> int: ...
    def clear(self, intid: int, bits: int, /) -> int: ...
    def test(self, intid: int, bits: int, /) -> bool: ...
    def pend(self, intid: int, /) -> bool: ...
    def mask(self, intid: int, /) -> None: ...
    def unmask(self, intid: int, /) -> None: ...
    def first(self) -> int: ...
    def acknowledge(self) -> int: ...
    def reset(self) -> None: ...

class LowestFirst(_Target):
    """Delivers the lowest INTID first."""

    def _load(self, state: Buffer, /) -> None: ...

class Fifo(_Target):
    """Delivers first what became deliverable first."""

    def order(self) -> list[int]: ...
    def _load(self, state: Buffer, order: list[int], /) -> None: ...

class Priority(_Target):
    """Delivers the most urgent interrupt first."""

    @property
    def priority(self) -> View: ...
    def first_priority(self) -> int: ...
    def set_priority(self, intid: int, priority: int, /) -> None: ...
    def _load(self, state: Buffer, priority: Buffer, /) -> None: ...

class Empty:
    """Three methods that only take their arguments: what calls cost, for the benchmarks."""

    def pend(self, intid: int, /) -> None: ...
    def acknowledge(self) -> None: ...
    def unmask(self, intid: int, /) -> None: ...

def replay(targets: tuple[Any, ...], records: Any, out: Any, /) -> tuple[int, int]:
    """Records done, and why the next one was not, 0 if there is none."""

class Operation:
    """What serves an exit without Python: opaque, made by an irqchip's compiled core."""

    done: int
    """How often it served one."""

    def call(self, *words: int) -> tuple[int, int, int, int] | None:
        """As the engine calls it: the words that come out; None if Python has to do this one."""
    def lines(self) -> int:
        """Bit 0: IRQ is asserted, bit 1: FIQ."""
    def counts(self) -> dict[int, int]:
        """How often it did its work for each number that it tells apart."""

class Directory:
    """Compiled targets by the number with which a guest names them."""

    def __new__(cls, targets: dict[int, Any], /) -> Self: ...

def acknowledging(target: Any, disabled: tuple[int, ...], nothing: tuple[int, ...], /) -> Operation: ...
def pending(own: Any, directory: Directory, disabled: tuple[int, ...], /) -> Operation: ...
def unmasking(own: Any, directory: Directory, /) -> Operation: ...
def accessing(register: str, cpu: Any, /) -> Operation | None: ...
