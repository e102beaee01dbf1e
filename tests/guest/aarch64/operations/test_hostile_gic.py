"""A guest that uses a GIC as nobody would: operations on its CPU interface do what Python does.

The bases of the frames are in x10 to x12, what was acknowledged last in x8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from irqframe.guest.aarch64 import Reason
from irqframe.vm import VCpu

GICD, GICC, GICR, TESTDEV = 0x0800_0000, 0x0801_0000, 0x080A_0000, 0x0B00_0000
AT_DISTRIBUTOR, AT_INTERFACE, AT_DEVICE, LAST = 10, 11, 12, 8
"""Registers: where the distributor is, the GICC frame or the redistributor's SGIs, the test device."""

LOOK = 0x8600_0001
TIMER = 27
SCRATCH, ZERO = 13, 31

# Offsets of the distributor, and from ISENABLER0 on of the redistributor's second frame.
BITS = {"IGROUPR": 0x80, "ISENABLER": 0x100, "ICENABLER": 0x180, "ISPENDR": 0x200, "ICPENDR": 0x280}
BITS |= {"ISACTIVER": 0x300, "ICACTIVER": 0x380}
IPRIORITYR, ITARGETSR, ICFGR, SGIR, IROUTER = 0x400, 0x800, 0xC00, 0xF00, 0x6000
CTLR, WAKER = 0x0, 0x14

# GICC.
PMR, BPR, IAR, EOIR, HPPIR, ABPR, AIAR, AEOIR, DIR = 0x4, 0x8, 0xC, 0x10, 0x18, 0x1C, 0x20, 0x24, 0x1000

# The test device: an edge line 0, a level line 1.
PULSE, RAISE, LOWER, PULSE_LATER = 0x8, 0xC, 0x10, 0x38


def icc(crm: int, op2: int) -> tuple[int, int, int, int, int]:
    return 3, 0, 12, crm, op2


IAR0, EOIR0, IAR1, EOIR1, ICC_DIR = icc(8, 0), icc(8, 1), icc(12, 0), icc(12, 1), icc(11, 1)
BPR0, BPR1, ICC_CTLR, IGRPEN0, IGRPEN1 = icc(8, 3), icc(12, 3), icc(12, 4), icc(12, 6), icc(12, 7)
SGI1R, SGI0R, HPPIR0, HPPIR1 = icc(11, 5), icc(11, 7), icc(8, 2), icc(12, 2)
ICC_PMR = 3, 0, 4, 6, 0


def store(w: Any, base: int, offset: int, value: int) -> None:
    w.load(0, value)
    w.words.append(w.a64.str_w(0, base, offset))


def write(w: Any, register: tuple[int, int, int, int, int], value: int) -> None:
    w.load(0, value)
    w.words.append(w.a64.msr(register, 0))


def an_intid(w: Any) -> int:
    """Of a value to end: mostly one that there is."""
    number: int = w.chance.choice(
        (
            w.chance.randrange(16),
            w.chance.choice((TIMER, 32, 33, 34, 40)),
            w.chance.randrange(64),
            w.chance.choice((255, 256, 1019, 1020, 1022, 1023, 1024, 4095, 8191, 8192, 8200, 1 << 23, (1 << 32) - 1)),
        )
    )
    return number | w.chance.choice((0, 0, 1 << 10, 2 << 10, 7 << 10))


def set_up(w: Any, base: int, first: int) -> None:
    """32 interrupts, enabled, with a priority each; the two that the device raises are an edge and a level."""
    word = first // 32 * 4
    store(w, base, BITS["ISENABLER"] + word, 0xFFFF_FFFF)
    store(w, base, BITS["IGROUPR"] + word, w.chance.getrandbits(32) | w.chance.getrandbits(32))
    for at in range(first, first + 32, 4):
        store(w, base, IPRIORITYR + at, w.chance.getrandbits(32) & 0x70707070)
    if first:
        store(w, base, ICFGR + first // 4, 2 << 2 | w.chance.getrandbits(32) & ~0xFF)


def change(w: Any, base: int, words: Sequence[int]) -> None:
    """One register of the distributor, or of the redistributor, about some interrupts."""
    chance = w.chance
    word = chance.choice(words)
    name = chance.choice(("IGROUPR", "ISENABLER", "ISENABLER", "ICENABLER", "ISPENDR", "ISPENDR", "ICPENDR", *BITS))
    if chance.randrange(4):
        bits = chance.getrandbits(32)
        store(w, base, BITS[name] + word * 4, bits if name != "ICENABLER" else bits & bits >> 3)
    elif chance.randrange(3):
        store(w, base, IPRIORITYR + (word * 8 + chance.randrange(8)) * 4, chance.getrandbits(32))
    elif word:
        store(w, base, ICFGR + word * 8, 2 << 2 | chance.getrandbits(32) & ~0xFF)


def device(w: Any) -> None:
    a64, chance = w.a64, w.chance
    kind = chance.randrange(8)
    if kind < 4:
        store(w, AT_DEVICE, chance.choice((PULSE, PULSE, RAISE, LOWER)), chance.randrange(2))
    elif kind < 5:
        store(w, AT_DEVICE, PULSE_LATER, chance.randrange(20_000))
    elif kind < 7:
        w.timer(chance.randrange(200), chance.randrange(4))
    else:
        w.words.append(a64.mrs(5, *a64.ISR_EL1))


def mask(w: Any) -> None:
    a64, chance = w.a64, w.chance
    w.words.append(a64.daifclr(chance.randrange(1, 4)) if chance.randrange(3) else a64.daifset(chance.randrange(4)))


def quiet(w: Any) -> None:
    """No line of a level stays high behind a handler."""
    a64 = w.a64
    w.words += a64.msr(a64.CNTV_CTL_EL0, ZERO), a64.movz(SCRATCH, 1), a64.str_w(SCRATCH, AT_DEVICE, LOWER)


# GICv2


def begin_v2(w: Any) -> None:
    for register, base in ((AT_DISTRIBUTOR, GICD), (AT_INTERFACE, GICC), (AT_DEVICE, TESTDEV)):
        w.load(register, base)
    set_up(w, AT_DISTRIBUTOR, 0)
    if not w.cpu:
        set_up(w, AT_DISTRIBUTOR, 32)
        for at in range(32, 64, 4):
            store(w, AT_DISTRIBUTOR, ITARGETSR + at, w.chance.choice((0x01010101, 0x01020401, 0x07020101)))
        store(w, AT_DISTRIBUTOR, CTLR, 3)
    store(w, AT_INTERFACE, PMR, 0xF8)
    store(w, AT_INTERFACE, CTLR, 0b1111)


def access_v2(w: Any) -> None:
    """IAR, EOIR and those like them, sometimes of another width."""
    a64, chance = w.a64, w.chance
    kind = chance.randrange(10)
    if kind < 4:
        w.words.append(a64.ldr_w(LAST, AT_INTERFACE, chance.choice((IAR, IAR, IAR, AIAR))))
    elif kind < 7:
        w.words.append(a64.str_w(LAST, AT_INTERFACE, chance.choice((EOIR, EOIR, EOIR, AEOIR, DIR))))
    elif kind < 9:
        store(w, AT_INTERFACE, chance.choice((EOIR, AEOIR, DIR, IAR)), an_intid(w))
    else:
        w.words.append(a64.add(5, AT_INTERFACE, chance.choice((IAR, EOIR, AIAR, DIR))))
        w.words.append(
            chance.choice((a64.ldrh(6, 5), a64.strb(6, 5), a64.ldr(6, AT_INTERFACE, 8), a64.str(6, AT_INTERFACE, 16)))
        )


def control_v2(w: Any) -> None:
    chance = w.chance
    kind = chance.randrange(6)
    if kind < 2:
        store(w, AT_INTERFACE, CTLR, 0b11 | chance.choice((0, 1 << 2, 1 << 3, 1 << 4, 1 << 9, chance.getrandbits(10))))
    elif kind < 4:
        store(w, AT_INTERFACE, chance.choice((PMR, BPR, ABPR)), chance.choice((0xF8, 0xFF, 3, chance.randrange(256))))
    elif kind < 5:
        store(w, AT_DISTRIBUTOR, ITARGETSR + 32 + 4 * chance.randrange(8), chance.getrandbits(32) & 0x07070707)
    else:
        store(w, AT_DISTRIBUTOR, CTLR, chance.choice((3, 3, 3, 2, 1)))


def act_v2(w: Any) -> None:
    chance = w.chance
    kind = chance.randrange(40)
    if kind < 18:
        access_v2(w)
    elif kind < 22:
        store(
            w, AT_DISTRIBUTOR, SGIR, chance.choice((0, 1 << 24, 2 << 24)) | 0x7_0000 & chance.getrandbits(20) | kind % 8
        )
    elif kind < 30:
        change(w, AT_DISTRIBUTOR, (0, 0, 1))
    elif kind < 33:
        control_v2(w)
    elif kind < 37:
        device(w)
    elif kind < 39:
        mask(w)
    else:
        w.call(LOOK)


def handle_v2(w: Any) -> None:
    """Whatever is signalled is taken and ended, of both groups."""
    a64 = w.a64
    for acknowledge, end in ((IAR, EOIR), (AIAR, AEOIR)):
        w.words.append(a64.ldr_w(SCRATCH, AT_INTERFACE, acknowledge))
        w.words += a64.str_w(SCRATCH, AT_INTERFACE, end), a64.str_w(SCRATCH, AT_INTERFACE, DIR)
    quiet(w)


# GICv3


def begin_v3(w: Any) -> None:
    redistributor = GICR + w.cpu * 0x2_0000
    for register, base in ((AT_DISTRIBUTOR, GICD), (AT_INTERFACE, redistributor), (AT_DEVICE, TESTDEV)):
        w.load(register, base)
    store(w, AT_INTERFACE, WAKER, 0)
    w.load(AT_INTERFACE, redistributor + 0x1_0000)
    set_up(w, AT_INTERFACE, 0)
    if not w.cpu:
        set_up(w, AT_DISTRIBUTOR, 32)
        for intid in range(32, 64):
            route(w, intid)
        store(w, AT_DISTRIBUTOR, CTLR, 0x53)
    write(w, ICC_PMR, 0xF8)
    write(w, IGRPEN0, 1)
    write(w, IGRPEN1, 1)


def route(w: Any, intid: int) -> None:
    """To a CPU, to one that there is not, or to any."""
    w.load(0, w.chance.choice((0, 0, 1, 2, 3, 1 << 31)))
    w.words.append(w.a64.str(0, AT_DISTRIBUTOR, IROUTER + 8 * intid))


def access_v3(w: Any) -> None:
    """IAR, EOIR and DIR."""
    a64, chance = w.a64, w.chance
    kind = chance.randrange(9)
    if kind < 4:
        w.words.append(a64.mrs(LAST, *chance.choice((IAR0, IAR1, IAR1, HPPIR1))))
    elif kind < 7:
        w.words.append(a64.msr(chance.choice((EOIR0, EOIR1, EOIR1, ICC_DIR)), LAST))
    else:
        write(w, chance.choice((EOIR0, EOIR1, ICC_DIR)), an_intid(w) | chance.choice((0, 0, 1 << 24, 1 << 40)))


def control_v3(w: Any) -> None:
    chance = w.chance
    kind = chance.randrange(8)
    if kind < 2:
        write(w, ICC_CTLR, chance.randrange(4))
    elif kind < 5:
        write(w, chance.choice((ICC_PMR, ICC_PMR, BPR0, BPR1)), chance.choice((0xF8, 0xFF, 3, chance.randrange(256))))
    elif kind < 6:
        write(w, chance.choice((IGRPEN0, IGRPEN1)), int(chance.randrange(4) > 0))
    elif kind < 7:
        route(w, 32 + chance.randrange(32))
    else:
        store(w, AT_DISTRIBUTOR, CTLR, 0x50 | chance.choice((3, 3, 3, 2, 1)))


def act_v3(w: Any) -> None:
    chance = w.chance
    kind = chance.randrange(40)
    if kind < 18:
        access_v3(w)
    elif kind < 22:
        write(w, chance.choice((SGI1R, SGI0R)), chance.choice((0, 1 << 40)) | kind % 8 << 24 | chance.getrandbits(3))
    elif kind < 26:
        change(w, AT_INTERFACE, (0,))
    elif kind < 30:
        change(w, AT_DISTRIBUTOR, (1,))
    elif kind < 33:
        control_v3(w)
    elif kind < 37:
        device(w)
    elif kind < 39:
        mask(w)
    else:
        w.call(LOOK)


def handle_v3(w: Any) -> None:
    """Whatever is signalled is taken and ended, of both groups."""
    a64 = w.a64
    for acknowledge, end in ((IAR0, EOIR0), (IAR1, EOIR1)):
        w.words.append(a64.mrs(SCRATCH, *acknowledge))
        w.words += a64.msr(end, SCRATCH), a64.msr(ICC_DIR, SCRATCH)
    quiet(w)


HOW = {"gicv2": (begin_v2, act_v2, handle_v2), "gicv3": (begin_v3, act_v3, handle_v3)}


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("irqchip", HOW)
@pytest.mark.parametrize("seed", range(4))
def test_a_hostile_guest_leaves_the_same_behind(hostile: Any, seed: int, irqchip: str, implementation: str) -> None:
    one = hostile(HOW[irqchip], seed, irqchip, options={"implementation": implementation})
    assert one.ended.reason is Reason.OFF, one.ended
    assert len(one.looks) > 50
    assert one.native > 1000
    assert sum(cpu[-1].delivered for cpu in one.vcpus) > 100


class Falling:
    """A host interrupt behind a PPI of each vCPU; the line rises when the guest is looked at, and falls by itself."""

    PPI = 20

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, vcpu: VCpu) -> int:
        """How often the level was asked for until now; then it rises."""
        vm, asked = vcpu.vm, self.asked
        if self.PPI not in vcpu.chip.links:
            host = vm.host_irqs.allocate("device", lambda: None)
            vm.flow.table.map_phys_irq(vcpu, host.number, self.PPI, self.level)
        vm.flow.table.inject_irq(vm, vcpu.index, self.PPI, 1, None)
        return asked

    def level(self, intid: int) -> bool:
        self.asked += 1
        return self.asked % 8 > 0


@pytest.mark.parametrize("irqchip", HOW)
def test_the_level_of_a_host_interrupt_is_asked_for_at_every_exit(hostile: Any, irqchip: str) -> None:
    one = hostile(HOW[irqchip], 5, irqchip, looker=Falling)
    assert one.ended.reason is Reason.OFF, one.ended
    assert one.looks[-1][-1] > 300
    assert one.native > 1000
