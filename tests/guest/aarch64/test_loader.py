"""Where a boot loader puts things, and what it says of what cannot be."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.dt import parse_dts, read_dtb, to_dts
from irqframe.errors import IrqframeError
from irqframe.flow import discover
from irqframe.guest.aarch64._loader import BLOCK, MIB, Loaded, Room, _contents, load
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import Vm

RAM, SIZE = 0x4000_0000, 128 * MIB


def image(size: int = 3 * MIB, offset: int = 0) -> bytes:
    header = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, offset, size, 0xA, 0, 0, 0, b"ARM\x64", 0)
    return header + bytes(range(256)) * 8192


def bare(memory: str = "", more: str = "", reserve: str = "") -> Machine:
    """A board that says nothing but its controller, its CPU and its memory."""
    text = f"""/dts-v1/; {reserve}
    / {{ #address-cells = <2>; #size-cells = <2>; compatible = "t,t"; model = "t"; interrupt-parent = <&gic>;
        {memory} {more}
        cpus {{ #address-cells = <1>; #size-cells = <0>;
            cpu@0 {{ device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; }}; }};
        gic: intc@8000000 {{ compatible = "arm,cortex-a15-gic"; reg = <0 0x8000000 0 0x1000>, <0 0x8010000 0 0x2000>;
            interrupt-controller; #interrupt-cells = <3>; }}; }};"""
    return load_machine(parse_dts(text, "t.dts"), discover({}))


def ram(*regions: tuple[int, int]) -> str:
    return "".join(
        f'memory@{base:x} {{ device_type = "memory"; reg = <{base >> 32} {base & 0xFFFFFFFF:#x} 0 {size:#x}>; }};'
        for base, size in regions
    )


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """(name, data) -> path."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def content(vm: Vm, address: int, size: int) -> bytes:
    return b"".join(vm.memory.read(address + at, min(MIB, size - at)) for at in range(0, size, MIB))


def tree_in(vm: Vm, loaded: Loaded) -> Any:
    size = int.from_bytes(vm.memory.read(loaded.x0 + 4, 4), "big")
    return read_dtb(vm.memory.read(loaded.x0, size), "ram")


def test_linux_with_all_that_it_needs(virt: Machine, vm: Vm, files: Any) -> None:
    kernel, disk = image(), b"cpio" * 5000
    loaded = load(virt, vm, files("Image", kernel), files("initrd", disk), "console=ttyAMA0")
    assert loaded.entry == RAM
    assert content(vm, RAM, len(kernel)) == kernel
    tree = tree_in(vm, loaded)
    assert to_dts(tree) == to_dts(read_dtb(loaded.machine.dtb(), "ram"))
    chosen = tree.root.children["chosen"]
    assert chosen.strings("bootargs") == ("console=ttyAMA0",)
    start = int.from_bytes(chosen.properties["linux,initrd-start"].data, "big")
    end = int.from_bytes(chosen.properties["linux,initrd-end"].data, "big")
    assert content(vm, start, end - start) == disk
    assert start % 4096 == 0
    assert loaded.x0 % BLOCK == 0
    assert RAM + len(kernel) <= loaded.x0 < start < end <= RAM + SIZE


def test_a_kernel_alone(virt: Machine, vm: Vm, files: Any) -> None:
    loaded = load(virt, vm, files("Image", image()))
    chosen = tree_in(vm, loaded).root.children["chosen"]
    assert "bootargs" not in chosen.properties
    assert "linux,initrd-start" not in chosen.properties
    assert loaded.x0 == RAM + SIZE - BLOCK


def test_what_the_tree_lacks_is_added(files: Any) -> None:
    machine = bare(ram((RAM, SIZE)))
    tree = tree_in(vm := build(machine), load(machine, vm, files("Image", image())))
    assert any("arm,armv8-timer" in node.compatible for node in tree.walk())
    assert not any("arm,armv8-timer" in node.compatible for node in machine.tree.walk())


@pytest.mark.parametrize("offset", [0, 0x80000, BLOCK + 0x1000])
def test_an_image_lies_at_its_offset_from_a_boundary(files: Any, offset: int) -> None:
    machine = bare(ram((RAM + 0x1000, SIZE)))
    loaded = load(machine, build(machine), files("Image", image(offset=offset)))
    assert loaded.entry == RAM + BLOCK + offset


def test_a_file_is_read_by_its_size_not_by_that_of_the_ram(files: Any) -> None:
    """RAM of 1 TiB, for which no host has a buffer."""
    assert _contents(files("Image", image()), 1 << 40) == image()


def test_a_raw_binary_lies_where_qemu_puts_it(virt: Machine, vm: Vm, files: Any) -> None:
    loaded = load(virt, vm, files("guest.bin", b"\x1f\x20\x03\xd5" * 9))
    assert loaded.entry == RAM + 0x80000
    assert content(vm, loaded.entry, 36) == b"\x1f\x20\x03\xd5" * 9


def test_a_raw_binary_asks_for_no_boundary(files: Any) -> None:
    machine = bare(ram((RAM + 0x1000, SIZE)))
    assert load(machine, build(machine), files("guest.bin", bytes(8))).entry == RAM + 0x81000


def elf(address: int, size: int = 0x1000, again: bool = False) -> bytes:
    ident = b"\x7fELF\x02\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 183, 1, address, 64, 0, 0, 64, 56, 1 + again, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, address, address, 64, size, 4096)
    return header + segment * (1 + again)


def test_an_elf_file_lies_where_it_says(virt: Machine, vm: Vm, files: Any) -> None:
    data = elf(RAM + 0x123000)
    loaded = load(virt, vm, files("guest", data))
    assert loaded.entry == RAM + 0x123000
    assert content(vm, loaded.entry, 0x1000) == data[:64] + bytes(0x1000 - 64)


def test_nothing_overlaps_an_elf_file(virt: Machine, vm: Vm, files: Any) -> None:
    """It lies where the tree and the RAM disk would."""
    loaded = load(virt, vm, files("guest", elf(RAM + SIZE - MIB, MIB)), files("initrd", b"x"))
    disk = int.from_bytes(tree_in(vm, loaded).root.children["chosen"].properties["linux,initrd-start"].data, "big")
    assert disk == RAM + SIZE - MIB - 4096
    assert loaded.x0 == RAM + SIZE - BLOCK
    assert loaded.x0 + len(loaded.machine.dtb()) <= disk


def test_the_largest_region_is_used(files: Any) -> None:
    machine = bare(ram((RAM, 64 * MIB), (2 * RAM, 128 * MIB), (3 * RAM, 32 * MIB)))
    loaded = load(machine, build(machine), files("Image", image()))
    assert loaded.entry == 2 * RAM
    assert loaded.x0 == 2 * RAM + 126 * MIB


def test_what_is_reserved_is_left_alone(files: Any) -> None:
    reserved = (
        "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;"
        f" low@40000000 {{ reg = <0 {RAM:#x} 0 0x1000>; }}; auto {{ size = <0 0x1000>; }};"
        f' off@40400000 {{ reg = <0 {RAM + 4 * MIB:#x} 0 0x1000>; status = "disabled"; }}; }};'
    )
    high = f"/memreserve/ {RAM + SIZE - BLOCK + 0x10:#x} {MIB:#x};"
    machine = bare(ram((RAM, SIZE)), reserved, high)
    loaded = load(machine, build(machine), files("Image", image()))
    assert loaded.entry == RAM + BLOCK
    assert loaded.x0 == RAM + SIZE - 2 * BLOCK


def test_the_tree_is_within_the_reach_of_old_kernels(files: Any) -> None:
    machine = bare(ram((RAM, 1024 * MIB)))
    loaded = load(machine, build(machine), files("Image", image()), files("initrd", bytes(MIB)))
    assert loaded.x0 == RAM + 510 * MIB


# Refusals


def refused(machine: Machine, kernel: Path, initrd: Path | None = None) -> str:
    with pytest.raises(IrqframeError) as caught:
        load(machine, build(machine), kernel, initrd)
    return str(caught.value)


@pytest.fixture
def small() -> Machine:
    """8 MiB of RAM."""
    return bare(ram((RAM, 8 * MIB)))


def test_no_memory(files: Any) -> None:
    assert refused(bare(), files("Image", image())) == "t.dts has no memory; a guest cannot be loaded"


def test_files_that_cannot_be_read(small: Machine, files: Any, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert refused(small, missing) == f"{missing}: No such file or directory"
    assert refused(small, files("Image", image()), missing) == f"{missing}: No such file or directory"
    assert refused(small, tmp_path) == f"{tmp_path} is no file"
    assert refused(small, Path("/dev/zero")) == "/dev/zero is no file"
    assert refused(small, Path("a\0b")).endswith("null byte")


def test_files_larger_than_ram_are_not_read(small: Machine, files: Any, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    assert refused(small, huge) == f"{huge} has 0x10000000000 bytes, more than the 0x800000 of RAM"
    assert refused(small, files("Image", image()), huge).startswith(f"{huge} has 0x10000000000 bytes")


@pytest.mark.parametrize(("size", "offset"), [(8 * MIB + 1, 0), (8 * MIB, 0x1000), (1 << 63, 0), (64, (1 << 64) - 4)])
def test_a_kernel_that_does_not_fit(small: Machine, files: Any, size: int, offset: int) -> None:
    path = files("Image", image(size, offset))
    needs = max(size, len(image()))
    assert refused(small, path) == f"{path} needs {needs:#x} bytes, which are not free in the RAM of 0x800000 bytes"


def test_a_raw_binary_that_does_not_fit(small: Machine, files: Any) -> None:
    path = files("guest.bin", bytes(8 * MIB - 0x80000 + 1))
    assert "not free in the RAM" in refused(small, path)


def test_a_disk_that_does_not_fit(small: Machine, files: Any) -> None:
    disk = files("initrd", bytes(6 * MIB))
    assert refused(small, files("Image", image()), disk) == (
        f"{disk} needs 0x600000 bytes, which are not free in the RAM of 0x800000 bytes"
    )


def test_an_empty_disk(small: Machine, files: Any) -> None:
    disk = files("initrd", b"")
    assert refused(small, files("Image", image()), disk) == f"{disk} is empty"


def test_a_tree_that_does_not_fit(small: Machine, files: Any) -> None:
    assert refused(small, files("Image", image(8 * MIB))).startswith("the device tree of t.dts needs 0x")


def test_a_tree_that_is_too_large_for_a_kernel(files: Any) -> None:
    machine = bare(ram((RAM, SIZE)))
    machine.tree.root.set("blob", bytes(BLOCK))
    said = refused(machine, files("Image", image()))
    assert said.startswith("the device tree of t.dts has 0x200")
    assert said.endswith("bytes; a kernel takes at most 0x200000")


@pytest.mark.parametrize("address", [RAM - 0x100, RAM + 8 * MIB - 0xF00, 0xFFFF_8000_0000_0000, 0])
def test_an_elf_file_outside_of_ram(small: Machine, files: Any, address: int) -> None:
    path = files("guest", elf(address))
    assert refused(small, path) == (
        f"{path} wants 0x1000 bytes at {address:#x}, which are not free in the RAM of 0x800000 bytes at 0x40000000"
    )


def test_an_elf_file_that_overlaps_itself(small: Machine, files: Any) -> None:
    path = files("guest", elf(RAM, again=True))
    assert "wants 0x1000 bytes at 0x40000000, which are not free" in refused(small, path)


# Room


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 50)), max_size=6),
    st.integers(1, 60),
    st.sampled_from([1, 4, 16]),
    st.integers(0, 40),
    st.integers(1, 250),
)
def test_room_against_a_search_of_every_address(
    taken: list[tuple[int, int]], size: int, align: int, offset: int, reach: int
) -> None:
    base, length = 30, 200

    def free(at: int) -> bool:
        inside = base <= at and at + size <= base + length
        return inside and all(at + size <= start or start + long <= at for start, long in taken if long)

    def boundaries() -> Iterator[int]:
        return (at for at in range(base, base + length) if at % align == 0)

    lowest = next((at + offset for at in boundaries() if free(at + offset)), None)
    fits = [at for at in boundaries() if free(at) and at + size <= base + reach]
    assert Room(base, length, taken).take_low(size, align, offset) == lowest
    assert Room(base, length, taken).take_high(size, align, reach) == (fits[-1] if fits else None)
    for at in range(base - 2, base + length + 2):
        assert Room(base, length, taken).take(at, size) is free(at)


def test_what_was_taken_is_not_free() -> None:
    room = Room(0, 100)
    assert room.take_low(10, 1, 0) == 0
    assert room.take_low(10, 1, 0) == 10
    assert room.take_high(10, 1, 100) == 90
    assert room.take_high(10, 1, 100) == 80
    assert room.take(20, 60)
    assert not room.take(20, 1)
