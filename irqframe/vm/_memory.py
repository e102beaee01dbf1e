"""Guest memory: what an irqchip reads and writes by guest physical address, never beyond what the machine has."""

from __future__ import annotations

import errno
import mmap
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from irqframe.errors import VmError

MAX_ACCESS: Final = 1 << 20
"""Longest single access, bytes: a guest's number must not make the host allocate more."""

_CHUNK: Final = 1 << 16


class GuestMemory:
    """RAM as a set of regions, allocated in chunks of 64 KiB when they are first written.

    A region that an engine maps is one block of the host's memory instead, whose pages the host provides on first use.

    Args:
        regions: (guest physical address, size in bytes) of each region; they may touch but not overlap.

    Raises:
        VmError: EINVAL if two regions overlap, or one is empty or leaves the 64-bit address space.
    """

    def __init__(self, regions: Iterable[tuple[int, int]] = ()) -> None:
        self._regions = sorted(regions)
        self._bases = [base for base, _ in self._regions]
        self._chunks: dict[int, bytearray] = {}
        self._blocks: dict[int, memoryview] = {}
        end = 0
        for base, size in self._regions:
            if size <= 0 or base < 0 or base + size > 1 << 64:
                raise VmError(errno.EINVAL, f"memory region {base:#x} of {size:#x} bytes is not an address range")
            if base < end:
                raise VmError(errno.EINVAL, f"memory region {base:#x} overlaps the one that ends at {end:#x}")
            end = base + size

    @property
    def regions(self) -> tuple[tuple[int, int], ...]:
        """(address, size) of each region, by address."""
        return tuple(self._regions)

    def block(self, base: int) -> memoryview:
        """A region as one block of the host's memory, for an engine to map; from then on the region lives there.

        It is part of the set-up: nobody may read or write the region meanwhile.

        Args:
            base: the region's address.

        Returns:
            The block, writable and as long as the region; the same one every time. It begins on a page of the host,
            and the last page of it is there as a whole. What was written before is in it, all else is 0.

        Raises:
            VmError: EINVAL if no region begins there, ENOMEM if the host does not give that much.
        """
        size = dict(self._regions).get(base)
        if size is None:
            raise VmError(errno.EINVAL, f"no memory region begins at {base:#x}")
        if base not in self._blocks:
            self._blocks[base] = self._moved(base, size)
        return self._blocks[base]

    def _moved(self, base: int, size: int) -> memoryview:
        try:
            block = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        except (OSError, OverflowError) as error:
            raise VmError(errno.ENOMEM, f"the host has no {size:#x} bytes for the memory at {base:#x}") from error
        # A chunk may be shared with the region next door, so none is dropped that is not wholly inside.
        for number in sorted(self._chunks):
            start, end = max(number * _CHUNK, base), min((number + 1) * _CHUNK, base + size)
            if start < end:
                offset = start - number * _CHUNK
                block[start - base : end - base] = self._chunks[number][offset : offset + end - start]
                if end - start == _CHUNK:
                    del self._chunks[number]
        return block

    def read(self, gpa: int, size: int) -> bytes:
        """Read guest memory.

        Args:
            gpa: guest physical address of the first byte.
            size: bytes, 0 to 1 MiB.

        Returns:
            The bytes; what was never written reads as 0.

        Raises:
            VmError: EFAULT if the range is not wholly inside one region, or too long.
        """
        base = self._region(gpa, size)
        block = self._blocks.get(base)
        if block is not None:
            return bytes(block[gpa - base : gpa - base + size])
        parts = []
        while size:
            offset = gpa % _CHUNK
            length = min(size, _CHUNK - offset)
            chunk = self._chunks.get(gpa // _CHUNK)
            parts.append(bytes(length) if chunk is None else bytes(chunk[offset : offset + length]))
            gpa += length
            size -= length
        return b"".join(parts)

    def write(self, gpa: int, data: bytes) -> None:
        """Write guest memory.

        Args:
            gpa: guest physical address of the first byte.
            data: at most 1 MiB.

        Raises:
            VmError: EFAULT if the range is not wholly inside one region, or too long; nothing is written then.
        """
        base = self._region(gpa, len(data))
        block = self._blocks.get(base)
        if block is not None:
            block[gpa - base : gpa - base + len(data)] = data
            return
        done = 0
        while done < len(data):
            offset = (gpa + done) % _CHUNK
            length = min(len(data) - done, _CHUNK - offset)
            number = (gpa + done) // _CHUNK
            chunk = self._chunks.get(number)
            if chunk is None:
                chunk = self._chunks[number] = bytearray(_CHUNK)
            chunk[offset : offset + length] = data[done : done + length]
            done += length

    def _region(self, gpa: int, size: int) -> int:
        """Address of the region that the access lies in."""
        if not 0 <= size <= MAX_ACCESS:
            raise VmError(errno.EFAULT, f"access of {size} bytes; at most {MAX_ACCESS} are allowed at once")
        at = bisect_right(self._bases, gpa) - 1
        if at >= 0:
            base, length = self._regions[at]
            if gpa + size <= base + length:
                return base
        raise VmError(errno.EFAULT, f"{size} bytes at {gpa:#x} are not in guest memory")
