"""What a guest's program is; Images by the kernel's own description of them, ELF files by the GNU linker."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.errors import IrqframeError
from irqframe.guest.aarch64._image import MAX_HEADERS, Fixed, Movable, read_program

LIMIT = 1 << 20
GCC = shutil.which("aarch64-linux-gnu-gcc")


def image(text_offset: int = 0, image_size: int = 0x1000, flags: int = 0xA, magic: bytes = b"ARM\x64") -> bytes:
    """The 64-byte header of booting.rst, and some code."""
    header = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, text_offset, image_size, flags, 0, 0, 0, magic, 0)
    assert len(header) == 64
    return header + b"code" * 16


def elf(
    *segments: tuple[int, int, int, int, int, int],
    entry: int = 0x40080000,
    ident: bytes = b"\x7fELF\x02\x01",
    kind: int = 2,
    cpu: int = 183,
    size: int = 56,
    count: int | None = None,
    body: bytes = b"",
) -> bytes:
    """(type, offset, vaddr, paddr, filesz, memsz) of each segment."""
    number = len(segments) if count is None else count
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident.ljust(16, b"\0"), kind, cpu, 1, entry, 64, 0, 0, 64, size, number, 0, 0, 0
    )
    table = b"".join(struct.pack("<IIQQQQQQ", one[0], 7, *one[1:], 4096) for one in segments)
    return header + table + body


LOAD = (1, 0, 0x40080000, 0x40080000, 64, 0x100)


def refused(data: bytes, name: str = "k") -> str:
    with pytest.raises(IrqframeError) as caught:
        read_program(name, data, LIMIT)
    return str(caught.value)


def test_an_image() -> None:
    data = image(0x1000, 0x20000)
    assert read_program("Image", data, LIMIT) == Movable(0x1000, data, 0x20000, True)


def test_an_image_that_is_longer_than_it_says() -> None:
    data = image(0, 16)
    assert read_program("Image", data, LIMIT) == Movable(0, data, len(data), True)


def test_an_old_image_does_not_say_where_it_lies() -> None:
    """booting.rst: "Where image_size is zero, text_offset can be assumed to be 0x80000"."""
    data = image(0x8000_0000, 0)
    assert read_program("Image", data, LIMIT) == Movable(0x80000, data, len(data), True)


def test_an_image_may_have_any_name_and_be_compressed() -> None:
    data = image()
    for name in ("Image", "Image.gz", "kernel.bin"):
        assert read_program(name, gzip.compress(data), LIMIT) == Movable(0, data, 0x1000, True)


def test_a_raw_binary_is_told_by_its_name() -> None:
    data = b"\x1f\x20\x03\xd5"
    assert read_program("guest.bin", data, LIMIT) == Movable(0x80000, data, 4, False)
    assert refused(data, "guest.raw") == (
        "guest.raw is no arm64 Image and no ELF file; a raw binary has a name that ends in .bin"
    )
    assert refused(b"", "guest.bin").startswith("guest.bin is no arm64 Image")


def test_a_big_endian_kernel_is_refused() -> None:
    assert refused(image(flags=1)) == "k is a big-endian kernel"


def test_an_image_that_would_not_begin_with_an_instruction_is_refused() -> None:
    assert refused(image(text_offset=0x80002)) == "k is damaged: no instruction can be at its text offset, 0x80002"


def test_a_kernel_that_unpacks_itself_is_refused() -> None:
    assert refused(b"MZ\0\0zimg" + bytes(100)) == "k unpacks itself under EFI; take the Image that is in it"


def test_what_unpacks_to_more_than_ram_is_refused() -> None:
    assert read_program("k.bin", gzip.compress(bytes(LIMIT)), LIMIT).size == LIMIT  # type: ignore[union-attr]
    packed = gzip.compress(bytes(LIMIT + 1))
    assert refused(packed) == "k has more than the 0x100000 bytes of RAM in it"


def test_an_archive_takes_no_more_memory_than_the_ram() -> None:
    packed = gzip.compress(bytes(64 * LIMIT))
    tracemalloc.start()
    try:
        refused(packed)
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


def test_damaged_archives_are_refused() -> None:
    packed = gzip.compress(image() + bytes(range(256)) * 9)
    assert refused(packed[:-12]) == "k is damaged: it ends too early"
    assert refused(packed[:20] + b"\xff\xff\xff" + packed[23:]).startswith("k is damaged: ")


def test_an_elf_file() -> None:
    stack = (0x6474E551, 0, 0, 0, 0, 0)
    bss = (1, 0, 0x40090000, 0x40090000, 0, 0x2000)
    nothing = (1, 0, 0x40090000, 0x40090000, 0, 0)
    data = elf(LOAD, stack, bss, nothing)
    program = read_program("k", data, LIMIT)
    assert isinstance(program, Fixed)
    assert program.entry == 0x40080000
    assert [(one.address, bytes(one.data), one.size) for one in program.segments] == [
        (0x40080000, data[:64], 0x100),
        (0x40090000, b"", 0x2000),
    ]


def test_a_virtual_entry_is_made_physical() -> None:
    data = elf((1, 0, 0xFFFF_8000_0000_0000, 0x40080000, 64, 0x100), entry=0xFFFF_8000_0000_0010)
    program = read_program("k", data, LIMIT)
    assert isinstance(program, Fixed)
    assert program.entry == 0x40080010


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (elf(LOAD)[:40], "k is damaged: its ELF header ends too early"),
        (elf(LOAD, ident=b"\x7fELF\x01\x01"), "k is an ELF file, but none of 64 bits for little-endian AArch64"),
        (elf(LOAD, ident=b"\x7fELF\x02\x02"), "k is an ELF file, but none of 64 bits for little-endian AArch64"),
        (elf(LOAD, cpu=62), "k is an ELF file, but none of 64 bits for little-endian AArch64"),
        (elf(LOAD, kind=1), "k is an ELF file, but no executable"),
        (elf(LOAD, size=32), "k is damaged: its program headers are not in it"),
        (elf(LOAD, count=2), "k is damaged: its program headers are not in it"),
        (elf(LOAD, count=MAX_HEADERS + 1), "k has 257 program headers; at most 256 are read"),
        (elf((1, 0, 0, 0, 65, 64), entry=0), "k is damaged: segment 0 is not in it"),
        (elf((1, 100, 0, 0, 64, 64), entry=0), "k is damaged: segment 0 is not in it"),
        (elf(), "k does not begin in one of its segments: its entry point is 0x40080000"),
        (elf(LOAD, entry=0x40080100), "k does not begin in one of its segments: its entry point is 0x40080100"),
        (elf(LOAD, entry=0x40080002), "k does not begin in one of its segments: its entry point is 0x40080002"),
    ],
)
def test_elf_files_that_cannot_run(data: bytes, message: str) -> None:
    assert refused(data) == message


@given(st.sampled_from([image(), elf(LOAD, LOAD), gzip.compress(image())]), st.data())
def test_nothing_in_a_file_is_an_error_of_ours(good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(0, 6))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(IrqframeError):
        read_program("k", bytes(damaged[: data.draw(st.integers(0, len(good)))]), LIMIT)


@pytest.mark.skipif(GCC is None, reason="aarch64-linux-gnu-gcc is missing")
def test_what_the_linker_writes(tmp_path: Path) -> None:
    """The segments are where objcopy, which reads the same file by itself, puts them in a flat binary."""
    source, script, made, flat = (tmp_path / name for name in ("g.S", "g.ld", "g.elf", "g.flat"))
    source.write_text(".text\n.globl _start\nnop\n_start: b .\n.data\n.quad 0x1122334455667788\n.bss\n.skip 0x1234\n")
    script.write_text(
        "ENTRY(_start) SECTIONS { . = 0x40200000; .text : { *(.text) } . = 0x40201000;"
        " .data : { *(.data) } .bss : { *(.bss) } /DISCARD/ : { *(.note*) } }"
    )
    assert GCC is not None
    subprocess.run([GCC, "-nostdlib", "-static", "-Wl,--build-id=none", "-T", script, "-o", made, source], check=True)
    subprocess.run([GCC.replace("gcc", "objcopy"), "-O", "binary", made, flat], check=True)
    program = read_program("g.elf", made.read_bytes(), LIMIT)
    assert isinstance(program, Fixed)
    assert program.entry == 0x40200004
    memory = bytearray(len(flat.read_bytes()))
    for one in program.segments:
        at = one.address - 0x40200000
        memory[at : at + len(one.data)] = one.data
    assert bytes(memory) == flat.read_bytes()
    assert max(one.address + one.size for one in program.segments) >= 0x40201008 + 0x1234
