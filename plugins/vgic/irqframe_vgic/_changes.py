"""What a write of a distributor's register does to one interrupt of it, and how its arrays are laid out.

A change is called with the interrupt's block, its bitmap, and where it is counted.
"""

from __future__ import annotations

from irqframe.bits import Bank
from irqframe_vgic._block import bits
from irqframe_vgic._lifecycle import Counts

__all__ = [
    "activate",
    "config_word",
    "disable",
    "edges_of",
    "enable",
    "latch",
    "set_priority",
    "to_edge",
    "to_group0",
    "to_group1",
    "to_level",
    "unpend",
    "word_of",
]


def enable(block: Bank, bit: int, counts: Counts) -> None:
    """Written 1 to a set-enable bit."""
    block.set("enabled", bit)


def disable(block: Bank, bit: int, counts: Counts) -> None:
    """Written 1 to a clear-enable bit."""
    block.clear("enabled", bit)


def latch(block: Bank, bit: int, counts: Counts) -> None:
    """Written 1 to a set-pending bit."""
    block.pend(bit, counts)


def unpend(block: Bank, bit: int, counts: Counts) -> None:
    """Written 1 to a clear-pending bit: the latch goes, a line stays."""
    block.clear("latch", bit)


def activate(block: Bank, bit: int, counts: Counts) -> None:
    """Written 1 to a set-active bit."""
    block.set("active", bit)


def to_group1(block: Bank, bit: int, counts: Counts) -> None:
    """Its group bit becomes 1."""
    block.set("group", bit)


def to_group0(block: Bank, bit: int, counts: Counts) -> None:
    """Its group bit becomes 0."""
    block.clear("group", bit)


def to_edge(block: Bank, bit: int, counts: Counts) -> None:
    """Its configuration becomes edge-triggered."""
    block.set("edge", bit)


def to_level(block: Bank, bit: int, counts: Counts) -> None:
    """Its configuration becomes level-triggered."""
    block.clear("edge", bit)


def set_priority(priority: int, block: Bank, bit: int, counts: Counts) -> None:
    """Its priority is written; bound to the value ahead."""
    block.priority[bit.bit_length() - 1] = priority


def word_of(values: bytearray, n: int) -> int:
    """The n-th word of an array of one byte per interrupt, of the block that has it."""
    at = n * 4 & 31
    return int.from_bytes(values[at : at + 4], "little")


def config_word(block: Bank, half: int) -> int:
    """A word of two bits per interrupt for one half of a block: the upper one is set for edge-triggered."""
    return sum(2 << 2 * i for i in bits(block.edge >> 16 * half & 0xFFFF))


def edges_of(word: int) -> int:
    """Bitmap of the 16 interrupts that such a word makes edge-triggered; the lower bit of each pair is reserved."""
    return sum(1 << i for i in range(16) if word >> 2 * i & 2)
