"""Registers as tables: what each is, and the frame that serves accesses to a table of them.

A table is decoded once, into a dictionary that has an entry for every access that there is: offset and width together.
An access that it does not have, or of a width that the register does not take, reads as zero and writes nothing: a
guest can never make a frame fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from irqframe.flow import VCpuRef

#: What a frame's registers belong to: a distributor, a redistributor, an ITS.
C = TypeVar("C")
#: The irqchip's state of the vCPU that makes an access.
A = TypeVar("A")

#: (owner, n, who accesses) -> value of the n-th element of the register.
Reader: TypeAlias = Callable[[C, int, A], int]
#: (owner, n, who accesses, value, lanes): `lanes` has the bits that the access covers; the others of `value` are 0.
Writer: TypeAlias = Callable[[C, int, A, int, int], None]

WORD: Final = 4
DOUBLEWORD: Final = 8
BYTE_WIDE: Final = (1, WORD)
"""Widths of a register of bytes."""


@dataclass(frozen=True, slots=True)
class Register(Generic[C, A]):
    """A register, or an array of them.

    Attributes:
        name: as the architecture spells it, without number.
        offset: of the first element in its frame, bytes.
        about: what it holds and how a write acts, for the generated table.
        page: title of its page in the architecture's register descriptions.
        read: how an element is read; None: write-only.
        write: how an element is written; None: read-only.
        words: how many elements there are, one after the other; 0 for one that is no array.
        banked: which elements every CPU has for itself: "", "all", or "first N".
        reset: value after reset; a text where it is the implementation's.
        size: of an element, 4 or 8 bytes.
        widths: accesses that it takes, bytes; those below `size` reach a part of it.
        first: number of the first element, in its name.
        suffix: what follows the number in its name.
    """

    name: str
    offset: int
    about: str
    page: str
    read: Reader[C, A] | None = None
    write: Writer[C, A] | None = None
    words: int = 0
    banked: str = ""
    reset: int | str = 0
    size: int = WORD
    widths: tuple[int, ...] = (WORD,)
    first: int = 0
    suffix: str = ""

    @property
    def access(self) -> str:
        """RW, RO or WO."""
        return {(True, True): "RW", (True, False): "RO", (False, True): "WO"}[bool(self.read), bool(self.write)]

    def each(self) -> Iterator[tuple[int, int, str]]:
        """(number from `first` on, offset, name) of every element."""
        if not self.words:
            yield self.first, self.offset, self.name
        for place in range(self.words):
            n = self.first + place
            yield n, self.offset + self.size * place, f"{self.name}{n}{self.suffix}"

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """(byte within an element, width, shift) of every access that an element takes."""
        for width in self.widths:
            for at in range(0, self.size, width):
                yield at, width, 8 * at


@dataclass(frozen=True, slots=True)
class Decoded(Generic[C, A]):
    """A table, decoded.

    Attributes:
        names: byte offset -> register name.
        readers: 16 times the offset plus the width -> (handler, number, shift, mask of the width).
        writers: likewise.
    """

    names: Mapping[int, str]
    readers: Mapping[int, tuple[Reader[C, A], int, int, int]] = field(repr=False)
    writers: Mapping[int, tuple[Writer[C, A], int, int, int]] = field(repr=False)


def decode(table: Sequence[Register[C, A]]) -> Decoded[C, A]:
    """Decode a table of registers."""
    names: dict[int, str] = {}
    readers: dict[int, tuple[Reader[C, A], int, int, int]] = {}
    writers: dict[int, tuple[Writer[C, A], int, int, int]] = {}
    for register in table:
        parts = tuple(register.parts())
        for n, offset, name in register.each():
            names[offset] = name
            for at, width, shift in parts:
                key = offset + at << 4 | width
                mask = (1 << 8 * width) - 1
                if register.read is not None:
                    readers[key] = (register.read, n, shift, mask)
                if register.write is not None:
                    writers[key] = (register.write, n, shift, mask)
    return Decoded(names, readers, writers)


class Frame(Generic[C, A]):
    """A frame of registers, bound to what they belong to.

    Args:
        owner: handed to the handlers.
        decoded: the table.
    """

    __slots__ = ("_owner", "_readers", "_writers")

    def __init__(self, owner: C, decoded: Decoded[C, A]) -> None:
        self._owner = owner
        self._readers = decoded.readers
        self._writers = decoded.writers

    def read(self, vcpu: VCpuRef, offset: int, size: int) -> int:
        """Serve a load of `size` bytes at `offset`; 0 for what is not there."""
        entry = self._readers.get(offset << 4 | size)
        if entry is None:
            return 0
        read, n, shift, mask = entry
        return read(self._owner, n, vcpu.chip) >> shift & mask

    def write(self, vcpu: VCpuRef, offset: int, size: int, value: int) -> None:
        """Serve a store of `size` bytes at `offset`; what is not there ignores it."""
        entry = self._writers.get(offset << 4 | size)
        if entry is not None:
            write, n, shift, mask = entry
            write(self._owner, n, vcpu.chip, (value & mask) << shift, mask << shift)
