"""What a boot loader does: the guest's program, its initial RAM disk and its device tree into RAM.

1. Everything lies in the largest region of RAM, outside of what the tree reserves, and nothing overlaps.
2. An Image lies as low as it can, on the boundary that it wants. The RAM disk and below it the tree lie as high as they
   can in the first 512 MiB, so that a program that does not say how much memory it needs has what is between.
3. The tree has a boundary of 2 MiB and at most 2 MiB (Linux, Documentation/arm64/booting.rst, 2. "Setup the device
   tree"), the RAM disk a boundary of 4 KiB. Devices that nobody serves are disabled in it.
4. What a program wants to be 0 is not written: the RAM of a VM is 0 before it runs.
5. A file that is larger than the RAM is refused before it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from irqframe.errors import IrqframeError
from irqframe.guest.aarch64._image import Fixed, Movable, read_program
from irqframe.machine import Boot, Machine, boot_tree, hide_unserved, reserved
from irqframe.vm import GuestMemory, Vm

MIB: Final = 1 << 20
BLOCK: Final = 2 * MIB
"""Boundary of the kernel and of its tree, and how long the tree may be."""
PAGE: Final = 4096
REACH: Final = 512 * MIB
"""How far from the beginning of RAM the tree and the RAM disk may lie: kernels before 4.2 reach no further."""


class Loaded(NamedTuple):
    """A guest that is ready to run.

    Attributes:
        entry: address of its first instruction.
        x0: what x0 holds there: address of its device tree.
        machine: the machine as the guest finds it; its tree is the one in RAM.
        hidden: paths of the nodes that are disabled in it, because nothing serves them.
    """

    entry: int
    x0: int
    machine: Machine
    hidden: tuple[str, ...] = ()


def load(machine: Machine, vm: Vm, kernel: Path, initrd: Path | None = None, append: str | None = None) -> Loaded:
    """Load a guest.

    Args:
        machine: what it runs on.
        vm: made of it, every device of it made.
        kernel: file of its program.
        initrd: file of its initial RAM disk; None: it has none.
        append: its command line; None: the one of the tree.

    Returns:
        Where it begins.

    Raises:
        IrqframeError: a file cannot be read, is not what it should be, or does not fit into RAM; there is no RAM; or
            what the tree lacks cannot be added.
        PluginError: the irqchip breaks the hook spec.
    """
    if not vm.memory.regions:
        raise IrqframeError(f"{machine.tree.file} has no memory; a guest cannot be loaded")
    base, size = max(vm.memory.regions, key=lambda region: region[1])
    room = Room(base, size, reserved(machine))
    program = read_program(str(kernel), _contents(kernel, size), size)
    entry = _place(program, str(kernel), room, vm.memory)
    disk = _place_disk(initrd, size, room, vm.memory)
    tree = boot_tree(machine, Boot(append, disk, complete=True))
    hidden = hide_unserved(tree, vm.mmio)
    booted = replace(machine, tree=tree)
    return Loaded(entry, _place_tree(booted, room, vm.memory), booted, hidden)


class Room:
    """A region of RAM, and what of it is taken.

    Args:
        base: where it begins.
        size: bytes.
        taken: (address, size) of what is not to be used.
    """

    def __init__(self, base: int, size: int, taken: Iterable[tuple[int, int]] = ()) -> None:
        self.base = base
        self.size = size
        self._taken = [(address, address + length) for address, length in taken if length > 0]

    def take(self, address: int, size: int) -> bool:
        """Take a range; whether it is free and in the region."""
        free = any(start <= address and address + size <= end for start, end in self._free())
        if free:
            self._taken.append((address, address + size))
        return free

    def take_low(self, size: int, align: int, offset: int) -> int | None:
        """Take the lowest range that begins `offset` above a boundary in the region; None: none is free."""
        lowest = -(-self.base // align) * align
        for start, end in self._free():
            address = max(-(-(start - offset) // align) * align, lowest) + offset
            if address + size <= end:
                self._taken.append((address, address + size))
                return address
        return None

    def take_high(self, size: int, align: int, reach: int) -> int | None:
        """Take the highest range on a boundary, within `reach` of the region's beginning; None: none is free."""
        for start, end in reversed(tuple(self._free())):
            address = (min(end, self.base + reach) - size) // align * align
            if address >= start:
                self._taken.append((address, address + size))
                return address
        return None

    def _free(self) -> Iterator[tuple[int, int]]:
        """(beginning, end) of what is not taken, in order."""
        at, region_end = self.base, self.base + self.size
        for start, end in sorted(self._taken):
            if at < min(start, region_end):
                yield at, min(start, region_end)
            at = max(at, end)
        if at < region_end:
            yield at, region_end


def _contents(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file() and path.exists():
            raise IrqframeError(f"{path} is no file")
        with path.open("rb") as file:
            length = path.stat().st_size
            if length > limit:
                raise IrqframeError(f"{path} has {length:#x} bytes, more than the {limit:#x} of RAM")
            return file.read(length)
    except (OSError, ValueError) as error:
        raise IrqframeError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _place(program: Movable | Fixed, name: str, room: Room, memory: GuestMemory) -> int:
    """Put the program into RAM; its entry."""
    if isinstance(program, Movable):
        entry = _place_movable(program, room)
        if entry is None:
            raise _too_small(name, program.size, room)
        _write(memory, entry, program.data)
        return entry
    for segment in program.segments:
        if not room.take(segment.address, segment.size):
            raise IrqframeError(
                f"{name} wants {segment.size:#x} bytes at {segment.address:#x}, which are not free in the RAM of "
                f"{room.size:#x} bytes at {room.base:#x}"
            )
        _write(memory, segment.address, segment.data)
    return program.entry


def _place_movable(program: Movable, room: Room) -> int | None:
    if program.anywhere:
        return room.take_low(program.size, BLOCK, program.offset)
    address = room.base + program.offset
    return address if room.take(address, program.size) else None


def _place_disk(path: Path | None, limit: int, room: Room, memory: GuestMemory) -> tuple[int, int] | None:
    if path is None:
        return None
    data = _contents(path, limit)
    if not data:
        raise IrqframeError(f"{path} is empty")
    address = room.take_high(len(data), PAGE, REACH)
    if address is None:
        raise _too_small(str(path), len(data), room)
    _write(memory, address, data)
    return address, len(data)


def _place_tree(machine: Machine, room: Room, memory: GuestMemory) -> int:
    data = machine.dtb()
    name = f"the device tree of {machine.tree.file}"
    if len(data) > BLOCK:
        raise IrqframeError(f"{name} has {len(data):#x} bytes; a kernel takes at most {BLOCK:#x}")
    address = room.take_high(len(data), BLOCK, REACH)
    if address is None:
        raise _too_small(name, len(data), room)
    _write(memory, address, data)
    return address


def _too_small(name: str, size: int, room: Room) -> IrqframeError:
    return IrqframeError(f"{name} needs {size:#x} bytes, which are not free in the RAM of {room.size:#x} bytes")


def _write(memory: GuestMemory, address: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    for start in range(0, len(data), MIB):
        memory.write(address + start, bytes(view[start : start + MIB]))
