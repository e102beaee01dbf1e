"""Tables in guest memory: what is not RAM is absent, and a guest's address never raises anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from irqframe.errors import VmError
from irqframe.vm import GuestMemory

_PAGE: Final = 4096
"""A large table is read and written in such pieces: one that is not RAM does not hide the others."""


def load(memory: GuestMemory, gpa: int, size: int) -> bytes | None:
    """Read `size` bytes, None if they are not wholly RAM."""
    try:
        return memory.read(gpa, size)
    except VmError:
        return None


def store(memory: GuestMemory, gpa: int, data: bytes) -> bool:
    """Write `data`, and tell whether it is wholly RAM; if it is not, nothing is written."""
    try:
        memory.write(gpa, data)
    except VmError:
        return False
    return True


def load_number(memory: GuestMemory, gpa: int) -> int:
    """Read 64 bits; 0 if they are not RAM."""
    return int.from_bytes(load(memory, gpa, 8) or b"", "little")


def store_number(memory: GuestMemory, gpa: int, number: int, size: int) -> bool:
    """Write 64 bits and zeroes up to `size` bytes, and tell whether they are RAM."""
    return store(memory, gpa, number.to_bytes(size, "little"))


def load_table(memory: GuestMemory, gpa: int, size: int) -> bytes:
    """Read a large table; what is not RAM reads as 0."""
    return b"".join(load(memory, at, length) or bytes(length) for at, length in _pieces(gpa, size))


def store_table(memory: GuestMemory, gpa: int, data: bytes) -> None:
    """Write a large table; what is not RAM ignores it."""
    for at, length in _pieces(gpa, len(data)):
        store(memory, at, data[at - gpa : at - gpa + length])


def _pieces(gpa: int, size: int) -> Iterator[tuple[int, int]]:
    end = gpa + size
    while gpa < end:
        length = min(_PAGE - gpa % _PAGE, end - gpa)
        yield gpa, length
        gpa += length
