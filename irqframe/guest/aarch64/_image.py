"""What a guest's program is: an arm64 Image, an ELF file or a raw binary, out of bytes that may be anything.

1. An Image is told by its magic (Linux, Documentation/arm64/booting.rst, 4. "Call the kernel image"), an ELF file by
   its own; either may be compressed by gzip. What is neither is a raw binary if its name ends in .bin.
2. A raw binary lies where QEMU puts it too, 512 KiB above the beginning of RAM, and begins with its first instruction.
3. Nothing is unpacked that is larger than the RAM it is for.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final, NamedTuple

from irqframe.errors import IrqframeError

OFFSET: Final = 0x8_0000
"""Of a raw binary, and of an Image that is so old that it does not say."""

MAX_HEADERS: Final = 256
"""So many program headers of an ELF file are read; linkers write about ten."""

_HEADER: Final = Struct("<8xQQQ24x4s4x")
_MAGIC: Final = b"ARM\x64"
_BIG_ENDIAN: Final = 1

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib: a gzip header, and the largest window

# ELF-64 Object File Format: the header, and an entry of the program header table.
_ELF: Final = Struct("<4sBB10xHHIQQQIHHHHHH")
_PROGRAM: Final = Struct("<IIQQQQQQ")
_ELF_MAGIC: Final = b"\x7fELF"
_CLASS64: Final = 2
_LITTLE: Final = 1
_EXECUTABLE: Final = (2, 3)  # ET_EXEC, ET_DYN
_AARCH64: Final = 183
_LOAD: Final = 1


class Segment(NamedTuple):
    """A piece of memory that a program has.

    Attributes:
        address: physical.
        data: what it begins with.
        size: how long it is; what follows `data` is 0.
    """

    address: int
    data: memoryview
    size: int


class Movable(NamedTuple):
    """A program that lies where there is room, and begins with its first instruction.

    Attributes:
        offset: from a boundary of 2 MiB, if `anywhere`, else from the beginning of RAM.
        data: the program.
        size: how much memory it needs, its data included.
        anywhere: see there.
    """

    offset: int
    data: bytes
    size: int
    anywhere: bool


class Fixed(NamedTuple):
    """A program that says where it lies.

    Attributes:
        entry: physical address of its first instruction.
        segments: its memory.
    """

    entry: int
    segments: tuple[Segment, ...]


def read_program(name: str, data: bytes, limit: int) -> Movable | Fixed:
    """Find out what a program is.

    Args:
        name: of the file.
        data: what it has in it.
        limit: bytes of RAM.

    Returns:
        The program.

    Raises:
        IrqframeError: it is none, or none that an AArch64 CPU in little-endian mode runs.
    """
    if data.startswith(_GZIP):
        data = _unpacked(name, data, limit)
    if data.startswith(_ELF_MAGIC):
        return _elf(name, data)
    if len(data) >= _HEADER.size:
        text_offset, image_size, flags, magic = _HEADER.unpack_from(data)
        if magic == _MAGIC:
            return _image(name, data, text_offset, image_size, flags)
    if name.endswith(".bin") and data:
        return Movable(OFFSET, data, len(data), anywhere=False)
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        raise IrqframeError(f"{name} unpacks itself under EFI; take the Image that is in it")
    raise IrqframeError(f"{name} is no arm64 Image and no ELF file; a raw binary has a name that ends in .bin")


def _unpacked(name: str, data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise IrqframeError(f"{name} is damaged: {error}") from error
    if len(unpacked) > limit:
        raise IrqframeError(f"{name} has more than the {limit:#x} bytes of RAM in it")
    if not unpacker.eof:
        raise IrqframeError(f"{name} is damaged: it ends too early")
    return unpacked


def _image(name: str, data: bytes, text_offset: int, image_size: int, flags: int) -> Movable:
    if flags & _BIG_ENDIAN:
        raise IrqframeError(f"{name} is a big-endian kernel")
    offset = text_offset if image_size else OFFSET
    if offset % 4:
        raise IrqframeError(f"{name} is damaged: no instruction can be at its text offset, {text_offset:#x}")
    return Movable(offset, data, max(image_size, len(data)), anywhere=True)


def _elf(name: str, data: bytes) -> Fixed:
    if len(data) < _ELF.size:
        raise IrqframeError(f"{name} is damaged: its ELF header ends too early")
    _, width, order, kind, cpu, _, entry, table, _, _, _, entry_size, count, *_ = _ELF.unpack_from(data)
    if (width, order, cpu) != (_CLASS64, _LITTLE, _AARCH64):
        raise IrqframeError(f"{name} is an ELF file, but none of 64 bits for little-endian AArch64")
    if kind not in _EXECUTABLE:
        raise IrqframeError(f"{name} is an ELF file, but no executable")
    if count > MAX_HEADERS:
        raise IrqframeError(f"{name} has {count} program headers; at most {MAX_HEADERS} are read")
    if count and (entry_size != _PROGRAM.size or table + count * entry_size > len(data)):
        raise IrqframeError(f"{name} is damaged: its program headers are not in it")
    segments, physical = [], None
    for index, header in enumerate(_PROGRAM.iter_unpack(data[table : table + count * entry_size])):
        what, _, offset, virtual, address, in_file, in_memory, _ = header
        if what != _LOAD or not in_memory:
            continue
        if in_file > in_memory or offset + in_file > len(data):
            raise IrqframeError(f"{name} is damaged: segment {index} is not in it")
        segments.append(Segment(address, memoryview(data)[offset : offset + in_file], in_memory))
        if virtual <= entry < virtual + in_memory:
            physical = entry - virtual + address
    if physical is None or physical % 4:
        raise IrqframeError(f"{name} does not begin in one of its segments: its entry point is {entry:#x}")
    return Fixed(physical, tuple(segments))
