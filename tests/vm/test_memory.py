"""Guest memory."""

from __future__ import annotations

import ctypes
import errno
import mmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from irqframe import VmError
from irqframe.vm import GuestMemory

BASE = 0x4000_0000
SIZE = 3 * 0x1_0000 + 0x123


class AgainstBytearray(RuleBasedStateMachine):
    """Memory against a plain bytearray, around chunk borders."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = GuestMemory([(BASE, SIZE)])
        self.plain = bytearray(SIZE)

    near = st.one_of(st.integers(0, SIZE), st.integers(0x1_0000 - 9, 0x1_0000 + 9), st.integers(SIZE - 9, SIZE))

    @rule(offset=near, data=st.binary(max_size=64))
    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) <= SIZE:
            self.memory.write(BASE + offset, data)
            self.plain[offset : offset + len(data)] = data
        else:
            with pytest.raises(VmError):
                self.memory.write(BASE + offset, data)

    @rule()
    def become_a_block(self) -> None:
        assert bytes(self.memory.block(BASE)) == self.plain

    @rule(offset=near, size=st.integers(0, 0x2_0000))
    def read(self, offset: int, size: int) -> None:
        if offset + size <= SIZE:
            assert self.memory.read(BASE + offset, size) == self.plain[offset : offset + size]
        else:
            with pytest.raises(VmError):
                self.memory.read(BASE + offset, size)

    @invariant()
    def same_everywhere(self) -> None:
        assert self.memory.read(BASE, SIZE) == self.plain


TestAgainstBytearray = AgainstBytearray.TestCase


@given(st.integers(-(1 << 65), 1 << 65), st.integers(-1, 1 << 65))
def test_outside_is_refused_or_empty(gpa: int, size: int) -> None:
    memory = GuestMemory([(BASE, SIZE)])
    inside = gpa >= BASE and gpa + size <= BASE + SIZE and 0 <= size <= 1 << 20
    if inside:
        assert memory.read(gpa, size) == bytes(size)
    else:
        with pytest.raises(VmError) as caught:
            memory.read(gpa, size)
        assert caught.value.errno == errno.EFAULT


def test_access_is_at_most_a_mebibyte() -> None:
    memory = GuestMemory([(0, 1 << 30)])
    assert len(memory.read(0, 1 << 20)) == 1 << 20
    for call in (lambda: memory.read(0, (1 << 20) + 1), lambda: memory.write(0, bytes((1 << 20) + 1))):
        with pytest.raises(VmError) as caught:
            call()
        assert caught.value.errno == errno.EFAULT


def test_a_refused_write_writes_nothing() -> None:
    memory = GuestMemory([(0, 16)])
    with pytest.raises(VmError):
        memory.write(8, b"x" * 9)
    assert memory.read(0, 16) == bytes(16)


def test_regions_may_touch_but_an_access_stays_in_one() -> None:
    memory = GuestMemory([(16, 16), (0, 16)])
    assert memory.regions == ((0, 16), (16, 16))
    memory.write(15, b"a")
    memory.write(16, b"b")
    with pytest.raises(VmError):
        memory.read(15, 2)


def test_machine_without_memory() -> None:
    with pytest.raises(VmError):
        GuestMemory().read(0, 1)


@pytest.mark.parametrize(
    "regions",
    [
        [(0, 16), (8, 16)],
        [(8, 16), (0, 9)],
        [(0, 0)],
        [(0, -1)],
        [(-1, 8)],
        [((1 << 64) - 8, 9)],
    ],
)
def test_bad_regions(regions: Any) -> None:
    with pytest.raises(VmError) as caught:
        GuestMemory(regions)
    assert caught.value.errno == errno.EINVAL


def test_last_byte_of_the_address_space() -> None:
    memory = GuestMemory([((1 << 64) - 8, 8)])
    memory.write((1 << 64) - 1, b"z")
    assert memory.read((1 << 64) - 8, 8) == bytes(7) + b"z"


def address(block: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(block))


def test_a_block_is_what_an_engine_maps() -> None:
    memory = GuestMemory([(BASE, SIZE)])
    memory.write(BASE + 0xFFFF, b"before")
    block = memory.block(BASE)
    assert len(block) == SIZE
    assert address(block) % mmap.PAGESIZE == 0
    assert bytes(block[0xFFFF:0x1_0005]) == b"before"
    memory.write(BASE + SIZE - 1, b"z")
    ctypes.memmove(address(block) + 4, b"engine", 6)
    assert block[SIZE - 1] == ord("z")
    assert memory.read(BASE + 4, 6) == b"engine"
    assert address(memory.block(BASE)) == address(block)


def test_a_block_outlives_the_memory() -> None:
    block = GuestMemory([(0, 1 << 16)]).block(0)
    block[:3] = b"abc"
    assert bytes(block[:4]) == b"abc\0"


def test_regions_of_one_chunk_become_blocks_apart() -> None:
    """They touch in the middle of a chunk, so the chunk stays with the one that is none."""
    memory = GuestMemory([(0, 0x1_8000), (0x1_8000, 0x1_8000)])
    memory.write(0x1_7FFF, b"a")
    memory.write(0x1_8000, b"b")
    assert memory.block(0)[0x1_7FFF] == ord("a")
    memory.write(0x1_7FFF, b"c")
    assert memory.read(0x1_8000, 1) == b"b"
    assert memory.block(0x1_8000)[0] == ord("b")
    assert memory.read(0x1_7FFF, 1) == b"c"


@pytest.mark.parametrize(("regions", "base"), [([], 0), ([(0, 16)], 8), ([(16, 16)], 0)])
def test_no_block_without_a_region(regions: Any, base: int) -> None:
    with pytest.raises(VmError, match="no memory region begins at") as caught:
        GuestMemory(regions).block(base)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("size", [1 << 62, (1 << 64) - 4096])
def test_more_than_the_host_has(size: int) -> None:
    memory = GuestMemory([(0, size)])
    memory.write(8, b"kept")
    with pytest.raises(VmError, match=f"the host has no {size:#x} bytes for the memory at 0x0") as caught:
        memory.block(0)
    assert caught.value.errno == errno.ENOMEM
    assert memory.read(8, 4) == b"kept"
