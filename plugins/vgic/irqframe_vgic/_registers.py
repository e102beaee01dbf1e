"""Registers as tables: what each is, and the frame that serves accesses to a table of them.

A table is decoded once into a dictionary of byte offset -> handler. An access that the table does not name, or of a
width that the register does not take, reads as zero and writes nothing: a guest can never make a frame fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from irqframe.flow import VCpuRef
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface

#: (distributor, n, CPU interface that accesses) -> value of the n-th word of the register.
Reader: TypeAlias = Callable[[Distributor, int, CpuInterface], int]
#: (distributor, n, CPU interface that accesses, value, lanes): `lanes` has the bits that the access covers.
Writer: TypeAlias = Callable[[Distributor, int, CpuInterface, int, int], None]

WORD: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Register:
    """A register, or an array of them.

    Attributes:
        name: as the architecture spells it, without number.
        offset: of the first word in its frame, bytes.
        about: what it holds and how a write acts, for the generated table.
        page: title of its page in the architecture's register descriptions.
        read: how a word is read; None: write-only.
        write: how a word is written; None: read-only.
        words: how many there are, one after the other; 0 for one that is no array.
        banked: which words every CPU has for itself: "", "all", or "first N".
        reset: value after reset; a text where it is the implementation's.
        bytes: whether single bytes can be accessed, too.
    """

    name: str
    offset: int
    about: str
    page: str
    read: Reader | None = None
    write: Writer | None = None
    words: int = 0
    banked: str = ""
    reset: int | str = 0
    bytes: bool = False

    @property
    def access(self) -> str:
        """RW, RO or WO."""
        return {(True, True): "RW", (True, False): "RO", (False, True): "WO"}[bool(self.read), bool(self.write)]

    def each(self) -> Iterator[tuple[int, int, str]]:
        """(number, offset, name) of every word."""
        if not self.words:
            yield 0, self.offset, self.name
        for n in range(self.words):
            yield n, self.offset + 4 * n, f"{self.name}{n}"


class Frame:
    """A frame of registers, bound to one distributor.

    Attributes:
        names: byte offset -> register name.
    """

    def __init__(self, distributor: Distributor, table: Sequence[Register]) -> None:
        self.names: dict[int, str] = {}
        self._readers: dict[int, Callable[[CpuInterface], int]] = {}
        self._writers: dict[int, Callable[[CpuInterface, int, int], None]] = {}
        self._byte_wide: set[int] = set()
        for register in table:
            for n, offset, name in register.each():
                self.names[offset] = name
                if register.read is not None:
                    self._readers[offset] = partial(register.read, distributor, n)
                if register.write is not None:
                    self._writers[offset] = partial(register.write, distributor, n)
                if register.bytes:
                    self._byte_wide.add(offset)

    def read(self, vcpu: VCpuRef, offset: int, size: int) -> int:
        """Serve a load of `size` bytes at `offset`; 0 for what is not there."""
        if size == 4:
            reader = self._readers.get(offset)
            return 0 if reader is None else reader(vcpu.chip)
        word = offset & ~3
        if size == 1 and word in self._byte_wide:
            return self._readers[word](vcpu.chip) >> 8 * (offset & 3) & 0xFF
        return 0

    def write(self, vcpu: VCpuRef, offset: int, size: int, value: int) -> None:
        """Serve a store of `size` bytes at `offset`; what is not there ignores it."""
        if size == 4:
            writer = self._writers.get(offset)
            if writer is not None:
                writer(vcpu.chip, value & WORD, WORD)
        elif size == 1 and offset & ~3 in self._byte_wide:
            writer = self._writers.get(offset & ~3)
            if writer is not None:
                shift = 8 * (offset & 3)
                writer(vcpu.chip, (value & 0xFF) << shift, 0xFF << shift)
