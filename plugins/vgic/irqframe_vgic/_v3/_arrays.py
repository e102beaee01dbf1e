"""The registers that have a bit, two bits or a byte for each INTID, for the distributor and for a redistributor.

GICD has them for SPIs and, from 0x1000 on, for extended SPIs; the SGI frame of a GICR for its CPU's SGIs, PPIs and,
behind these, extended PPIs. They are the same arrays over other INTIDs: a handler is made for the word that an array
begins with, counted over all INTIDs of 32 each. What is not implemented reads as zero and ignores writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

from irqframe_vgic import _changes as changes
from irqframe_vgic._block import Block
from irqframe_vgic._lifecycle import Change
from irqframe_vgic._registers import BYTE_WIDE, Reader, Register, Writer
from irqframe_vgic._v3._interface import CpuInterface
from irqframe_vgic._v3._parameters import Parameters


class Bank(Protocol):
    """What has such registers: a distributor or a redistributor."""

    @property
    def bank(self) -> Mapping[int, Block]:
        """Blocks by INTID / 32."""

    @property
    def parameters(self) -> Parameters:
        """What the implementation chooses."""

    def change(self, block: Block, value: int, work: Change) -> None:
        """Change interrupts of a block."""

    def change_group(self, block: Block, value: int) -> None:
        """Told which interrupts are in another group now."""

    def deactivate_some(self, block: Block, value: int) -> None:
        """Make interrupts of a block inactive."""


Read: TypeAlias = Reader[Bank, CpuInterface]
Write: TypeAlias = Writer[Bank, CpuInterface]
#: Of either frame: its owner is a `Bank`.
Row: TypeAlias = Register[Any, CpuInterface]


class Range(NamedTuple):
    """An array of registers of one frame.

    Attributes:
        first: number of its first register in its name.
        words: how many registers of one bit per INTID it has.
        base: INTID / 32 of the register numbered 0.
        suffix: "E" for the extended ranges.
    """

    first: int
    words: int
    base: int
    suffix: str = ""


# One bit per INTID


def _bitmap(name: str, base: int) -> Read:
    def read(owner: Bank, n: int, cpu: CpuInterface) -> int:
        block = owner.bank.get(n + base)
        value: int = 0 if block is None else getattr(block, name)
        return value

    return read


def _changing(work: Change, base: int) -> Write:
    def write(owner: Bank, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        block = owner.bank.get(n + base)
        if block is not None:
            owner.change(block, value, work)

    return write


def _regroup(base: int) -> Write:
    def write(owner: Bank, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        block = owner.bank.get(n + base)
        if block is not None:
            before = block.group
            owner.change(block, value & ~before, changes.to_group1)
            owner.change(block, before & ~value, changes.to_group0)
            owner.change_group(block, (before ^ value) & block.valid)

    return write


def _deactivating(base: int) -> Write:
    def write(owner: Bank, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        block = owner.bank.get(n + base)
        if block is not None:
            owner.deactivate_some(block, value)

    return write


class _Bits(NamedTuple):
    """An array of one bit per INTID: its name without prefix, offsets in GICD, what it is, and how it is served."""

    name: str
    offset: int
    extended: int
    about: str
    page: str
    shows: str
    write: Callable[[int], Write]


_BITS = (
    _Bits("IGROUPR", 0x080, 0x1000, "1: Group 1, 0: Group 0", "Interrupt Group Registers", "group", _regroup),
    _Bits(
        "ISENABLER",
        0x100,
        0x1200,
        "write 1 to enable; reads which are enabled",
        "Interrupt Set-Enable Registers",
        "enabled",
        partial(_changing, changes.enable),
    ),
    _Bits(
        "ICENABLER",
        0x180,
        0x1400,
        "write 1 to disable; reads which are enabled",
        "Interrupt Clear-Enable Registers",
        "enabled",
        partial(_changing, changes.disable),
    ),
    _Bits(
        "ISPENDR",
        0x200,
        0x1600,
        "write 1 to make pending; reads latch or level line",
        "Interrupt Set-Pending Registers",
        "pending",
        partial(_changing, changes.latch),
    ),
    _Bits(
        "ICPENDR",
        0x280,
        0x1800,
        "write 1 to clear the latch; reads latch or level line",
        "Interrupt Clear-Pending Registers",
        "pending",
        partial(_changing, changes.unpend),
    ),
    _Bits(
        "ISACTIVER",
        0x300,
        0x1A00,
        "write 1 to make active; reads which are active",
        "Interrupt Set-Active Registers",
        "active",
        partial(_changing, changes.activate),
    ),
    _Bits(
        "ICACTIVER",
        0x380,
        0x1C00,
        "write 1 to make inactive, the running priority stays; reads which are active",
        "Interrupt Clear-Active Registers",
        "active",
        _deactivating,
    ),
)


# One byte per INTID


def _read_priority(base: int) -> Read:
    def read(owner: Bank, n: int, cpu: CpuInterface) -> int:
        block = owner.bank.get((n >> 3) + base)
        return 0 if block is None else changes.word_of(block.priority, n)

    return read


def _write_priority(base: int) -> Write:
    def write(owner: Bank, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        block = owner.bank.get((n >> 3) + base)
        if block is None:
            return
        implemented = owner.parameters.priority_mask
        for lane in range(4):
            if lanes >> 8 * lane & 0xFF:
                priority = value >> 8 * lane & implemented
                owner.change(block, 1 << (4 * n + lane & 31), partial(changes.set_priority, priority))

    return write


# Two bits per INTID


def _read_config(base: int) -> Read:
    def read(owner: Bank, n: int, cpu: CpuInterface) -> int:
        block = owner.bank.get((n >> 1) + base)
        return 0 if block is None else changes.config_word(block, n & 1)

    return read


def _write_config(base: int) -> Write:
    def write(owner: Bank, n: int, cpu: CpuInterface, value: int, lanes: int) -> None:
        block = owner.bank.get((n >> 1) + base)
        if block is None:
            return
        half = 16 * (n & 1)
        wanted, before = changes.edges_of(value) << half, block.edge
        owner.change(block, wanted & ~before, changes.to_edge)
        owner.change(block, before & 0xFFFF << half & ~wanted, changes.to_level)

    return write


def arrays(prefix: str, one: Range, *, extended: bool = False) -> tuple[Row, ...]:
    """The rows of the arrays of one frame.

    Args:
        prefix: "GICD" or "GICR".
        one: which INTIDs.
        extended: at the distributor's offsets of extended SPIs.
    """
    rows = [
        Register(
            f"{prefix}_{row.name}",
            (row.extended if extended else row.offset) + 4 * one.first,
            row.about,
            row.page,
            _bitmap(row.shows, one.base),
            row.write(one.base),
            words=one.words,
            first=one.first,
            suffix=one.suffix,
        )
        for row in _BITS
    ]
    rows.append(
        Register(
            f"{prefix}_IPRIORITYR",
            (0x2000 if extended else 0x400) + 32 * one.first,
            "a byte per INTID, lower is more urgent; unimplemented low bits RAZ/WI",
            "Interrupt Priority Registers",
            _read_priority(one.base),
            _write_priority(one.base),
            words=8 * one.words,
            first=8 * one.first,
            suffix=one.suffix,
            widths=BYTE_WIDE,
        )
    )
    rows.append(
        Register(
            f"{prefix}_ICFGR",
            (0x3000 if extended else 0xC00) + 8 * one.first,
            "two bits per INTID, the upper one 1 for edge-triggered",
            "Interrupt Configuration Registers",
            _read_config(one.base),
            _write_config(one.base),
            words=2 * one.words,
            first=2 * one.first,
            suffix=one.suffix,
        )
    )
    return tuple(rows)
