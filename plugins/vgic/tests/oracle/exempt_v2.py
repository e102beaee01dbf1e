"""Rows of the table of exemptions that are about GICv2."""

from __future__ import annotations

from typing import Final

from oracle.exemptions import Exemption, How
from oracle.model import Model
from oracle.operations import GICC, READ, WRITE, Op

_SPIS_END: Final = 288
_BYTE_RANGES: Final = (range(0x400, 0x7FC), range(0x800, 0xBFC), range(0xF10, 0xF30))
_GICC_END: Final = GICC + 0x2000


def _accesses(op: Op) -> bool:
    return op.kind in (READ, WRITE)


def _written(op: Op, first: int, end: int) -> bool:
    return op.kind == WRITE and first <= op.at < end


def _lanes(op: Op) -> list[tuple[int, int]]:
    """(offset, byte) of each byte that a write covers."""
    return [(op.at + n, op.value >> 8 * n & 0xFF) for n in range(op.size)]


def _other_width(op: Op, model: Model) -> bool:
    if not _accesses(op) or op.size == 4:
        return False
    return not (op.size == 1 and any(op.at in each for each in _BYTE_RANGES))


def _aliases(op: Op, model: Model) -> bool:
    return _accesses(op) and op.at - GICC in (0x20, 0x24, 0x28)


def _zero_source(op: Op, model: Model) -> bool:
    if not _written(op, 0xF20, 0xF30):
        return False
    absent = 0xFF & ~((1 << model.cpus) - 1)
    return any(not byte or byte & absent for _, byte in _lanes(op))


def _filter(op: Op, model: Model) -> bool:
    return _written(op, 0xF00, 0xF04) and op.value >> 24 & 3 == 3


def _targets(op: Op, model: Model) -> list[tuple[int, int, int]]:
    """(INTID, targets before, targets written) of each SPI that the write retargets."""
    if model.cpus == 1 or not _written(op, 0x820, 0x800 + _SPIS_END):
        return []
    found = []
    for at, byte in _lanes(op):
        intid = at - 0x800
        before = model.gic.blocks[intid >> 5].targets[intid & 31]
        if byte != before:
            found.append((intid, before, byte))
    return found


def _many(op: Op, model: Model) -> bool:
    return any(byte.bit_count() > 1 for _, _, byte in _targets(op, model))


def _absent(op: Op, model: Model) -> bool:
    return any(byte >> model.cpus for _, _, byte in _targets(op, model))


def _state(model: Model, intid: int, cpu: int, name: str) -> bool:
    block = model.gic.cpus[cpu].blocks[intid >> 5]
    return bool(getattr(block, name) >> (intid & 31) & 1)


def _moves_latch(op: Op, model: Model) -> bool:
    return any(_state(model, intid, 0, "latch") for intid, _, _ in _targets(op, model))


def _moves_active(op: Op, model: Model) -> bool:
    return any(_state(model, intid, 0, "active") for intid, _, _ in _targets(op, model))


def _homeless(model: Model, intid: int) -> bool:
    return model.cpus > 1 and not model.gic.blocks[intid >> 5].targets[intid & 31]


def _homeless_raise(op: Op, model: Model) -> bool:
    if op.kind == "irq":
        edge = op.at >= 32 and _state(model, op.at, 0, "edge")
        return bool(op.at >= 32 and op.value and edge and _homeless(model, op.at))
    if not _written(op, 0x204, 0x200 + _SPIS_END // 8):
        return False
    first = (op.at - 0x200) * 8
    return any(_homeless(model, first + n) for n in range(32) if op.value >> n & 1)


def _ppi_ispendr(op: Op, model: Model) -> bool:
    return _written(op, 0x200, 0x204) and bool(op.value >> 16)


def _ppi_config(op: Op, model: Model) -> bool:
    return model.cpus > 1 and _accesses(op) and 0xC04 <= op.at < 0xC08


def _hidden(model: Model, cpu: int) -> bool:
    """Whether the most urgent pending interrupt is in the only group that the distributor has disabled."""
    interface = model.gic.cpus[cpu]
    if model.gic.ctlr not in (1, 2):
        return False
    best = interface.first()
    key = (interface.first_priority(), best if best >= 0 else 1024)
    for block in interface.blocks.values():
        waiting = block.pending & block.enabled & ~block.active & (block.group if model.gic.ctlr == 1 else ~block.group)
        for n in range(32) if waiting else ():
            if waiting >> n & 1 and block.targets[n] & interface.bit and (block.priority[n], block.first + n) < key:
                return True
    return False


def _ends_anothers(op: Op, model: Model) -> bool:
    if op.kind != WRITE or op.at - GICC not in (0x10, 0x1000):
        return False
    intid = op.value & 0x3FF
    return 32 <= intid < _SPIS_END and _state(model, intid, 0, "active") and model.takers.get(intid) != op.cpu


def _same_group(model: Model, cpu: int) -> bool:
    """Whether what is pending is more urgent than what runs, and preempts it only if the binary point is ignored."""
    interface = model.gic.cpus[cpu]
    if interface.best >= 0 or interface.first_priority() >= min(interface.running, interface.pmr):
        return False
    return bool(interface.groups >> interface.group_of(interface.first()) & 1)


def _other_group_masked(op: Op, model: Model) -> bool:
    """A Group 1 interrupt without AckCtl that does not preempt."""
    interface = model.gic.cpus[op.cpu]
    if not _reads_interface(op, 0x0C) or interface.ctlr & 4 or interface.best >= 0:
        return False
    best = interface.first()
    return best >= 0 and bool(interface.group_of(best)) and interface.first_priority() < interface.pmr


def _reads_interface(op: Op, *offsets: int) -> bool:
    return op.kind == READ and op.at - GICC in offsets


def _iar_hidden(op: Op, model: Model) -> bool:
    if not _reads_interface(op, 0x0C, 0x18):
        return False
    interface = model.gic.cpus[op.cpu]
    if not model.gic.ctlr or not interface.groups:
        return False
    if _hidden(model, op.cpu):
        return True
    best = interface.first()
    return best >= 0 and not interface.groups >> interface.group_of(best) & 1


def _hppir_masked(op: Op, model: Model) -> bool:
    if not _reads_interface(op, 0x18):
        return False
    interface = model.gic.cpus[op.cpu]
    return bool(0 <= interface.first() < 16 or interface.first_priority() >= interface.pmr)


ROWS: Final[tuple[Exemption, ...]] = (
    Exemption(
        "v2-width",
        2,
        "accesses of 1, 2 or 8 bytes, but bytes of IPRIORITYR, ITARGETSR, CPENDSGIR and SPENDSGIR",
        "the architecture promises words, and bytes of these; QEMU serves every width",
        How.LEFT_OUT,
        _other_width,
    ),
    Exemption(
        "v2-aliases",
        2,
        "GICC_AIAR, GICC_AEOIR, GICC_AHPPIR",
        "QEMU has none of them; every GICv2 has",
        How.LEFT_OUT,
        _aliases,
    ),
    Exemption(
        "v2-spendsgir",
        2,
        "a write of GICD_SPENDSGIR with a byte that names no CPU, or one that is not there",
        "a byte of zero makes QEMU abort at the next acknowledge; absent CPUs become sources there",
        How.LEFT_OUT,
        _zero_source,
    ),
    Exemption(
        "v2-filter",
        2,
        "GICD_SGIR with target list filter 3",
        "reserved; QEMU sends to every CPU, the model to none",
        How.LEFT_OUT,
        _filter,
    ),
    Exemption(
        "v2-many-targets",
        2,
        "an SPI with several targets",
        "the architecture lets one CPU take it (1 of N), QEMU delivers it to all",
        How.LEFT_OUT,
        _many,
    ),
    Exemption(
        "v2-absent-targets",
        2,
        "GICD_ITARGETSR bits of CPUs that are not there",
        "RAZ/WI by the architecture; QEMU keeps them",
        How.LEFT_OUT,
        _absent,
    ),
    Exemption(
        "v2-retarget-latched",
        2,
        "a new target for an SPI that is latched",
        "the architecture moves it; QEMU 7.2 leaves it with the old target",
        How.LEFT_OUT,
        _moves_latch,
        "7.2",
    ),
    Exemption(
        "v2-retarget-active",
        2,
        "a new target for an SPI that is active",
        "QEMU keeps a state per CPU, so the new target may take an interrupt that is active at the old one",
        How.LEFT_OUT,
        _moves_active,
    ),
    Exemption(
        "v2-untargeted-raise",
        2,
        "an edge, or GICD_ISPENDR, for an SPI without target",
        "the architecture keeps it pending; QEMU forgets it",
        How.LEFT_OUT,
        _homeless_raise,
    ),
    Exemption(
        "v2-ppi-ispendr",
        2,
        "GICD_ISPENDR0 for PPIs",
        "QEMU 7.2 ignores it",
        How.LEFT_OUT,
        _ppi_ispendr,
        "7.2",
    ),
    Exemption(
        "v2-ppi-config",
        2,
        "GICD_ICFGR1 with several CPUs",
        "the register is each CPU's own, if it can be written at all; QEMU has one for all CPUs",
        How.LEFT_OUT,
        _ppi_config,
    ),
    Exemption(
        "v2-hidden",
        2,
        "GICC_IAR and GICC_HPPIR while the most urgent pending interrupt is in a disabled group",
        "sources disagree; in QEMU it hides the others, and is acknowledged all the same",
        How.LEFT_OUT,
        _iar_hidden,
    ),
    Exemption(
        "v2-hidden-lines",
        2,
        "the lines of a GIC with one group disabled in GICD_CTLR, while an interrupt of it is the most urgent pending",
        "sources disagree; in QEMU it hides the others",
        How.LINES,
        lambda op, model: model.gic.cpus[op.cpu].best >= 0 and _hidden(model, op.cpu),
    ),
    Exemption(
        "v2-ends-anothers",
        2,
        "the end of an SPI that another CPU acknowledged, or that GICD_ISACTIVER made active",
        "QEMU 7.2 keeps a state per CPU, and ends only that of the CPU that writes",
        How.LEFT_OUT,
        _ends_anothers,
    ),
    Exemption(
        "v2-same-group",
        2,
        "GICC_IAR of what is more urgent than what runs, but in the same group of priorities",
        "binary points differ, or were written while something runs; QEMU compares whole priorities and preempts",
        How.LEFT_OUT,
        lambda op, model: _reads_interface(op, 0x0C) and _same_group(model, op.cpu),
    ),
    Exemption(
        "v2-same-group-lines",
        2,
        "the lines in this case",
        "as above",
        How.LINES,
        lambda op, model: _same_group(model, op.cpu),
    ),
    Exemption(
        "v2-other-group-masked",
        2,
        "GICC_IAR while a Group 1 interrupt is on top, AckCtl is 0, and it is not urgent enough to preempt",
        "1022 or 1023: the page names both cases and no order",
        How.VALUE,
        _other_group_masked,
    ),
    Exemption(
        "v2-hppir",
        2,
        "GICC_HPPIR of an SGI, or of what GICC_PMR masks",
        "QEMU leaves out the source CPU, and heeds the mask; the register's page has it otherwise",
        How.VALUE,
        _hppir_masked,
    ),
)
