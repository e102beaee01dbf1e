"""Rows of the table of exemptions that are about GICv3."""

from __future__ import annotations

from typing import Any, Final

from oracle.exemptions import Exemption, How
from oracle.model import FIRST_LPI, Model
from oracle.operations import ITS, MRS, MSR, READ, WRITE, Op, gicr
from oracle.stub import TABLES, TABLES_SIZE
from oracle.sysregs import ICC

_ROUTE: Final = 0xFF_80FF_FFFF
_ADDRESS: Final = 0x000F_FFFF_FFFF_F000
_PTZ: Final = 1 << 62
_CONFIGURATION: Final = 0xFD
"""What of a configuration byte counts: priority and enable."""
_BASES: Final = {0x70: 0x070F_FFFF_FFFF_FF9F, 0x78: 0x470F_FFFF_FFFF_0F80}
_MOVES: Final = (0x01, 0x0E)
"""Codes of MOVI and MOVALL."""
_FIELDS: Final = {ICC["PMR"]: 0xFF, ICC["BPR0"]: 7, ICC["BPR1"]: 7}


def _block(op: Op, model: Model, word: int) -> Any:
    """The block that a register of that number is about: a redistributor's own, or shared; None if there is none."""
    if op.at >= gicr(0):
        cpu, frame = divmod(op.at - gicr(0), gicr(1) - gicr(0))
        return model.gic.cpus[cpu].private if frame >= 0x1_0000 and word == 0 and cpu < model.cpus else None
    return model.gic.blocks.get(word)


def _config_of_high(op: Op, model: Model) -> bool:
    """A change of trigger by which an interrupt whose line is high becomes pending, or ceases to be."""
    offset = op.at & 0xFFFF
    if op.kind != WRITE or not 0xC04 <= offset < 0xD00 or op.size != 4:
        return False
    n = (offset - 0xC00) // 4
    block = _block(op, model, n >> 1)
    if block is None:
        return False
    edge = sum(1 << i for i in range(16) if op.value >> 2 * i & 2)
    changed = edge ^ block.edge >> 16 * (n & 1) & 0xFFFF
    return bool(changed << 16 * (n & 1) & block.line & ~block.latch)


def _reserved_route(op: Op, model: Model) -> bool:
    if op.kind != WRITE or not 0x6100 <= op.at < 0x8000 or op.size not in (4, 8):
        return False
    return bool(op.value << 8 * (op.at & 4) & ~_ROUTE)


def _enables_lpis(op: Op, model: Model) -> int | None:
    """The CPU whose GICR_CTLR is written."""
    cpu, offset = divmod(op.at - gicr(0), gicr(1) - gicr(0))
    return cpu if op.kind == WRITE and op.size == 4 and not offset and 0 <= cpu < model.cpus else None


def _in_ram(address: int) -> bool:
    return TABLES <= address < TABLES + TABLES_SIZE


def _no_tables(op: Op, model: Model) -> bool:
    cpu = _enables_lpis(op, model)
    if cpu is None or not op.value & 1:
        return False
    lpis = model.gic.cpus[cpu].lpis
    return not _in_ram(lpis.propbaser & _ADDRESS) or not _in_ram(lpis.pendbaser & _ADDRESS)


def _forgets_pending(op: Op, model: Model) -> bool:
    cpu = _enables_lpis(op, model)
    return cpu is not None and not op.value & 1 and bool(model.gic.cpus[cpu].lpis.pendbaser & _PTZ)


def _stale(model: Model, cpu: int) -> bool:
    """Whether a pending LPI's configuration byte was changed, if only for a while, and no command has said so."""
    lpis = model.gic.cpus[cpu].lpis
    if not lpis.owed:
        return False
    table = (lpis.propbaser & _ADDRESS) - FIRST_LPI
    unread = model.unread[cpu]
    return any(
        intid in unread or (model.vm.memory.read(table + intid, 1)[0] ^ byte) & _CONFIGURATION
        for intid, byte in lpis.pending()
    )


def _takes_stale(op: Op, model: Model) -> bool:
    return (
        op.kind == MRS and op.at in (ICC["IAR0"], ICC["IAR1"], ICC["HPPIR0"], ICC["HPPIR1"]) and _stale(model, op.cpu)
    )


def _idle_priority(op: Op, model: Model) -> bool:
    if op.kind != MRS or op.at not in (ICC["HPPIR0"], ICC["HPPIR1"]):
        return False
    return bool(model.gic.cpus[op.cpu].first_priority() == 0xFF)


def _moves_to_disabled(op: Op, model: Model) -> bool:
    """Whether commands that move pending LPIs are done now, while EnableLPIs of a CPU is 0."""
    if op.kind != WRITE or op.at - ITS not in (0x00, 0x88) or all(cpu.lpis.enabled for cpu in model.gic.cpus):
        return False
    queue = model.gic.its[0].queue
    end = op.value & 0xF_FFE0 if op.at - ITS == 0x88 else queue.cwriter
    size = ((queue.cbaser & 0xFF) + 1) * 0x1000
    base = queue.cbaser & _ADDRESS
    if not _in_ram(base) or end >= size:
        return False
    places = range(queue.creadr, end if end >= queue.creadr else end + size, 32)
    return any(model.vm.memory.read(base + place % size, 1)[0] in _MOVES for place in places)


def _base(op: Op, model: Model) -> tuple[int, int] | None:
    """(CPU, 0x70 or 0x78) of a write of GICR_PROPBASER or GICR_PENDBASER."""
    cpu, offset = divmod(op.at - gicr(0), gicr(1) - gicr(0))
    if op.kind != WRITE or offset & ~7 not in _BASES or not 0 <= cpu < model.cpus or op.size not in (4, 8):
        return None
    return cpu, offset & ~7


def _reserved_base(op: Op, model: Model) -> bool:
    written = _base(op, model)
    return written is not None and bool(op.value << 8 * (op.at & 4) & ~_BASES[written[1]])


def _base_in_use(op: Op, model: Model) -> bool:
    written = _base(op, model)
    return written is not None and bool(model.gic.cpus[written[0]].lpis.enabled)


ROWS: Final[tuple[Exemption, ...]] = (
    Exemption(
        "v3-typer",
        3,
        "GICD_TYPER",
        "QEMU 7.2 tells 32 INTIDs less than there are",
        How.VALUE,
        lambda op, model: op.kind == READ and op.at == 4,
        "7.2",
    ),
    Exemption(
        "v3-config",
        3,
        "GICD_ICFGR and GICR_ICFGR1, if by it an interrupt whose line is high becomes pending or ceases to be",
        "QEMU looks at its CPUs' lines again only at the next event",
        How.LEFT_OUT,
        _config_of_high,
    ),
    Exemption(
        "v3-sysreg-reserved",
        3,
        "reserved bits of ICC_PMR_EL1, ICC_BPR0_EL1 and ICC_BPR1_EL1",
        "RES0 by the architecture; QEMU keeps them, or takes them for a large value",
        How.LEFT_OUT,
        lambda op, model: op.kind == MSR and op.value > _FIELDS.get(op.at, op.value),
    ),
    Exemption(
        "v3-idle-priority",
        3,
        "ICC_HPPIR0_EL1 and ICC_HPPIR1_EL1 while the most urgent has priority 0xFF",
        "QEMU takes 0xFF for nothing pending; the register is to leave masks out",
        How.VALUE,
        _idle_priority,
    ),
    Exemption(
        "v3-irouter-reserved",
        3,
        "GICD_IROUTER bits that are reserved",
        "RES0 by the architecture; QEMU keeps them",
        How.LEFT_OUT,
        _reserved_route,
    ),
    Exemption(
        "v3-bases-reserved",
        3,
        "GICR_PROPBASER and GICR_PENDBASER bits that are reserved",
        "RES0 by the architecture; QEMU keeps them",
        How.LEFT_OUT,
        _reserved_base,
    ),
    Exemption(
        "v3-bases-in-use",
        3,
        "GICR_PROPBASER and GICR_PENDBASER while EnableLPIs is 1",
        "UNPREDICTABLE: the model ignores the write, QEMU takes it",
        How.LEFT_OUT,
        _base_in_use,
    ),
    Exemption(
        "v3-no-tables",
        3,
        "GICR_CTLR.EnableLPIs while the tables of LPIs are not in RAM",
        "what is not RAM has nothing pending for the model; QEMU takes what the bus answers",
        How.LEFT_OUT,
        _no_tables,
    ),
    Exemption(
        "v3-ptz",
        3,
        "EnableLPIs cleared while GICR_PENDBASER.PTZ is set",
        "with PTZ the guest says that the table is zero; QEMU reads it all the same when EnableLPIs is set again",
        How.LEFT_OUT,
        _forgets_pending,
    ),
    Exemption(
        "v3-move-to-disabled",
        3,
        "MOVI and MOVALL while EnableLPIs of a CPU is 0",
        "what arrives there is lost by the model, as any event is; QEMU then moves nothing",
        How.LEFT_OUT,
        _moves_to_disabled,
    ),
    Exemption(
        "v3-stale",
        3,
        "acknowledge while the configuration of a pending LPI has changed without INV or INVALL",
        "an implementation may go by the old byte or the new one; QEMU finds the new one at other commands too",
        How.LEFT_OUT,
        _takes_stale,
    ),
    Exemption(
        "v3-stale-lines",
        3,
        "the lines in this case",
        "as above",
        How.LINES,
        lambda op, model: _stale(model, op.cpu),
    ),
)
