"""Devices to build a machine with, and where they lie."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from irqframe.flow import Trigger

Value = bytes | str | int | Sequence[str] | Sequence[int]
"""Of a property: bytes as they are, strings, or cells; `b""` for one that is only there."""

Line = int | None
"""Number of a shared line; None: the next that nobody has."""

ANYWHERE: Final = 0x0B00_0000
"""From here on devices lie that do not care."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device with registers, interrupts, or both.

    Attributes:
        name: of its node, without the unit address.
        compatible: its strings.
        size: of its registers in bytes; 0: it has none.
        address: of its registers; None: the next free one from `near` on.
        near: see there.
        lines: of each of its interrupts, the shared line and how it signals.
        msi: whether it sends messages.
        properties: more of them, behind the others.
        clocked: whether it has Arm PrimeCell's two clocks.
        alias: what /aliases numbers devices of its kind by ("serial0"); "": nothing.
    """

    name: str
    compatible: tuple[str, ...]
    size: int = 0x1000
    address: int | None = None
    near: int = ANYWHERE
    lines: tuple[tuple[Line, Trigger], ...] = ((None, Trigger.LEVEL_HIGH),)
    msi: bool = False
    properties: Mapping[str, Value] = field(default_factory=dict)
    clocked: bool = False
    alias: str = ""


def pl011(address: int | None = None, line: Line = None) -> Device:
    """Arm's serial port; the first is the console."""
    lines = ((line, Trigger.LEVEL_HIGH),)
    compatible = ("arm,pl011", "arm,primecell")
    return Device("serial", compatible, address=address, near=0x0900_0000, lines=lines, clocked=True, alias="serial")


def virtio_mmio(address: int | None = None, line: Line = None) -> Device:
    """A virtio transport without a bus."""
    lines = ((line, Trigger.EDGE_RISING),)
    more: dict[str, Value] = {"dma-coherent": b""}
    return Device("virtio", ("virtio,mmio",), 0x200, address, 0x0A00_0000, lines, properties=more)


KINDS: Final[Mapping[str, Callable[[], Device]]] = MappingProxyType({"pl011": pl011, "virtio-mmio": virtio_mmio})
"""What devices can be asked for by name."""


def devices_of(asked: Iterable[Device | str]) -> tuple[Device, ...]:
    """The devices, those that are names made.

    Raises:
        ValueError: for a name that is none of `KINDS`.
    """
    made = []
    for one in asked:
        if isinstance(one, str) and one not in KINDS:
            raise ValueError(f"there is no device {one!r}; by name there are {', '.join(KINDS)}")
        made.append(KINDS[one]() if isinstance(one, str) else one)
    return tuple(made)


class Room:
    """The addresses of a machine: what is taken, and the next that are free."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._taken: list[tuple[int, int, str]] = []
        self._next: dict[tuple[int, int], int] = {}

    def take(self, address: int, size: int, what: str) -> None:
        """Take a range.

        Raises:
            ValueError: something of it is taken, or it is no range.
        """
        if address < 0 or size < 1 or address + size > 1 << 64:
            raise ValueError(f"{what}: {address:#x} and {size:#x} are no address and size")
        other = self._clash(address, size)
        if other is not None:
            raise ValueError(f"{what} at {address:#x} would lie on {other[2]} at {other[0]:#x}")
        at = bisect_left(self._starts, address)
        self._starts.insert(at, address)
        self._taken.insert(at, (address, address + size, what))

    def place(self, near: int, size: int, what: str) -> int:
        """Take the next free range of that size from `near` on, aligned to it."""
        align = 1 << max(size - 1, 0).bit_length()
        address = self._next.get((near, size), -(-near // align) * align)
        while (other := self._clash(address, size)) is not None:
            address = -(-other[1] // align) * align
        self.take(address, size, what)
        self._next[near, size] = address + align
        return address

    def _clash(self, address: int, size: int) -> tuple[int, int, str] | None:
        at = bisect_left(self._starts, address + size) - 1
        return self._taken[at] if at >= 0 and self._taken[at][1] > address else None


class Lines:
    """The shared lines of a machine: those that were asked for, and the next that nobody did."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._asked = {line for device in devices for line, _ in device.lines if line is not None}
        self._next = 0

    def number(self, line: Line) -> int:
        """The line itself, or the next free one."""
        if line is not None:
            return line
        while self._next in self._asked:
            self._next += 1
        self._next += 1
        return self._next - 1
